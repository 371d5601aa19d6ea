#include "devices/passt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <format>
#include <fstream>
#include <utility>

#include "base/errno_signals.hpp"
#include "base/error.hpp"
#include "base/printable.hpp"

namespace rvvmm {
namespace {

// passt takes milliseconds; an emulated machine that is busy takes seconds.
constexpr int kReadyLimitMs = 30'000;
// Statuses of a child that did not become passt, as a shell has them.
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

struct Pipe {
  Fd read;
  Fd write;
};

SetupError host_error(const char* what) {
  return SetupError::from_errno(ExitStatus::kInternal, std::format("user: {}", what), errno);
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw host_error("pipe");
  return {Fd{ends[0]}, Fd{ends[1]}};
}

// The second column of a row is the destination, which is 0 for the default route.
bool host_has_ipv4_route() {
  std::ifstream routes{"/proc/net/route"};
  std::string interface;
  std::string destination;
  std::string rest;
  while (routes >> interface >> destination && std::getline(routes, rest)) {
    if (destination == "00000000") return true;
  }
  return false;
}

/// Between fork and exec: nothing that takes a lock or memory.
[[noreturn]] void become_passt(char* const* arguments, int socket, int nothing, int ready, int errors, pid_t parent) {
  ::setsid();  // Ctrl-C at the terminal is not for passt
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  handle_errno_signals(SIG_DFL);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(ready, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::fcntl(socket, F_SETFD, 0);
  ::execvp(arguments[0], arguments);
  ::_exit(errno == ENOENT ? kNotFound : kNotExecutable);
}

/// The last line of all that a descriptor gives now, which is gone then.
std::string last_line(int fd) {
  std::string text;
  std::array<char, 4096> piece;
  while (true) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<size_t>(got));
  }
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const size_t before = text.find_last_of('\n', end);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return printable(text.substr(begin, end - begin + 1));
}

}  // namespace

std::vector<std::string> passt_arguments(const PasstOptions& options, int socket, bool host_has_route) {
  // Ready is who has written its process id: then every port is bound. It closes all other descriptors of ours.
  std::vector<std::string> arguments{options.program,        "--foreground", "--quiet",        "--fd",
                                     std::to_string(socket), "--pid",        "/proc/self/fd/1"};
  for (const char* const argument : {"--address", "10.0.2.15", "--netmask", "24", "--gateway", "10.0.2.2", "--dns",
                                     "10.0.2.3", "--dns-forward", "10.0.2.3"}) {
    arguments.emplace_back(argument);
  }
  // Without a route it would take addresses of its own choice; with an interface named it takes ours.
  if (!host_has_route) {
    for (const char* const argument : {"--interface", "lo", "--ipv4-only"})
      arguments.emplace_back(argument);
  }
  for (const PortForward& forward : options.forwards) {
    arguments.emplace_back(forward.udp ? "--udp-ports" : "--tcp-ports");
    const std::string address = forward.host_address.empty() ? "" : forward.host_address + '/';
    arguments.push_back(std::format("{}{}:{}", address, forward.host_port, forward.guest_port));
  }
  return arguments;
}

std::unique_ptr<Passt> Passt::launch(const PasstOptions& options) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw host_error("socketpair");
  Fd ours{ends[0]};
  Fd theirs{ends[1]};
  Pipe ready = make_pipe();
  Pipe errors = make_pipe();
  const Fd nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  std::vector<std::string> arguments = passt_arguments(options, theirs.get(), host_has_ipv4_route());
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  // One that is ignored, as some who start us have it, would have the kernel reap passt and give its number away.
  ::signal(SIGCHLD, SIG_DFL);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw host_error("fork");
  if (pid == 0) {
    become_passt(pointers.data(), theirs.get(), nothing.get(), ready.write.get(), errors.write.get(), parent);
  }
  std::unique_ptr<Passt> passt{new Passt{std::move(ours), pid, std::move(errors.read)}};
  ready.write.reset();
  errors.write.reset();
  theirs.reset();
  passt->wait_until_ready(ready.read.get(), options.program);
  return passt;
}

void Passt::wait_until_ready(int ready, const std::string& program) {
  pollfd event{.fd = ready, .events = POLLIN, .revents = 0};
  int polled = 0;
  do
    polled = ::poll(&event, 1, kReadyLimitMs);
  while (polled < 0 && errno == EINTR);
  if ((event.revents & POLLIN) != 0) {
    last_line(errors_.get());  // what it had to say so far is not why it will end
    return;
  }
  if (polled == 0) {
    throw SetupError{ExitStatus::kHostUnsupported,
                     std::format("user: {} is not ready after {} s", program, kReadyLimitMs / 1000)};
  }
  const int status = end();
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == kNotFound) {
    throw SetupError{
        ExitStatus::kHostUnsupported,
        std::format("user: there is no program {} (Debian package passt); --net tap=NAME does without", program)};
  }
  const std::string said = code == kNotExecutable ? "it cannot be executed" : last_line(errors_.get());
  throw SetupError{ExitStatus::kHostUnsupported,
                   std::format("user: {} did not start: {}", program, said.empty() ? "it does not say why" : said)};
}

// It has nothing to put in order. The socket's end would end it too, and so does our own end, however we come to it.
int Passt::end() noexcept {
  int status = 0;
  ::kill(pid_, SIGKILL);  // one that has ended by itself keeps its status
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
    continue;
  pid_ = 0;
  return status;
}

Passt::~Passt() {
  if (pid_ > 0) end();
}

std::string Passt::why() const {
  const std::string said = last_line(errors_.get());
  return said.empty() ? StreamBackend::why() : std::format("{}: {}", StreamBackend::why(), said);
}

}  // namespace rvvmm
