// Writes to descriptors whose reader may be asleep, without blocking.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <string_view>

namespace rvvmm {

/// How long a writer that must not block waits for its reader. A reader that is only slow loses nothing.
inline constexpr std::chrono::milliseconds kReaderPatience{50};

/// Like write(2), for as many bytes as there is room for now; EAGAIN if there is none. Other processes may share the
/// descriptor, as with stderr, so its flags stay unchanged: O_NONBLOCK would affect them too. Any thread.
ssize_t write_without_waiting(int fd, std::string_view bytes) noexcept;

/// False if there is no room within `limit`. Also true if a write would fail.
bool has_room_within(int fd, std::chrono::milliseconds limit) noexcept;

/// Waits until there is room. False if there is none and `give_up` is or becomes true.
bool wait_for_room(int fd, const std::atomic<bool>& give_up) noexcept;

}  // namespace rvvmm
