#include "sbi/mpxy.hpp"

#include <array>

namespace rvvmm {
namespace {

enum MpxyFunction : uint64_t {
  kGetSharedMemorySize = 0,
  kSetSharedMemory = 1,
  kGetChannelIds = 2,
  kReadAttributes = 3,
  kGetNotifications = 7,  // and the functions in between
};
static_assert(kSbiMpxy.functions[kReadAttributes].name == "read_attributes" &&
              kSbiMpxy.functions.size() == kGetNotifications + 1);

constexpr uint64_t kAllOnes = UINT64_MAX;
constexpr uint64_t kOverwriteReturn = 1;  // the only flag

}  // namespace

SbiRet Mpxy::handle(HartId hart, const SbiCall& call) noexcept {
  switch (call.fid) {
    case kGetSharedMemorySize: return SbiRet::ok(kSharedBytes);
    case kSetSharedMemory: return set_shared_memory(hart, call.args[0], call.args[1], call.args[2]);
    case kGetChannelIds: return get_channel_ids(hart, static_cast<uint32_t>(call.args[0]));
    default: break;
  }
  const bool of_a_channel = call.fid >= kReadAttributes && call.fid <= kGetNotifications;
  if (of_a_channel && !shared_[hart.value]) return SbiRet::fail(SbiError::kNoShmem);
  return SbiRet::fail(SbiError::kNotSupported);  // 20.8 to 20.12: also if the channel does not exist
}

SbiRet Mpxy::set_shared_memory(HartId hart, uint64_t base_lo, uint64_t base_hi, uint64_t flags) noexcept {
  if ((flags & ~kOverwriteReturn) != 0) return SbiRet::fail(SbiError::kInvalidParam);
  std::optional<Gpa>& shared = shared_[hart.value];
  if (base_lo == kAllOnes && base_hi == kAllOnes) {
    shared.reset();
    return SbiRet::ok();
  }
  if (base_lo % kSharedBytes != 0) return SbiRet::fail(SbiError::kInvalidParam);
  if (!memory_.slice_of_words(base_lo, base_hi, kSharedBytes)) return SbiRet::fail(SbiError::kInvalidAddress);
  const Gpa base{base_lo};
  if (flags == kOverwriteReturn) {
    memory_.store(base, shared ? std::array{shared->value, uint64_t{0}} : std::array{kAllOnes, kAllOnes});
  }
  shared = base;
  return SbiRet::ok();
}

SbiRet Mpxy::get_channel_ids(HartId hart, uint32_t start_index) noexcept {
  const auto shared = shared_[hart.value];
  if (!shared) return SbiRet::fail(SbiError::kNoShmem);
  if (start_index != 0) return SbiRet::fail(SbiError::kInvalidParam);
  constexpr std::array<uint32_t, 2> kNoneRemainNoneReturned{};
  memory_.store(*shared, kNoneRemainNoneReturned);
  return SbiRet::ok();
}

}  // namespace rvvmm
