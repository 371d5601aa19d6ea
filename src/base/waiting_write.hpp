// Writes to descriptors whose reader may sleep, without sleeping with it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <string_view>

namespace rvvmm {

/// What a reader gets to make room, where nobody may wait for long: one that is only slow loses nothing.
inline constexpr std::chrono::milliseconds kReaderPatience{50};

/// write(2) of what there is room for now; EAGAIN where there is none. The descriptor may be shared with other
/// processes, as stderr is, and stays as it is: O_NONBLOCK would be theirs too. Any thread.
ssize_t write_without_waiting(int fd, std::string_view bytes) noexcept;

/// False: no room within `limit`. True where a write would fail, too.
bool has_room_within(int fd, std::chrono::milliseconds limit) noexcept;

/// Waits until there is room; false: `give_up` has become true first, or is when it begins and there is none.
bool wait_for_room(int fd, const std::atomic<bool>& give_up) noexcept;

}  // namespace rvvmm
