// The last exits of a hart. They are always recorded, so that a fault report can show them.
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

/// The hart's thread calls record(). Any thread may call exits() at any time. Neither waits: a slot that is overwritten
/// during the read is left out. Exits are stored as they are in kvm_run, because nearly all of them are never read.
class FlightRing {
 public:
  static constexpr size_t kExits = 4096;

  /// The memory that each ring needs. A hart that exits seldom touches few of its pages.
  static constexpr size_t kBytes = kExits * 128;

  /// `memory`: kBytes, aligned to 128 bytes. It must outlive the ring.
  explicit FlightRing(std::span<std::byte> memory) noexcept : slots_(reinterpret_cast<Slot*>(memory.data())) {}

  /// Records an exit that was answered at `now`.
  void record(const kvm_run& run, uint64_t now) noexcept { record_words<kWords>(run, run.exit_reason, now); }
  /// The same for an MMIO exit.
  void record_mmio(const kvm_run& run, uint64_t now) noexcept { record_words<kMmioWords>(run, KVM_EXIT_MMIO, now); }
  /// Records a KVM_RUN that failed permanently.
  void record_error(int errno_value, uint64_t now) noexcept;

  /// Oldest first. All three times of an exit are the time when it was recorded.
  std::vector<ExitRecord> exits() const;

 private:
  static constexpr uint64_t kFailedRun = UINT64_MAX;         // not a reason of KVM: those have 32 bits
  static constexpr size_t kUnion = offsetof(kvm_run, mmio);  // where kvm_run describes the exit
  static constexpr size_t kMmioWords = 3;
  static constexpr size_t kWords = 10;  // riscv_sbi, the longest member that is recorded
  static_assert(sizeof(kvm_run{}.riscv_sbi) == kWords * sizeof(uint64_t));
  static_assert(sizeof(kvm_run{}.mmio) == kMmioWords * sizeof(uint64_t));

  using Word [[gnu::may_alias]] = uint64_t;  // a word of kvm_run, whatever its members are
  static_assert(kUnion % alignof(Word) == 0);
  // Each word is atomic by itself. A reader may see a slot that is being written, and drops it.
  struct alignas(128) Slot {
    std::atomic<uint64_t> ticks;
    std::atomic<uint64_t> reason;
    std::array<std::atomic<uint64_t>, kWords> words;  // from kvm_run's union
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
  // Comes after the slot's words. The system calls between two exits are barriers, so a reader cannot see words of the
  // slot after next before this store.
  void publish(uint64_t count) noexcept { count_.store(count, std::memory_order_release); }

  static ExitRecord decode(const Slot& slot) noexcept;

  Slot* slots_;
  std::atomic<uint64_t> count_ = 0;  // exits so far
};

}  // namespace rvvmm
