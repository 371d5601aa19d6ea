#include "vmm/watch/break_prompt.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <format>
#include <optional>
#include <utility>

#include "base/line_output.hpp"
#include "base/suggest.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kPromptHelp =
    "continue (c)         let the guest go on\n"
    "step (s)             the same, to the next exit of any hart\n"
    "regs (r) [HART]      registers: of the hart that stopped, or another\n"
    "mem (m) ADDRESS LEN  memory at a guest-physical address, up to 4096 bytes\n"
    "quit (q)             end rvvmm\n"
    "An empty line repeats the last command.\n";
constexpr std::array<std::string_view, 6> kCommands{"continue", "step", "regs", "mem", "quit", "help"};
constexpr uint64_t kMostBytesShown = 4096;
constexpr size_t kLongestLine = 256;

void show(std::string_view text) noexcept {
  standard_error().write(text);
}

/// Takes the first word from `text`.
std::string_view next_word(std::string_view& text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const std::string_view word = text.substr(0, std::min(text.find_first_of(" \t"), text.size()));
  text.remove_prefix(word.size());
  return word;
}

/// The command whose name or first letter `word` is; empty if there is no such command.
std::string_view command_of(std::string_view word) noexcept {
  const auto is_it = [word](std::string_view name) {
    return name == word || (word.size() == 1 && name.front() == word.front());
  };
  const auto* const at = std::ranges::find_if(kCommands, is_it);
  return at == kCommands.end() ? std::string_view{} : *at;
}

std::string dump(uint64_t address, std::span<const std::byte> bytes) {
  constexpr size_t kInALine = 16;
  std::string text;
  for (size_t begin = 0; begin < bytes.size(); begin += kInALine) {
    const auto line = bytes.subspan(begin, std::min(kInALine, bytes.size() - begin));
    std::string letters;
    text += std::format("{:#014x} ", address + begin);
    for (size_t i = 0; i < kInALine; ++i) {
      if (i >= line.size()) {
        text += "   ";
        continue;
      }
      const auto byte = std::to_integer<unsigned char>(line[i]);
      text += std::format(" {:02x}", byte);
      letters += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '.';
    }
    text += "  " + letters + "\n";
  }
  return text;
}

}  // namespace

BreakPrompt::BreakPrompt(const Parts& parts) : parts_(parts), stopped_(parts.loop, [this] { ask(); }) {
  if (parts_.breaker != nullptr) parts_.breaker->set_prompt([this] { stopped_.notify(); });
}

BreakPrompt::~BreakPrompt() {
  if (parts_.breaker != nullptr) parts_.breaker->set_prompt({});
}

void BreakPrompt::ask() {
  const auto stop = stopped();
  if (stop && !asking_) begin(*stop);
}

void BreakPrompt::ask_about_panic(ExitBreaker::Stop stop) {
  panic_ = std::move(stop);
  begin(*panic_);
}

std::optional<ExitBreaker::Stop> BreakPrompt::stopped() {
  if (panic_ || parts_.breaker == nullptr) return panic_;
  return parts_.breaker->stopped();
}

void BreakPrompt::begin(const ExitBreaker::Stop& stop) {
  parts_.console.flush();
  parts_.terminal.set_given_back(true);
  asking_ = true;
  on_wanted_();
  show(std::format("\n{}{}{}", stop.line, hart_to_text(stop, stop.hart.value), kPrompt));
}

void BreakPrompt::take(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    if (c != '\n' && c != '\r') {
      if (line_.size() <= kLongestLine) line_ += c;
      continue;
    }
    obey(std::exchange(line_, {}));
    // Text typed ahead goes to the prompt, as in a shell, but is dropped when the prompt ends.
    if (!asking_) return;
    show(kPrompt);
  }
}

void BreakPrompt::on_end_of_input() {
  show("quit\n");
  quit();
}

void BreakPrompt::obey(std::string_view line) {
  if (line.size() > kLongestLine) return show(std::format("a line has at most {} bytes\n", kLongestLine));
  std::string_view words = line.find_first_not_of(" \t") == std::string_view::npos ? std::string_view{last_} : line;
  std::string again{words};
  const std::string_view word = next_word(words);
  if (word.empty()) return;
  const std::string_view command = command_of(word);
  if (command.empty()) {
    const std::string_view nearest = nearest_name(word, kCommands);
    return show(std::format("{} is not a command; {}\n", in_quotes(word),
                            nearest.empty() ? "help shows them" : std::format("did you mean {}?", nearest)));
  }
  if (command == "continue") go_on(false);
  if (command == "step") go_on(true);
  if (command == "quit") quit();
  if (command == "help") show(kPromptHelp);
  if (command == "regs") show(registers(words));
  if (command == "mem") show(memory(words));
  last_ = std::move(again);
}

void BreakPrompt::go_on(bool step) {
  if (panic_) return show("the guest has panicked and does not go on; quit ends rvvmm\n");
  asking_ = false;
  on_wanted_();
  parts_.terminal.set_given_back(false);
  parts_.breaker->resume(step);
}

void BreakPrompt::forget() {
  if (!asking_) return;
  line_.clear();
  asking_ = false;
  on_wanted_();
  parts_.terminal.set_given_back(false);
}

void BreakPrompt::quit() {
  asking_ = false;
  on_wanted_();
  const ExitStatus status = panic_ ? ExitStatus::kGuestSystemFailure : ExitStatus::kOk;
  parts_.loop.stop({.kind = StopReason::Kind::kExit, .status = static_cast<int>(status)});
}

std::string BreakPrompt::registers(std::string_view words) {
  const auto stop = stopped();
  if (!stop) return "";
  const std::string_view word = next_word(words);
  const auto hart = word.empty() ? std::optional{uint64_t{stop->hart.value}} : parse_number(word);
  if (!hart || *hart >= stop->registers.size() || !next_word(words).empty()) {
    return std::format("regs: {} is not a hart; give one from 0 to {}\n", in_quotes(word), stop->registers.size() - 1);
  }
  return hart_to_text(*stop, *hart);
}

std::string BreakPrompt::memory(std::string_view words) const {
  const std::string_view first = next_word(words);
  const std::string_view second = next_word(words);
  const auto address = parse_number(first);
  const auto length = parse_number(second);
  if (!address || !length || *length == 0 || *length > kMostBytesShown || !next_word(words).empty())
    return std::format("mem: give an address and how many bytes, 1 to {}, such as mem 0x80200000 64\n",
                       kMostBytesShown);
  const auto bytes = parts_.memory.slice(Gpa{*address}, *length);
  const GpaRange ram = parts_.memory.range();
  if (!bytes) {
    return std::format("mem: {} bytes at {:#x} are not all in RAM, which is {:#x} to {:#x}\n", *length, *address,
                       ram.base.value, ram.base.value + ram.size - 1);
  }
  return dump(*address, *bytes);
}

}  // namespace rvvmm
