#include "observe/exit_names.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <utility>

namespace rvvmm {
namespace {

constexpr std::array<std::string_view, kExitKinds> kKindNames{"mmio", "sbi", "csr", "system", "interrupted", "other"};

}  // namespace

std::string_view name_of(ExitKind kind) noexcept {
  return kKindNames[static_cast<size_t>(kind)];
}

std::optional<ExitKind> exit_kind_named(std::string_view name) noexcept {
  const auto at = std::ranges::find(kKindNames, name);
  if (at == kKindNames.end()) return std::nullopt;
  return static_cast<ExitKind>(at - kKindNames.begin());
}

std::string mmio_name(const DeviceNames& devices, Gpa at, bool is_write) {
  const auto place = devices.place_of(at, is_write);
  if (!place) return std::format("nothing at {:#x}", at.value);
  if (place->reg.empty()) return std::format("{}+{:#x}", place->device, place->offset);
  return std::format("{}.{}", place->device, place->reg);
}

std::string name_of(const ExitKey& key, const DeviceNames& devices) {
  switch (key.kind) {
    case ExitKind::kMmio:
      return mmio_name(devices, Gpa{key.what}, key.function != 0) + (key.function != 0 ? " write" : " read");
    case ExitKind::kSbi: return sbi_name(key.what, key.function);
    case ExitKind::kCsr: return csr_name(static_cast<uint32_t>(key.what));
    case ExitKind::kSystemEvent: return system_event_name(key.what);
    case ExitKind::kInterrupted: return "signal";
    case ExitKind::kOther:
    case ExitKind::kCount: break;
  }
  if (key.function != 0) return std::format("KVM_RUN: {}", std::strerror(static_cast<int>(key.function)));
  return std::format("reason {}", key.what);
}

}  // namespace rvvmm
