// The prompt at a break or after a panic. User input goes to the prompt and not to the guest until the harts go on.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/guest_memory.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/console/input_taker.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/terminal.hpp"
#include "vmm/watch/exit_breaker.hpp"

namespace rvvmm {

/// The loop's thread only. While the prompt asks, the terminal has the mode of the user's shell. It is raw again when
/// the guest goes on.
class BreakPrompt final : public InputTaker {
 public:
  struct Parts {
    EventLoop& loop;
    Terminal& terminal;
    ConsoleHub& console;
    const GuestMemory& memory;
    ExitBreaker* breaker;  ///< null: no breaks are set
  };
  /// Throws SetupError (kInternal).
  explicit BreakPrompt(const Parts& parts);
  ~BreakPrompt() override;

  /// Shows the prompt for a machine whose guest has panicked. Such a machine does not go on.
  void ask_about_panic(ExitBreaker::Stop stop);
  /// Harts have stopped since ask_about_panic().
  void renew_panic(ExitBreaker::Stop stop) { panic_ = std::move(stop); }

  /// Ends the prompt because its machine has ended and a new machine begins. The terminal belongs to the guest again.
  void forget();

  bool takes_input() const noexcept override { return asking_; }
  void take(std::span<const std::byte> bytes) override;
  void on_end_of_input() override;
  void set_on_wanted(std::function<void()> on_wanted) override { on_wanted_ = std::move(on_wanted); }

  static constexpr std::string_view kPrompt = "(rvvmm) ";

 private:
  void ask();
  void begin(const ExitBreaker::Stop& stop);
  std::optional<ExitBreaker::Stop> stopped();
  void obey(std::string_view line);
  void go_on(bool step);
  void quit();
  std::string registers(std::string_view words);
  std::string memory(std::string_view words) const;

  Parts parts_;
  Notifier stopped_;
  std::function<void()> on_wanted_ = [] {};
  bool asking_ = false;
  std::optional<ExitBreaker::Stop> panic_;
  std::string line_;  // the input line so far
  std::string last_;  // what an empty line repeats
};

}  // namespace rvvmm
