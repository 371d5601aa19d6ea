// A network device between any driver and any traffic: frames of any length, buffers of any kind, guest memory written
// between any two steps, a backend without room, refusing or gone, starts and stops. No frame is counted twice or lost
// without being counted, and what reaches the backend is as long as it may be. Also with a vhost-net that refuses at
// times: it has queues only while the device is started, and the device has none of those.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "devices/net/virtio_net.hpp"
#include "fakes/fake_net_backend.hpp"
#include "fakes/fake_vhost.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 256_KiB;
constexpr uint16_t kRingSize = 32;
constexpr uint64_t kBuffers = 0x8000;

struct Step {
  uint8_t action;
  uint8_t place;
  uint16_t length;
  uint32_t offset;
  uint64_t value;
} __attribute__((packed));

class Machine {
 public:
  Machine(uint16_t pairs, bool with_vhost) : vhosts_(with_vhost ? pairs : 0) {
    auto made = std::make_unique<FakeNetBackend>(pairs);
    backend_ = made.get();
    VirtioNetOptions options{.number = 0, .mac = {}, .backend = std::move(made)};
    for (FakeVhostRecord& vhost : vhosts_)
      options.vhost.push_back(std::make_unique<VhostNet>(std::make_unique<FakeVhost>(vhost)));
    net_ = std::make_unique<VirtioNet>(std::move(options));
  }

  void run(const Step& step) {
    const auto queue = static_cast<uint16_t>(step.place % net_->queue_sizes().size());
    switch (step.action % 12) {
      case 0: start(step); break;
      case 1: stop(); break;
      case 2:
      case 3: offer(queue, step); break;
      case 4: offer_at_random(queue, step); break;
      case 5: memory_.store(kRam + step.offset % kRamSize, step.value); break;
      case 6:
      case 7: put(step); break;
      case 8: turn(step); break;
      case 9: read_config(step); break;
      default: net_->on_doorbell(queue);
    }
    net_->serve_events(0);
    check();
  }

 private:
  FakeDriverQueue ring(size_t queue) const { return {memory_, kRam + queue * 0x1000, kRingSize}; }

  void stop() {
    net_->stop();
    for (const FakeVhostRecord& vhost : vhosts_)
      require(!vhost.running(0) && !vhost.running(1));
  }

  void start(const Step& step) {
    stop();
    if ((step.value >> 63) != 0) net_->reset();  // another driver
    clear(memory_.bytes());
    VirtioSession session{.queues = {}, .features = step.value & net_->features(), .driver = &side_};
    std::string_view why;
    for (size_t queue = 0; queue < net_->queue_sizes().size(); ++queue) {
      session.queues.push_back(Virtqueue::create(
          memory_, ring(queue).layout(), {.indirect = (step.place & 1) != 0, .event_idx = (step.place & 2) != 0}, why));
      if ((step.length >> queue & 1) != 0 && step.length % 3 == 0) session.queues.back().reset();
    }
    net_->start(std::move(session));
  }

