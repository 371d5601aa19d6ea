// The keys by which the user talks to rvvmm rather than to the guest: Ctrl-A and one more, as in QEMU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rvvmm {

/// A filter with one byte of state, so that a sequence may come in two reads.
/// Ctrl-A x quits, Ctrl-A h is help, Ctrl-A Ctrl-A and Ctrl-A a send one Ctrl-A; Ctrl-A and any other key is
/// dropped, both of them, so that a slip of the finger does not reach the guest as half a sequence.
class EscapeKeys {
 public:
  enum class Action : uint8_t { kNone, kQuit, kHelp };

  struct Step {
    std::optional<std::byte> pass;  ///< what the guest gets, if anything
    Action action = Action::kNone;
  };

  Step feed(std::byte in) noexcept;

  /// The lines shown for kHelp; they end in "\r\n".
  static std::string_view help() noexcept;

 private:
  bool after_prefix_ = false;
};

}  // namespace rvvmm
