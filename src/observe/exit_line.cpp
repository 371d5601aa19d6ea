#include "observe/exit_line.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <string_view>
#include <utility>

#include "observe/hart_profile.hpp"

namespace rvvmm {
namespace {

// What the functions that reach rvvmm call their arguments: SBI 3.0, docs/hypercalls.md.
constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kArguments{{
    {"base.probe_extension", "extension_id"},
    {"legacy.putchar", "ch"},
    {"legacy.getchar", ""},
    {"dbcn.write", "num_bytes base_addr_lo base_addr_hi"},
    {"dbcn.read", "num_bytes base_addr_lo base_addr_hi"},
    {"dbcn.write_byte", "byte"},
    {"susp.system_suspend", "sleep_type resume_addr opaque"},
    {"hsm.hart_start", "hartid start_addr opaque"},
    {"hsm.hart_stop", ""},
    {"hsm.hart_get_status", "hartid"},
    {"hsm.hart_suspend", "suspend_type resume_addr opaque"},
    {"hypercall.exit", "status"},
    {"hypercall.log", "level num_bytes base_addr_lo base_addr_hi"},
    {"hypercall.mark", "num_bytes base_addr_lo base_addr_hi"},
    {"hypercall.batch", "entries base_addr_lo base_addr_hi flags"},
    {"hypercall.version", ""},
    {"hypercall.wall_clock", ""},
}};

constexpr std::array<std::string_view, 15> kErrors{"success",
                                                   "failed",
                                                   "not supported",
                                                   "invalid param",
                                                   "denied",
                                                   "invalid address",
                                                   "already available",
                                                   "already started",
                                                   "already stopped",
                                                   "no shared memory",
                                                   "invalid state",
                                                   "bad range",
                                                   "timeout",
                                                   "i/o",
                                                   "denied, locked"};

std::string error_text(int64_t error) {
  if (error <= 0 && error > -static_cast<int64_t>(kErrors.size()))
    return std::string{kErrors[static_cast<size_t>(-error)]};
  return std::format("{}", error);
}

std::string arguments_text(std::string_view name, const SbiExit& sbi) {
  const auto known = std::ranges::find(kArguments, name, &std::pair<std::string_view, std::string_view>::first);
  std::string text;
  if (known == kArguments.end()) {
    for (const uint64_t argument : sbi.args)
      text += std::format("{}{:#x}", text.empty() ? "" : ", ", argument);
    return text;
  }
  std::string_view names = known->second;
  for (size_t i = 0; !names.empty(); ++i) {
    const size_t end = std::min(names.find(' '), names.size());
    text += std::format("{}{}={:#x}", text.empty() ? "" : ", ", names.substr(0, end), sbi.args[i]);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return text;
}

std::string what_text(const ExitRecord& exit, const std::string& name) {
  switch (exit.kind) {
    case ExitKind::kMmio:
      return std::format("{}, {} byte{} at {:#x}: {:#x}", name, exit.mmio.width, exit.mmio.width == 1 ? "" : "s",
                         exit.mmio.at, exit.mmio.value);
    case ExitKind::kSbi:
      return std::format("{}({}): {}, {:#x}", name, arguments_text(name, exit.sbi), error_text(exit.sbi.error),
                         exit.sbi.value);
    case ExitKind::kCsr:
      return std::format("{}: was {:#x}, new {:#x} under mask {:#x}", name, exit.csr.old_value, exit.csr.new_value,
                         exit.csr.write_mask);
    case ExitKind::kSystemEvent: return std::format("{}, reason {:#x}", name, exit.system.reason);
    default: return name;
  }
}

std::string what_json(const ExitRecord& exit) {
  switch (exit.kind) {
    case ExitKind::kMmio:
      return std::format(R"(, "address": "{:#x}", "width": {}, "value": "{:#x}")", exit.mmio.at, exit.mmio.width,
                         exit.mmio.value);
    case ExitKind::kSbi: {
      const auto& a = exit.sbi.args;
      return std::format(
          R"(, "args": ["{:#x}", "{:#x}", "{:#x}", "{:#x}", "{:#x}", "{:#x}"], "error": {}, "value": "{:#x}")", a[0],
          a[1], a[2], a[3], a[4], a[5], exit.sbi.error, exit.sbi.value);
    }
    case ExitKind::kCsr:
      return std::format(R"(, "old": "{:#x}", "new": "{:#x}", "mask": "{:#x}")", exit.csr.old_value, exit.csr.new_value,
                         exit.csr.write_mask);
    case ExitKind::kSystemEvent: return std::format(R"(, "reason": "{:#x}")", exit.system.reason);
    default: return "";
  }
}

}  // namespace

std::string exit_to_text(const ExitLine& line, const DeviceNames& devices) {
  const std::string name = name_of(ExitKey::of(line.exit), devices);
  std::string text = std::format("[{:12.6f}] hart {}", line.at_us / 1e6, line.hart.value);
  if (line.pc) text += std::format(" pc {:#x}", *line.pc);
  text += std::format(": {} {}", name_of(line.exit.kind), what_text(line.exit, name));
  if (line.took_us) text += std::format(" ({:.1f} us)", *line.took_us);
  return text + "\n";
}

// Names are ours: no letter in them is special to JSON.
std::string exit_to_json(const ExitLine& line, const DeviceNames& devices) {
  const std::string name = name_of(ExitKey::of(line.exit), devices);
  std::string json = std::format(R"({{"us": {:.1f}, "hart": {})", line.at_us, line.hart.value);
  if (line.pc) json += std::format(R"(, "pc": "{:#x}")", *line.pc);
  json += std::format(R"(, "exit": "{}", "name": "{}")", name_of(line.exit.kind), name);
  json += what_json(line.exit);
  if (!line.registers.empty()) json += ", \"registers\": " + registers_to_json(line.registers);
  if (line.took_us) json += std::format(R"(, "took_us": {:.1f})", *line.took_us);
  return json + "}\n";
}

}  // namespace rvvmm
