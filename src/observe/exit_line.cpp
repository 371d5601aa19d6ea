#include "observe/exit_line.hpp"

#include <algorithm>
#include <cstring>
#include <format>
#include <string_view>

#include "base/exit_text.hpp"
#include "observe/hart_profile.hpp"

namespace rvvmm {
namespace {

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
  text += std::format(": {} {}", name_of(line.exit.kind), exit_text(line.exit, name));
  if (line.took_us) text += std::format(" ({:.1f} us)", *line.took_us);
  return text + "\n";
}

// The names come from rvvmm and need no JSON escapes.
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
