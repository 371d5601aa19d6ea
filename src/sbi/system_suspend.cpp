#include "sbi/system_suspend.hpp"

#include "sbi/hart_entry.hpp"

namespace rvvmm {
namespace {

enum SuspFunction : uint64_t { kSystemSuspend = 0 };
static_assert(kSbiSusp.functions.size() == kSystemSuspend + 1);

constexpr uint32_t kSuspendToRam = 0;  // SBI 3.0, 13.1; the parameter has 32 bits

}  // namespace

SbiRet SystemSuspend::handle(HartId hart, const SbiCall& call) noexcept {
  if (call.fid != kSystemSuspend) return SbiRet::fail(SbiError::kNotSupported);
  return suspend(hart, call.args[0], call.args[1], call.args[2]);
}

SbiRet SystemSuspend::suspend(HartId hart, uint64_t sleep_type, uint64_t resume_addr, uint64_t opaque) noexcept {
  if (static_cast<uint32_t>(sleep_type) != kSuspendToRam) return SbiRet::fail(SbiError::kInvalidParam);
  if (!hart_can_begin_at(memory_, resume_addr)) return SbiRet::fail(SbiError::kInvalidAddress);
  const bool suspended = harts_.suspend_system(hart, {.pc = Gpa{resume_addr}, .opaque = opaque});
  return suspended ? SbiRet::ok() : SbiRet::fail(SbiError::kDenied);
}

}  // namespace rvvmm
