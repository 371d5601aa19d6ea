// Takes what the user types to the guest's console, and the escape keys out of it.
#pragma once

#include <vector>

#include "vmm/console_hub.hpp"
#include "vmm/escape_keys.hpp"
#include "vmm/event_loop.hpp"
#include "vmm/terminal.hpp"

namespace rvvmm {

/// Reads only as much as the console has room for; a full console, or the end of the input, takes the descriptor
/// out of the loop. Escape keys count only on a terminal: other input passes untouched. A terminal is read further
/// than the console has room, up to kBacklog: its keys must end rvvmm while a guest takes nothing. The loop's thread
/// only.
class StdinReader {
 public:
  /// What is kept of a terminal's input for a guest that does not take it.
  static constexpr size_t kBacklog = 64_KiB;

  /// `fd` keeps its flags. All must outlive this. Throws SetupError (kInternal).
  StdinReader(int fd, EventLoop& loop, Terminal& terminal, ConsoleHub& console);
  ~StdinReader();
  StdinReader(const StdinReader&) = delete;
  StdinReader& operator=(const StdinReader&) = delete;

 private:
  void on_readable();
  void take(std::span<std::byte> bytes);
  void queue(std::span<const std::byte> bytes);
  void on_room();
  size_t room() const noexcept;
  void watch_while_there_is_room() noexcept { watch_.set_enabled(!ended_ && room() > 0); }
  void wait_for_foreground();
  void look_for_foreground();

  int fd_;
  EventLoop& loop_;
  Terminal& terminal_;
  ConsoleHub& console_;
  EscapeKeys keys_;
  bool ended_ = false;
  std::vector<std::byte> backlog_;  ///< read, and not yet in the console
  EventLoop::Watch watch_;
  Notifier room_;
  Timer foreground_;
};

}  // namespace rvvmm
