// The hypercalls of rvvmm: EID 0x08485643, "HVC" in the experimental range. docs/hypercalls.md,
// include/rvvmm/hypercall.h.
#pragma once

#include <rvvmm/hypercall.h>

#include "base/boot_marks.hpp"
#include "base/finish.hpp"
#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "sbi/sbi_dispatcher.hpp"

namespace rvvmm {

/// Any hart.
class Hypercall final : public SbiExtension {
 public:
  struct Parts {
    const GuestMemory& memory;
    SbiDispatcher& dispatcher;  ///< answers the calls of a batch
    FinishListener& finish;
    BootMarks& marks;
    GuestLog& log;
  };

  explicit Hypercall(const Parts& parts) noexcept : parts_(parts) {}

  std::string_view name() const noexcept override { return kSbiHypercall.name; }
  EidRange eids() const noexcept override { return kSbiHypercall.eids; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// `status`: rvvmm's exit status, 0..255; otherwise kInvalidParam. The hart keeps running until the machine stops it.
  SbiRet exit(uint64_t status) noexcept;
  /// Value: bytes taken, at most RVVMM_LOG_MAX_BYTES; unprintable bytes appear as '?'. kInvalidParam for an unknown
  /// level, kInvalidAddress unless the whole buffer is RAM, kDenied if the line was dropped (GuestLog).
  SbiRet log_line(HartId hart, uint64_t level, uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept;
  /// Value: 1 if recorded, otherwise 0 (BootMarks::mark). kInvalidParam unless the name has 1..RVVMM_MARK_MAX_BYTES
  /// bytes, kInvalidAddress unless the whole buffer is RAM.
  SbiRet mark(HartId hart, uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept;
  /// Value: entries answered. kInvalidParam for too many entries, unknown flags or a misaligned array, kInvalidAddress
  /// unless the whole array is RAM. After such an error no entry was called.
  SbiRet batch(HartId hart, uint64_t entries, uint64_t base_lo, uint64_t base_hi, uint64_t flags) noexcept;
  SbiRet answer_in_batch(HartId hart, const SbiCall& call) noexcept;

  Parts parts_;
};

}  // namespace rvvmm
