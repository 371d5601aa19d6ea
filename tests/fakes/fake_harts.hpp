// Harts that are in the state that a test says, and remember what was asked of them.
#pragma once

#include <optional>
#include <vector>

#include "base/hart_control.hpp"

namespace rvvmm {

/// Hart 0 runs and the others are stopped; a start or stop shows at once, a suspend lasts till resume().
class FakeHarts final : public HartControl {
 public:
  explicit FakeHarts(uint32_t harts = 4) : states(harts, HsmState::kStopped), entries(harts) {
    states[0] = HsmState::kStarted;
  }

  uint32_t harts() const noexcept override { return static_cast<uint32_t>(states.size()); }
  HsmState state(HartId /*asker*/, HartId target) noexcept override { return states.at(target.value); }
  bool start(HartId /*asker*/, HartId target, const HartEntry& entry) noexcept override {
    if (!move(target, HsmState::kStopped, HsmState::kStarted)) return false;
    entries[target.value] = entry;
    return true;
  }
  bool stop(HartId self) noexcept override { return move(self, HsmState::kStarted, HsmState::kStopped); }
  bool suspend(HartId self, const std::optional<HartEntry>& resume) noexcept override {
    if (!move(self, HsmState::kStarted, HsmState::kSuspended)) return false;
    entries[self.value] = resume;
    return true;
  }
  bool resume(HartId self) noexcept override { return move(self, HsmState::kSuspended, HsmState::kStarted); }
  bool suspend_system(HartId self, const HartEntry& resume) noexcept override {
    for (uint32_t i = 0; i < states.size(); ++i)
      if (i != self.value && states[i] != HsmState::kStopped) return false;
    return suspend(self, resume);
  }

  std::vector<HsmState> states;
  std::vector<std::optional<HartEntry>> entries;  ///< where a hart was last told to begin, or nowhere

 private:
  bool move(HartId hart, HsmState from, HsmState to) noexcept {
    if (states.at(hart.value) != from) return false;
    states[hart.value] = to;
    return true;
  }
};

}  // namespace rvvmm
