#include "observe/exit_names.hpp"

#include <rvvmm/hypercall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <utility>

namespace rvvmm {
namespace {

constexpr std::array<std::string_view, kExitKinds> kKindNames{"mmio", "sbi", "csr", "system", "interrupted", "other"};

using Names = std::string_view;

// By FID; SBI 3.0, in the order of its chapters.
constexpr std::array<Names, 9> kLegacy{"set_timer", "putchar",        "getchar",           "clear_ipi",
                                       "send_ipi",  "remote_fence_i", "remote_sfence_vma", "remote_sfence_vma_asid",
                                       "shutdown"};
constexpr std::array<Names, 7> kBase{"get_spec_version", "get_impl_id", "get_impl_version", "probe_extension",
                                     "get_mvendorid",    "get_marchid", "get_mimpid"};
constexpr std::array<Names, 1> kTime{"set_timer"};
constexpr std::array<Names, 1> kIpi{"send_ipi"};
constexpr std::array<Names, 7> kRfence{"remote_fence_i",          "remote_sfence_vma",  "remote_sfence_vma_asid",
                                       "remote_hfence_gvma_vmid", "remote_hfence_gvma", "remote_hfence_vvma_asid",
                                       "remote_hfence_vvma"};
constexpr std::array<Names, 4> kHsm{"hart_start", "hart_stop", "hart_get_status", "hart_suspend"};
constexpr std::array<Names, 1> kSrst{"system_reset"};
constexpr std::array<Names, 9> kPmu{"num_counters",       "counter_get_info",   "counter_config_matching",
                                    "counter_start",      "counter_stop",       "counter_fw_read",
                                    "counter_fw_read_hi", "snapshot_set_shmem", "event_get_info"};
constexpr std::array<Names, 3> kDbcn{"write", "read", "write_byte"};
constexpr std::array<Names, 1> kSusp{"system_suspend"};
constexpr std::array<Names, 1> kSta{"set_shmem"};
constexpr std::array<Names, 2> kFwft{"set", "get"};
constexpr std::array<Names, 8> kMpxy{"get_shmem_size",
                                     "set_shmem",
                                     "get_channel_ids",
                                     "read_attributes",
                                     "write_attributes",
                                     "send_message_with_response",
                                     "send_message_without_response",
                                     "get_notification_events"};
constexpr std::array<Names, 7> kHypercall{"version", "features", "exit", "log", "mark", "wall_clock", "batch"};

constexpr uint64_t kOwnHsmEid = 0x0848'534D;

// Extensions of one EID, then legacy, whose EID is its function.
constexpr std::array<SbiExtensionNames, 15> kExtensions{{
    {0x10, 0x10, "base", kBase},
    {0x5449'4D45, 0x5449'4D45, "time", kTime},
    {0x73'5049, 0x73'5049, "ipi", kIpi},
    {0x5246'4E43, 0x5246'4E43, "rfence", kRfence},
    {0x48'534D, 0x48'534D, "hsm", kHsm},
    {0x5352'5354, 0x5352'5354, "srst", kSrst},
    {0x50'4D55, 0x50'4D55, "pmu", kPmu},
    {0x4442'434E, 0x4442'434E, "dbcn", kDbcn},
    {0x5355'5350, 0x5355'5350, "susp", kSusp},
    {0x53'5441, 0x53'5441, "sta", kSta},
    {0x4657'4654, 0x4657'4654, "fwft", kFwft},
    {0x4D50'5859, 0x4D50'5859, "mpxy", kMpxy},
    {RVVMM_HYPERCALL_EID, RVVMM_HYPERCALL_EID, "hypercall", kHypercall},
    {kOwnHsmEid, kOwnHsmEid, "hsm", kHsm},  // KVM answers the other one itself (docs/hsm.md)
    {0x00, 0x08, "legacy", kLegacy},
}};

// Of those that can exit: what KVM does not have, and what it hands over where it is told to.
constexpr std::array<std::pair<uint32_t, std::string_view>, 10> kCsrNames{{{0x001, "fflags"},
                                                                           {0x002, "frm"},
                                                                           {0x003, "fcsr"},
                                                                           {0x015, "seed"},
                                                                           {0xC00, "cycle"},
                                                                           {0xC01, "time"},
                                                                           {0xC02, "instret"},
                                                                           {0x150, "siselect"},
                                                                           {0x151, "sireg"},
                                                                           {0x15C, "stopei"}}};

}  // namespace

std::string_view name_of(ExitKind kind) noexcept {
  return kKindNames[static_cast<size_t>(kind)];
}

std::optional<ExitKind> exit_kind_named(std::string_view name) noexcept {
  const auto at = std::ranges::find(kKindNames, name);
  if (at == kKindNames.end()) return std::nullopt;
  return static_cast<ExitKind>(at - kKindNames.begin());
}

std::span<const SbiExtensionNames> sbi_extension_names() noexcept {
  return kExtensions;
}

const SbiExtensionNames* sbi_extension_of(uint64_t eid) noexcept {
  const auto has = [eid](const SbiExtensionNames& names) { return names.first_eid <= eid && eid <= names.last_eid; };
  const auto at = std::ranges::find_if(kExtensions, has);
  return at == kExtensions.end() ? nullptr : &*at;
}

std::string sbi_name(uint64_t eid, uint64_t fid) {
  const SbiExtensionNames* const extension = sbi_extension_of(eid);
  if (extension == nullptr) return std::format("{:#x}.{:#x}", eid, fid);
  const uint64_t function = extension->first_eid == extension->last_eid ? fid : eid - extension->first_eid;
  if (function < extension->functions.size())
    return std::format("{}.{}", extension->name, extension->functions[function]);
  return std::format("{}.{:#x}", extension->name, function);
}

std::string csr_name(uint32_t number) {
  const auto at = std::ranges::find(kCsrNames, number, &std::pair<uint32_t, std::string_view>::first);
  return at == kCsrNames.end() ? std::format("{:#x}", number) : std::string{at->second};
}

std::span<const std::string_view> known_csr_names() noexcept {
  static constexpr auto kNames = [] {
    std::array<std::string_view, kCsrNames.size()> names;
    std::ranges::transform(kCsrNames, names.begin(), &std::pair<uint32_t, std::string_view>::second);
    return names;
  }();
  return kNames;
}

std::string system_event_name(uint64_t type) {
  constexpr std::array<std::string_view, 4> kTypes{"", "shutdown", "reset", "crash"};  // KVM_SYSTEM_EVENT_*
  if (type > 0 && type < kTypes.size()) return std::string{kTypes[type]};
  return std::format("type {:#x}", type);
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
