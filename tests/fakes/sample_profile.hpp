// A small profile with known numbers: what reports are tested on.
#pragma once

#include "observe/exit_profile.hpp"

namespace rvvmm {

inline Log2Histogram histogram_of(uint64_t count, uint64_t ticks) {
  Log2Histogram histogram;
  for (uint64_t i = 0; i < count; ++i)
    histogram.add(ticks);
  return histogram;
}

/// Two harts at 10 MHz: a tick is 100 ns.
inline ExitProfile sample_profile() {
  ExitProfile profile;
  profile.timebase_hz = 10'000'000;
  profile.harts = {{.hart = 0,
                    .rows = {{ExitKind::kMmio, "uart.lsr read", {histogram_of(1000, 3), histogram_of(1000, 40)}},
                             {ExitKind::kSbi, "dbcn.write", {histogram_of(10, 100), histogram_of(10, 5)}},
                             {ExitKind::kSystemEvent, "shutdown", {histogram_of(1, 7), histogram_of(1, 9)}}},
                    .kvm = {{"exits", {1200}},
                            {"halt_wait_ns", {2'500'000}},
                            {"halt_wait_hist", {0, 3, 1}},
                            {"wfi_exit_stat", {0}}}},
                   {.hart = 1,
                    .rows = {{ExitKind::kMmio, "uart.lsr read", {histogram_of(500, 3), histogram_of(500, 40)}}},
                    .kvm = {{"exits", {600}}}}};
  profile.kvm = {{"remote_tlb_flush", {4}}};
  profile.pcs = {{0xffffffff80001234, "serial8250_console_write+0x10", 20}, {0x80200000, "", 3}};
  profile.other_samples = 1;
  profile.timeline = {.slot_ticks = 1024, .slots = {{1000, 10, 0, 0, 0, 0}, {}, {500, 0, 0, 1, 0, 0}}};
  return profile;
}

}  // namespace rvvmm
