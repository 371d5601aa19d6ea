// Every SBI extension there is, with ends that remember what was asked of them.
#pragma once

#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_harts.hpp"
#include "fakes/recorders.hpp"
#include "sbi/extensions.hpp"

namespace rvvmm {

struct SbiTable {
  /// Nothing is off.
  static SbiChoices all_on() {
    SbiChoices choices;
    for (size_t row = 0; row < kSbiSwitches.size(); ++row)
      choices.choose(row, true);
    return choices;
  }

  /// `memory` is the guest's RAM, and outlives the table.
  explicit SbiTable(const GuestMemory& memory, const SbiChoices& choices = all_on()) {
    add_extensions(sbi, choices,
                   {.memory = memory,
                    .console_out = out,
                    .console_in = in,
                    .finish = finish,
                    .boot_marks = marks,
                    .guest_log = guest_log,
                    .harts = harts});
  }

  RecordingSink out;
  ScriptedSource in;
  RecordingFinish finish;
  RecordingMarks marks;
  GuestLog guest_log;
  FakeHarts harts;
  SbiDispatcher sbi;
};

}  // namespace rvvmm
