// The cost of the exits of one hart, counted when they happen.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/exit_record.hpp"
#include "observe/exit_timeline.hpp"
#include "observe/log2_histogram.hpp"

namespace rvvmm {

/// What identifies a row: exits with the same key are counted together.
struct ExitKey {
  uint64_t what = 0;      ///< MMIO: address. SBI: EID. CSR: number. System event: type. Other: reason
  uint64_t function = 0;  ///< MMIO: 1 for a store. SBI: FID. Other: errno. Else 0
  ExitKind kind = ExitKind::kCount;

  static ExitKey of(const ExitRecord& exit) noexcept {
    if (exit.kind == ExitKind::kMmio)
      return {.what = exit.mmio.at, .function = exit.mmio.is_write ? 1U : 0U, .kind = exit.kind};
    if (exit.kind == ExitKind::kSbi) return {.what = exit.sbi.eid, .function = exit.sbi.fid, .kind = exit.kind};
    return of_rare(exit);
  }

  friend bool operator==(const ExitKey&, const ExitKey&) = default;

 private:
  static ExitKey of_rare(const ExitRecord& exit) noexcept {
    switch (exit.kind) {
      case ExitKind::kCsr: return {.what = exit.csr.number, .kind = exit.kind};
      case ExitKind::kSystemEvent: return {.what = exit.system.type, .kind = exit.kind};
      case ExitKind::kOther: return {.what = exit.other.reason, .function = exit.other.errno_value, .kind = exit.kind};
      default: return {.kind = exit.kind};
    }
  }
};

/// Histograms in ticks.
struct ExitCosts {
  Log2Histogram user;   ///< from the return of KVM_RUN to the answer of the exit
  Log2Histogram guest;  ///< inside KVM_RUN before the exit: guest, kernel, and waiting for an interrupt

  void merge(const ExitCosts& other) noexcept {
    user.merge(other.user);
    guest.merge(other.guest);
  }
  friend bool operator==(const ExitCosts&, const ExitCosts&) = default;
};

/// Only the hart's thread writes it. It is read when that thread has ended. A guest can make any number of different
/// exits, so when the rows are used up, further exits are counted by kind. add() does not allocate.
class HartProfile {
 public:
  static constexpr size_t kMostRows = 256;
  static constexpr size_t kMostPcs = 512;
  static constexpr uint32_t kSampleEvery = 128;  ///< exits, because reading pc is a system call

  struct Row {
    ExitKey key;
    ExitCosts costs;
  };
  struct Pc {
    uint64_t pc = 0;
    uint64_t samples = 0;
  };

  /// `start`: the tick at which the timeline begins.
  explicit HartProfile(uint64_t start);
  HartProfile(const HartProfile&) = delete;
  HartProfile& operator=(const HartProfile&) = delete;

  [[gnu::always_inline]] void add(const ExitRecord& exit) noexcept {
    ExitCosts& costs = costs_of(ExitKey::of(exit));
    costs.user.add(exit.answered - exit.left);
    costs.guest.add(exit.left - exit.entered);
    timeline_.add(exit.kind, exit.left - start_);  // start_ is longer ago than two CPUs' clocks can differ
  }
  /// True for every kSampleEvery-th exit: the caller should then sample the pc.
  bool wants_pc() noexcept {
    if (--until_sample_ != 0) [[likely]]
      return false;
    until_sample_ = kSampleEvery;
    return true;
  }
  void add_pc(uint64_t pc) noexcept;

  /// In the order of their first exit.
  std::span<const Row> rows() const noexcept { return rows_; }
  /// By kind: exits that found no free row.
  const std::array<ExitCosts, kExitKinds>& others() const noexcept { return others_; }
  std::vector<Pc> pcs() const;
  /// Samples at places that are not in pcs().
  uint64_t other_pcs() const noexcept { return other_pcs_; }
  const ExitTimeline& timeline() const noexcept { return timeline_; }

 private:
  static constexpr size_t kIndexBits = 10;
  static constexpr size_t kIndexSize = size_t{1} << kIndexBits;
  static_assert(kIndexSize >= 2 * kMostRows && kIndexSize >= 2 * kMostPcs, "a search always ends at a free place");

  static size_t place_of(uint64_t what) noexcept {
    constexpr uint32_t kGolden = 0x9e37'79b9;  // 2^32 divided by the golden ratio
    return (static_cast<uint32_t>(what) * kGolden) >> (32 - kIndexBits);
  }

  ExitCosts& costs_of(const ExitKey& key) noexcept {
    size_t place = place_of(key.what + (key.function << 7));
    for (;; place = (place + 1) % kIndexSize) {
      Row* const row = index_[place];
      if (row == nullptr) [[unlikely]]
        return new_row(place, key);
      if (row->key == key) [[likely]]
        return row->costs;
    }
  }
  ExitCosts& new_row(size_t place, const ExitKey& key) noexcept;

  // Members that every exit needs come first: one instruction can address a small offset.
  uint64_t start_;
  uint32_t until_sample_ = kSampleEvery;
  ExitTimeline timeline_;
  std::array<Row*, kIndexSize> index_{};
  std::vector<Row> rows_;  // never grows beyond its reserved size, so the pointers in index_ stay valid
  std::array<ExitCosts, kExitKinds> others_{};
  std::array<Pc, kIndexSize> pcs_{};
  size_t known_pcs_ = 0;
  uint64_t other_pcs_ = 0;
};

}  // namespace rvvmm
