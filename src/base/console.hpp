// The guest's console, as UART and SBI see it: bytes out, bytes in. Both are given to several front ends.
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

/// The same for who serves others meanwhile and must not be held up. Any thread.
class PatientConsoleSink {
 public:
  virtual ~PatientConsoleSink() = default;
  /// Takes the first of `bytes`, in order, and returns how many: not all where the reader is slower than the guest.
  /// Whoever made the sink knows whom it tells then that there is room again. Never blocks.
  virtual size_t try_write(std::span<const std::byte> bytes) noexcept = 0;
};

/// Hears that input has come. Called on the event loop's thread, with no lock held.
class ConsoleListener {
 public:
  virtual ~ConsoleListener() = default;
  virtual void on_console_input() noexcept = 0;
};

/// Holds input for the guest until a front end takes it. Any thread.
class ConsoleSource {
 public:
  virtual ~ConsoleSource() = default;
  /// Moves up to `out.size()` waiting bytes to `out` and returns how many; never blocks.
  virtual size_t read(std::span<std::byte> out) noexcept = 0;
};

/// Of the terminal that shows the console, in characters. 0: not known.
struct ConsoleSize {
  uint16_t columns = 0;
  uint16_t rows = 0;

  friend bool operator==(const ConsoleSize&, const ConsoleSize&) = default;
};

}  // namespace rvvmm
