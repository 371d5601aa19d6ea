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

/// pc, ra to t6, and the CSRs of a trap: some forty calls of the hypervisor. What a hart does not have is left out. On
/// the hart's own thread, or when it has ended.
std::vector<NamedRegister> registers_of(VcpuBackend& hart);

/// Four a line, each line behind a line feed, the last one with another: to stand behind "hart 0:".
std::string registers_to_text(const std::vector<NamedRegister>& registers);
/// One of many that stand so, `index` of them before it.
std::string register_cell(size_t index, std::string_view name, std::string_view value);
/// {"pc": "0x80200000", "ra": "0x0", ...}
std::string registers_to_json(const std::vector<NamedRegister>& registers);

}  // namespace rvvmm
