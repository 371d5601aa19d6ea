// What the user asked for, checked and typed: the only form in which options reach the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "base/log.hpp"
#include "base/sbi_switches.hpp"
#include "base/types.hpp"
#include "vmm/options/device_options.hpp"

namespace rvvmm {

/// The format of the --kernel file: detected from its content, or a blob that is loaded unchanged.
enum class KernelFormat : uint8_t { kAuto, kRaw };

enum class IrqchipChoice : uint8_t { kAuto, kAia, kPlic };

/// How the guest reaches virtio devices.
enum class Transport : uint8_t { kPci, kMmio };

/// The device that the guest sees as its console.
enum class ConsoleDevice : uint8_t { kUart, kVirtio };
/// Where the host shows the console's output and takes its input from.
enum class ConsoleWhere : uint8_t { kTerminal, kPty, kSocket, kFile, kNull };

struct ConsoleChoice {
  ConsoleDevice device = ConsoleDevice::kUart;
  ConsoleWhere where = ConsoleWhere::kTerminal;  ///< stdin and stdout, terminal or not
  std::string path = {};                         ///< of the socket or file

  friend bool operator==(const ConsoleChoice&, const ConsoleChoice&) = default;
};

struct TraceFile {
  std::string path;  ///< "-": stderr
  bool json = false;
  bool registers = false;  ///< adds the hart's registers to each exit

  friend bool operator==(const TraceFile&, const TraceFile&) = default;
};

/// What happens at a break.
enum class OnBreak : uint8_t {
  kPrompt,    ///< the machine stops, and the terminal shows a prompt
  kContinue,  ///< prints a line
  kDump,      ///< prints a line and the registers
  kExit,      ///< prints a line and the registers, then rvvmm ends
};

/// What happens when the guest panics.
enum class OnPanic : uint8_t {
  kExit,   ///< rvvmm ends with ExitStatus::kGuestSystemFailure
  kReset,  ///< the guest boots again
  kStop,   ///< the machine stays stopped, so that the user can inspect it
};

struct Config {
  std::string kernel;
  KernelFormat kernel_format = KernelFormat::kAuto;
  std::vector<std::string> initrds;  ///< joined in this order
  std::string append;                ///< the guest kernel's command line
  uint64_t mem_bytes = 256_MiB;
  RamOptions ram;
  uint32_t smp = 1;
  IrqchipChoice irqchip = IrqchipChoice::kAuto;
  SbiChoices sbi;
  std::vector<VirtioBlock::Options> disks;
  std::vector<NetChoice> nets;
  Transport transport = Transport::kPci;
  bool rng = false;
  bool power_key = false;
  bool no_reboot = false;  ///< a guest's reset ends rvvmm with ExitStatus::kGuestReset
  ConsoleChoice console;
  std::optional<std::string> dtb;       ///< given to the guest instead of the generated tree
  std::optional<std::string> dump_dtb;  ///< write the tree to this file and end
  std::vector<uint32_t> cpu_affinity;   ///< host CPUs; vCPU i runs on element i modulo the size; empty: any CPU
  std::vector<std::pair<log::Module, log::Level>> log_levels;
  std::optional<std::string> log_file;
  uint64_t guest_log_limit = GuestLog::kUsualLimit;  ///< bytes
  std::optional<std::string> boot_timeline;
  std::optional<std::string> profile;  ///< "-": a table on stderr
  std::optional<std::string> symbols;
  std::optional<std::string> trace;  ///< which exits, in the syntax of ExitMatcher
  std::optional<TraceFile> trace_file;
  std::optional<std::string> breaks;         ///< which exits, in the syntax of ExitMatcher
  std::optional<OnBreak> on_break;           ///< none: kPrompt if there is a terminal, else kDump
  std::vector<std::string> panic_patterns;   ///< parts of a console line that reports a panic
  std::optional<OnPanic> on_panic;           ///< none: what the guest asks for, and kExit for a panic line
  std::optional<std::string> flight_record;  ///< the file's path, or "off"
};

}  // namespace rvvmm
