// SBI System Suspend (SUSP). SBI 3.0, ch. 13.
#pragma once

#include "base/guest_memory.hpp"
#include "base/hart_control.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart. KVM checks the call, forwards it, and resets the hart at its next entry, whatever the answer is. KVM does
/// not see the calls of a batch, so a batch cannot make this call.
class SystemSuspend final : public SbiExtension {
 public:
  static constexpr uint64_t kEid = kSbiSusp.eids.first;

  SystemSuspend(const GuestMemory& memory, HartControl& harts) noexcept : memory_(memory), harts_(harts) {}

  std::string_view name() const noexcept override { return kSbiSusp.name; }
  EidRange eids() const noexcept override { return kSbiSusp.eids; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 13.1. kInvalidParam for a sleep type other than suspend to RAM, kInvalidAddress if no hart can start at the
  /// address, kDenied unless all other harts are stopped.
  SbiRet suspend(HartId hart, uint64_t sleep_type, uint64_t resume_addr, uint64_t opaque) noexcept;

  const GuestMemory& memory_;
  HartControl& harts_;
};

}  // namespace rvvmm
