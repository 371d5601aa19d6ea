// An rvvmm process with the test at its console: type, expect, signal, wait.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>
#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace rvvmm::test {

/// Ten times what a step takes on the emulated host when nothing else runs there.
inline constexpr std::chrono::seconds kSoon{60};
/// The same for a Linux guest's way to its prompt.
inline constexpr std::chrono::seconds kBoot{240};

/// What the process has as stdin and stdout. stderr is always kept apart.
enum class Console {
  kPipe,         ///< pipes, the test at their other ends
  kPty,          ///< a terminal of its own, as session leader
  kNullInput,    ///< stdin is /dev/null
  kClosedInput,  ///< stdin is a pipe whose writer is gone
  kNoReader,     ///< stdout is a pipe nobody reads, stdin /dev/null
};

/// Killed, and waited for, at the end of its scope. One thread.
class VmProcess {
 public:
  /// Starts RVVMM_BIN with `arguments`. `prepare` is called in its process first: to take something away from it.
  explicit VmProcess(const std::vector<std::string>& arguments, Console console = Console::kPipe,
                     void (*prepare)() = nullptr);
  /// Starts another program.
  VmProcess(const std::string& program, const std::vector<std::string>& arguments, Console console,
            void (*prepare)() = nullptr);
  ~VmProcess();
  VmProcess(const VmProcess&) = delete;
  VmProcess& operator=(const VmProcess&) = delete;

  /// Types all of `text`, taking output meanwhile.
  ::testing::AssertionResult send(std::string_view text, std::chrono::seconds limit = kSoon);
  /// Types `text`, for which there must be room, and leaves the output unread.
  void send_unread(std::string_view text) const;
  /// Ends the guest's input.
  void close_input() { input_.reset(); }

  /// Waits until `text` is on the console behind what was expected before.
  ::testing::AssertionResult expect(std::string_view text, std::chrono::seconds limit = kSoon);
  /// The same for a regular expression (ECMAScript) within a line; matches() has the groups.
  ::testing::AssertionResult expect_match(const std::string& pattern, std::chrono::seconds limit = kSoon);
  const std::vector<std::string>& matches() const { return matches_; }

  /// Waits for the process's end. A death by signal N counts as status 128 + N, as in a shell.
  ::testing::AssertionResult ends_with(int status, std::chrono::seconds limit = kSoon);
  /// nullopt: it goes on.
  std::optional<int> wait(std::chrono::milliseconds limit);
  /// True, and output is taken meanwhile, if the process lives on for all of `span`.
  bool lives_for(std::chrono::milliseconds span) { return !wait(span).has_value(); }

  void signal(int number) const;
  pid_t pid() const { return pid_; }
  /// All that came on the console.
  const std::string& output() const { return output_; }
  /// What came between the last two expectations, without the text that ended it.
  const std::string& before_match() const { return before_match_; }
  /// All that came on stderr, or what came behind the first `from` bytes.
  std::string errors(size_t from = 0) const;
  /// Waits until errors() have `text`, `count` times.
  ::testing::AssertionResult says(std::string_view text, size_t count = 1);
  /// The number of lines of errors().
  size_t error_lines() const;

  /// Attributes of the terminal of Console::kPty.
  termios terminal_attributes() const;

 private:
  void start(std::vector<std::string> words, Console console, void (*prepare)());
  void open_console(Console console, Fd& child_in, Fd& child_out);
  /// Takes what output there is, waiting at most `limit` for the first.
  void take_output(std::chrono::milliseconds limit);
  bool reap();
  std::string report() const;

  pid_t pid_ = -1;
  std::optional<int> status_;
  Fd input_;
  Fd output_fd_;
  Fd unread_;    ///< kNoReader: the end that is never read
  Fd terminal_;  ///< kPty: the slave, open so that it lives on behind its process
  Fd errors_;
  bool at_end_ = false;
  std::string output_;
  size_t expected_up_to_ = 0;
  std::string before_match_;
  std::vector<std::string> matches_;
};

/// The last 2,000 bytes of what was printed: what has gone wrong is there.
std::string_view end_of(std::string_view output);

/// What `rvvmm report` prints with these arguments; it must end well.
std::string report_with(std::vector<std::string> arguments);

}  // namespace rvvmm::test
