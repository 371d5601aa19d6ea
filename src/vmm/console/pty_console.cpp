#include "vmm/console/pty_console.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/error.hpp"
#include "base/line_output.hpp"
#include "vmm/console/input_backlog.hpp"

namespace rvvmm {
namespace {

SetupError problem(const char* what) {
  return SetupError::from_errno(ExitStatus::kInternal, std::string{"--console: pty: "} + what, errno);
}

/// poll(2) reports a hang-up all the time while no process has the pty open. So the loop watches it only while it is
/// open.
class PtyInput final : public ConsoleInput {
 public:
  PtyInput(int master, int openings, const ConsolePlace::Parts& parts)
      : master_(master),
        openings_(openings),
        on_resize_(parts.on_resize),
        opened_(parts.loop, openings, [this] { on_opened(); }),
        watch_(parts.loop, master, [this] { on_readable(); }),
        backlog_(parts.loop, parts.console, InputBacklog::kUsual, [this] { watch_if_of_use(); }) {
    watch_.set_enabled(false);
  }

 private:
  void on_opened() {
    alignas(inotify_event) std::array<std::byte, 4_KiB> events;
    while (::read(openings_, events.data(), events.size()) > 0)
      continue;
    open_ = true;
    watch_if_of_use();
    on_resize_();
  }

  void on_readable() {
    std::array<std::byte, ConsoleHub::kInputCapacity> buffer;
    const size_t room = std::min(backlog_.room(), buffer.size());
    if (room == 0) return watch_.set_enabled(false);  // until the guest has read
    const ssize_t got = ::read(master_, buffer.data(), room);
    if (got > 0) {
      backlog_.queue(std::span{buffer}.first(static_cast<size_t>(got)));
      return on_resize_();  // a change of the size causes no other event
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    open_ = false;  // EIO: the last process has closed the pty
    watch_if_of_use();
  }

  void watch_if_of_use() noexcept { watch_.set_enabled(open_ && backlog_.room() > 0); }

  const int master_;
  const int openings_;
  std::function<void()> on_resize_;
  bool open_ = false;
  EventLoop::Watch opened_;
  EventLoop::Watch watch_;
  InputBacklog backlog_;
};

}  // namespace

PtyConsole::PtyConsole() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::array<char, 64> name{};
  if (!master_) throw problem("no pty");
  if (::grantpt(master_.get()) < 0 || ::unlockpt(master_.get()) < 0) throw problem("its other end is locked");
  if (const int error = ::ptsname_r(master_.get(), name.data(), name.size()); error != 0) {
    errno = error;
    throw problem("its name");
  }
  path_ = name.data();
  // The output thread waits in poll(2), which reports a hang-up. A blocking write(2) would not notice it.
  ::fcntl(master_.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  // Opens the slave once: the pty reports a hang-up only after its slave was opened and closed.
  const Fd slave{::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
  termios mode{};
  if (!slave || ::tcgetattr(slave.get(), &mode) < 0) throw problem(path_.c_str());
  ::cfmakeraw(&mode);
  ::tcsetattr(slave.get(), TCSANOW, &mode);
  openings_ = Fd{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!openings_ || ::inotify_add_watch(openings_.get(), path_.c_str(), IN_OPEN) < 0) throw problem("inotify");
  standard_error().write("rvvmm: console: " + path_ + "\n");
}

std::unique_ptr<ConsoleInput> PtyConsole::take_input(const Parts& parts) {
  return std::make_unique<PtyInput>(master_.get(), openings_.get(), parts);
}

}  // namespace rvvmm
