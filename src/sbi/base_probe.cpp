#include "sbi/base_probe.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kProbeExtension = 3;
constexpr uint64_t kFirstExperimental = 0x0800'0000;
constexpr uint64_t kLastVendor = 0x09FF'FFFF;

}  // namespace

SbiRet BaseProbe::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  if (call.fid != kProbeExtension) return SbiRet::fail(SbiError::kNotSupported);
  // KVM hands over probes of these ranges only; of what KVM answers itself a batch must not hear that it is not there.
  const uint64_t eid = call.args[0];
  if (eid < kFirstExperimental || eid > kLastVendor) return SbiRet::fail(SbiError::kNotSupported);
  return SbiRet::ok(dispatcher_.provides(eid) ? 1 : 0);
}

}  // namespace rvvmm
