// Console input that was read before the guest had room for it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "vmm/console/console_hub.hpp"
#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// Between a descriptor that brings input and the console: keeps a little more than the console takes, in order. One at
/// a time for a console; the loop's thread only.
class InputBacklog {
 public:
  /// Enough that keys, a hang-up and the next client are heard of although the guest takes nothing.
  static constexpr size_t kUsual = 64_KiB;

  /// `most`: bytes to keep beyond the console's own. `on_room`: the guest has read, there may be room again. Both
  /// references outlive this. Throws SetupError (kInternal).
  InputBacklog(EventLoop& loop, ConsoleHub& console, size_t most, std::function<void()> on_room);
  ~InputBacklog();
  InputBacklog(const InputBacklog&) = delete;
  InputBacklog& operator=(const InputBacklog&) = delete;

  /// How much queue() may be given.
  size_t room() const noexcept;
  void queue(std::span<const std::byte> bytes);

 private:
  void move_on();

  ConsoleHub& console_;
  const size_t most_;
  std::vector<std::byte> kept_;  // behind what the console has
  std::function<void()> on_room_;
  Notifier room_;
};

}  // namespace rvvmm
