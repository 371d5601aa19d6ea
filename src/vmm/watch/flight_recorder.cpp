#include "vmm/watch/flight_recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <format>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/output_file.hpp"
#include "base/printable.hpp"
#include "observe/exit_line.hpp"
#include "observe/exit_log.hpp"
#include "observe/hart_registers.hpp"
#include "vmm/console/console_tail.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kOption = "--flight-record";

struct HartExit {
  uint32_t hart;
  ExitRecord exit;
};

/// The exits of all harts, ordered by time.
std::vector<HartExit> exits_of(const FlightRecorder::Machine& machine) {
  std::vector<HartExit> exits;
  for (uint32_t hart = 0; hart < machine.vcpus.size(); ++hart) {
    for (const ExitRecord& exit : machine.vcpus[hart]->last_exits())
      exits.push_back({.hart = hart, .exit = exit});
  }
  std::ranges::stable_sort(exits, {}, [](const HartExit& one) { return one.exit.left; });
  return exits;
}

std::string content_of(std::string_view why, const FlightRecorder::Machine& machine) {
  std::string content = exit_log_head(why);
  const std::vector<HartExit> exits = exits_of(machine);
  const uint64_t timebase_hz = std::max<uint64_t>(machine.vm.timebase_hz(), 1);
  for (const HartExit& one : exits) {
    const uint64_t ticks = one.exit.left - exits.front().exit.left;
    const ExitLine line{.hart = HartId{one.hart},
                        .at_us = static_cast<double>(ticks) * 1e6 / static_cast<double>(timebase_hz),
                        .exit = one.exit};
    content += exit_to_json(line, machine.devices);
  }
  for (uint32_t hart = 0; !machine.harts_run && hart < machine.vcpus.size(); ++hart)
    content += std::format("{{\"hart\": {}, \"registers\": {}}}\n", hart,
                           registers_to_json(registers_of(*machine.vcpus[hart])));
  for (const std::string& line : console_lines(machine.console, ConsoleTail::kCapacity))
    content += exit_log_console_line(line);
  return content;
}

}  // namespace

FlightRecorder::FlightRecorder(const Config& config)
    : off_(config.flight_record == "off"), path_(off_ ? "" : config.flight_record.value_or("")) {
  // Checks now that the file can be written, and not only when it is needed. Old content stays until then.
  if (!path_.empty()) open(OutputFile::Start::kAtEnd).remove_if_unused();
}

OutputFile FlightRecorder::open(OutputFile::Start start) const {
  return {std::string{kOption}, path_, start};
}

// One file for the whole run, so that a guest that fails and reboots again and again does not fill the disk.
void FlightRecorder::make_name() {
  const char* const folder = std::getenv("TMPDIR");
  std::string name = std::format("{}/rvvmm-flight-XXXXXX", folder != nullptr && *folder != 0 ? folder : "/tmp");
  const Fd fd{::mkostemp(name.data(), O_CLOEXEC)};
  if (!fd) {
    const int error = errno;
    throw SetupError::from_errno(ExitStatus::kInternal, std::format("{}: cannot be made", printable(name)), error);
  }
  path_ = name;
}

std::string FlightRecorder::write(std::string_view why, const Machine& machine) noexcept {
  if (off_) return "";
  try {
    if (path_.empty()) make_name();
    open(OutputFile::Start::kEmptied).write_whole(content_of(why, machine), OutputFile::kSoon);
    return std::format("the last exits of each hart are in {}; see rvvmm report {}", path_, path_);
  } catch (const std::exception& problem) {
    return problem.what();
  }
}

}  // namespace rvvmm
