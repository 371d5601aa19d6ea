// The host's end of the guest's console: rvvmm's own terminal, a pty, a socket, a file, or nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/console.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/console/input_taker.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/terminal.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// Passes input to the console during its lifetime. The loop's thread only.
class ConsoleInput {
 public:
  ConsoleInput() = default;
  virtual ~ConsoleInput() = default;
  ConsoleInput(const ConsoleInput&) = delete;
  ConsoleInput& operator=(const ConsoleInput&) = delete;
};

/// Its descriptors are open before the harts run, and their numbers do not change.
class ConsolePlace {
 public:
  /// The objects that the input uses. They must outlive the input.
  struct Parts {
    EventLoop& loop;
    Terminal& terminal;
    ConsoleHub& console;
    std::function<void()> on_resize = [] {};     ///< to be called when size() may have changed
    std::function<void()> on_pause_key = [] {};  ///< to be called for Ctrl-A p, typed at terminal_fd()
    InputTaker* taker = nullptr;  ///< may take input typed at terminal_fd(); null: the guest gets all input
  };

  ConsolePlace() = default;
  virtual ~ConsolePlace() = default;
  ConsolePlace(const ConsolePlace&) = delete;
  ConsolePlace& operator=(const ConsolePlace&) = delete;

  /// The terminal that is in raw mode while the guest runs; -1: none.
  virtual int terminal_fd() const noexcept { return -1; }
  /// Where the output goes.
  virtual int output_fd() const noexcept = 0;
  /// How the reader of output_fd() behaves.
  virtual ConsoleHub::Reader reader() const noexcept { return ConsoleHub::Reader::kStays; }
  /// nullptr if this place has no input. Throws SetupError (kInternal).
  virtual std::unique_ptr<ConsoleInput> take_input(const Parts& /*parts*/) { return nullptr; }
  /// Size of the terminal at this place; nullopt if this place never has a terminal.
  virtual std::optional<ConsoleSize> size() const noexcept { return std::nullopt; }
};

/// Opens the place that `choice` names. Throws SetupError: kUsage, naming --console, if the user can fix the error.
std::unique_ptr<ConsolePlace> open_console_place(const ConsoleChoice& choice);

/// True if both descriptors lead to the same reader: the same pipe, socket, file or terminal. One terminal may have
/// several names (/dev/tty, /dev/console).
bool go_to_the_same_place(int one, int other) noexcept;

/// Size of the terminal behind `fd`; nullopt if `fd` is not a terminal.
std::optional<ConsoleSize> terminal_size(int fd) noexcept;

}  // namespace rvvmm
