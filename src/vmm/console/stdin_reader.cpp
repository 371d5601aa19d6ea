#include "vmm/console/stdin_reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "base/line_output.hpp"

namespace rvvmm {
namespace {

// How often a background job checks whether it is in the foreground now. A shell's `fg` does not send a signal to a
// running job.
constexpr std::chrono::seconds kForegroundInterval{1};

}  // namespace

StdinReader::StdinReader(int fd, const ConsolePlace::Parts& parts)
    : fd_(fd),
      loop_(parts.loop),
      terminal_(parts.terminal),
      taker_(parts.taker),
      on_pause_key_(parts.on_pause_key),
      watch_(parts.loop, fd, [this] { on_readable(); }),
      backlog_(parts.loop, parts.console, parts.terminal.is_terminal() ? kBacklog : 0,
               [this] { watch_while_there_is_room(); }),
      foreground_(parts.loop, CLOCK_MONOTONIC, [this] { look_for_foreground(); }) {
  if (taker_ != nullptr) taker_->set_on_wanted([this] { watch_while_there_is_room(); });
}

StdinReader::~StdinReader() {
  if (taker_ != nullptr) taker_->set_on_wanted([] {});
}

void StdinReader::read_for_taker() {
  std::array<std::byte, 1024> buffer;
  const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
  if (got > 0) return taker_->take(std::span{buffer}.first(static_cast<size_t>(got)));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  ended_ = got < 0;  // on a terminal, end of input is only a key
  taker_->on_end_of_input();
}

void StdinReader::on_readable() {
  // Reading a terminal from the background would stop rvvmm with SIGTTIN.
  if (!terminal_.in_foreground()) return wait_for_foreground();
  if (taker_wants_it()) return read_for_taker();
  std::array<std::byte, ConsoleHub::kInputCapacity> buffer;
  const size_t room = backlog_.room();
  if (room == 0) return watch_.set_enabled(false);  // until the guest has read
  const ssize_t got = ::read(fd_, buffer.data(), std::min(room, buffer.size()));
  if (got > 0) return take(std::span{buffer}.first(static_cast<size_t>(got)));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  ended_ = true;  // end of input, or a permanent error: the guest goes on without input
  watch_.set_enabled(false);
}

void StdinReader::take(std::span<std::byte> bytes) {
  size_t kept = bytes.size();
  if (terminal_.is_terminal()) {
    kept = 0;
    for (const std::byte byte : bytes) {
      const EscapeKeys::Step step = keys_.feed(byte);
      if (step.pass) bytes[kept++] = *step.pass;
      switch (step.action) {
        case EscapeKeys::Action::kNone: break;
        case EscapeKeys::Action::kQuit: loop_.stop({.kind = StopReason::Kind::kExit, .status = 0}); break;
        case EscapeKeys::Action::kPause: on_pause_key_(); break;
        case EscapeKeys::Action::kHelp: standard_error().write(EscapeKeys::help()); break;
      }
    }
  }
  backlog_.queue(bytes.first(kept));
  watch_while_there_is_room();
}

void StdinReader::wait_for_foreground() {
  watch_.set_enabled(false);
  foreground_.arm_every(kForegroundInterval);
}

void StdinReader::look_for_foreground() {
  if (!terminal_.in_foreground()) return;
  foreground_.disarm();
  terminal_.enter_raw();
  watch_while_there_is_room();
}

}  // namespace rvvmm
