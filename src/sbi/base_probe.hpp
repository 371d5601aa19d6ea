// The part of the Base extension that KVM leaves to user space: probes of EIDs in the experimental and vendor ranges.
#pragma once

#include "sbi/sbi_dispatcher.hpp"

namespace rvvmm {

/// SBI 3.0, 4.4: sbi_probe_extension. KVM answers everything else of EID 0x10 itself.
class BaseProbe final : public SbiExtension {
 public:
  explicit BaseProbe(const SbiDispatcher& dispatcher) noexcept : dispatcher_(dispatcher) {}

  std::string_view name() const noexcept override { return kSbiBase.name; }
  EidRange eids() const noexcept override { return kSbiBase.eids; }
  /// FID 3 for an EID of the experimental or vendor range: value 1 if an extension answers it, otherwise 0.
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  const SbiDispatcher& dispatcher_;
};

}  // namespace rvvmm
