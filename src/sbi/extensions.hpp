// The list of all SBI extensions that rvvmm answers.
#pragma once

#include "base/boot_marks.hpp"
#include "base/console.hpp"
#include "base/finish.hpp"
#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "base/hart_control.hpp"
#include "base/sbi_switches.hpp"
#include "sbi/sbi_dispatcher.hpp"

namespace rvvmm {

/// What the extensions use. All members must outlive the dispatcher.
struct SbiResources {
  const GuestMemory& memory;
  ConsoleSink& console_out;
  ConsoleSource& console_in;
  FinishListener& finish;
  BootMarks& boot_marks;
  GuestLog& guest_log;
  HartControl& harts;
};

/// Registers with `dispatcher` every extension that `choices` do not switch off. A new extension is one new file in
/// this folder and one line in extensions.cpp.
void add_extensions(SbiDispatcher& dispatcher, const SbiChoices& choices, const SbiResources& resources);

}  // namespace rvvmm
