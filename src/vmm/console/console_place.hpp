// Where the host reads the guest's console and types: its own terminal, a new one, a socket, a file, nowhere.
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

/// Takes input to the console for as long as it lives. The loop's thread only.
class ConsoleInput {
 public:
  ConsoleInput() = default;
  virtual ~ConsoleInput() = default;
  ConsoleInput(const ConsoleInput&) = delete;
  ConsoleInput& operator=(const ConsoleInput&) = delete;
};

/// Its descriptors are open before the harts run, and stay what they are: their numbers at least.
class ConsolePlace {
 public:
  /// What input works with. All of it outlives the input.
  struct Parts {
    EventLoop& loop;
    Terminal& terminal;
    ConsoleHub& console;
    std::function<void()> on_resize;  ///< size() may be another one
    InputTaker* taker = nullptr;      ///< of what is typed at the terminal of terminal_fd(); null: the guest alone
  };

  ConsolePlace() = default;
  virtual ~ConsolePlace() = default;
  ConsolePlace(const ConsolePlace&) = delete;
  ConsolePlace& operator=(const ConsolePlace&) = delete;

  /// Whose mode is to be raw while the guest runs; -1: nobody's.
  virtual int terminal_fd() const noexcept { return -1; }
  /// Where the output goes, and to whom.
  virtual int output_fd() const noexcept = 0;
  virtual ConsoleHub::Reader reader() const noexcept { return ConsoleHub::Reader::kStays; }
  /// nullptr where there is no input. Throws SetupError (kInternal).
  virtual std::unique_ptr<ConsoleInput> take_input(const Parts& /*parts*/) { return nullptr; }
  /// Of the terminal there; nullopt where there is none and never will be.
  virtual std::optional<ConsoleSize> size() const noexcept { return std::nullopt; }
};

/// Opens what `choice` names. Throws SetupError: kUsage for what the user can put right, by naming --console.
std::unique_ptr<ConsolePlace> open_console_place(const ConsoleChoice& choice);

/// Whether one reader gets what is written to either: the same terminal, by whatever name (/dev/tty, /dev/console),
/// pipe, socket or file.
bool go_to_the_same_place(int one, int other) noexcept;

/// Of the terminal behind a descriptor; nullopt if it is none.
std::optional<ConsoleSize> terminal_size(int fd) noexcept;

}  // namespace rvvmm
