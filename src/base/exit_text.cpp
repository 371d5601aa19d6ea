#include "base/exit_text.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/sbi_registry.hpp"

namespace rvvmm {
namespace {

// CSRs whose accesses can exit: those that KVM does not emulate, and those that it forwards if it is told to.
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

std::string error_text(int64_t error) {
  if (error <= 0 && error > -static_cast<int64_t>(kSbiErrorNames.size()))
    return std::string{kSbiErrorNames[static_cast<size_t>(-error)]};
  return std::format("{}", error);
}

std::string arguments_text(const SbiExit& sbi) {
  const SbiExtensionInfo* const extension = sbi_extension_of(sbi.eid);
  const SbiFunction* const function =
      extension == nullptr ? nullptr : extension->function({.eid = sbi.eid, .fid = sbi.fid});
  std::string text;
  if (function == nullptr) {
    for (const uint64_t argument : sbi.args)
      text += std::format("{}{:#x}", text.empty() ? "" : ", ", argument);
    return text;
  }
  std::string_view names = function->arguments;
  for (size_t i = 0; !names.empty(); ++i) {
    const size_t end = std::min(names.find(' '), names.size());
    text += std::format("{}{}={:#x}", text.empty() ? "" : ", ", names.substr(0, end), sbi.args[i]);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return text;
}

}  // namespace

std::string sbi_name(uint64_t eid, uint64_t fid) {
  const SbiExtensionInfo* const extension = sbi_extension_of(eid);
  if (extension == nullptr) return std::format("{:#x}.{:#x}", eid, fid);
  const SbiFunction* const function = extension->function({.eid = eid, .fid = fid});
  if (function == nullptr) return std::format("{}.{:#x}", extension->name, fid);
  return std::format("{}.{}", extension->name, function->name);
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

std::string exit_text(const ExitRecord& exit, std::string_view name) {
  switch (exit.kind) {
    case ExitKind::kMmio:
      return std::format("{}, {} byte{} at {:#x}: {:#x}", name, exit.mmio.width, exit.mmio.width == 1 ? "" : "s",
                         exit.mmio.at, exit.mmio.value);
    case ExitKind::kSbi:
      return std::format("{}({}): {}, {:#x}", name, arguments_text(exit.sbi), error_text(exit.sbi.error),
                         exit.sbi.value);
    case ExitKind::kCsr:
      return std::format("{}: was {:#x}, new {:#x} under mask {:#x}", name, exit.csr.old_value, exit.csr.new_value,
                         exit.csr.write_mask);
    case ExitKind::kSystemEvent: return std::format("{}, reason {:#x}", name, exit.system.reason);
    default: return std::string{name};
  }
}

}  // namespace rvvmm
