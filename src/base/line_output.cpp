#include "base/line_output.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <new>
#include <string>

#include "base/waiting_write.hpp"

namespace rvvmm {
namespace {

std::string for_terminal(std::string_view text) {
  std::string lines;
  for (const char letter : text) {
    if (letter == '\n') lines += '\r';
    lines += letter;
  }
  return lines;
}

}  // namespace

int LineOutput::write_for(std::string_view text, const std::atomic<bool>* give_up) noexcept {
  try {
    return ::isatty(fd_) == 1 ? put_all(for_terminal(text), give_up) : put_all(text, give_up);
  } catch (const std::bad_alloc&) {
    const LockGuard lock{mu_};
    lose(text, false, ENOMEM);
    return ENOMEM;
  }
}

int LineOutput::put_all(std::string_view text, const std::atomic<bool>* give_up) noexcept {
  const size_t size = text.size();
  bool waits = false;
  // Waits without the lock, because a writer that does not wait may need it.
  do {
    const LockGuard lock{mu_};
    const bool begun = text.size() < size;
    int error = begun ? 0 : put_lost();
    if (error == 0) error = put(text, give_up == nullptr);
    if (error == 0) return 0;
    waits = error == EAGAIN && give_up != nullptr;
    if (!waits) {
      lose(text, text.size() < size, error);
      return error;
    }
  } while (wait_for_room(fd_, *give_up));
  const LockGuard lock{mu_};
  lose(text, text.size() < size, EAGAIN);
  return EAGAIN;
}

int LineOutput::put(std::string_view& text, bool patiently) noexcept {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end = Clock::time_point::max();
  while (!text.empty()) {
    const ssize_t done = write_without_waiting(fd_, text);
    if (done > 0) {
      text.remove_prefix(static_cast<size_t>(done));
      stalled_ = false;
      end = Clock::time_point::max();
      continue;
    }
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno != EAGAIN) return errno;
    if (!patiently || stalled_) return EAGAIN;
    end = std::min(end, Clock::now() + kReaderPatience);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    stalled_ = left.count() <= 0 || !has_room_within(fd_, left);
  }
  return 0;
}

int LineOutput::put_lost() noexcept {
  if (lost_ == 0 && !cut_) return 0;
  const char* const end = ::isatty(fd_) == 1 ? "\r\n" : "\n";
  std::array<char, 200> line{};
  char* out = line.data();
  if (cut_) out = std::format_to(out, "{}", end);
  if (lost_ > 0) {
    const char* const why = why_lost_ == EAGAIN ? "nobody reads" : ::strerrordesc_np(why_lost_);
    out = std::format_to(out, "rvvmm: lines lost here: {} ({:.100}){}", lost_, why, end);
  }
  std::string_view text{line.data(), out};
  const size_t size = text.size();
  const int error = put(text, true);
  if (text.size() < size) cut_ = error != 0;
  if (error == 0) lost_ = 0;
  return error;
}

void LineOutput::lose(std::string_view rest, bool begun, int why) noexcept {
  lost_ += std::max<uint64_t>(static_cast<uint64_t>(std::ranges::count(rest, '\n')), 1);
  why_lost_ = why;
  cut_ = cut_ || begun;
}

void LineOutput::say_lost() noexcept {
  const LockGuard lock{mu_};
  put_lost();
}

LineOutput& standard_error() noexcept {
  static LineOutput instance{STDERR_FILENO};
  return instance;
}

}  // namespace rvvmm