  FakeDriverQueue next(uint16_t queue) const {
    FakeDriverQueue driver = ring(queue);
    driver.set_available_index(memory_.load<uint16_t>(driver.layout().driver_area + 2).value_or(0));
    return driver;
  }
  // Up to four buffers as a driver in good faith has them.
  void offer(uint16_t queue, const Step& step) {
    const uint16_t flags = queue % 2 == 0 ? kDescWrite : 0;
    std::vector<FakeDescriptor> chain;
    for (unsigned i = 0; i <= step.value % 4; ++i) {
      const uint64_t at = kBuffers + (step.offset + i * 0x1001) % (kRamSize - kBuffers - 0x1'0000);
      const auto length = static_cast<uint32_t>(step.length >> (i * 2 % 8));
      chain.push_back({.address = (kRam + at).value, .length = length, .flags = flags});
    }
    FakeDriverQueue driver = next(queue);
    const auto head = static_cast<uint16_t>(step.value >> 8 & (kRingSize / 8 - 1)) * 8;
    driver.set_chain(static_cast<uint16_t>(head), chain);
    driver.offer(static_cast<uint16_t>(head));
  }
  void offer_at_random(uint16_t queue, const Step& step) {
    FakeDriverQueue driver = next(queue);
    driver.set_descriptor(step.place % kRingSize, {.address = kRam.value + step.offset,
                                                   .length = static_cast<uint32_t>(step.value),
                                                   .flags = static_cast<uint16_t>(step.length % 8),
                                                   .next = static_cast<uint16_t>(step.length >> 8)});
    driver.offer(step.place % kRingSize);
  }

  void put(const Step& step) {
    const auto pair = static_cast<uint16_t>(step.place % backend_->queue_pairs());
    if (backend_->incoming[pair].size() > 64) return;
    // Also shorter than a frame can be. A backend has none that is longer.
    const size_t length = step.value % 5 == 0 ? kLongestFrame : step.length % 5000U;
    backend_->put(pair, std::string(length, 'f'));
    ++put_;
  }
  void turn(const Step& step) {
    backend_->has_room = (step.value & 1) != 0;
    backend_->refuses = (step.value & 6) == 6;
    backend_->is_gone = backend_->is_gone || (step.value & 0x78) == 0x78;
    const auto pair = static_cast<uint16_t>(step.place % backend_->queue_pairs());
    backend_->signal(pair);
    if (vhosts_.empty()) return;
    FakeVhostRecord& vhost = vhosts_[pair];
    vhost.refused = (step.value & 0xF00) == 0xF00 ? VHOST_SET_VRING_ADDR : 0;
    const size_t side = step.value >> 12 & 1;
    if ((step.value & 0x2000) != 0) vhost.signal_call(side);
    if ((step.value & 0x4000) != 0) vhost.signal_error(side);
    if ((step.value & 0x8000) != 0) vhost.rings[side].base = step.length;
    if ((step.value & 0x1'0000) != 0) backend_->tell_news();
  }
  void read_config(const Step& step) {
    std::vector<std::byte> out(step.length % 16 + 1U);
    net_->read_config(step.value, out);
  }

  void check() {
    const VirtioNetCounters counters = net_->counters();
    size_t waiting = 0;
    for (const auto& frames : backend_->incoming)
      waiting += frames.size();
    // A frame that waits for buffers has left the backend and is not counted yet; a stop loses it.
    require(counters.received + counters.receive_drops + waiting <= put_);
    size_t sent = 0;
    for (auto& frames : backend_->sent) {
      for (const std::string& frame : frames)
        require(frame.size() >= sizeof(VirtioNetHeader) + kShortestFrame &&
                frame.size() <= sizeof(VirtioNetHeader) + kLongestFrame);
      sent += frames.size();
      frames.clear();
    }
    sent_ += sent;
    require(counters.sent == sent_);
    const VirtioNetState state = net_->state();
    require(state.active_pairs >= 1 && state.active_pairs <= backend_->queue_pairs());
    for (size_t pair = state.active_pairs; pair < vhosts_.size(); ++pair)
      require(!vhosts_[pair].running(0) && !vhosts_[pair].running(1));
  }

  const GuestMemory memory_{kRam, kRamSize};
  FakeDriverSide side_;
  std::vector<FakeVhostRecord> vhosts_;  // empty: the device moves frames itself
  FakeNetBackend* backend_ = nullptr;
  std::unique_ptr<VirtioNet> net_;
  size_t put_ = 0;
  size_t sent_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = [] {
    log::set_level(log::Module::kDevices, log::Level::kOff);
    return true;
  }();
  if (!quiet || size == 0) return -1;
  Machine machine{static_cast<uint16_t>(data[0] % 4 + 1), data[0] >= 0x80};
  for_each_step<Step>(std::span{data, size}.subspan(1), [&](const Step& step) { machine.run(step); });
  return 0;
}
