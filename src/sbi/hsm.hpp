// SBI Hart State Management (HSM) in user space. SBI 3.0, ch. 9.
#pragma once

#include "base/guest_memory.hpp"
#include "base/hart_control.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart. KVM answers the standard EID itself and forwards none of its calls, so this extension is also available at
/// kOwnEid. All numbers except the EID are the same. It supports non-retentive suspend, which KVM refuses.
class Hsm final : public SbiExtension {
 public:
  static constexpr uint64_t kStandardEid = kSbiHsm.eids.first;
  static constexpr uint64_t kOwnEid = kSbiOwnHsm.eids.first;  ///< the same number in the experimental range
  /// A function of kOwnEid. The code that a suspended hart waits in makes this call; every other caller gets
  /// kNotSupported.
  static constexpr uint64_t kResumeFid = 0x57;

  Hsm(uint64_t eid, const GuestMemory& memory, HartControl& harts) noexcept
      : eid_(eid), memory_(memory), harts_(harts) {}

  std::string_view name() const noexcept override { return "hsm"; }
  EidRange eids() const noexcept override { return {.first = eid_, .last = eid_}; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 9.1. kInvalidParam if the hart does not exist, kInvalidAddress if no hart can start at the address,
  /// kAlreadyAvailable unless the hart is stopped.
  SbiRet start(HartId hart, uint64_t hartid, uint64_t start_addr, uint64_t opaque) noexcept;
  /// 9.2. Returns only if it fails.
  SbiRet stop(HartId hart) noexcept;
  /// 9.3. Value: an HsmState. kInvalidParam if the hart does not exist.
  SbiRet get_status(HartId hart, uint64_t hartid) noexcept;
  /// 9.4. kInvalidParam for a reserved type and for a platform-specific type, because rvvmm has none.
  SbiRet suspend(HartId hart, uint64_t type, uint64_t resume_addr, uint64_t opaque) noexcept;

  const uint64_t eid_;
  const GuestMemory& memory_;
  HartControl& harts_;
};

}  // namespace rvvmm
