// Exits by kind over time, in bounded memory for any length of time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>

#include "base/exit_record.hpp"

namespace rvvmm {

/// Slots of equal width from time 0 on. When the slots do not suffice, each two are merged and the width doubles. Plain
/// data; one thread.
class ExitTimeline {
 public:
  static constexpr size_t kSlots = 256;
  static constexpr uint32_t kFirstShift = 10;  ///< slots are 2^10 ticks wide at first
  using Slot = std::array<uint64_t, 8>;        ///< by kind; the size is a power of two, so a shift finds a slot
  static_assert(kExitKinds <= std::tuple_size_v<Slot>);

  void add(ExitKind kind, uint64_t ticks) noexcept {
    while (ticks >> shift_ >= kSlots) [[unlikely]]
      widen();
    ++slots_[ticks >> shift_][static_cast<size_t>(kind)];
  }

  void merge(ExitTimeline other) noexcept {
    while (shift_ < other.shift_)
      widen();
    while (other.shift_ < shift_)
      other.widen();
    for (size_t i = 0; i < kSlots; ++i)
      for (size_t kind = 0; kind < kExitKinds; ++kind)
        slots_[i][kind] += other.slots_[i][kind];
  }

  uint64_t slot_ticks() const noexcept { return uint64_t{1} << shift_; }
  const std::array<Slot, kSlots>& slots() const noexcept { return slots_; }

 private:
  [[gnu::cold]] void widen() noexcept {
    for (size_t i = 0; i < kSlots; ++i) {
      const Slot taken = slots_[i];
      slots_[i] = {};
      for (size_t kind = 0; kind < kExitKinds; ++kind)
        slots_[i / 2][kind] += taken[kind];
    }
    ++shift_;
  }

  uint32_t shift_ = kFirstShift;
  std::array<Slot, kSlots> slots_{};
};

}  // namespace rvvmm
