// Names of what exits are about: devices and their registers, SBI functions, CSRs. They are looked up only when
// something is printed, never while an exit is answered.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/exit_text.hpp"
#include "base/types.hpp"
#include "observe/hart_profile.hpp"

namespace rvvmm {

/// "mmio", "sbi", "csr", "system", "interrupted", "other".
std::string_view name_of(ExitKind kind) noexcept;
std::optional<ExitKind> exit_kind_named(std::string_view name) noexcept;

/// Where an access landed.
struct RegisterPlace {
  std::string device;
  std::string reg;      ///< empty: the register has no name
  uint64_t offset = 0;  ///< in the device's window
};

/// The names that the machine has for its address space.
class DeviceNames {
 public:
  virtual ~DeviceNames() = default;
  /// nullopt if no device is at `at`. Any thread.
  virtual std::optional<RegisterPlace> place_of(Gpa at, bool is_write) const = 0;
  /// The names of all devices. Any thread.
  virtual std::vector<std::string> device_names() const = 0;
  /// The register names that place_of() can return for a device. Any thread.
  virtual std::vector<std::string> register_names(std::string_view device) const = 0;
};

/// "uart.lsr", "uart+0x9" for a register without a name, "nothing at 0x3000".
std::string mmio_name(const DeviceNames& devices, Gpa at, bool is_write);

/// The name of a profile row: the names above, for MMIO followed by " read" or " write"; "shutdown", "reset"; "signal";
/// "KVM_RUN: Bad address".
std::string name_of(const ExitKey& key, const DeviceNames& devices);

}  // namespace rvvmm
