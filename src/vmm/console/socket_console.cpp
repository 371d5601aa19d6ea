#include "vmm/console/socket_console.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <format>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/printable.hpp"
#include "vmm/console/input_backlog.hpp"

namespace rvvmm {
namespace {

// How long to wait before the next try if the host has no descriptor for a client.
constexpr std::chrono::seconds kNextTry{1};

std::string in_message(const std::string& path) {
  return std::format("--console: socket {}", printable(path));
}

SetupError refused(const std::string& path, std::string_view why) {
  return SetupError{ExitStatus::kUsage, std::format("{}: {}", in_message(path), why)};
}

SetupError failed(const std::string& path, std::string_view what) {
  return SetupError::from_errno(ExitStatus::kUsage, std::format("{}: {}", in_message(path), what), errno);
}

Fd unix_socket(const std::string& path) {
  Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) throw failed(path, "cannot make a socket");
  return fd;
}

/// Held while rvvmm checks and takes the path. Without the lock, a second rvvmm could mistake a socket between bind()
/// and listen() for a left-over one. Or both could remove a left-over socket, and the later one would remove the new
/// socket of the other. rvvmm holds the lock only for a moment, so this waits at most 2 s. If rvvmm may not read the
/// folder, it goes on without the lock.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path) {
    const std::string folder = std::filesystem::path{path}.parent_path();
    folder_ = Fd{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (int wait = 0; folder_ && ::flock(folder_.get(), LOCK_EX | LOCK_NB) != 0 && wait < 200; ++wait)
      ::usleep(10'000);
  }

 private:
  Fd folder_;
};

// Removes only a socket, and only if no process listens on it.
void remove_left_over(const std::string& path, const sockaddr_un& address) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) < 0) return;
  if (!S_ISSOCK(there.st_mode)) throw refused(path, "exists already and is not a socket; give a path that is free");
  const Fd probe = unix_socket(path);
  const int answer = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (answer != 0 && errno == ENOENT) return;  // it was removed in the meantime
  if (answer != 0 && errno == EACCES) {
    throw refused(path, "exists already, and you may not connect to it; give another path");
  }
  if (answer == 0 || errno != ECONNREFUSED) throw refused(path, "another process listens there; give another path");
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  throw refused(path, std::format("is left over from an earlier run and cannot be removed: {}; give another path",
                                  std::strerror(errno)));
}

class SocketInput final : public ConsoleInput {
 public:
  struct Fds {
    int listener;
    int client;
    int nobody;
  };

  SocketInput(const Fds& fds, const ConsolePlace::Parts& parts)
      : fds_(fds),
        arrivals_(parts.loop, fds.listener, [this] { on_arrival(); }),
        watch_(parts.loop, fds.client, [this] { on_readable(); }),
        backlog_(parts.loop, parts.console, InputBacklog::kUsual, [this] { watch_what_is_of_use(); }),
        next_try_(parts.loop, CLOCK_MONOTONIC, [this] { try_again(); }) {
    watch_what_is_of_use();
  }

 private:
  void on_arrival() {
    // Writes to the client block: the output thread may wait.
    const Fd client{::accept4(fds_.listener, nullptr, nullptr, SOCK_CLOEXEC)};
    if (client) {
      ::dup3(client.get(), fds_.client, O_CLOEXEC);
      connected_ = true;
      return watch_what_is_of_use();
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    if (refusals_.allow()) {
      log::line(log::Module::kVmm, log::Level::kWarn, "console socket: a client has to wait: {} ({} times so far)",
                std::strerror(errno), refusals_.count());
    }
    waits_ = true;
    next_try_.arm_every(kNextTry);
    watch_what_is_of_use();
  }

  void try_again() {
    next_try_.disarm();
    waits_ = false;
    watch_what_is_of_use();
  }

  void on_readable() {
    std::array<std::byte, ConsoleHub::kInputCapacity> buffer;
    const size_t room = std::min(backlog_.room(), buffer.size());
    if (room == 0) return watch_.set_enabled(false);  // until the guest has read
    const ssize_t got = ::recv(fds_.client, buffer.data(), room, MSG_DONTWAIT);
    if (got > 0) return backlog_.queue(std::span{buffer}.first(static_cast<size_t>(got)));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    ::shutdown(fds_.client, SHUT_RDWR);  // wakes a write to it
    ::dup3(fds_.nobody, fds_.client, O_CLOEXEC);
    connected_ = false;
    watch_what_is_of_use();
  }

  void watch_what_is_of_use() noexcept {
    arrivals_.set_enabled(!connected_ && !waits_);
    watch_.set_enabled(connected_ && backlog_.room() > 0);
  }

  const Fds fds_;
  bool connected_ = false;
  bool waits_ = false;
  log::RateLimit refusals_{"clients of the console"};
  EventLoop::Watch arrivals_;
  EventLoop::Watch watch_;
  InputBacklog backlog_;
  Timer next_try_;
};

}  // namespace

SocketConsole::SocketConsole(const std::string& path)
    : path_(path),
      client_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      nobody_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      listener_(unix_socket(path)) {
  if (!client_ || !nobody_) throw failed(path, "/dev/null");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw refused(path, std::format("is too long for a socket; give at most {} bytes", sizeof address.sun_path - 1));
  }
  std::ranges::copy(path, address.sun_path);
  const FolderLock no_other_rvvmm{path};
  remove_left_over(path, address);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno == EACCES) throw refused(path, "you may not make a socket there; give a path in a folder of yours");
    throw failed(path, "cannot be made");
  }
  ::stat(path.c_str(), &identity_);
  if (::listen(listener_.get(), SOMAXCONN) < 0) throw failed(path, "cannot be listened on");
}

SocketConsole::~SocketConsole() {
  struct stat now{};
  if (::lstat(path_.c_str(), &now) < 0 || now.st_ino != identity_.st_ino || now.st_dev != identity_.st_dev) return;
  ::unlink(path_.c_str());
}

std::unique_ptr<ConsoleInput> SocketConsole::take_input(const Parts& parts) {
  return std::make_unique<SocketInput>(
      SocketInput::Fds{.listener = listener_.get(), .client = client_.get(), .nobody = nobody_.get()}, parts);
}

}  // namespace rvvmm
