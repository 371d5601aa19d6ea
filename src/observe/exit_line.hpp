// An exit in one line: as text and as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/exit_record.hpp"
#include "base/types.hpp"
#include "observe/exit_names.hpp"
#include "observe/hart_registers.hpp"

namespace rvvmm {

/// Converts ticks of the machine's clock to microseconds.
class TickScale {
 public:
  explicit TickScale(uint64_t timebase_hz) noexcept : us_per_tick_(1e6 / static_cast<double>(timebase_hz)) {}
  /// 0 if `to` is earlier, because the clocks of two CPUs may differ by a tick.
  double us_between(uint64_t from, uint64_t to) const noexcept {
    return to > from ? static_cast<double>(to - from) * us_per_tick_ : 0;
  }

 private:
  double us_per_tick_;
};

/// An exit and further facts about it.
struct ExitLine {
  HartId hart;
  double at_us = 0;                           ///< when it left the guest, since the trace's time 0
  std::optional<uint64_t> pc = {};            ///< nullopt: not requested
  std::optional<double> took_us = {};         ///< how long the answer took; nullopt: not known
  std::vector<NamedRegister> registers = {};  ///< empty: not requested
  const ExitRecord& exit;
};

/// "[    1.234567] hart 0 pc 0x80200048: mmio uart.lsr read, 1 byte: 0x60 (0.3 us)" and a line feed.
std::string exit_to_text(const ExitLine& line, const DeviceNames& devices);
/// The same as a JSON object (docs/tracing.md) and a line feed.
std::string exit_to_json(const ExitLine& line, const DeviceNames& devices);

}  // namespace rvvmm
