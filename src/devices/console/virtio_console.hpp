// The virtio console with one port: virtio 1.2, 5.3.
#pragma once

#include <atomic>

#include "base/console.hpp"
#include "devices/virtio/served_virtio_device.hpp"

namespace rvvmm {

/// All of the device's state beyond what its transport keeps, as plain data.
struct VirtioConsoleState {
  uint64_t sent = 0;  ///< bytes of the next request of the transmit queue that the console has already

  friend bool operator==(const VirtioConsoleState&, const VirtioConsoleState&) = default;
};

/// Whole buffers go to the console and come from it. Output is served by the hart that kicks: Linux's driver stands and
/// waits for each buffer, 16 bytes of a kernel message. on_console_input() and on_output_room() are called by the
/// thread that serves the doorbells.
class VirtioConsole final : public ServedVirtioDevice, public ConsoleListener {
 public:
  static constexpr uint16_t kReceiveQueue = 0;
  static constexpr uint16_t kTransmitQueue = 1;

  struct Options {
    PatientConsoleSink& out;  ///< has on_output_room() called
    ConsoleSource& in;        ///< has on_console_input() called
    bool has_size = false;    ///< what shows the console has a size, though it may not be known
  };

  /// Throws SetupError where the host has no descriptor left.
  explicit VirtioConsole(const Options& options);

  std::string_view name() const noexcept override { return "console"; }
  VirtioId id() const noexcept override { return VirtioId::kConsole; }
  uint64_t features() const noexcept override;
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override;
  /// The emergency write is all there is: a character, at any time. It is dropped while the console has no room.
  void write_config(uint64_t offset, std::span<const std::byte> in) noexcept override;

  bool served_on_hart(uint16_t queue) const noexcept override { return queue == kTransmitQueue; }
  void serve_on_hart(uint16_t queue) noexcept override;

  void on_console_input() noexcept override;
  /// After a try_write() that did not take all: there is room again.
  void on_output_room() noexcept;
  /// Tells the driver, if it is another size than before. Any thread.
  void set_size(ConsoleSize size) noexcept;

  /// The console's input as long as no driver has this device, and nothing from then on: for a UART beside it, so that
  /// each byte goes where the user means it.
  ConsoleSource& input_without_driver() noexcept { return input_without_driver_; }

  void reset() noexcept override { restore({}); }
  VirtioConsoleState state() const noexcept;
  /// Before start().
  void restore(const VirtioConsoleState& state) noexcept;

 private:
  class InputWithoutDriver final : public ConsoleSource {
   public:
    explicit InputWithoutDriver(VirtioConsole& console) noexcept : console_(console) {}
    size_t read(std::span<std::byte> out) noexcept override {
      return console_.has_driver_.load(std::memory_order_acquire) ? 0 : console_.in_.read(out);
    }

   private:
    VirtioConsole& console_;
  };

  bool serve(uint16_t index, Virtqueue& queue) noexcept override REQUIRES(mu_);
  void on_start() noexcept override REQUIRES(mu_);
  void on_stop() noexcept override REQUIRES(mu_);
  bool receive(Virtqueue& queue) noexcept REQUIRES(mu_);
  bool transmit(Virtqueue& queue) noexcept REQUIRES(mu_);
  size_t fill(std::span<const iovec> buffers) noexcept REQUIRES(mu_);
  bool send(std::span<const iovec> buffers, uint64_t& budget) noexcept REQUIRES(mu_);

  PatientConsoleSink& out_;
  ConsoleSource& in_;
  const bool has_size_;
  InputWithoutDriver input_without_driver_{*this};
  std::atomic<bool> has_driver_ = false;
  ConsoleSize size_ GUARDED_BY(mu_);
  bool input_waits_ GUARDED_BY(mu_) = true;  // false: `in_` was found empty and has not spoken since
  VirtioConsoleState state_ GUARDED_BY(mu_);
  DescriptorChain chain_ GUARDED_BY(mu_);
};

}  // namespace rvvmm
