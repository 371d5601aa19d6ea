// The registers of a hart that is outside the guest, fetched when they are asked for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// What is read costs one call of the hypervisor, the first time; what is set costs one in write_back(), where it
/// changed. Lives no longer than the hart stays outside the guest, on the hart's own thread; a call or access that KVM
/// has not completed yet (VcpuBackend::run) must not be in hand.
class RegisterFile {
 public:
  explicit RegisterFile(VcpuBackend& hart) noexcept : hart_(hart) {}

  /// nullopt where the hart has no such register.
  std::optional<uint64_t> get(HartRegister reg) noexcept {
    Slot& slot = slots_[static_cast<size_t>(reg)];
    if (slot.is == Is::kUnknown) {
      const auto value = hart_.get(reg);
      if (!value) return std::nullopt;
      slot = {.value = *value, .is = Is::kRead};
    }
    return slot.value;
  }

  void set(HartRegister reg, uint64_t value) noexcept {
    Slot& slot = slots_[static_cast<size_t>(reg)];
    if (slot.is == Is::kRead && slot.value == value) return;
    slot = {.value = value, .is = Is::kChanged};
  }

  /// False if the hypervisor refused one; the others are written all the same.
  bool write_back() noexcept {
    bool all = true;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].is != Is::kChanged) continue;
      all &= hart_.set(static_cast<HartRegister>(i), slots_[i].value);
      slots_[i].is = Is::kRead;
    }
    return all;
  }

 private:
  enum class Is : uint8_t { kUnknown, kRead, kChanged };
  struct Slot {
    uint64_t value = 0;
    Is is = Is::kUnknown;
  };

  VcpuBackend& hart_;
  std::array<Slot, static_cast<size_t>(HartRegister::kCount)> slots_{};
};

}  // namespace rvvmm
