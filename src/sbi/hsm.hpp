// SBI Hart State Management (HSM) in user space. SBI 3.0, ch. 9.
#pragma once

#include "base/guest_memory.hpp"
#include "base/hart_control.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart. KVM answers the standard EID itself and forwards none of it, so guests find this one at kOwnEid too; it
/// is the same in every number but the EID, and knows non-retentive suspend, which KVM refuses.
class Hsm final : public SbiExtension {
 public:
  static constexpr uint64_t kStandardEid = kSbiHsm.eids.first;
  static constexpr uint64_t kOwnEid = kSbiOwnHsm.eids.first;  ///< the same in the experimental range
  /// Of kOwnEid: made by the code that a suspended hart waits in; kNotSupported for anybody else.
  static constexpr uint64_t kResumeFid = 0x57;

  Hsm(uint64_t eid, const GuestMemory& memory, HartControl& harts) noexcept
      : eid_(eid), memory_(memory), harts_(harts) {}

  std::string_view name() const noexcept override { return "hsm"; }
  EidRange eids() const noexcept override { return {.first = eid_, .last = eid_}; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 9.1. kInvalidParam for a hart that is none, kInvalidAddress for an address where none can begin,
  /// kAlreadyAvailable unless the hart is stopped.
  SbiRet start(HartId hart, uint64_t hartid, uint64_t start_addr, uint64_t opaque) noexcept;
  /// 9.2. Answers only where it fails.
  SbiRet stop(HartId hart) noexcept;
  /// 9.3. Value: an HsmState. kInvalidParam for a hart that is none.
  SbiRet get_status(HartId hart, uint64_t hartid) noexcept;
  /// 9.4. kInvalidParam for a type that is reserved, or is a platform's and none of ours.
  SbiRet suspend(HartId hart, uint64_t type, uint64_t resume_addr, uint64_t opaque) noexcept;

  const uint64_t eid_;
  const GuestMemory& memory_;
  HartControl& harts_;
};

}  // namespace rvvmm
