#include "vmm/machine/machine.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cstring>
#include <future>
#include <latch>

#include "fakes/fake_hypervisor.hpp"
#include "fakes/recorders.hpp"
#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::machine_test {
namespace {

using enum IrqchipKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr HartId kBootHart{0};

StopReason exit_with(int status) {
  return {.kind = StopReason::Kind::kExit, .status = status};
}
constexpr StopReason kReset{.kind = StopReason::Kind::kReset};

class MachineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }

  std::unique_ptr<Machine> make() {
    return std::make_unique<Machine>(Machine::Parts{.config = config_,
                                                    .hypervisor = hypervisor_,
                                                    .memory = memory_,
                                                    .images = images_,
                                                    .console = console_,
                                                    .loop = loop_,
                                                    .boot_marks = marks_,
                                                    .guest_log = guest_log_,
                                                    .rtc_offset = rtc_offset_,
                                                    .panic_watch = panic_watch_,
                                                    .former_vm = &former_vm_},
                                     kinds_);
  }

  /// The boot hart does `act` and then waits to be stopped; how the machine ends.
  StopReason run(const std::function<void(VcpuIo&)>& act) {
    hypervisor_.host.on_vcpu_made = [act](HartId hart, FakeVcpu& vcpu) {
      if (hart != kBootHart) return;
      vcpu.add_step([act](VcpuIo& io) {
        act(io);
        return RunOutcome::kStop;
      });
    };
    const auto machine = make();
    machine->start();
    const StopReason reason = loop_.run();
    machine->stop();
    return reason;
  }

  StopReason run_event(const SystemEvent& event) {
    return run([event](VcpuIo& io) { io.system_event(kBootHart, event); });
  }

  StopReason run_finisher(uint32_t value) {
    return run([value](VcpuIo& io) {
      std::array<std::byte, 4> bytes{};
      std::memcpy(bytes.data(), &value, bytes.size());
      io.mmio_write(kBootHart, Gpa{0x0010'0000}, bytes);
    });
  }

  /// What is logged at level info while a machine is made.
  std::string log_of_make() {
    log::set_level(log::Module::kVmm, log::Level::kInfo);
    ::testing::internal::CaptureStderr();
    make();
    log::set_level(log::Module::kVmm, log::Level::kWarn);
    return ::testing::internal::GetCapturedStderr();
  }

  const testing::MemoryFile kernel_{testing::image(4096)};
  Config config_;
  FakeHypervisor hypervisor_;
  GuestMemory memory_{kRamBase, 16_MiB};
  BootImages images_{(config_.kernel = kernel_.path(), config_)};
  const Fd null_{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  ConsoleHub console_{null_.get()};
  EventLoop loop_;
  RecordingMarks marks_;
  GuestLog guest_log_;
  uint64_t rtc_offset_ = 0;
  PanicWatch* panic_watch_ = nullptr;
  std::unique_ptr<VmBackend> former_vm_;
  std::vector<IrqchipKind> kinds_{kAiaHardware, kAiaEmulated, kPlic};
};

TEST_F(MachineTest, TakesTheFirstControllerWhereTheHostGrantsIt) {
  EXPECT_THAT(log_of_make(), HasSubstr("interrupt controller: in-kernel AIA with guest interrupt files\n"));
  EXPECT_EQ(hypervisor_.record.vms, 1);
  EXPECT_THAT(kinds_, ElementsAre(kAiaHardware, kAiaEmulated, kPlic));
}

TEST_F(MachineTest, AVmGoesWhenTheOneOfTheNextMachineIsThere) {
  make();
  EXPECT_EQ(hypervisor_.record.vms_alive, 1);
  {
    const auto next = make();
    EXPECT_EQ(hypervisor_.record.vms_alive, 1);
  }
  EXPECT_EQ(hypervisor_.record.vms, 2);
  EXPECT_EQ(hypervisor_.record.times_without_vm, 0);
  former_vm_.reset();
  EXPECT_EQ(hypervisor_.record.vms_alive, 0);
}

TEST_F(MachineTest, SbiChoicesReachTheVmAndItsOwnExtensions) {
  const auto write_byte = [](SbiRet& ret) {
    return [&ret](VcpuIo& io) {
      ret = io.sbi_ecall(kBootHart, {.eid = 0x4442434E, .fid = 2, .args = {'x'}});
      io.system_event(kBootHart, {.type = SystemEventType::kShutdown});
    };
  };
  SbiRet ret;
  run(write_byte(ret));
  EXPECT_EQ(ret, SbiRet::ok());
  config_.sbi.choose(9, false);
  run(write_byte(ret));
  EXPECT_EQ(ret, SbiRet::fail(SbiError::kNotSupported));
  EXPECT_EQ(hypervisor_.record.sbi, config_.sbi);
}

TEST_F(MachineTest, FallsBackInOrderAndSaysWhy) {
  hypervisor_.host.refuses_aia_hardware = "configuring: Invalid argument";
  EXPECT_THAT(log_of_make(),
              HasSubstr("interrupt controller: in-kernel AIA, interrupt files in software (no in-kernel AIA with guest "
                        "interrupt files: configuring: Invalid argument)\n"));
  hypervisor_.host.refuses_aia_emulated = "initialising: No such device";
  EXPECT_THAT(log_of_make(), HasSubstr("interrupt controller: PLIC in user space (no in-kernel AIA, interrupt files in "
                                       "software: initialising: No such device)\n"));
  EXPECT_THAT(hypervisor_.record.aia_attempts, ElementsAre(false, true, true));
}

TEST_F(MachineTest, SaysTheSameReasonOnce) {
  hypervisor_.host.refuses_aia_hardware = hypervisor_.host.refuses_aia_emulated = "KVM_CREATE_DEVICE: No such device";
  EXPECT_THAT(log_of_make(),
              HasSubstr("interrupt controller: PLIC in user space (no in-kernel AIA with guest interrupt "
                        "files: KVM_CREATE_DEVICE: No such device)\n"));
}

TEST_F(MachineTest, SaysWhereTheHostGrantedLess) {
  hypervisor_.host.aia_granted = kAiaEmulated;
  EXPECT_THAT(log_of_make(), HasSubstr("in-kernel AIA, interrupt files in software (this host has no guest interrupt "
                                       "files)\n"));
}

TEST_F(MachineTest, SaysWhereTheHostHasMoreThanIsUsed) {
  kinds_ = {kAiaEmulated, kPlic};
  hypervisor_.host.has_interrupt_files = true;
  EXPECT_THAT(log_of_make(),
              HasSubstr("in-kernel AIA, interrupt files in software (guest interrupt files of this kernel "
                        "can leave a hart asleep)\n"));
}

TEST_F(MachineTest, RemembersWhatTheHostRefused) {
  hypervisor_.host.refuses_aia_hardware = hypervisor_.host.refuses_aia_emulated = "no";
  make();
  EXPECT_THAT(kinds_, ElementsAre(kPlic));
  EXPECT_EQ(hypervisor_.record.vms, 3);
  make();
  EXPECT_EQ(hypervisor_.record.vms, 4);
  EXPECT_THAT(hypervisor_.record.aia_attempts, ElementsAre(false, true));
}

TEST_F(MachineTest, TheClockThatAGuestHasSetGoesOnBehindItsReset) {
  constexpr Gpa kTimeLow{0x0010'1000};
  constexpr Gpa kTimeHigh{0x0010'1004};
  constexpr uint32_t kHigh = 0x4000'0000;  // of nanoseconds: the year 2116
  const auto set_clock_and_reset = [=](VcpuIo& io) {
    io.mmio_write(kBootHart, kTimeHigh, std::as_bytes(std::span{&kHigh, 1}));
    io.mmio_write(kBootHart, kTimeLow, std::array<std::byte, 4>{});
    io.system_event(kBootHart, {.type = SystemEventType::kReset});
  };
  EXPECT_EQ(run(set_clock_and_reset), kReset);
  uint32_t high = 0;
  const auto read_clock = [&high, kTimeLow, kTimeHigh](VcpuIo& io) {
    std::array<std::byte, 4> low{};
    io.mmio_read(kBootHart, kTimeLow, low);
    io.mmio_read(kBootHart, kTimeHigh, std::as_writable_bytes(std::span{&high, 1}));
    io.system_event(kBootHart, {.type = SystemEventType::kReset});
  };
  for (int boot = 0; boot < 2; ++boot) {
    EXPECT_EQ(run(read_clock), kReset);
    EXPECT_GE(high, kHigh);
    EXPECT_LT(high, kHigh + 1000);
  }
}

TEST_F(MachineTest, NothingLeftToTryNamesEveryRefusal) {
  kinds_ = {kAiaHardware, kAiaEmulated};
  hypervisor_.host.refuses_aia_hardware = "one";
  hypervisor_.host.refuses_aia_emulated = "two";
  try {
    make();
    FAIL() << "nothing was refused";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
    EXPECT_STREQ(error.what(),
                 "--irqchip: no in-kernel AIA with guest interrupt files: one; no in-kernel AIA, interrupt files in "
                 "software: two; try --irqchip plic");
  }
}

TEST_F(MachineTest, HostWithTooLittleRoomForVcpusBlamesTheirNumber) {
  config_.smp = 4;
  hypervisor_.host.vcpus_it_has_room_for = 3;
  try {
    make();
    FAIL() << "nothing was refused";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kInternal);
    EXPECT_STREQ(error.what(), "--smp 4: KVM_CREATE_VCPU: Too many open files; this host has room for 3 vCPUs now");
  }
}

TEST_F(MachineTest, HartZeroStartsAtTheKernelWithAllOfRam) {
  config_.smp = 3;
  const auto machine = make();
  ASSERT_EQ(hypervisor_.record.vcpus.size(), 3U);
  EXPECT_EQ(hypervisor_.record.vcpus[0]->entry, kRamBase + 2_MiB);
  EXPECT_EQ(hypervisor_.record.vcpus[1]->entry, Gpa{0});
  EXPECT_EQ(hypervisor_.record.ram, memory_.range());
  EXPECT_GT(machine->device_tree().size, 0U);
}

constexpr SystemEvent event(SystemEventType type, uint64_t reason) {
  return {.type = type, .raw_type = 0, .reason = reason};
}

TEST_F(MachineTest, ShutdownIsStatusZeroOrThatOfASystemFailure) {
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 0)), exit_with(0));
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 1)), exit_with(81));
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 0xf000'0000)), exit_with(0));
  config_.no_reboot = true;
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 0)), exit_with(0));
}

