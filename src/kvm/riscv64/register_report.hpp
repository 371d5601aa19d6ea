// A hart's registers as text, for the report of an exit that cannot go on.
#pragma once

#include <string>

#include "base/register_file.hpp"

namespace rvvmm {

/// One group a line: x1 to x31, CSRs; then, where the guest has vector registers switched on (sstatus.VS), their CSRs,
/// and where it has changed them (VS dirty) v0 to v31 as well: byte 0 first, no more than 64 bytes of each. Reads
/// nothing that it does not print. What cannot be read is 0.
std::string describe_registers(RegisterFile& registers);

}  // namespace rvvmm
