// THE list of SBI extensions that rvvmm answers.
#pragma once

#include "base/boot_marks.hpp"
#include "base/console.hpp"
#include "base/finish.hpp"
#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "base/hart_control.hpp"
#include "sbi/sbi_dispatcher.hpp"

namespace rvvmm {

/// What extensions are made of. All outlive the dispatcher.
struct SbiResources {
  const GuestMemory& memory;
  ConsoleSink& console_out;
  ConsoleSource& console_in;
  FinishListener& finish;
  BootMarks& boot_marks;
  GuestLog& guest_log;
  HartControl& harts;
};

/// Registers every extension with `dispatcher`. A new extension is one file beside this one and one line here.
void add_extensions(SbiDispatcher& dispatcher, const SbiResources& resources);

}  // namespace rvvmm
