#include "devices/console/virtio_console.hpp"

#include <algorithm>
#include <cstddef>

#include "base/types.hpp"

namespace rvvmm {
namespace {

constexpr uint16_t kConsoleQueueSize = 64;
/// Most output that is served in one go; then other devices have their turn.
constexpr uint64_t kMostBytesAtOnce = 64_KiB;

// 5.3.3
constexpr uint64_t kFeatureSize = 1ULL << 0;
constexpr uint64_t kFeatureEmergencyWrite = 1ULL << 2;

// 5.3.4
struct ConsoleConfigSpace {
  uint16_t columns = 0;
  uint16_t rows = 0;
  uint32_t most_ports = 0;  // only used with several ports
  uint32_t emergency_write = 0;
};
constexpr uint64_t kEmergencyWriteOffset = offsetof(ConsoleConfigSpace, emergency_write);

}  // namespace

VirtioConsole::VirtioConsole(const Options& options)
    : ServedVirtioDevice({kConsoleQueueSize, kConsoleQueueSize}),
      out_(options.out),
      in_(options.in),
      has_size_(options.has_size) {}

uint64_t VirtioConsole::features() const noexcept {
  return kFeatureEmergencyWrite | (has_size_ ? kFeatureSize : 0);
}

void VirtioConsole::read_config(uint64_t offset, std::span<std::byte> out) noexcept {
  const LockGuard lock{mu_};
  const ConsoleConfigSpace config{.columns = size_.columns, .rows = size_.rows};
  read_config_bytes(std::as_bytes(std::span{&config, 1}), offset, out);
}

void VirtioConsole::write_config(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (offset == kEmergencyWriteOffset && !in.empty()) out_.try_write(in.first(1));
}

void VirtioConsole::on_start() noexcept {
  input_waits_ = true;
  has_driver_.store(queue(kReceiveQueue) != nullptr, std::memory_order_release);
}

// Sends what the driver has made available, as far as the console has room for it: the last output of a guest that
// powers off is not lost.
void VirtioConsole::on_stop() noexcept {
  serve_all(kTransmitQueue);
  has_driver_.store(false, std::memory_order_release);
}

void VirtioConsole::on_console_input() noexcept {
  const LockGuard lock{mu_};
  input_waits_ = true;
  serve_all(kReceiveQueue);
}

void VirtioConsole::serve_on_hart(uint16_t queue) noexcept {
  const LockGuard lock{mu_};
  serve_all(queue);
}

void VirtioConsole::on_output_room() noexcept {
  const LockGuard lock{mu_};
  serve_all(kTransmitQueue);
}

void VirtioConsole::set_size(ConsoleSize size) noexcept {
  const LockGuard lock{mu_};
  if (size_ == size) return;
  size_ = size;
  if (has_size_) config_changed();
}

bool VirtioConsole::serve(uint16_t index, Virtqueue& queue) noexcept {
  return index == kReceiveQueue ? receive(queue) : transmit(queue);
}

bool VirtioConsole::receive(Virtqueue& queue) noexcept {
  for (uint16_t left = queue.size(); left > 0 && input_waits_ && queue.pop(chain_); --left) {
    const size_t filled = fill(chain_.writable());
    // A buffer stays available while there is no input for it. A buffer that can hold nothing goes back to the driver.
    if (filled == 0 && chain_.writable_bytes() > 0) {
      queue.undo_pop();
      break;
    }
    queue.push(chain_, static_cast<uint32_t>(filled));
  }
  interrupt_if_wanted(kReceiveQueue);
  if (!input_waits_) queue.decline_kicks();
  return input_waits_;
}

size_t VirtioConsole::fill(std::span<const iovec> buffers) noexcept {
  size_t filled = 0;
  for (const iovec& buffer : buffers) {
    const size_t got = in_.read({static_cast<std::byte*>(buffer.iov_base), buffer.iov_len});
    filled += got;
    if (got == buffer.iov_len) continue;
    // Input that arrives from here on is announced, and the announcement waits for mu_.
    input_waits_ = false;
    break;
  }
  return filled;
}

bool VirtioConsole::transmit(Virtqueue& queue) noexcept {
  uint64_t budget = kMostBytesAtOnce;
  bool room = true;
  for (uint16_t left = queue.size(); left > 0 && budget > 0 && queue.pop(chain_); --left) {
    room = send(chain_.readable(), budget);
    if (!room || budget == 0) {
      queue.undo_pop();
      break;
    }
    state_.sent = 0;
    queue.push(chain_, 0);
  }
  interrupt_if_wanted(kTransmitQueue);
  if (!room) queue.decline_kicks();
  return room;
}

/// Sends the part of a request that the console does not have yet; false if the console has no room for the rest.
/// `budget` is 0 afterwards if it ended first, and maybe also if the request just fits.
bool VirtioConsole::send(std::span<const iovec> buffers, uint64_t& budget) noexcept {
  uint64_t skip = state_.sent;
  for (const iovec& buffer : buffers) {
    const auto skipped = static_cast<size_t>(std::min<uint64_t>(skip, buffer.iov_len));
    skip -= skipped;
    const std::span<const std::byte> bytes{static_cast<const std::byte*>(buffer.iov_base) + skipped,
                                           buffer.iov_len - skipped};
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(bytes.size(), budget));
    const size_t taken = out_.try_write(bytes.first(wanted));
    state_.sent += taken;
    budget -= taken;
    if (taken < wanted) return false;
    if (wanted < bytes.size() || budget == 0) return true;
  }
  return true;
}

VirtioConsoleState VirtioConsole::state() const noexcept {
  const LockGuard lock{mu_};
  return state_;
}

void VirtioConsole::restore(const VirtioConsoleState& state) noexcept {
  const LockGuard lock{mu_};
  state_ = state;
}

}  // namespace rvvmm
