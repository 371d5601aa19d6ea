// Lines for who watches stderr, past the log; and how a hart waits for who reads.
#pragma once

#include <atomic>
#include <string_view>

namespace rvvmm {

/// Waits until `fd` takes a PIPE_BUF; false: `ending` has become true first. A hart waits like this, and not in
/// write(2) itself: what gets it out of there when it is to end comes once, maybe before it.
bool wait_for_room(int fd, const std::atomic<bool>& ending) noexcept;

/// All of `text`, or what fits where stderr ends. Where that is a terminal, which is in raw mode for the guest, a line
/// ends in "\r\n". With `ending`, as a hart needs it, the rest is lost when that has become true and nobody reads. Any
/// thread.
void show_on_stderr(std::string_view text, const std::atomic<bool>* ending = nullptr) noexcept;
/// The same for who has looked whether it is a terminal; errno of what went wrong, or 0.
int write_to_stderr(std::string_view text, bool is_terminal, const std::atomic<bool>* ending = nullptr) noexcept;

}  // namespace rvvmm
