#include "devices/net/passt.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <format>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/printable.hpp"

namespace rvvmm {
namespace {

// passt is ready after milliseconds, or after seconds on an emulated machine that is busy.
constexpr int kReadyLimitMs = 30'000;

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

/// What passt inherits beyond its arguments: descriptors, signals, and a session of its own.
class SpawnSettings {
 public:
  /// `socket` stays open in passt, under the same number. The other three become its stdin, stdout and stderr.
  SpawnSettings(int socket, int in, int out, int errors) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, in, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, errors, STDERR_FILENO);
    ::posix_spawn_file_actions_adddup2(&files_, socket, socket);  // this only clears close-on-exec
    sigset_t none;
    ::sigemptyset(&none);
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);  // passt does not ignore the signals that we ignore
    // A session of its own: Ctrl-C at the terminal does not reach passt.
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&files_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t& files() const noexcept { return files_; }
  const posix_spawnattr_t& attributes() const noexcept { return attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

SetupError not_executed(const std::string& program, int error) {
  if (error == ENOMEM || error == EAGAIN) {
    return SetupError::from_errno(ExitStatus::kInternal, std::format("user: starting {}", program), error);
  }
  if (error == ENOENT) {
    return SetupError{
        ExitStatus::kHostUnsupported,
        std::format("user: program {} not found (Debian package passt); --net tap=NAME works without it", program)};
  }
  return SetupError{ExitStatus::kHostUnsupported,
                    std::format("user: {} cannot be executed: {}", program, std::generic_category().message(error))};
}

/// Does not use fork(2): on a host without overcommit (vm.overcommit_memory=2) the kernel would set aside the guest's
/// memory a second time. Searches PATH.
pid_t spawn(const std::string& program, std::vector<std::string>& arguments, const SpawnSettings& settings) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, program.c_str(), &settings.files(), &settings.attributes(), pointers.data(), ::environ);
  if (error != 0) throw not_executed(program, error);
  return pid;
}

/// Reads all that a descriptor has now, and returns the last line of it.
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

std::vector<std::string> passt_arguments(const PasstOptions& options, int socket,
                                         const std::optional<HostRoutes>& routes) {
  // passt is ready when it has written its process id: then every port is bound. It closes all other inherited
  // descriptors.
  std::vector<std::string> arguments{options.program,        "--foreground", "--quiet",        "--fd",
                                     std::to_string(socket), "--pid",        "/proc/self/fd/1"};
  for (const char* const argument : {"--address", "10.0.2.15", "--netmask", "24", "--gateway", "10.0.2.2", "--dns",
                                     "10.0.2.3", "--dns-forward", "10.0.2.3"}) {
    arguments.emplace_back(argument);
  }
  // passt itself looks for default routes in one table only. For a family without such a route it would have no
  // network, or addresses that it chooses. With --interface it takes the IPv4 address above, and for IPv6 the addresses
  // of that interface.
  if (routes && routes->ipv4.empty() && routes->ipv6.empty()) {
    for (const char* const argument : {"--interface", "lo", "--ipv4-only"})
      arguments.emplace_back(argument);
  } else if (routes && (routes->ipv4.empty() || routes->ipv6.empty() || routes->ipv4 == routes->ipv6)) {
    arguments.emplace_back("--interface");
    arguments.push_back(routes->ipv4.empty() ? routes->ipv6 : routes->ipv4);
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
  std::vector<std::string> arguments = passt_arguments(options, theirs.get(), find_host_routes());
  // Some parent processes start us with SIGCHLD ignored. Then the kernel would reap passt and could reuse its process
  // id.
  ::signal(SIGCHLD, SIG_DFL);
  const pid_t pid =
      spawn(options.program, arguments, {theirs.get(), nothing.get(), ready.write.get(), errors.write.get()});
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
    last_line(errors_.get());  // what passt has said so far is not the reason why it ends later
    return;
  }
  if (polled == 0) {
    throw SetupError{ExitStatus::kHostUnsupported,
                     std::format("user: {} is not ready after {} s", program, kReadyLimitMs / 1000)};
  }
  end();
  const std::string said = last_line(errors_.get());
  throw SetupError{ExitStatus::kHostUnsupported,
                   std::format("user: {} did not start: {}", program, said.empty() ? "it does not say why" : said)};
}

// passt has nothing to clean up. It would also end when its socket closes, and so whenever we end, for any reason.
void Passt::end() noexcept {
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR)
    continue;
  pid_ = 0;
}

Passt::~Passt() {
  if (pid_ > 0) end();
}

std::string Passt::why() const {
  const std::string said = last_line(errors_.get());
  return said.empty() ? StreamBackend::why() : std::format("{}: {}", StreamBackend::why(), said);
}

}  // namespace rvvmm
