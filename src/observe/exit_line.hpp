// An exit in one line: for people, and as JSON.
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

/// An exit and what is known of it besides.
struct ExitLine {
  HartId hart;
  double at_us = 0;                           ///< when it left the guest, from wherever the trace begins
  std::optional<uint64_t> pc = {};            ///< nullopt: nobody asked
  std::optional<double> took_us = {};         ///< until it was answered; nullopt: not known
  std::vector<NamedRegister> registers = {};  ///< empty: nobody asked
  const ExitRecord& exit;
};

/// "[    1.234567] hart 0 pc 0x80200048: mmio uart.lsr read, 1 byte: 0x60 (0.3 us)", and a line feed.
std::string exit_to_text(const ExitLine& line, const DeviceNames& devices);
/// The same as an object of JSON (docs/profiling.md), and a line feed.
std::string exit_to_json(const ExitLine& line, const DeviceNames& devices);

}  // namespace rvvmm