TEST_F(MachineTest, ResetBootsAgainUnlessTold) {
  EXPECT_EQ(run_event(event(SystemEventType::kReset, 0)), kReset);
  EXPECT_EQ(run_event(event(SystemEventType::kReset, 1)), kReset);
  config_.no_reboot = true;
  EXPECT_EQ(run_event(event(SystemEventType::kReset, 0)), exit_with(80));
  EXPECT_EQ(run_event(event(SystemEventType::kReset, 1)), exit_with(81));
}

TEST_F(MachineTest, APanicEndsAsTheUserWantsIt) {
  const SystemEvent shutdown = event(SystemEventType::kShutdown, 1);
  const SystemEvent reset = event(SystemEventType::kReset, 1);
  config_.on_panic = OnPanic::kExit;
  EXPECT_EQ(run_event(shutdown), exit_with(81));
  EXPECT_EQ(run_event(reset), exit_with(81));
  EXPECT_EQ(run_event(event(SystemEventType::kReset, 0)), kReset) << "is none";
  config_.on_panic = OnPanic::kReset;
  EXPECT_EQ(run_event(shutdown), kReset);
  EXPECT_EQ(run_event(reset), kReset);
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 0)), exit_with(0)) << "is none";
}

TEST_F(MachineTest, APanicOnTheConsoleIsOneWhateverTheGuestDoesThen) {
  PanicWatch watch{loop_, {"panic"}};
  console_.set_on_output([&watch](std::span<const std::byte> output) { watch.take(output); });
  panic_watch_ = &watch;
  const auto say_and = [this](auto then) {
    return run([this, then](VcpuIo& io) {
      console_.write(std::as_bytes(std::span{std::string_view{"panic\n"}}));
      then(io);
    });
  };
  const auto ask_for = [](const SystemEvent& event) {
    return [event](VcpuIo& io) { io.system_event(kBootHart, event); };
  };
  EXPECT_EQ(say_and(ask_for(event(SystemEventType::kReset, 0))), exit_with(81));
  EXPECT_EQ(say_and(ask_for(event(SystemEventType::kShutdown, 0))), exit_with(81));
  const auto finish_with = [](uint32_t value) {
    return [value](VcpuIo& io) { io.mmio_write(kBootHart, Gpa{0x0010'0000}, std::as_bytes(std::span{&value, 1})); };
  };
  EXPECT_EQ(say_and(finish_with(0x5555)), exit_with(81));
  EXPECT_EQ(say_and(finish_with(0x7777)), exit_with(81));
  EXPECT_EQ(say_and(finish_with(7 << 16 | 0x3333)), exit_with(7)) << "its own status says more";
  EXPECT_EQ(say_and([](VcpuIo& /*io*/) {}), exit_with(81)) << "when it has been silent for a while";
  config_.on_panic = OnPanic::kReset;
  EXPECT_EQ(say_and([](VcpuIo& /*io*/) {}), kReset);
  EXPECT_EQ(run_event(event(SystemEventType::kShutdown, 0)), exit_with(0)) << "the next machine has not said so";
}

TEST_F(MachineTest, APanickedMachineIsPausedAndShowsItsHarts) {
  config_.smp = 2;
  config_.on_panic = OnPanic::kStop;
  hypervisor_.host.on_vcpu_made = [](HartId hart, FakeVcpu& vcpu) {
    vcpu.at(kA0) = 0x70 + hart.value;
    if (hart != kBootHart) return;
    vcpu.add_step([](VcpuIo& io) {
      io.system_event(kBootHart, event(SystemEventType::kShutdown, 1));
      return RunOutcome::kStop;
    });
  };
  const auto machine = make();
  ExitBreaker::Stop stop;
  machine->control().set_listener(PauseOwner::kPanic, {.on_quiet = [&] {
                                    EXPECT_TRUE(machine->panicked());
                                    stop = machine->standstill();
                                    loop_.stop(exit_with(81));
                                  }});
  machine->start();
  loop_.run();
  EXPECT_EQ(stop.line,
            "panic: the guest reported a system failure: it panicked, or its tests failed or were all skipped\n");
  ASSERT_EQ(stop.registers.size(), 2U);
  EXPECT_THAT(hart_to_text(stop, 1), HasSubstr("0x71"));
}

TEST_F(MachineTest, FinisherEndsWithTheGuestsCode) {
  EXPECT_EQ(run_finisher(0x5555), exit_with(0));
  EXPECT_EQ(run_finisher(42 << 16 | 0x3333), exit_with(42));
  EXPECT_EQ(run_finisher(255U << 16 | 0x3333), exit_with(255));
  EXPECT_EQ(run_finisher(0x7777), kReset);
  config_.no_reboot = true;
  EXPECT_EQ(run_finisher(0x7777), exit_with(80));
}

TEST_F(MachineTest, FinisherCodeThatNoStatusCanSayIs255) {
  for (const uint32_t code : {0U, 256U, 65535U}) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(run_finisher(code << 16 | 0x3333), exit_with(255)) << code;
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                HasSubstr(std::format("failed with code {}; the exit status is 255 instead", code)));
  }
}

TEST_F(MachineTest, UnknownSystemEventIsAFault) {
  const SystemEvent unknown{.type = SystemEventType::kOther, .raw_type = 9, .reason = 0};
  hypervisor_.host.on_vcpu_made = [&](HartId, FakeVcpu& vcpu) {
    vcpu.add_step([&](VcpuIo& io) {
      io.system_event(kBootHart, unknown);
      return RunOutcome::kStop;
    });
  };
  const auto machine = make();
  machine->start();
  EXPECT_EQ(loop_.run(), exit_with(82));
  machine->stop();
  EXPECT_EQ(machine->fault_report(), "hart 0: exit system event of unknown type 9\n");
}

// The hart that wrote to the finisher runs on until it is told to stop.
TEST_F(MachineTest, WhatComesAfterAResetIsNotTheEnd) {
  const StopReason reason = run([](VcpuIo& io) {
    for (const uint32_t value : {0x7777U, 0x5555U}) {
      std::array<std::byte, 4> bytes{};
      std::memcpy(bytes.data(), &value, bytes.size());
      io.mmio_write(kBootHart, Gpa{0x0010'0000}, bytes);
    }
  });
  EXPECT_EQ(reason, kReset);
  loop_.stop(exit_with(7));
  EXPECT_EQ(loop_.run(), exit_with(7));  // nothing was left in the loop for the next machine
}

TEST_F(MachineTest, AFaultAfterTheEndIsNoReport) {
  config_.smp = 2;
  std::latch ended{1};
  hypervisor_.host.on_vcpu_made = [&](HartId hart, FakeVcpu& vcpu) {
    vcpu.add_step([&, hart](VcpuIo& io) {
      if (hart == kBootHart) {
        io.system_event(kBootHart, event(SystemEventType::kShutdown, 0));
        return RunOutcome::kStop;
      }
      ended.wait();
      return RunOutcome::kFault;
    });
  };
  const auto machine = make();
  machine->start();
  EXPECT_EQ(loop_.run(), exit_with(0));
  ended.count_down();
  machine->stop();
  EXPECT_EQ(machine->fault_report(), std::nullopt);
}

TEST_F(MachineTest, FirstFaultWins) {
  config_.smp = 2;
  std::latch first_is_known{1};
  hypervisor_.host.on_vcpu_made = [&](HartId hart, FakeVcpu& vcpu) {
    vcpu.report = std::format("hart {}: fault\n", hart.value);
    // Hart 1 is first.
    vcpu.add_step([&, hart](VcpuIo&) {
      if (hart == kBootHart) first_is_known.wait();
      return RunOutcome::kFault;
    });
  };
  const auto machine = make();
  machine->start();
  EXPECT_EQ(loop_.run(), exit_with(82));
  first_is_known.count_down();
  machine->stop();
  EXPECT_EQ(machine->fault_report(), "hart 1: fault\n");
}

// As by a kernel that forwards HSM.
TEST_F(MachineTest, AHartIsStartedByTheStandardHsm) {
  config_.smp = 2;
  std::promise<SbiRet> answer;
  hypervisor_.host.on_vcpu_made = [&](HartId hart, FakeVcpu& vcpu) {
    if (hart != kBootHart) {
      vcpu.hart_state = HartState::kStopped;
      vcpu.add_step([&](VcpuIo&) {
        EXPECT_EQ(vcpu.at(HartRegister::kPc), kRamBase.value + 4);
        EXPECT_EQ(vcpu.at(kA0), 1U);
        EXPECT_EQ(vcpu.at(kA1), 99U);
        return RunOutcome::kFault;
      });
      return;
    }
    vcpu.add_step([&](VcpuIo& io) {
      answer.set_value(io.sbi_ecall(kBootHart, {.eid = 0x48534D, .fid = 0, .args = {1, kRamBase.value + 4, 99}}));
      return RunOutcome::kContinue;
    });
  };
  const auto machine = make();
  machine->start();
  EXPECT_EQ(loop_.run(), exit_with(82));
  EXPECT_EQ(answer.get_future().get(), SbiRet::ok());
  machine->stop();
}

TEST_F(MachineTest, NoFaultNoReport) {
  const auto machine = make();
  machine->start();
  machine->stop();
  EXPECT_EQ(machine->fault_report(), std::nullopt);
}

}  // namespace
}  // namespace rvvmm::machine_test
