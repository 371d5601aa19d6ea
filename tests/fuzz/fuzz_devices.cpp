// Any access to any device of a list, between whatever may happen to it from outside: nothing but an answer comes out,
// and its state, taken over by another device of its kind, is that one's too. fuzz_uart and fuzz_plic know more of
// their devices; this one knows nothing, so that a device costs it a line in kRigs, and an event where it has any.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "devices/console/virtio_console.hpp"
#include "devices/input/virtio_input.hpp"
#include "devices/platform/goldfish_rtc.hpp"
#include "devices/platform/plic.hpp"
#include "devices/platform/test_finisher.hpp"
#include "devices/platform/uart16550.hpp"
#include "devices/rng/virtio_rng.hpp"
#include "devices/virtio/virtio_mmio.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_irq.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

struct Step {
  uint8_t action;
  uint8_t width;
  uint16_t place;
  uint32_t offset;
  uint64_t value;
} __attribute__((packed));

/// A device with what it needs around it.
class Rig {
 public:
  virtual ~Rig() = default;
  virtual Device& device() = 0;
  virtual uint64_t window_size() const = 0;
  /// Something that no access to a register brings about.
  virtual void event(const Step& /*step*/) {}
  /// Aborts where the device's state is not the whole of it.
  virtual void check_state() {}
};

/// restore() of another device of the kind `Other` brings the same state, as far as it can be: what a device makes of a
/// state that waits for something (an alarm that is due) it makes of it once.
template <typename Other>
void check_round_trip(auto& device) {
  const auto state = device.state();
  Other first;
  first.subject().restore(state);
  const auto again = first.subject().state();
  Other second;
  second.subject().restore(again);
  require(second.subject().state() == again);
}

class UartRig final : public Rig {
 public:
  Uart16550& subject() { return uart_; }
  Device& device() override { return uart_; }
  uint64_t window_size() const override { return Uart16550::kWindowSize; }
  void event(const Step& step) override {
    if (step.width % 2 == 0) source_.waiting += std::string(step.place % 40, 'x');
    step.value % 2 == 0 ? uart_.on_console_input() : static_cast<void>(uart_.look_after_input());
  }
  void check_state() override { check_round_trip<UartRig>(uart_); }

 private:
  RecordingSink sink_;
  ScriptedSource source_;
  FakeIrqLine irq_;
  Uart16550 uart_{sink_, source_, irq_};
};

class RtcRig final : public Rig, private AlarmTimer {
 public:
  GoldfishRtc& subject() { return rtc_; }
  Device& device() override { return rtc_; }
  uint64_t window_size() const override { return GoldfishRtc::kWindowSize; }
  void event(const Step& step) override {
    now_ += step.value % INT32_MAX;
    rtc_.on_alarm();
  }
  void check_state() override { check_round_trip<RtcRig>(rtc_); }

 private:
  void arm(std::optional<std::chrono::nanoseconds> deadline) noexcept override {
    require(!deadline || deadline->count() >= 0);
  }

  uint64_t now_ = 1'800'000'000'000'000'000;
  FakeIrqLine irq_;
  GoldfishRtc rtc_{irq_, *this, [this] { return std::chrono::nanoseconds{static_cast<int64_t>(now_)}; }};
};

class PlicRig final : public Rig {
 public:
  static constexpr uint32_t kSources = 40;
  Plic& subject() { return plic_; }
  Device& device() override { return plic_; }
  uint64_t window_size() const override { return Plic::kWindowSize; }
  void event(const Step& step) override { plic_.line(Gsi{step.place % kSources + 1}).set(step.value % 2 != 0); }
  void check_state() override { check_round_trip<PlicRig>(plic_); }

 private:
  std::array<FakeHartPin, 3> pins_;
  std::array<HartIrqPin*, 3> pointers_{&pins_[0], &pins_[1], &pins_[2]};
  Plic plic_{kSources, pointers_};
};

class FinisherRig final : public Rig, private FinishListener {
 public:
  Device& device() override { return finisher_; }
  uint64_t window_size() const override { return TestFinisher::kWindowSize; }

 private:
  void on_finish(FinishRequest /*request*/) noexcept override {}
  TestFinisher finisher_{*this};
};

/// A body of a virtio device that needs nothing around it.
template <typename Body>
struct Alone {
  Body body;
};

struct PowerKey {
  VirtioInput body;
  void event(const Step& /*step*/) { body.press_power(); }
};

struct Console {
  struct NarrowSink final : PatientConsoleSink {
    size_t try_write(std::span<const std::byte> bytes) noexcept override {
      const size_t taken = std::min(bytes.size(), room);
      room -= taken;
      return taken;
    }
    size_t room = 0;
  };

  void event(const Step& step) {
    out.room = step.place % 64;
    in.waiting = std::string(step.offset % 64, 'x');
    body.set_size({.columns = static_cast<uint16_t>(step.value), .rows = 24});
    body.on_console_input();
    body.on_output_room();
  }

  NarrowSink out;
  ScriptedSource in;
  VirtioConsole body{{.out = out, .in = in, .has_size = true}};
};

/// A body that is served by whoever watches its doorbells, with what is around it, behind virtio-mmio.
template <typename Around>
class VirtioMmioRig final : public Rig {
 public:
  using Body = decltype(Around::body);
  static constexpr bool kBodyHasState = requires(Body body) { body.state(); };

