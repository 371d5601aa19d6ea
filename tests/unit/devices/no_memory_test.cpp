// A guest drives its devices while the host has no memory: what they need for that they have had since they were made.
#include <gtest/gtest.h>
#include <linux/virtio_blk.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "devices/block/virtio_block.hpp"
#include "devices/console/virtio_console.hpp"
#include "devices/input/virtio_input.hpp"
#include "devices/net/virtio_net.hpp"
#include "devices/rng/virtio_rng.hpp"
#include "devices/virtio/virtio_control.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "fakes/no_memory.hpp"
#include "fakes/temporary_image.hpp"

namespace rvvmm::no_memory_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_MiB;
constexpr uint64_t kQueueSpace = 0x1'0000;  // rings, a header and an indirect table of each queue
constexpr uint64_t kHeaderAt = 0x8000;
constexpr uint64_t kTableAt = 0x9000;
constexpr Gpa kData = kRam + 32_MiB;
constexpr uint8_t kReady = kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk | kVirtioDriverOk;

constexpr std::array<uint32_t, 7> kRequestTypes{VIRTIO_BLK_T_IN,        VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_FLUSH,
                                                VIRTIO_BLK_T_GET_ID,    VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
                                                /* there is none: */ 99};

constexpr std::array<uint32_t, 1> kOneType{VIRTIO_BLK_T_IN};  // it means something to disks alone

class CountingSink final : public VirtioInterruptSink {
 public:
  void interrupt_queue(uint16_t /*queue*/) noexcept override { interrupts.fetch_add(1); }
  void interrupt_config() noexcept override { interrupts.fetch_add(1); }
  std::atomic<int> interrupts = 0;
};

/// What a driver may make of a chain.
enum class Shape : uint8_t { kReadable, kWritable, kRequest, kOneBuffer, kLoop, kCount };

/// A driver that allocates nothing once it is made.
class Driver {
 public:
  explicit Driver(VirtioDevice& device) : device_(device) {
    for (size_t index = 0; index < device.queue_sizes().size(); ++index)
      rings_.emplace_back(memory_, base_of(index), device.queue_sizes()[index]);
    control_.emplace(device, memory_, sink_);
  }

  void start() {
    control_->set_status(0);
    for (size_t index = 0; index < rings_.size(); ++index)
      rings_[index].clear();
    control_->set_status(kVirtioAcknowledge | kVirtioDriver);
    control_->set_driver_features(0, control_->device_features(0));
    control_->set_driver_features(1, control_->device_features(1));
    control_->set_status(kReady & ~kVirtioDriverOk);
    for (size_t index = 0; index < rings_.size(); ++index) {
      VirtioQueueSetup* const setup = control_->queue_to_set_up(static_cast<uint32_t>(index));
      setup->layout = rings_[index].layout();
      setup->enabled = true;
    }
    control_->set_status(kReady);
  }
  void reset() { control_->set_status(0); }
  bool started() const { return control_->started(); }
  bool is_broken() const { return (control_->status() & kVirtioNeedsReset) != 0; }

  /// The longest chain that the queue takes, in an indirect table where `indirect`. Of a request of a disk `type` is
  /// the kind.
  void offer(size_t queue, Shape shape, bool indirect, uint32_t type, uint32_t length) {
    const uint16_t size = device_.queue_sizes()[queue];
    const Gpa header = base_of(queue) + kHeaderAt;
    const Gpa table = indirect ? base_of(queue) + kTableAt : rings_[queue].layout().descriptors;
    const auto count = shape == Shape::kOneBuffer ? uint16_t{1} : size;
    memory_.store(header, virtio_blk_outhdr{.type = type, .ioprio = 0, .sector = 0});
    for (uint16_t at = 0; at < count; ++at) {
      const bool last = at + 1 == count;
      FakeDescriptor descriptor{.address = kData.value + uint64_t{at} * 2 * length, .length = length};
      if (shape == Shape::kRequest && at == 0) descriptor = {.address = header.value, .length = 16};
      const bool writable = shape == Shape::kWritable || shape == Shape::kOneBuffer ||
                            (shape == Shape::kRequest && (last || (at > 0 && type == VIRTIO_BLK_T_IN)));
      if (shape == Shape::kRequest && last) descriptor.length = 1;
      if (writable) descriptor.flags = kDescWrite;
      if (!last || shape == Shape::kLoop) {
        descriptor.flags |= kDescNext;
        descriptor.next = static_cast<uint16_t>(last ? 0 : at + 1);
      }
      memory_.store(table + uint64_t{at} * 16, descriptor);
    }
    if (indirect)
      rings_[queue].set_descriptor(0, {.address = table.value, .length = uint32_t{count} * 16, .flags = kDescIndirect});
    rings_[queue].offer(0);
    control_->kick(static_cast<uint32_t>(queue));
  }
  bool is_done(size_t queue) const { return rings_[queue].has_all_back(); }
  size_t queues() const { return rings_.size(); }

 private:
  static Gpa base_of(size_t queue) { return kRam + queue * kQueueSpace; }

  const GuestMemory memory_{kRam, kRamSize};
  VirtioDevice& device_;
  CountingSink sink_;
  std::vector<FakeDriverQueue> rings_;
  std::optional<VirtioControl> control_;
};

