// A hart's registers with their names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

struct NamedRegister {
  std::string_view name;
  uint64_t value;
};

/// pc, ra to t6, and the trap CSRs: about forty hypervisor calls. Registers that the hart does not have are left out.
/// Call on the hart's own thread, or after it has ended.
std::vector<NamedRegister> registers_of(VcpuBackend& hart);

/// Four per line. Each line begins with a line feed, and the text ends with one, so it can follow "hart 0:".
std::string registers_to_text(const std::vector<NamedRegister>& registers);
/// One register in that layout; `index`: its position in the list.
std::string register_cell(size_t index, std::string_view name, std::string_view value);
/// {"pc": "0x80200000", "ra": "0x0", ...}
std::string registers_to_json(const std::vector<NamedRegister>& registers);

}  // namespace rvvmm
