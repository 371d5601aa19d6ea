#include "sbi/base_probe.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kProbeExtension = 3;
static_assert(kSbiBase.functions[kProbeExtension].name == "probe_extension");

}  // namespace

SbiRet BaseProbe::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  if (call.fid != kProbeExtension) return SbiRet::fail(SbiError::kNotSupported);
  // KVM hands over probes of these ranges only; of what KVM answers itself a batch must not hear that it is not there.
  const uint64_t eid = call.args[0];
  if (!kSbiExperimental.eids.contains(eid) && !kSbiVendor.eids.contains(eid))
    return SbiRet::fail(SbiError::kNotSupported);
  return SbiRet::ok(dispatcher_.provides(eid) ? 1 : 0);
}

}  // namespace rvvmm
