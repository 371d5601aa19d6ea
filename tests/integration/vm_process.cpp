// Spawns rvvmm and polls its console; every wait has a limit and a failure shows the console's end.
#include "vm_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <regex>
#include <stdexcept>
#include <utility>

#include "test_environment.hpp"

namespace rvvmm::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

struct Pipe {
  Fd reader;
  Fd writer;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {.reader = Fd{ends[0]}, .writer = Fd{ends[1]}};
}

Fd open_null() {
  return Fd{open("/dev/null", O_RDWR | O_CLOEXEC)};
}

milliseconds left_until(Clock::time_point end) {
  return std::max(milliseconds{0}, std::chrono::duration_cast<milliseconds>(end - Clock::now()));
}

struct Ends {
  int in;
  int out;
  int errors;
};

// In the child, between fork and exec: nothing that allocates.
[[noreturn]] void become(char* const* arguments, const Ends& ends, bool own_terminal, void (*prepare)()) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setsid();
  if (own_terminal) ioctl(ends.in, TIOCSCTTY, 0);
  dup2(ends.in, STDIN_FILENO);
  dup2(ends.out, STDOUT_FILENO);
  dup2(ends.errors, STDERR_FILENO);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    ::signal(number, SIG_DFL);
  if (prepare != nullptr) prepare();
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

VmProcess::VmProcess(const std::vector<std::string>& arguments, Console console, void (*prepare)())
    : VmProcess(TestEnvironment::get().rvvmm, arguments, console, prepare) {}

VmProcess::VmProcess(const std::string& program, const std::vector<std::string>& arguments, Console console,
                     void (*prepare)()) {
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  start(std::move(words), console, prepare);
}

