// The SBI extensions that KVM lets user space switch on and off for a guest, and what a user chose of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/sbi_call.hpp"

namespace rvvmm {

enum class SbiSetting : uint8_t {
  kLeave,  ///< as KVM has it
  kOn,
  kOff,
};

/// Which calls of an extension that is on KVM hands to user space.
enum class SbiForwarding : uint8_t { kNone, kSome, kAll };

struct SbiSwitch {
  std::string_view name;  ///< as users write it
  EidRange eids;
  uint32_t kvm_id;           ///< index of the register of KVM_REG_RISCV_SBI_EXT (Linux, uapi/asm/kvm.h)
  SbiSetting by_default;     ///< where nothing was chosen; kOff is what KVM keeps off of itself
  SbiForwarding forwarding;  ///< where it is on
  std::string_view version;  ///< the first of the SBI specification that has it
  std::string_view what;
};

/// In the order of KVM's ids. An older kernel lacks the later ones.
inline constexpr std::array kSbiSwitches = [] {
  using enum SbiSetting;
  using enum SbiForwarding;
  return std::array<SbiSwitch, 14>{{
      {"legacy", {0x00, 0x08}, 0, kLeave, kSome, "0.1", "calls of before SBI 0.2"},
      {"time", {0x54494D45, 0x54494D45}, 1, kLeave, kNone, "0.2", "timer"},
      {"ipi", {0x735049, 0x735049}, 2, kLeave, kNone, "0.2", "interrupts between harts"},
      {"rfence", {0x52464E43, 0x52464E43}, 3, kLeave, kNone, "0.2", "fences on other harts"},
      {"srst", {0x53525354, 0x53525354}, 4, kLeave, kNone, "0.3", "shutdown and reset"},
      {"hsm", {0x48534D, 0x48534D}, 5, kLeave, kNone, "0.2", "starting and stopping harts"},
      {"pmu", {0x504D55, 0x504D55}, 6, kLeave, kNone, "0.3", "performance counters"},
      {"experimental", {0x08000000, 0x08FFFFFF}, 7, kLeave, kAll, "0.2", "rvvmm's own are in this range"},
      {"vendor", {0x09000000, 0x09FFFFFF}, 8, kLeave, kAll, "0.2", "range that rvvmm has nothing in"},
      {"dbcn", {0x4442434E, 0x4442434E}, 9, kOn, kAll, "2.0", "debug console"},
      {"sta", {0x535441, 0x535441}, 10, kLeave, kNone, "2.0", "stolen time"},
      {"susp", {0x53555350, 0x53555350}, 11, kOn, kAll, "2.0", "suspend of the whole machine"},
      {"fwft", {0x46574654, 0x46574654}, 12, kLeave, kNone, "3.0", "firmware features"},
      // Without channels it serves nobody but who tests it, and each vCPU would pay for the switch at its start.
      {"mpxy", {0x4D505859, 0x4D505859}, 13, kOff, kAll, "3.0", "message proxy, without channels"},
  }};
}();

static_assert([] {
  for (size_t row = 0; row < kSbiSwitches.size(); ++row)
    if (kSbiSwitches[row].kvm_id != row) return false;
  return true;
}());

/// What a user chose of each row of kSbiSwitches.
class SbiChoices {
 public:
  void choose(size_t row, bool on) noexcept { chosen_[row] = on ? SbiSetting::kOn : SbiSetting::kOff; }

  /// kLeave: nothing was chosen.
  SbiSetting chosen(size_t row) const noexcept { return chosen_[row]; }
  bool chose_any_on() const noexcept { return std::ranges::contains(chosen_, SbiSetting::kOn); }

  /// The choice, or without one the row's default.
  SbiSetting setting(size_t row) const noexcept {
    return chosen_[row] == SbiSetting::kLeave ? kSbiSwitches[row].by_default : chosen_[row];
  }

  /// True where `eids` belong to a row that is off: nobody may answer them then.
  bool is_off(const EidRange& eids) const noexcept {
    for (size_t row = 0; row < kSbiSwitches.size(); ++row)
      if (setting(row) == SbiSetting::kOff && kSbiSwitches[row].eids.contains(eids)) return true;
    return false;
  }

  friend bool operator==(const SbiChoices&, const SbiChoices&) = default;

 private:
  std::array<SbiSetting, kSbiSwitches.size()> chosen_{};
};

}  // namespace rvvmm
