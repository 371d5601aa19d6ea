// Passes the user's input to the guest's console and handles the escape keys.
#pragma once

#include <functional>
#include <span>

#include "vmm/console/console_place.hpp"
#include "vmm/console/escape_keys.hpp"
#include "vmm/console/input_backlog.hpp"
#include "vmm/console/input_taker.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/terminal.hpp"

namespace rvvmm {

/// Reads only as much as the console has room for. If the console is full or the input has ended, the loop does not
/// watch the descriptor. Escape keys work only on a terminal; other input passes unchanged. From a terminal it reads up
/// to kBacklog bytes more, because the escape keys must work while the guest reads nothing. The loop's thread only.
class StdinReader final : public ConsoleInput {
 public:
  /// How many bytes of a terminal's input are kept while the guest does not read.
  static constexpr size_t kBacklog = InputBacklog::kUsual;

  /// The flags of `fd` do not change. Throws SetupError (kInternal).
  StdinReader(int fd, const ConsolePlace::Parts& parts);
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
  std::function<void()> on_pause_key_;
  EscapeKeys keys_;
  bool ended_ = false;
  EventLoop::Watch watch_;
  InputBacklog backlog_;
  Timer foreground_;
};

}  // namespace rvvmm
