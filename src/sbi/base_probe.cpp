#include "sbi/base_probe.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kProbeExtension = 3;

}  // namespace

SbiRet BaseProbe::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  if (call.fid != kProbeExtension) return SbiRet::fail(SbiError::kNotSupported);
  return SbiRet::ok(dispatcher_.provides(call.args[0]) ? 1 : 0);
}

}  // namespace rvvmm
