#include "kvm/flight_ring.hpp"

#include <algorithm>
#include <cstring>

#include "kvm/exit_record.hpp"

namespace rvvmm {

[[gnu::cold]] void FlightRing::record_error(int errno_value, uint64_t now) noexcept {
  const uint64_t count = count_.load(std::memory_order_relaxed);
  Slot& slot = slots_[count % kExits];
  slot.ticks.store(now, std::memory_order_relaxed);
  slot.reason.store(kFailedRun, std::memory_order_relaxed);
  slot.words[0].store(static_cast<uint64_t>(errno_value), std::memory_order_relaxed);
  publish(count + 1);
}

// Exits recorded during the copy have overwritten the oldest slots, and the hart may be writing the next slot. Those
// slots are dropped.
std::vector<ExitRecord> FlightRing::exits() const {
  const uint64_t end = count_.load(std::memory_order_acquire);
  const uint64_t kept = std::min<uint64_t>(end, kExits);
  std::vector<ExitRecord> exits;
  exits.reserve(kept);
  for (uint64_t i = end - kept; i != end; ++i)
    exits.push_back(decode(slots_[i % kExits]));
  std::atomic_thread_fence(std::memory_order_acquire);
  const uint64_t now = count_.load(std::memory_order_relaxed);
  const uint64_t first_whole = now + 1 > kExits ? now + 1 - kExits : 0;
  const uint64_t lost = first_whole > end - kept ? std::min(first_whole - (end - kept), kept) : 0;
  exits.erase(exits.begin(), exits.begin() + static_cast<ptrdiff_t>(lost));
  return exits;
}

ExitRecord FlightRing::decode(const Slot& slot) noexcept {
  ExitRecord record;
  std::array<uint64_t, kWords> words;
  for (size_t i = 0; i < kWords; ++i)
    words[i] = slot.words[i].load(std::memory_order_relaxed);
  if (const uint64_t reason = slot.reason.load(std::memory_order_relaxed); reason == kFailedRun) {
    record.kind = ExitKind::kOther;
    record.other = {.reason = KVM_EXIT_UNKNOWN, .errno_value = static_cast<uint32_t>(words[0])};
  } else {
    kvm_run run{};
    run.exit_reason = static_cast<uint32_t>(reason);
    std::memcpy(reinterpret_cast<std::byte*>(&run) + kUnion, words.data(), sizeof(words));
    fill_exit_record(run, record);
  }
  record.entered = record.left = record.answered = slot.ticks.load(std::memory_order_relaxed);
  return record;
}

}  // namespace rvvmm
