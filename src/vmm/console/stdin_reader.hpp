// Takes what the user types to the guest's console, and the escape keys out of it.
#pragma once

#include "vmm/console/console_place.hpp"
#include "vmm/console/escape_keys.hpp"
#include "vmm/console/input_backlog.hpp"
#include "vmm/console/input_taker.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/terminal.hpp"

namespace rvvmm {

/// Reads only as much as the console has room for; a full console, or the end of the input, takes the descriptor
/// out of the loop. Escape keys count only on a terminal: other input passes untouched. A terminal is read further
/// than the console has room, up to kBacklog: its keys must end rvvmm while a guest takes nothing. The loop's thread
/// only.
class StdinReader final : public ConsoleInput {
 public:
  /// What is kept of a terminal's input for a guest that does not take it.
  static constexpr size_t kBacklog = InputBacklog::kUsual;

  /// `fd` keeps its flags; `taker` may be null. All must outlive this. Throws SetupError (kInternal).
  StdinReader(int fd, EventLoop& loop, Terminal& terminal, ConsoleHub& console, InputTaker* taker = nullptr);
  ~StdinReader() override;

 private:
  void on_readable();
  void take(std::span<std::byte> bytes);
  void read_for_taker();
  bool taker_wants_it() const noexcept { return taker_ != nullptr && taker_->takes_input(); }
  void watch_while_there_is_room() noexcept {
    watch_.set_enabled(!ended_ && (backlog_.room() > 0 || taker_wants_it()));
  }
  void wait_for_foreground();
  void look_for_foreground();

  int fd_;
  EventLoop& loop_;
  Terminal& terminal_;
  InputTaker* taker_;
  EscapeKeys keys_;
  bool ended_ = false;
  EventLoop::Watch watch_;
  InputBacklog backlog_;
  Timer foreground_;
};

}  // namespace rvvmm
