// The keys that control rvvmm and do not go to the guest: Ctrl-A and one more key, as in QEMU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rvvmm {

/// A filter that remembers a Ctrl-A, so that a sequence may come in two reads.
/// Ctrl-A x quits, Ctrl-A p pauses the machine or lets it go on, Ctrl-A h shows help, Ctrl-A Ctrl-A and Ctrl-A a send
/// one Ctrl-A. Ctrl-A and any other key are both dropped, so that a typing mistake does not reach the guest as half a
/// sequence.
class EscapeKeys {
 public:
  enum class Action : uint8_t { kNone, kQuit, kPause, kHelp };

  struct Step {
    std::optional<std::byte> pass;  ///< the byte for the guest, if any
    Action action = Action::kNone;
  };

  Step feed(std::byte in) noexcept;

  /// The lines shown for kHelp; they end in "\n".
  static std::string_view help() noexcept;

 private:
  bool after_prefix_ = false;
};

}  // namespace rvvmm
