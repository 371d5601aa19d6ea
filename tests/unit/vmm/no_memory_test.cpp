// A guest drives its harts and its console while the host has no memory.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "fakes/fake_machine.hpp"
#include "fakes/fake_vcpu.hpp"
#include "fakes/no_memory.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/harts/hart_states.hpp"
#include "vmm/harts/vcpu_thread.hpp"

namespace rvvmm::no_memory_test {
namespace {

constexpr HartId kHart0{0};
constexpr HartId kHart1{1};
constexpr HartEntry kEntry{.pc = Gpa{0x8000'1000}, .opaque = 77};

class FaultListener final : public MachineListener {
 public:
  void on_system_event(HartId /*hart*/, const SystemEvent& /*event*/) noexcept override {}
  void on_vcpu_fault(HartId /*hart*/, std::string report) noexcept override {
    report_is_empty = report.empty();
    told = true;
    told.notify_all();
  }
  void on_hart_rests() noexcept override {}
  std::atomic<bool> report_is_empty = false;
  std::atomic<bool> told = false;
};

/// Two harts on their threads; hart 1 is stopped.
class NoMemoryHarts : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }
  void SetUp() override {
    vcpus[1].hart_state = HartState::kStopped;
    for (uint32_t i = 0; i < threads.size(); ++i)
      threads.at(i) = std::make_unique<VcpuThread>(VcpuThread::Parts{
          .hart = HartId{i}, .backend = vcpus.at(i), .io = io, .listener = listener, .host_cpu = std::nullopt});
  }
  void TearDown() override {
    harts.end();
    threads = {};
  }
  /// Has hart 0 do `acts` between its entries, one a time, once there is no memory.
  void run(const std::vector<std::function<void()>>& acts) {
    for (const auto& act : acts) {
      vcpus[0].add_step([this, act](VcpuIo&) {
        memory_is_gone.wait(false);
        act();
        ++acted;
        return RunOutcome::kContinue;
      });
    }
    for (const auto& thread : threads)
      thread->start();
    ::testing::internal::CaptureStderr();
    {
      const NoMemory none;
      memory_is_gone = true;
      memory_is_gone.notify_all();
      while (acted != acts.size())
        std::this_thread::yield();
    }
    ::testing::internal::GetCapturedStderr();
  }

  IdleIo io;
  FaultListener listener;
  std::array<FakeVcpu, 2> vcpus;
  std::array<std::unique_ptr<VcpuThread>, 2> threads;
  std::atomic<bool> memory_is_gone = false;
  std::atomic<size_t> acted = 0;
  std::atomic<bool> resumed = false;
  HartStates harts{{.harts = 2,
                    .map_wait_page = [](std::span<const std::byte>) { return true; },
                    .wait_page = Gpa{0x1000},
                    .before_system_suspend = [](HartId) {},
                    .on_system_suspended = [] {},
                    .wake_in = [](uint64_t) {},
                    .on_system_resumed =
                        [this] {
                          resumed = true;
                          resumed.notify_all();
                        },
                    .post = [this](HartId hart, const VcpuTask& task) { threads.at(hart.value)->post(task); }}};
};

TEST_F(NoMemoryHarts, StartAndAreAskedAndSuspend) {
  bool started = false;
  bool refused = true;
  auto seen = HsmState::kSuspended;
  bool suspended = true;
  run({[&] { started = harts.start(kHart0, kHart1, kEntry); }, [&] { refused = !harts.start(kHart0, kHart1, kEntry); },
       [&] { seen = harts.state(kHart0, kHart1); }, [&] { suspended = harts.suspend(kHart0, std::nullopt); }});
  EXPECT_TRUE(started);
  EXPECT_TRUE(refused);
  EXPECT_EQ(seen, HsmState::kStarted);
  EXPECT_FALSE(suspended) << "there is no page to wait in";
}

TEST_F(NoMemoryHarts, SuspendTheMachineAndWakeIt) {
  bool suspended = false;
  run({[&] { suspended = harts.suspend_system(kHart0, kEntry); }});
  EXPECT_TRUE(suspended);
  const NoMemory none;
  while (!harts.wake())
    std::this_thread::yield();
  resumed.wait(false);
}

TEST_F(NoMemoryHarts, AFaultEndsTheMachineWithoutItsReport) {
  vcpus[0].report = std::string(100, 'r');
  vcpus[0].add_step([this](VcpuIo&) {
    memory_is_gone.wait(false);
    return RunOutcome::kFault;
  });
  threads[0]->start();
  const NoMemory none;
  memory_is_gone = true;
  memory_is_gone.notify_all();
  listener.told.wait(false);
  EXPECT_TRUE(listener.report_is_empty);
}

TEST(NoMemoryConsole, OutputForWhichThereIsNoThreadIsDropped) {
  const Fd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  ConsoleHub console{null.get()};
  console.start({});
  ::testing::internal::CaptureStderr();
  {
    const NoMemory none;
    const std::array<std::byte, 1000> output{};
    for (int i = 0; i < 1000; ++i)
      console.write(output);
  }
  ::testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace rvvmm::no_memory_test
