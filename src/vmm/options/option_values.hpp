// Parses and checks the values of options, and formats those values for messages.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/sbi_switches.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// An error of the command line or configuration file: kUsage.
SetupError usage(const std::string& message);
/// The same for a value: "<where>: "<text>" <what is wrong; what would be right>".
SetupError wrong_value(const std::string& where, std::string_view text, std::string_view expected);

/// `text` must be decimal digits only: no sign, no spaces, no 0x.
template <typename Number>
std::optional<Number> parse_decimal(std::string_view text) noexcept {
  Number value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `text` on one line, in printable characters. Text after 100 characters becomes "...".
std::string shortened(std::string_view text);
/// shortened(), between double quotes.
std::string in_quotes(std::string_view text);

/// "; did you mean <prefix><name>?" for the option whose name is nearest to `typed`; empty if no name is near.
/// `in_file`: only options that are allowed in a configuration file.
std::string suggestion(std::string_view typed, std::string_view prefix, bool in_file);

/// All throw SetupError (kUsage): "<where>: <what is wrong>; <what would be right>".

/// 1..2^32-1 in decimal. The limit of KVM is checked later, when the machine is made.
uint32_t parse_smp(const std::string& where, std::string_view text);
/// Bytes: a decimal number of MiB, or of the unit of its suffix K, M, G, T (also in lower case; powers of 1024).
uint64_t parse_bytes(const std::string& where, std::string_view text);
/// The same, but a multiple of 4 KiB and not 0.
uint64_t parse_size(const std::string& where, std::string_view text);
KernelFormat parse_kernel_format(const std::string& where, std::string_view text);
IrqchipChoice parse_irqchip(const std::string& where, std::string_view text);
Transport parse_transport(const std::string& where, std::string_view text);
/// "virtio,socket=PATH": the device (uart or virtio) and the place, in any order; at least one of the two.
ConsoleChoice parse_console(const std::string& where, std::string_view text);
/// "dbcn=off,mpxy=on": names of kSbiSwitches, each once.
SbiChoices parse_sbi_choices(const std::string& where, std::string_view text);
/// "0,2,4-7"; numbers below 4096, at least one.
std::vector<uint32_t> parse_cpu_list(const std::string& where, std::string_view text);
/// "debug", "kvm=trace,sbi=debug", "warn,kvm=trace": a level alone applies to all modules; later parts win.
std::vector<std::pair<log::Module, log::Level>> parse_log_spec(const std::string& where, std::string_view text);
/// Which exits, in the syntax of ExitMatcher.
std::string parse_trace(const std::string& where, std::string_view text);
OnBreak parse_on_break(const std::string& where, std::string_view text);
/// A part of a console line.
std::string parse_panic_pattern(const std::string& where, std::string_view text);
OnPanic parse_on_panic(const std::string& where, std::string_view text);
/// "FILE,json,registers"; "registers" needs "json".
TraceFile parse_trace_file(const std::string& where, std::string_view text);
/// true or false.
bool parse_switch(const std::string& where, std::string_view text);
/// Any text that is not empty.
std::string parse_path(const std::string& where, std::string_view text);

}  // namespace rvvmm
