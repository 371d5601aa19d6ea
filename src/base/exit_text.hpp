// What an exit was, in words: names of SBI functions, CSRs and events, and what was asked and answered. Made when
// something is written out, never on the way.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/exit_record.hpp"

namespace rvvmm {

/// "dbcn.write_byte"; where there is no name, numbers: "dbcn.0x7", "0x9000000.0x0". A legacy call: "legacy.putchar".
std::string sbi_name(uint64_t eid, uint64_t fid);

/// "seed", or "0x801".
std::string csr_name(uint32_t number);
std::span<const std::string_view> known_csr_names() noexcept;

/// "shutdown", or "type 0x4d".
std::string system_event_name(uint64_t type);

/// The whole of an exit whose cause is called `name`, such as "dbcn.write_byte" or "uart.lsr":
/// "dbcn.write_byte(byte=0x41): success, 0x0".
std::string exit_text(const ExitRecord& exit, std::string_view name);

}  // namespace rvvmm