  static constexpr Gpa kRam{0x8000'0000};
  static constexpr uint64_t kRamSize = 16_KiB;

  VirtioMmioRig& subject() { return *this; }
  // In this order, and the other way round: docs/add-a-device.md.
  auto state() {
    VirtioMmioState transport = mmio_.state();
    if constexpr (kBodyHasState) {
      return std::pair{std::move(transport), body_.state()};
    } else {
      return std::pair{std::move(transport), std::monostate{}};
    }
  }
  void restore(const auto& state) {
    if constexpr (kBodyHasState) body_.restore(state.second);
    mmio_.restore(state.first);
  }

  Device& device() override { return mmio_; }
  uint64_t window_size() const override { return VirtioMmio::kWindowSize; }
  void check_state() override { check_round_trip<VirtioMmioRig>(*this); }

  void event(const Step& step) override {
    const auto queue = static_cast<uint16_t>(step.place % body_.queue_sizes().size());
    switch (step.width % 8) {
      case 0: set_up(step); break;
      case 1:
      case 2: offer(queue, step); break;
      case 3: memory_.store(kRam + step.offset % kRamSize, uint64_t{step.value}); break;
      case 4:
        if constexpr (requires { around_.event(step); }) around_.event(step);
        break;
      default: body_.on_doorbell(queue);
    }
  }

 private:
  void put(uint64_t offset, uint64_t value) {
    std::array<std::byte, 4> raw{};
    std::memcpy(raw.data(), &value, raw.size());
    require(mmio_.write(offset, raw) == IoStatus::kOk);
  }

  // The steps of a driver in good faith, which random writes would hardly find.
  void set_up(const Step& step) {
    clear(memory_.bytes());
    put(0x70, 0);
    put(0x70, 3);
    put(0x24, 0);
    put(0x20, step.value & (body_.features() | kVirtioIndirectDescriptors | kVirtioEventIdx));
    put(0x24, 1);
    put(0x20, 1 | (step.value & body_.features()) >> 32);
    put(0x70, 11);
    for (uint32_t index = 0; index < body_.queue_sizes().size(); ++index) {
      const VirtqueueLayout layout = ring(index).layout();
      put(0x30, index);
      put(0x38, layout.size);
      put(0x80, layout.descriptors.value);
      put(0x90, layout.driver_area.value);
      put(0xA0, layout.device_area.value);
      put(0x44, 1);
    }
    put(0x70, 15);
  }

  FakeDriverQueue ring(uint32_t index) const {
    return {memory_, kRam + uint64_t{index} * 0x400, std::min<uint16_t>(body_.queue_sizes()[index], 32)};
  }

  // A chain of three buffers, of which any may be to write, and one of them anything.
  void offer(uint16_t queue, const Step& step) {
    FakeDriverQueue driver = ring(queue);
    const auto flags = [&](unsigned n) { return static_cast<uint16_t>((step.value >> n & 1) != 0 ? kDescWrite : 0); };
    const uint64_t at = kRam.value + 0x2000 + step.offset % 0x1F00;
    driver.set_chain(0, {{.address = at, .length = step.offset >> 16 & 0x1FF, .flags = flags(0)},
                         {.address = at + 16, .length = step.offset >> 25, .flags = flags(1)},
                         {.address = at + 32, .length = 1, .flags = flags(2)}});
    if (step.width % 8 == 2) memory_.store(driver.layout().descriptors + step.value % 6 * 8, uint64_t{step.value});
    driver.set_available_index(memory_.load<uint16_t>(driver.layout().driver_area + 2).value_or(0));
    driver.offer(0);
  }

  GuestMemory memory_{kRam, kRamSize};
  FakeIrqLine irq_;
  Around around_;
  Body& body_ = around_.body;
  VirtioMmio mmio_{body_, memory_, irq_};
};

template <typename Made>
std::unique_ptr<Rig> make() {
  return std::make_unique<Made>();
}

// In the corpus the first byte is a place in this list: new ones go to its end.
constexpr std::array kRigs{
    &make<UartRig>,
    &make<RtcRig>,
    &make<PlicRig>,
    &make<FinisherRig>,
    &make<VirtioMmioRig<Alone<VirtioRng>>>,
    &make<VirtioMmioRig<PowerKey>>,
    &make<VirtioMmioRig<Console>>,
};

// Most accesses go to aligned places of the first page; the rest of a window is there too, to its last byte.
uint64_t place_of(const Step& step, uint64_t width, uint64_t window) {
  const bool near = step.action < 0xC0;
  const uint64_t last = window - width;
  return near
             ? std::min<uint64_t>(align_down(step.place % 0x200U, 4) + (step.action < 0x80 ? 0 : step.offset % 4), last)
             : step.offset % (last + 1);
}

void run(Rig& rig, const Step& step) {
  const size_t width = size_t{1} << (step.width < 0x80 ? 2 : step.width % 4);
  std::array<std::byte, 8> raw{};
  const uint64_t value = step.value;
  std::memcpy(raw.data(), &value, raw.size());
  const uint64_t at = place_of(step, width, rig.window_size());
  switch (step.action % 8) {
    case 0:
    case 1:
    case 2: static_cast<void>(rig.device().write(at, std::span{raw}.first(width))); break;
    case 3:
    case 4: static_cast<void>(rig.device().read(at, std::span{raw}.first(width))); break;
    case 5:
    case 6: rig.event(step); break;
    default: rig.check_state();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = [] {
    log::set_level(log::Module::kDevices, log::Level::kOff);
    return true;
  }();
  if (!quiet || size == 0) return -1;
  const std::unique_ptr<Rig> rig = kRigs[data[0] % kRigs.size()]();
  for_each_step<Step>(std::span{data, size}.subspan(1), [&](const Step& step) { run(*rig, step); });
  return 0;
}
