#include "vmm/watch/panic_watch.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "observe/exit_matcher.hpp"

namespace rvvmm {

PanicWatch::PanicWatch(EventLoop& loop, const std::vector<std::string>& patterns)
    : timer_(loop, CLOCK_MONOTONIC, [this] { look_again(); }), matched_(loop, [this] {
        taken_at_last_look_ = taken_;
        looks_left_ = kPatience / kQuiet;
        if (seen()) timer_.arm_every(kQuiet);
      }) {
  globs_.reserve(patterns.size());
  for (const std::string& pattern : patterns)
    globs_.push_back("*" + pattern + "*");
}

void PanicWatch::begin(Guest guest) {
  guest_ = std::move(guest);
  length_ = 0;
  seen_ = false;
}

void PanicWatch::end() noexcept {
  timer_.disarm();
  guest_.reset();
}

void PanicWatch::take(std::span<const std::byte> output) noexcept {
  taken_.fetch_add(output.size(), std::memory_order_relaxed);
  if (seen()) return;
  for (const std::byte byte : output) {
    const char letter = static_cast<char>(byte);
    if (letter == '\n' || length_ == kLongestLine) end_line();
    if (letter != '\n') line_[length_++] = letter;
  }
}

void PanicWatch::end_line() noexcept {
  const std::string_view line{line_.data(), std::exchange(length_, 0)};
  const auto matches = [line](const std::string& glob) { return glob_matches(glob, line); };
  if (seen() || std::ranges::none_of(globs_, matches)) return;
  seen_.store(true, std::memory_order_release);
  matched_.notify();
}

void PanicWatch::look_again() {
  if (!guest_ || guest_->is_stopped()) return;
  const bool waits = guest_->waits_for_reader();
  const bool is_quiet = std::exchange(taken_at_last_look_, taken_) == taken_at_last_look_ && !waits;
  if (!is_quiet && --looks_left_ > 0) return;
  timer_.disarm();
  std::exchange(guest_, std::nullopt)->on_panic();
}

}  // namespace rvvmm
