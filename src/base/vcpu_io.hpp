// What an exit may ask of the machine. The backend decodes the exit and makes these calls to answer it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/sbi_call.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// A CSR instruction that KVM could not answer. The new value is (old & ~write_mask) | (new_value & write_mask).
struct CsrAccess {
  uint32_t number = 0;
  uint64_t new_value = 0;
  uint64_t write_mask = 0;
};

enum class SystemEventType : uint8_t { kShutdown, kReset, kOther };

/// SRST as KVM reports it. `reason` as in SBI 3.0, 10.1: 0 no reason, 1 system failure, others vendor-specific.
struct SystemEvent {
  SystemEventType type = SystemEventType::kOther;
  uint64_t raw_type = 0;
  uint64_t reason = 0;
};

/// Called on the hart's own thread, for one exit of that hart at a time. Several harts call at the same time. Never
/// throws.
class VcpuIo {
 public:
  virtual ~VcpuIo() = default;
  /// Fills all of `out` (1, 2, 4 or 8 bytes, little endian); with all ones if there is no device.
  virtual void mmio_read(HartId hart, Gpa at, std::span<std::byte> out) noexcept = 0;
  virtual void mmio_write(HartId hart, Gpa at, std::span<const std::byte> in) noexcept = 0;
  virtual SbiRet sbi_ecall(HartId hart, const SbiCall& call) noexcept = 0;
  /// The CSR's old value; nullopt if the CSR does not exist.
  virtual std::optional<uint64_t> csr_access(HartId hart, const CsrAccess& access) noexcept = 0;
  /// Ends or restarts the VM; the hart does not enter the guest again before that.
  virtual void system_event(HartId hart, const SystemEvent& event) noexcept = 0;
  /// What an access reaches, as text for a fault report: "uart.lsr", "RAM". Empty if nothing is there. Any thread.
  virtual std::string what_is_at(Gpa at, bool is_write) const = 0;
};

}  // namespace rvvmm
