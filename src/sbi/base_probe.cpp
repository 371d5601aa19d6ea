#include "sbi/base_probe.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kProbeExtension = 3;
static_assert(kSbiBase.functions[kProbeExtension].name == "probe_extension");

}  // namespace

SbiRet BaseProbe::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  if (call.fid != kProbeExtension) return SbiRet::fail(SbiError::kNotSupported);
  // KVM forwards only probes of these ranges. In a batch, a probe of any other EID must not return 0, because KVM may
  // answer that EID itself.
  const uint64_t eid = call.args[0];
  if (!kSbiExperimental.eids.contains(eid) && !kSbiVendor.eids.contains(eid))
    return SbiRet::fail(SbiError::kNotSupported);
  return SbiRet::ok(dispatcher_.provides(eid) ? 1 : 0);
}

}  // namespace rvvmm
