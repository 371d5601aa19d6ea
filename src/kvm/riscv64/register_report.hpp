// A hart's registers as text, for the report of a fault.
#pragma once

#include <string>

#include "base/register_file.hpp"

namespace rvvmm {

/// x1 to x31, then CSRs. If the guest has switched on the vector registers (sstatus.VS), the vector CSRs follow. If it
/// has changed them (VS dirty), v0 to v31 follow too: byte 0 first, at most 64 bytes of each. Reads only what it
/// prints. A register that cannot be read is shown as 0.
std::string describe_registers(RegisterFile& registers);

}  // namespace rvvmm
