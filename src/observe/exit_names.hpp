// Names for what exits are about: devices and their registers, SBI functions, CSRs. Looked up when something is written
// out, never on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/exit_record.hpp"
#include "base/types.hpp"
#include "observe/hart_profile.hpp"

namespace rvvmm {

/// "mmio", "sbi", "csr", "system", "interrupted", "other".
std::string_view name_of(ExitKind kind) noexcept;
std::optional<ExitKind> exit_kind_named(std::string_view name) noexcept;

/// Where an access landed.
struct RegisterPlace {
  std::string device;
  std::string reg;      ///< empty: it has no name
  uint64_t offset = 0;  ///< in the device's window
};

/// What the machine knows of its address space.
class DeviceNames {
 public:
  virtual ~DeviceNames() = default;
  /// nullopt: no device is there. Any thread.
  virtual std::optional<RegisterPlace> place_of(Gpa at, bool is_write) const = 0;
  /// Of every device there is. Any thread.
  virtual std::vector<std::string> device_names() const = 0;
  /// The names of registers that place_of() has for a device. Any thread.
  virtual std::vector<std::string> register_names(std::string_view device) const = 0;
};

/// An SBI extension by the name users write; functions by FID.
struct SbiExtensionNames {
  uint64_t first_eid;
  uint64_t last_eid;
  std::string_view name;
  std::span<const std::string_view> functions;
};
/// Those that have names.
std::span<const SbiExtensionNames> sbi_extension_names() noexcept;
/// nullptr: it has none.
const SbiExtensionNames* sbi_extension_of(uint64_t eid) noexcept;
/// "dbcn.write_byte"; where there is no name, numbers: "dbcn.0x7", "0x9000000.0x0". A legacy call: "legacy.putchar".
std::string sbi_name(uint64_t eid, uint64_t fid);

/// "seed", or "0x801".
std::string csr_name(uint32_t number);
std::span<const std::string_view> known_csr_names() noexcept;
/// "shutdown", or "type 0x4d".
std::string system_event_name(uint64_t type);
/// "uart.lsr", "uart+0x9" for a register without a name, "nothing at 0x3000".
std::string mmio_name(const DeviceNames& devices, Gpa at, bool is_write);

/// All of a row: as above, MMIO with " read" or " write" behind it; "shutdown", "reset"; "signal"; "KVM_RUN: Bad
/// address".
std::string name_of(const ExitKey& key, const DeviceNames& devices);

}  // namespace rvvmm
