// Event types and codes: linux/input-event-codes.h, which the specification refers to.
#include "devices/input/virtio_input.hpp"

#include <linux/input-event-codes.h>

#include <algorithm>

namespace rvvmm {
namespace {

constexpr uint16_t kInputQueueSize = 64;

// 5.8.5
struct Event {
  uint16_t type;
  uint16_t code;
  uint32_t value;
};
constexpr std::array<Event, 4> kPress{{{.type = EV_KEY, .code = KEY_POWER, .value = 1},
                                       {.type = EV_SYN, .code = SYN_REPORT, .value = 0},
                                       {.type = EV_KEY, .code = KEY_POWER, .value = 0},
                                       {.type = EV_SYN, .code = SYN_REPORT, .value = 0}}};

// 5.8.2: what the driver may select.
enum Select : uint8_t { kIdName = 0x01, kIdSerial = 0x02, kIdDevices = 0x03, kEventBits = 0x11 };

// 5.8.4
struct InputConfigSpace {
  uint8_t select;
  uint8_t subselect;
  uint8_t size;  // bytes in use of `data`; 0: none
  std::array<uint8_t, 5> reserved;
  std::array<std::byte, 128> data;
};

struct DeviceIds {
  uint16_t bus;
  uint16_t vendor;
  uint16_t product;
  uint16_t version;
};
constexpr DeviceIds kIds{.bus = 0x06 /* BUS_VIRTUAL of linux/input.h */, .vendor = 0, .product = 0, .version = 1};
constexpr std::string_view kName = "rvvmm power key";
constexpr std::string_view kSerial = "power-key";

// A bit for each key of the device.
constexpr auto kKeyBits = [] {
  std::array<std::byte, KEY_POWER / 8 + 1> bits{};
  bits[KEY_POWER / 8] = std::byte{1 << KEY_POWER % 8};
  return bits;
}();

std::span<const std::byte> answer(uint8_t select, uint8_t subselect) noexcept {
  switch (select) {
    case kIdName: return std::as_bytes(std::span{kName});
    case kIdSerial: return std::as_bytes(std::span{kSerial});
    case kIdDevices: return std::as_bytes(std::span{&kIds, 1});
    case kEventBits: return subselect == EV_KEY ? std::span<const std::byte>{kKeyBits} : std::span<const std::byte>{};
    default: return {};
  }
}

}  // namespace

VirtioInput::VirtioInput() : ServedVirtioDevice({kInputQueueSize, kInputQueueSize}) {}

void VirtioInput::read_config(uint64_t offset, std::span<std::byte> out) noexcept {
  const LockGuard lock{mu_};
  const auto data = answer(state_.select, state_.subselect);
  InputConfigSpace config{.select = state_.select,
                          .subselect = state_.subselect,
                          .size = static_cast<uint8_t>(data.size()),
                          .reserved = {},
                          .data = {}};
  std::ranges::copy(data, config.data.begin());
  read_config_bytes(std::as_bytes(std::span{&config, 1}), offset, out);
}

// One store may write both fields. The driver cannot write any other field.
void VirtioInput::write_config(uint64_t offset, std::span<const std::byte> in) noexcept {
  const LockGuard lock{mu_};
  for (size_t i = 0; i < in.size() && offset <= 1 && offset + i <= 1; ++i) {
    (offset + i == 0 ? state_.select : state_.subselect) = std::to_integer<uint8_t>(in[i]);
  }
}

bool VirtioInput::press_power() noexcept {
  const LockGuard lock{mu_};
  // No second press for a driver that has not taken all events of the first one.
  if (state_.events_left == 0) state_.events_left = kPress.size();
  serve_all(kEventQueue);
  if (state_.events_left < kPress.size()) return true;
  state_.events_left = 0;  // the driver has received no event
  return false;
}

bool VirtioInput::serve(uint16_t index, Virtqueue& queue) noexcept {
  if (index == kEventQueue) {
    send_events(queue);
    interrupt_if_wanted(index);
    // Buffers are needed only when there are events for them.
    if (state_.events_left == 0) queue.decline_kicks();
    return state_.events_left > 0;
  }
  // The driver asks us to show something, such as LEDs, and this device cannot show anything.
  for (uint16_t left = queue.size(); left > 0 && queue.pop(chain_); --left)
    queue.push(chain_, 0);
  interrupt_if_wanted(index);
  return true;
}

// A buffer that is too short for an event gets what fits; the rest of the event is lost.
void VirtioInput::send_events(Virtqueue& queue) noexcept {
  for (; state_.events_left > 0 && queue.pop(chain_); --state_.events_left) {
    const Event& event = kPress[kPress.size() - state_.events_left];
    const auto bytes = std::as_bytes(std::span{&event, 1});
    queue.push(chain_, static_cast<uint32_t>(copy_to_buffers(chain_.writable(), 0, bytes)));
  }
}

VirtioInputState VirtioInput::state() const noexcept {
  const LockGuard lock{mu_};
  return state_;
}

void VirtioInput::restore(const VirtioInputState& state) noexcept {
  const LockGuard lock{mu_};
  state_ = state;
  state_.events_left = std::min<uint8_t>(state_.events_left, kPress.size());
}

}  // namespace rvvmm
