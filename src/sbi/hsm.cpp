#include "sbi/hsm.hpp"

#include "sbi/hart_entry.hpp"

namespace rvvmm {
namespace {

enum HsmFunction : uint64_t { kHartStart = 0, kHartStop = 1, kHartGetStatus = 2, kHartSuspend = 3 };
static_assert(kSbiHsm.functions[kHartGetStatus].name == "hart_get_status" &&
              kSbiHsm.functions.size() == kHartSuspend + 1);

// SBI 3.0, 9.4, table "HSM Hart Suspend Types"; the parameter has 32 bits.
constexpr uint32_t kRetentive = 0;
constexpr uint32_t kNonRetentive = 0x8000'0000;

}  // namespace

SbiRet Hsm::handle(HartId hart, const SbiCall& call) noexcept {
  const auto& args = call.args;
  switch (call.fid) {
    case kHartStart: return start(hart, args[0], args[1], args[2]);
    case kHartStop: return stop(hart);
    case kHartGetStatus: return get_status(hart, args[0]);
    case kHartSuspend: return suspend(hart, args[0], args[1], args[2]);
    case kResumeFid:
      if (eid_ == kOwnEid && harts_.resume(hart)) return SbiRet::ok();
      [[fallthrough]];
    default: return SbiRet::fail(SbiError::kNotSupported);
  }
}

SbiRet Hsm::start(HartId hart, uint64_t hartid, uint64_t start_addr, uint64_t opaque) noexcept {
  if (hartid >= harts_.harts()) return SbiRet::fail(SbiError::kInvalidParam);
  if (!hart_can_begin_at(memory_, start_addr)) return SbiRet::fail(SbiError::kInvalidAddress);
  const HartId target{static_cast<uint32_t>(hartid)};
  const bool started = harts_.start(hart, target, {.pc = Gpa{start_addr}, .opaque = opaque});
  return started ? SbiRet::ok() : SbiRet::fail(SbiError::kAlreadyAvailable);
}

SbiRet Hsm::stop(HartId hart) noexcept {
  return harts_.stop(hart) ? SbiRet::ok() : SbiRet::fail(SbiError::kFailed);
}

SbiRet Hsm::get_status(HartId hart, uint64_t hartid) noexcept {
  if (hartid >= harts_.harts()) return SbiRet::fail(SbiError::kInvalidParam);
  return SbiRet::ok(static_cast<uint64_t>(harts_.state(hart, HartId{static_cast<uint32_t>(hartid)})));
}

SbiRet Hsm::suspend(HartId hart, uint64_t type, uint64_t resume_addr, uint64_t opaque) noexcept {
  std::optional<HartEntry> resume;
  switch (static_cast<uint32_t>(type)) {
    case kRetentive: break;
    case kNonRetentive:
      if (!hart_can_begin_at(memory_, resume_addr)) return SbiRet::fail(SbiError::kInvalidAddress);
      resume = {.pc = Gpa{resume_addr}, .opaque = opaque};
      break;
    default: return SbiRet::fail(SbiError::kInvalidParam);
  }
  return harts_.suspend(hart, resume) ? SbiRet::ok() : SbiRet::fail(SbiError::kFailed);
}

}  // namespace rvvmm
