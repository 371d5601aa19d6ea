// SBI Debug Console (DBCN, EID 0x4442434E): console I/O through buffers in the guest's memory. SBI 3.0, ch. 12.
#pragma once

#include "base/console.hpp"
#include "base/guest_memory.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart. Output and input are the same console as the UART's.
class DebugConsole final : public SbiExtension {
 public:
  /// The most bytes that one call moves. A longer buffer gets a partial count, which the specification allows and which
  /// callers handle by a loop. This bounds the time of a call, whatever length the guest passes.
  static constexpr uint64_t kMaxBytesPerCall = 4096;

  DebugConsole(const GuestMemory& memory, ConsoleSink& out, ConsoleSource& in) noexcept
      : memory_(memory), out_(out), in_(in) {}

  std::string_view name() const noexcept override { return kSbiDbcn.name; }
  EidRange eids() const noexcept override { return kSbiDbcn.eids; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 12.1. Value: bytes written, 0..min(num_bytes, kMaxBytesPerCall). kInvalidParam unless the whole buffer is RAM.
  SbiRet write(uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept;
  /// 12.2. Value: bytes read, 0 if no input waits. Never blocks. kInvalidParam unless the whole buffer is RAM.
  SbiRet read(uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept;
  /// 12.3. Only the low eight bits are used. Value: 0.
  SbiRet write_byte(uint64_t byte) noexcept;

  std::optional<std::span<std::byte>> buffer(uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) const noexcept;

  const GuestMemory& memory_;
  ConsoleSink& out_;
  ConsoleSource& in_;
};

}  // namespace rvvmm