/// All that a driver can do to `device`; `serve` has it look at one of its queues, and waits as long as that takes.
/// Whoever needs memory for it, behind noexcept, ends the test program.
template <typename Serve>
void drive(VirtioDevice& device, const Serve& serve, std::span<const uint32_t> types = kOneType) {
  Driver driver{device};
  driver.start();  // its thread has begun when it has served something
  driver.offer(0, Shape::kRequest, false, VIRTIO_BLK_T_FLUSH, 0);
  serve(driver, 0);
  bool always_started = true;
  ::testing::internal::CaptureStderr();
  {
    const NoMemory none;
    for (const bool indirect : {false, true}) {
      for (size_t queue = 0; queue < driver.queues(); ++queue) {
        for (uint8_t shape = 0; shape < static_cast<uint8_t>(Shape::kCount); ++shape) {
          for (const uint32_t type : types) {
            driver.start();
            always_started &= driver.started();
            for (const uint32_t length : {512U, 20'480U}) {
              driver.offer(queue, static_cast<Shape>(shape), indirect, type, length);
              serve(driver, queue);
            }
          }
        }
      }
    }
    driver.reset();
  }
  ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(always_started);
}

template <typename Device>
auto serve_on_doorbell(Device& device) {
  return [&device](Driver& /*driver*/, size_t queue) { device.on_doorbell(static_cast<uint16_t>(queue)); };
}

class Output final : public PatientConsoleSink {
 public:
  size_t try_write(std::span<const std::byte> bytes) noexcept override { return bytes.size(); }
};
class Input final : public ConsoleSource {
 public:
  size_t read(std::span<std::byte> out) noexcept override { return std::min<size_t>(out.size(), left-- > 0 ? 100 : 0); }
  int left = 1000;
};

class Backend final : public NetBackend {
 public:
  explicit Backend(uint16_t pairs) {
    for (uint16_t pair = 0; pair < pairs; ++pair)
      fds_.emplace_back(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  uint64_t features() const noexcept override { return kNetCsum | kNetMtu; }
  uint16_t mtu() const noexcept override { return 9000; }
  uint16_t queue_pairs() const noexcept override { return static_cast<uint16_t>(fds_.size()); }
  int fd(uint16_t pair) const noexcept override { return fds_[pair].get(); }
  void start(uint64_t /*features*/) noexcept override {}
  NetReceived receive(uint16_t /*pair*/, std::span<const iovec> /*buffers*/) noexcept override {
    return {.io = ++calls_ % 8 == 0 ? NetIo::kLater : NetIo::kDone, .bytes = calls_ * 1021 % 70'000};
  }
  NetIo send(uint16_t /*pair*/, std::span<const iovec> /*frame*/) noexcept override {
    return ++calls_ % 8 == 0 ? NetIo::kLater : NetIo::kDone;
  }
  std::string why() const override { return "a reason that is too long to be kept without memory"; }

 private:
  std::vector<Fd> fds_;
  size_t calls_ = 0;
};

TEST(NoMemory, IsWhatTheTestsSayItIs) {
  const auto allocate = [] { return std::make_unique<std::array<int, 100>>(); };
  {
    const NoMemory none;
    EXPECT_THROW(allocate(), std::bad_alloc);
    EXPECT_GE(none.refusals(), 1U);
  }
  EXPECT_NO_THROW(allocate());
}

TEST(NoMemory, EntropyDevice) {
  VirtioRng rng;
  drive(rng, serve_on_doorbell(rng));
}

TEST(NoMemory, PowerKey) {
  VirtioInput key;
  drive(key, [&key](Driver& /*driver*/, size_t queue) {
    key.press_power();
    key.on_doorbell(static_cast<uint16_t>(queue));
  });
}

TEST(NoMemory, Console) {
  Output out;
  Input in;
  VirtioConsole console{{.out = out, .in = in, .has_size = true}};
  drive(console, [&console](Driver& /*driver*/, size_t queue) {
    console.on_console_input();
    console.on_doorbell(static_cast<uint16_t>(queue));
    console.on_output_room();
  });
}

TEST(NoMemory, NetworkDevice) {
  for (const uint16_t pairs : {uint16_t{1}, uint16_t{4}}) {
    VirtioNet net{{.number = 0, .mac = {}, .backend = std::make_unique<Backend>(pairs)}};
    drive(net, [&net](Driver& /*driver*/, size_t /*queue*/) {
      for (int round = 0; round < 4; ++round)
        net.serve_events(0);
    });
  }
}

class NoMemoryDisk : public ::testing::TestWithParam<DiskEngine> {};
INSTANTIATE_TEST_SUITE_P(Engines, NoMemoryDisk, ::testing::Values(DiskEngine::kBlocking, DiskEngine::kRing),
                         [](const auto& tested) { return tested.param == DiskEngine::kRing ? "Ring" : "Blocking"; });

TEST_P(NoMemoryDisk, Disk) {
  const TemporaryImage file{32_MiB};
  VirtioBlock disk{0,
                   {.image = {.path = file.path()}, .serial = "s", .discard = true, .queues = 2, .engine = GetParam()}};
  bool all_done = true;
  const auto wait = [&](Driver& driver, size_t queue) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!driver.is_done(queue) && !driver.is_broken() && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
    all_done &= driver.is_done(queue) || driver.is_broken();
  };
  drive(disk, wait, kRequestTypes);
  EXPECT_TRUE(all_done);
  file.resize(4_MiB);  // from here on the host has errors to tell of
  drive(disk, wait, kRequestTypes);
  EXPECT_TRUE(all_done);
}

}  // namespace
}  // namespace rvvmm::no_memory_test
