// An exit as text: names of SBI functions, CSRs and events, the request and the answer. Made only when something is
// printed, never while an exit is answered.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/exit_record.hpp"

namespace rvvmm {

/// "dbcn.write_byte"; numbers if there is no name: "dbcn.0x7", "0x9000000.0x0". A legacy call: "legacy.putchar".
std::string sbi_name(uint64_t eid, uint64_t fid);

/// "seed", or "0x801".
std::string csr_name(uint32_t number);
std::span<const std::string_view> known_csr_names() noexcept;

/// "shutdown", or "type 0x4d".
std::string system_event_name(uint64_t type);

/// The full text of an exit whose cause is called `name`, such as "dbcn.write_byte" or "uart.lsr":
/// "dbcn.write_byte(byte=0x41): success, 0x0".
std::string exit_text(const ExitRecord& exit, std::string_view name);

}  // namespace rvvmm