VmProcess::~VmProcess() {
  if (pid_ < 0 || status_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void VmProcess::open_console(Console console, Fd& child_in, Fd& child_out) {
  if (console == Console::kPty) {
    int master = -1;
    int slave = -1;
    if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("openpty");
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    input_ = Fd{master};
    output_fd_ = Fd{fcntl(master, F_DUPFD_CLOEXEC, 0)};
    terminal_ = Fd{slave};
    child_in = Fd{fcntl(slave, F_DUPFD_CLOEXEC, 0)};
    child_out = Fd{fcntl(slave, F_DUPFD_CLOEXEC, 0)};
    return;
  }
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  const bool null_input = console == Console::kNullInput || console == Console::kNoReader;
  child_in = null_input ? open_null() : std::move(in.reader);
  if (console == Console::kPipe) input_ = std::move(in.writer);
  child_out = std::move(out.writer);
  (console == Console::kNoReader ? unread_ : output_fd_) = std::move(out.reader);
}

void VmProcess::start(std::vector<std::string> words, Console console, void (*prepare)()) {
  Fd child_in;
  Fd child_out;
  open_console(console, child_in, child_out);
  errors_ = Fd{memfd_create("stderr", MFD_CLOEXEC)};
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    become(pointers.data(), {.in = child_in.get(), .out = child_out.get(), .errors = errors_.get()},
           console == Console::kPty, prepare);
  }
  for (const Fd* ours : {&input_, &output_fd_}) {
    if (*ours) fcntl(ours->get(), F_SETFL, fcntl(ours->get(), F_GETFL) | O_NONBLOCK);
  }
}

void VmProcess::take_output(milliseconds limit) {
  if (!output_fd_ || at_end_) {
    usleep(static_cast<useconds_t>(std::min(limit, milliseconds{5}).count() * 1000));
    return;
  }
  pollfd ready{.fd = output_fd_.get(), .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return;
  std::array<char, 65536> bytes;
  const ssize_t count = read(output_fd_.get(), bytes.data(), bytes.size());
  if (count > 0) {
    output_.append(bytes.data(), static_cast<size_t>(count));
  } else if (count == 0 || errno != EAGAIN) {
    at_end_ = true;
  }
}

AssertionResult VmProcess::send(std::string_view text, std::chrono::seconds limit) {
  const auto end = Clock::now() + limit;
  while (!text.empty()) {
    const ssize_t count = write(input_.get(), text.data(), std::min<size_t>(text.size(), 4096));
    if (count > 0) text.remove_prefix(static_cast<size_t>(count));
    if (count < 0 && errno != EAGAIN) return AssertionFailure() << "cannot type: errno " << errno << report();
    if (Clock::now() >= end) return AssertionFailure() << text.size() << " bytes were not taken" << report();
    take_output(milliseconds{count > 0 ? 0 : 5});
  }
  return AssertionSuccess();
}

void VmProcess::send_unread(std::string_view text) const {
  EXPECT_EQ(write(input_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

AssertionResult VmProcess::expect(std::string_view text, std::chrono::seconds limit) {
  const auto end = Clock::now() + limit;
  size_t from = expected_up_to_;
  while (true) {
    const size_t at = output_.find(text, from);
    if (at != std::string::npos) {
      before_match_ = output_.substr(expected_up_to_, at - expected_up_to_);
      expected_up_to_ = at + text.size();
      return AssertionSuccess();
    }
    from = std::max(expected_up_to_, output_.size() - std::min(output_.size(), text.size()));
    const size_t had = output_.size();
    const bool over = reap();
    take_output(std::min(left_until(end), milliseconds{20}));
    if (over && output_.size() == had) return AssertionFailure() << "ended before \"" << text << '"' << report();
    if (Clock::now() >= end) return AssertionFailure() << "no \"" << text << "\" in time" << report();
  }
}

AssertionResult VmProcess::expect_match(const std::string& pattern, std::chrono::seconds limit) {
  const auto end = Clock::now() + limit;
  const std::regex expression{pattern};
  size_t searched = 0;
  while (true) {
    const bool over = reap();
    const size_t had = output_.size();
    take_output(std::min(left_until(end), milliseconds{20}));
    if (output_.size() != searched) {
      searched = output_.size();
      // A match lies in the last lines; a whole long output is more than std::regex likes.
      const size_t from = std::max(expected_up_to_, searched - std::min<size_t>(searched, 4096));
      std::smatch match;
      const std::string tail = output_.substr(from);
      if (std::regex_search(tail, match, expression)) {
        matches_.assign(match.begin(), match.end());
        const size_t at = from + static_cast<size_t>(match.position());
        before_match_ = output_.substr(expected_up_to_, at - expected_up_to_);
        expected_up_to_ = at + static_cast<size_t>(match.length());
        return AssertionSuccess();
      }
    }
    if (over && output_.size() == had) return AssertionFailure() << "ended before /" << pattern << '/' << report();
    if (Clock::now() >= end) return AssertionFailure() << "no /" << pattern << "/ in time" << report();
  }
}

bool VmProcess::reap() {
  if (status_) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

std::optional<int> VmProcess::wait(milliseconds limit) {
  const auto end = Clock::now() + limit;
  while (!reap() && Clock::now() < end)
    take_output(std::min(left_until(end), milliseconds{10}));
  if (!status_) return std::nullopt;
  for (size_t had = ~size_t{0}; had != output_.size();) {
    had = output_.size();
    take_output(milliseconds{0});
  }
  return status_;
}

AssertionResult VmProcess::ends_with(int status, std::chrono::seconds limit) {
  const std::optional<int> found = wait(limit);
  if (!found) return AssertionFailure() << "did not end in " << limit.count() << " s" << report();
  if (*found != status) return AssertionFailure() << "ended with " << *found << ", not " << status << report();
  return AssertionSuccess();
}

void VmProcess::signal(int number) const {
  kill(pid_, number);
}

std::string VmProcess::errors(size_t from) const {
  std::string text;
  char piece[4096];
  for (ssize_t got = 0; (got = pread(errors_.get(), piece, sizeof piece, static_cast<off_t>(from + text.size()))) > 0;)
    text.append(piece, static_cast<size_t>(got));
  return text;
}

::testing::AssertionResult VmProcess::says(std::string_view text, size_t count) {
  for (auto tries = 0; tries < 600; ++tries) {
    const std::string said = errors();
    size_t found = 0;
    for (size_t at = said.find(text); at != std::string::npos; at = said.find(text, at + 1))
      ++found;
    if (found >= count) return ::testing::AssertionSuccess();
    if (!lives_for(std::chrono::milliseconds{100})) break;
  }
  return ::testing::AssertionFailure() << text << " is not " << count << " times in\n" << errors();
}

size_t VmProcess::error_lines() const {
  const std::string text = errors();
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) +
         (text.empty() || text.back() == '\n' ? 0 : 1);
}

termios VmProcess::terminal_attributes() const {
  termios attributes{};
  if (tcgetattr(terminal_.get(), &attributes) != 0) ADD_FAILURE() << "tcgetattr: errno " << errno;
  return attributes;
}

std::string VmProcess::report() const {
  return "\n--- status: " + (status_ ? std::to_string(*status_) : "running") + "; end of the console:\n" +
         std::string{end_of(output_)} + "\n--- stderr:\n" + errors() + "\n---";
}

std::string_view end_of(std::string_view output) {
  return output.substr(output.size() - std::min<size_t>(output.size(), 2000));
}

std::string report_with(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "report");
  VmProcess process{arguments};
  EXPECT_TRUE(process.ends_with(0)) << process.errors();
  return process.output();
}

}  // namespace rvvmm::test
