// The SBI extensions that KVM lets user space switch on and off for a guest, and the user's choices.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/sbi_registry.hpp"

namespace rvvmm {

enum class SbiSetting : uint8_t {
  kLeave,  ///< KVM's default
  kOn,
  kOff,
};

/// Which calls of a switched-on extension KVM forwards to user space.
enum class SbiForwarding : uint8_t { kNone, kSome, kAll };

struct SbiSwitch {
  std::string_view name;  ///< as users type it
  EidRange eids;
  uint32_t kvm_id;           ///< index of the register of KVM_REG_RISCV_SBI_EXT (Linux, uapi/asm/kvm.h)
  SbiSetting by_default;     ///< without a choice; kOff: KVM keeps it off by default
  SbiForwarding forwarding;  ///< if it is on
  std::string_view version;  ///< the first version of the SBI specification that has it
  std::string_view what;
};

/// In the order of KVM's ids. An older kernel lacks the later ones.
inline constexpr std::array kSbiSwitches = [] {
  using enum SbiSetting;
  using enum SbiForwarding;
  const auto row = [](const SbiExtensionInfo& extension, uint32_t kvm_id, SbiSetting by_default,
                      SbiForwarding forwarding) {
    return SbiSwitch{.name = extension.name,
                     .eids = extension.eids,
                     .kvm_id = kvm_id,
                     .by_default = by_default,
                     .forwarding = forwarding,
                     .version = extension.version,
                     .what = extension.what};
  };
  return std::array<SbiSwitch, 14>{
      row(kSbiLegacy, 0, kLeave, kSome), row(kSbiTime, 1, kLeave, kNone), row(kSbiIpi, 2, kLeave, kNone),
      row(kSbiRfence, 3, kLeave, kNone), row(kSbiSrst, 4, kLeave, kNone), row(kSbiHsm, 5, kLeave, kNone),
      row(kSbiPmu, 6, kLeave, kNone), row(kSbiExperimental, 7, kLeave, kAll), row(kSbiVendor, 8, kLeave, kAll),
      row(kSbiDbcn, 9, kOn, kAll), row(kSbiSta, 10, kLeave, kNone), row(kSbiSusp, 11, kOn, kAll),
      row(kSbiFwft, 12, kLeave, kNone),
      // Off: without channels only tests use it, and switching it on costs a call for each vCPU at start.
      row(kSbiMpxy, 13, kOff, kAll)};
}();

static_assert([] {
  for (size_t row = 0; row < kSbiSwitches.size(); ++row)
    if (kSbiSwitches[row].kvm_id != row) return false;
  return true;
}());

/// The user's choice for each row of kSbiSwitches.
class SbiChoices {
 public:
  void choose(size_t row, bool on) noexcept { chosen_[row] = on ? SbiSetting::kOn : SbiSetting::kOff; }

  /// kLeave: nothing was chosen.
  SbiSetting chosen(size_t row) const noexcept { return chosen_[row]; }
  bool chose_any_on() const noexcept { return std::ranges::contains(chosen_, SbiSetting::kOn); }

  /// The choice, or the row's default if nothing was chosen.
  SbiSetting setting(size_t row) const noexcept {
    return chosen_[row] == SbiSetting::kLeave ? kSbiSwitches[row].by_default : chosen_[row];
  }

  /// True if `eids` belong to a row that is off; no extension may answer them then.
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
