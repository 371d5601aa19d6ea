// The guest's console as the UART and SBI see it: bytes out, bytes in. Several front ends share both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rvvmm {

/// Takes the guest's output. Any hart thread.
class ConsoleSink {
 public:
  virtual ~ConsoleSink() = default;
  /// Takes all of `bytes`, in order; blocks while the reader is slower than the guest, until the VM stops.
  virtual void write(std::span<const std::byte> bytes) noexcept = 0;
};

/// The same for a caller that must not block because it has other work to serve. Any thread.
class PatientConsoleSink {
 public:
  virtual ~PatientConsoleSink() = default;
  /// Takes the first of `bytes`, in order, and returns how many: fewer than all if the reader is slower than the guest.
  /// The sink then reports when it has room again, by a callback that its creator set. Never blocks.
  virtual size_t try_write(std::span<const std::byte> bytes) noexcept = 0;
};

/// Is told that input has arrived. Called on the event loop's thread, with no lock held.
class ConsoleListener {
 public:
  virtual ~ConsoleListener() = default;
  virtual void on_console_input() noexcept = 0;
};

/// Holds input for the guest until a front end takes it. Any thread.
class ConsoleSource {
 public:
  virtual ~ConsoleSource() = default;
  /// Moves up to `out.size()` waiting bytes to `out` and returns how many. Never blocks.
  virtual size_t read(std::span<std::byte> out) noexcept = 0;
};

/// Size of the terminal that shows the console, in characters. 0: not known.
struct ConsoleSize {
  uint16_t columns = 0;
  uint16_t rows = 0;

  friend bool operator==(const ConsoleSize&, const ConsoleSize&) = default;
};

}  // namespace rvvmm
