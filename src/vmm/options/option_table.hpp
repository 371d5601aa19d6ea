// Every option of the command line and of the configuration file. The parser, --help and the completion all use this
// table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rvvmm {

enum class OptionId : uint8_t {
  kKernel,
  kKernelFormat,
  kInitrd,
  kAppend,
  kDtb,
  kDumpDtb,
  kSmp,
  kMem,
  kIrqchip,
  kSbi,
  kCpuAffinity,
  kNoReboot,
  kDisk,
  kNet,
  kTransport,
  kRng,
  kPowerKey,
  kConsole,
  kLogLevel,
  kLogFile,
  kGuestLogLimit,
  kBootTimeline,
  kProfile,
  kSymbols,
  kTrace,
  kTraceFile,
  kBreak,
  kOnBreak,
  kPanicPattern,
  kOnPanic,
  kFlightRecord,
  kConfig,
  kHelp,
  kVersion,
  kList,
  kCompletion,
  kCount,
};

/// What a shell offers for the argument.
enum class Completion : uint8_t { kNone, kFile, kWords };

struct OptionSpec {
  OptionId id;
  std::string_view name;           ///< without dashes; also the key in the configuration file
  char short_name = 0;             ///< 0: none
  std::string_view argument = {};  ///< what --help shows for it; empty: the option is a switch
  std::string_view group;          ///< heading in --help; options of a group follow each other
  std::string_view help;           ///< '\n' starts a new line
  Completion completion = Completion::kNone;
  std::string_view words = {};  ///< for kWords, separated by spaces
  bool in_file = true;          ///< allowed in a configuration file
  bool repeatable = false;      ///< allowed more than once; values of the command line replace values of the file
};

/// In the order of --help.
std::span<const OptionSpec> option_table() noexcept;

/// nullptr if there is none.
const OptionSpec* find_option(std::string_view name) noexcept;

std::string help_text();
std::string bash_completion_text();

}  // namespace rvvmm
