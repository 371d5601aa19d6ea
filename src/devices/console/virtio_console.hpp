// The virtio console with one port: virtio 1.2, 5.3.
#pragma once

#include <atomic>

#include "base/console.hpp"
#include "devices/virtio/served_virtio_device.hpp"

namespace rvvmm {

/// All of the device's state beyond what its transport keeps, as plain data.
struct VirtioConsoleState {
  uint64_t sent = 0;  ///< bytes of the next request of the transmit queue that the console has taken already

  friend bool operator==(const VirtioConsoleState&, const VirtioConsoleState&) = default;
};

/// Whole buffers go to the console and come from it. The hart that kicks serves the output, since Linux's driver waits
/// for each buffer (16 bytes of a kernel message). The thread that serves the doorbells calls on_console_input() and
/// on_output_room().
class VirtioConsole final : public ServedVirtioDevice, public ConsoleListener {
 public:
  static constexpr uint16_t kReceiveQueue = 0;
  static constexpr uint16_t kTransmitQueue = 1;

  struct Options {
    PatientConsoleSink& out;  ///< causes calls of on_output_room()
    ConsoleSource& in;        ///< causes calls of on_console_input()
    bool has_size = false;    ///< the console is shown by something that has a size, though the size may be unknown
  };

  /// Throws SetupError if the host has no descriptor left.
  explicit VirtioConsole(const Options& options);

  std::string_view name() const noexcept override { return "console"; }
  VirtioId id() const noexcept override { return VirtioId::kConsole; }
  uint64_t features() const noexcept override;
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override;
  /// Only the emergency write: one character, at any time. It is dropped while the console has no room.
  void write_config(uint64_t offset, std::span<const std::byte> in) noexcept override;

  bool served_on_hart(uint16_t queue) const noexcept override { return queue == kTransmitQueue; }
  void serve_on_hart(uint16_t queue) noexcept override;

  void on_console_input() noexcept override;
  /// There is room again, after a try_write() that did not take all.
  void on_output_room() noexcept;
  /// Tells the driver if the size has changed. Any thread.
  void set_size(ConsoleSize size) noexcept;

  /// The console's input while no driver has this device, and nothing after that. It is for a UART beside this device,
  /// so that each byte goes where the user wants it.
  ConsoleSource& input_without_driver() noexcept { return input_without_driver_; }

  void reset() noexcept override { restore({}); }
  VirtioConsoleState state() const noexcept;
  /// Call it before start().
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
  bool input_waits_ GUARDED_BY(mu_) = true;  // false: `in_` was empty, and has announced nothing since
  VirtioConsoleState state_ GUARDED_BY(mu_);
  DescriptorChain chain_ GUARDED_BY(mu_);
};

}  // namespace rvvmm
