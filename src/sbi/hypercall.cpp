#include "sbi/hypercall.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>

#include "base/log.hpp"
#include "sbi/system_suspend.hpp"

namespace rvvmm {
namespace {

using Entry = rvvmm_batch_entry;
static_assert(sizeof(Entry) == 80 && offsetof(Entry, ret) == 64, "guests are compiled with this layout");

constexpr uint64_t kFeatures = (1U << (RVVMM_HC_BATCH + 1)) - 1;  // bit n: function n is supported
constexpr uint64_t kLargestStatus = 255;
constexpr std::array kLevels{log::Level::kError, log::Level::kWarn, log::Level::kInfo, log::Level::kDebug};
static_assert(kLevels[RVVMM_LOG_ERROR] == log::Level::kError && kLevels[RVVMM_LOG_DEBUG] == log::Level::kDebug);

SbiRet wall_clock() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return SbiRet::ok(static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
}

bool calls(const Entry& entry, uint64_t function) noexcept {
  return entry.eid == RVVMM_HYPERCALL_EID && entry.fid == function;
}

}  // namespace

SbiRet Hypercall::handle(HartId hart, const SbiCall& call) noexcept {
  const auto& args = call.args;
  switch (call.fid) {
    case RVVMM_HC_VERSION: return SbiRet::ok(RVVMM_HYPERCALL_VERSION);
    case RVVMM_HC_FEATURES: return SbiRet::ok(kFeatures);
    case RVVMM_HC_EXIT: return exit(args[0]);
    case RVVMM_HC_LOG: return log_line(hart, args[0], args[1], args[2], args[3]);
    case RVVMM_HC_MARK: return mark(hart, args[0], args[1], args[2]);
    case RVVMM_HC_WALL_CLOCK: return wall_clock();
    case RVVMM_HC_BATCH: return batch(hart, args[0], args[1], args[2], args[3]);
    default: return SbiRet::fail(SbiError::kNotSupported);
  }
}

SbiRet Hypercall::exit(uint64_t status) noexcept {
  if (status > kLargestStatus) return SbiRet::fail(SbiError::kInvalidParam);
  parts_.finish.on_finish(
      {.kind = status == 0 ? FinishKind::kPass : FinishKind::kFail, .code = static_cast<uint16_t>(status)});
  return SbiRet::ok();
}

SbiRet Hypercall::log_line(HartId hart, uint64_t level, uint64_t num_bytes, uint64_t base_lo,
                           uint64_t base_hi) noexcept {
  if (level >= kLevels.size()) return SbiRet::fail(SbiError::kInvalidParam);
  const auto whole = parts_.memory.slice_of_words(base_lo, base_hi, num_bytes);
  if (!whole) return SbiRet::fail(SbiError::kInvalidAddress);
  const auto taken = whole->first(std::min<uint64_t>(num_bytes, RVVMM_LOG_MAX_BYTES));
  const std::string_view text{reinterpret_cast<const char*>(taken.data()), taken.size()};
  if (!parts_.log.line(hart, kLevels[level], text)) return SbiRet::fail(SbiError::kDenied);
  return SbiRet::ok(taken.size());
}

SbiRet Hypercall::mark(HartId hart, uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept {
  if (num_bytes == 0 || num_bytes > RVVMM_MARK_MAX_BYTES) return SbiRet::fail(SbiError::kInvalidParam);
  const auto bytes = parts_.memory.slice_of_words(base_lo, base_hi, num_bytes);
  if (!bytes) return SbiRet::fail(SbiError::kInvalidAddress);
  std::array<char, RVVMM_MARK_MAX_BYTES> name;
  std::memcpy(name.data(), bytes->data(), bytes->size());
  return SbiRet::ok(parts_.marks.mark(hart, {name.data(), bytes->size()}) ? 1 : 0);
}

SbiRet Hypercall::answer_in_batch(HartId hart, const SbiCall& call) noexcept {
  // Each level of nesting would multiply the work of one call by 256.
  if (call.eid == RVVMM_HYPERCALL_EID && call.fid == RVVMM_HC_BATCH) return SbiRet::fail(SbiError::kDenied);
  // A system suspend needs KVM, which does not see the calls of a batch.
  if (call.eid == SystemSuspend::kEid) return SbiRet::fail(SbiError::kNotSupported);
  return parts_.dispatcher.dispatch(hart, call);
}

SbiRet Hypercall::batch(HartId hart, uint64_t entries, uint64_t base_lo, uint64_t base_hi, uint64_t flags) noexcept {
  if (entries > RVVMM_BATCH_MAX_ENTRIES || (flags & ~uint64_t{RVVMM_BATCH_STOP_ON_ERROR}) != 0 ||
      base_lo % alignof(Entry) != 0) {
    return SbiRet::fail(SbiError::kInvalidParam);
  }
  const auto array = parts_.memory.slice_of_words(base_lo, base_hi, entries * sizeof(Entry));
  if (!array) return SbiRet::fail(SbiError::kInvalidAddress);
  for (uint64_t done = 0; done < entries; ++done) {
    const auto bytes = array->subspan(done * sizeof(Entry), sizeof(Entry));
    Entry entry;
    std::memcpy(&entry, bytes.data(), sizeof(entry));
    SbiCall call{.eid = entry.eid, .fid = entry.fid};
    std::ranges::copy(entry.args, call.args.begin());
    const SbiRet ret = answer_in_batch(hart, call);
    const uint64_t answer[2] = {static_cast<uint64_t>(ret.error), ret.value};
    std::memcpy(bytes.data() + offsetof(Entry, ret), answer, sizeof(answer));
    const bool ended = calls(entry, RVVMM_HC_EXIT) && ret.error == 0;
    if (ended || (ret.error < 0 && (flags & RVVMM_BATCH_STOP_ON_ERROR) != 0)) return SbiRet::ok(done + 1);
  }
  return SbiRet::ok(entries);
}

}  // namespace rvvmm
