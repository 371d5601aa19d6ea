// Console input that was read before the guest had room for it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "vmm/console/console_hub.hpp"
#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// A buffer between an input descriptor and the console. It keeps, in order, some bytes more than the console takes. A
/// console has one backlog at a time. The loop's thread only.
class InputBacklog {
 public:
  /// Large enough that rvvmm still notices its keys, a hang-up and the next client while the guest reads nothing.
  static constexpr size_t kUsual = 64_KiB;

  /// `most`: how many bytes to keep beyond the console's ring. `on_room` is called when the guest has read and there
  /// may be room again. `loop` and `console` must outlive this object. Throws SetupError (kInternal).
  InputBacklog(EventLoop& loop, ConsoleHub& console, size_t most, std::function<void()> on_room);
  ~InputBacklog();
  InputBacklog(const InputBacklog&) = delete;
  InputBacklog& operator=(const InputBacklog&) = delete;

  /// How many bytes queue() can take.
  size_t room() const noexcept;
  void queue(std::span<const std::byte> bytes);

 private:
  void move_on();

  ConsoleHub& console_;
  const size_t most_;
  std::vector<std::byte> kept_;  // bytes that follow those in the console
  std::function<void()> on_room_;
  Notifier room_;
};

}  // namespace rvvmm
