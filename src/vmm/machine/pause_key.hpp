// Ctrl-A p: the user pauses the machine at a terminal, and lets it go on.
#pragma once

#include "vmm/machine/machine_control.hpp"

namespace rvvmm {

/// Tells on stderr what has become of a press. The loop's thread only.
class PauseKey {
 public:
  /// The machine that the key is for, which must not have started yet. null: none; a pause is then for the next one. So
  /// a pause outlives a reset of the guest, and a key that is pressed while files are loaded counts.
  void set_machine(MachineControl* machine);
  void press();

 private:
  MachineControl* machine_ = nullptr;
  bool paused_ = false;
};

}  // namespace rvvmm
