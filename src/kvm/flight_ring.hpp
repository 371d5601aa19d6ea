// The last exits of a hart, kept always: what a report of a fault can look back on.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/exit_record.hpp"

namespace rvvmm {

/// record() by the hart's thread, exits() by any at any time: nobody waits. What is written while it is read is left
/// out. Exits are kept as KVM told them, since nearly all of them are never looked at.
class FlightRing {
 public:
  static constexpr size_t kExits = 4096;

  /// What each needs. Few of its pages are touched where a hart exits seldom.
  static constexpr size_t kBytes = kExits * 128;

  /// In `memory`, of kBytes at a multiple of 128, which outlives it.
  explicit FlightRing(std::span<std::byte> memory) noexcept : slots_(reinterpret_cast<Slot*>(memory.data())) {}

  /// An exit that has been answered, at `now`.
  void record(const kvm_run& run, uint64_t now) noexcept { record_words<kWords>(run, run.exit_reason, now); }
  /// The same for one whose reason is MMIO.
  void record_mmio(const kvm_run& run, uint64_t now) noexcept { record_words<kMmioWords>(run, KVM_EXIT_MMIO, now); }
  /// A KVM_RUN that failed for good.
  void record_error(int errno_value, uint64_t now) noexcept;

  /// Oldest first; the three times of each are the one at which it was recorded.
  std::vector<ExitRecord> exits() const;

 private:
  static constexpr uint64_t kFailedRun = UINT64_MAX;         // no reason of KVM's, which have 32 bits
  static constexpr size_t kUnion = offsetof(kvm_run, mmio);  // where kvm_run tells what the exit is about
  static constexpr size_t kMmioWords = 3;
  static constexpr size_t kWords = 10;  // riscv_sbi, the longest that is told
  static_assert(sizeof(kvm_run{}.riscv_sbi) == kWords * sizeof(uint64_t));
  static_assert(sizeof(kvm_run{}.mmio) == kMmioWords * sizeof(uint64_t));

  using Word [[gnu::may_alias]] = uint64_t;  // of kvm_run, whatever its members there are
  static_assert(kUnion % alignof(Word) == 0);
  // Atomic, each by itself: a reader may see a slot in the middle of being written, and throws it away.
  struct alignas(128) Slot {
    std::atomic<uint64_t> ticks;
    std::atomic<uint64_t> reason;
    std::array<std::atomic<uint64_t>, kWords> words;  // of kvm_run's union
  };
  static_assert(sizeof(Slot) * kExits == kBytes && std::atomic<uint64_t>::is_always_lock_free);

  template <size_t kCount>
  void record_words(const kvm_run& run, uint64_t reason, uint64_t now) noexcept {
    const auto* const from = reinterpret_cast<const Word*>(reinterpret_cast<const std::byte*>(&run) + kUnion);
    const uint64_t count = count_.load(std::memory_order_relaxed);
    Slot& slot = slots_[count % kExits];
    slot.ticks.store(now, std::memory_order_relaxed);
    slot.reason.store(reason, std::memory_order_relaxed);
#pragma GCC unroll 16
    for (size_t i = 0; i < kCount; ++i)
      slot.words[i].store(from[i], std::memory_order_relaxed);
    publish(count + 1);
  }
  // Behind the slot's words. The system calls between two exits are barriers, so no word of the slot after next is
  // seen before this.
  void publish(uint64_t count) noexcept { count_.store(count, std::memory_order_release); }

  static ExitRecord decode(const Slot& slot) noexcept;

  Slot* slots_;
  std::atomic<uint64_t> count_ = 0;  // exits so far
};

}  // namespace rvvmm
