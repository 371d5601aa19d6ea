#include "observe/flight_report.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <utility>

#include "base/printable.hpp"
#include "observe/exit_log.hpp"
#include "observe/hart_registers.hpp"
#include "observe/json_input.hpp"

namespace rvvmm {
namespace {

std::string value_text(const Json& value) {
  return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

/// "a0 0x1 a1 0x2", four per line.
std::string registers_text(const Json& registers) {
  std::string text;
  size_t shown = 0;
  for (const auto& [name, value] : registers.items()) {
    text += register_cell(shown, printable(name), value_text(value));
    ++shown;
  }
  return text + "\n";
}

class Drawing {
 public:
  void add(const Json& line) {
    if (line.contains("exit")) {
      add_exit(line);
    } else if (line.contains("registers")) {
      text_ += std::format("hart {} at the end:", unsigned_at(line, "hart")) + registers_text(line.at("registers"));
    } else if (line.contains("console")) {
      if (!std::exchange(has_console_, true)) text_ += "the last lines of the console:\n";
      text_ += "    " + value_text(line.at("console")) + "\n";
    }
  }
  void set_end(double us) { end_us_ = us; }
  std::string take() { return std::move(text_); }

 private:
  void add_exit(const Json& line) {
    const uint64_t hart = unsigned_at(line, "hart");
    text_ += std::format("{:>14.1f} us  hart {}  {} {}", number_at(line, "us") - end_us_, hart,
                         value_text(line.at("exit")), value_text(member_at(line, "name")));
    for (const auto& [key, value] : line.items()) {
      static constexpr std::array<std::string_view, 5> kShown{"us", "hart", "exit", "name", "registers"};
      if (!std::ranges::contains(kShown, key)) text_ += std::format(", {} {}", printable(key), value_text(value));
    }
    if (line.contains("registers")) text_ += changes(hart, line.at("registers"));
    text_ += '\n';
  }

  std::string changes(uint64_t hart, const Json& registers) {
    Json& before = registers_[hart];
    std::string text;
    for (const auto& [name, value] : registers.items()) {
      const auto was = before.find(name);
      if (was == before.end() || *was == value) continue;
      text += std::format("\n{:>18}{:<8} {} -> {}", "", printable(name), value_text(*was), value_text(value));
    }
    before = registers;
    return text;
  }

  double end_us_ = 0;
  bool has_console_ = false;
  std::map<uint64_t, Json> registers_;  // of each hart's last exit that has registers
  std::string text_;
};

/// Calls use(line) for each line in order. Parses one line at a time, because a trace can be large. Throws SetupError.
template <typename Use>
void for_each_line(std::string_view text, const std::string& file, Use use) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos)
      throw bad_report(file, std::format("is cut off in line {}; the lines before it are complete", number));
    try {
      use(parse_json(text.substr(0, end)));
    } catch (const UnfitJson& problem) {
      throw bad_report(file, std::format("is damaged: line {}: {}", number, problem.what()));
    }
    text.remove_prefix(end + 1);
  }
}

void check_head(const Json& head, const std::string& file) {
  const Json version = head.value("version", Json{});
  if (version == kExitLogVersion) return;
  throw bad_report(file, std::format("is of version {}; this rvvmm reads version {}", version.dump(), kExitLogVersion));
}

}  // namespace

bool is_exit_log(std::string_view text) noexcept {
  return text.starts_with(kExitLogStart);
}

std::string exit_log_to_text(std::string_view text, const std::string& file) {
  Drawing drawing;
  for_each_line(text, file, [&](const Json& line) {
    if (line.contains("exit")) drawing.set_end(number_at(line, "us"));
  });
  std::string head;
  for_each_line(text, file, [&](const Json& line) {
    if (!head.empty()) return drawing.add(line);
    check_head(line, file);
    head = value_text(member_at(line, "why")) + "\n";
  });
  return head + drawing.take();
}

}  // namespace rvvmm
