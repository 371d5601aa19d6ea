// What a guest was told is on its disks is there after rvvmm was killed, whenever that was, and ext4 recovers. The
// guest's side is tools/guest/tests/records and guest/disk_records.cpp. What a host that loses power forgets is another
// matter: tools/lib/power-loss.sh.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "linux_test_case.hpp"

namespace rvvmm::test::disk_integrity_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

struct Mode {
  const char* transport;
  bool direct;  ///< past the host's page cache
  bool ring;    ///< by io_uring, else one request at a time
};

/// The first two have each value once, all eight each combination.
constexpr std::array kModes{
    Mode{.transport = "pci", .direct = false, .ring = true},  Mode{.transport = "mmio", .direct = true, .ring = false},
    Mode{.transport = "pci", .direct = true, .ring = true},   Mode{.transport = "mmio", .direct = false, .ring = true},
    Mode{.transport = "pci", .direct = false, .ring = false}, Mode{.transport = "mmio", .direct = false, .ring = false},
    Mode{.transport = "pci", .direct = true, .ring = false},  Mode{.transport = "mmio", .direct = true, .ring = true},
};

constexpr unsigned kRounds = 1;
constexpr unsigned kRoundsOfFullRun = 50;
constexpr uint64_t kRecordsSize = uint64_t{32} << 20;

/// Names of disk-records, in the order in which the guest wants their numbers.
constexpr std::array kWriters{"cached", "direct", "file"};
/// The last record or file of each that is known to be durable.
using Durable = std::array<uint64_t, kWriters.size()>;

/// What an old host has, or a sandbox leaves: no io_uring.
void refuse_io_uring() {
  std::array filter{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(126);
}

/// The last "durable NAME NUMBER" on the console; at the end of what a killed guest said, half a line does not count.
uint64_t last_durable(const std::string& console, const std::string& name, uint64_t before) {
  const std::string start = "durable " + name + ' ';
  for (size_t end = console.size(); end > 0;) {
    const size_t at = console.rfind(start, end - 1);
    if (at == std::string::npos) return before;
    uint64_t number = 0;
    const char* const digits = console.data() + at + start.size();
    const auto parsed = std::from_chars(digits, console.data() + console.size(), number);
    if (parsed.ec == std::errc{} && parsed.ptr != console.data() + console.size() && *parsed.ptr < ' ') return number;
    end = at;
  }
  return before;
}

std::string describe(const Mode& mode) {
  return std::string{mode.transport} + (mode.direct ? ", direct" : ", cached") +
         (mode.ring ? ", io_uring" : ", one at a time");
}

class DiskIntegrity : public LinuxTest {
 protected:
  void SetUp() override {
    LinuxTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (is_left_to_other_hosts({"6.12:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
    if (environment().ext4_image.empty() || environment().ext4_modules.empty())
      GTEST_SKIP() << "skipped: set RVVMM_EXT4_IMAGE and RVVMM_EXT4_MODULES";
    // Not in memory, which is what /tmp is on the emulated hosts: rvvmm would not use io_uring there.
    const fs::path folder = environment().artifacts;
    if (folder.empty()) GTEST_SKIP() << "skipped: set RVVMM_ARTIFACTS to a folder on a disk";
    records_ = folder / "killed.records";
    ext4_ = folder / "killed.ext4";
    fs::remove(records_);
    std::ofstream{records_}.close();
    fs::resize_file(records_, kRecordsSize);
    fs::copy_file(environment().ext4_image, ext4_, fs::copy_options::overwrite_existing);
    programs_.emplace(initrd_of_programs(environment(), {{.name = "disk-records", .file = "disk_records"}}));
  }
  void TearDown() override {
    if (records_.empty()) return;
    fs::remove(records_);
    // Else the runner has e2fsck look at it.
    if (environment().artifacts.empty()) fs::remove(ext4_);
  }

  std::vector<std::string> arguments(const Mode& mode, const std::string& kernel, const std::string& words) const {
    std::string numbers;
    for (const uint64_t number : durable_)
      numbers += (numbers.empty() ? "" : ",") + std::to_string(number);
    const std::string suboptions = mode.direct ? ",direct" : "";
    return {"--kernel",    kernel,
            "--initrd",    environment().guest_initrd,
            "--initrd",    programs_->path(),
            "--initrd",    environment().ext4_modules,
            "--smp",       "2",
            "--mem",       "512M",  // the initramfs may fill half of what 128 MiB for CMA leave
            "--disk",      records_.string() + suboptions,
            "--disk",      ext4_.string() + suboptions,
            "--transport", mode.transport,
            "--log-level", "devices=info",
            "--append",    "console=ttyS0 quiet nowatchdog rvvmm.test=records records.durable=" + numbers + words};
  }

  // What the guest says at its start about what the killed one left.
  void expect_recovery(VmProcess& vm) const {
    ASSERT_TRUE(vm.expect_match("disk-records: ([0-9]+) files checked", kBoot));
    const bool replayed = vm.output().find("recovery complete") != std::string::npos;
    EXPECT_EQ(replayed, durable_ != Durable{}) << "whether ext4 replayed its journal\n" << vm.output();
  }

  void expect_mode(const Mode& mode, const VmProcess& vm) const {
    const bool ring = vm.errors().find("I/O by io_uring") != std::string::npos;
    // Of another host nobody knows whether it has io_uring, and whether its temporary files are in memory.
    if (!environment().host_irqchip.empty() || !mode.ring) {
      EXPECT_EQ(ring, mode.ring) << vm.errors();
    }
  }

  void run_and_kill(const Mode& mode, const std::string& kernel) {
    VmProcess vm{arguments(mode, kernel, ""), Console::kNullInput, mode.ring ? nullptr : refuse_io_uring};
    expect_recovery(vm);
    if (HasFatalFailure()) return;
    for (const char* const writer : kWriters)
      ASSERT_TRUE(vm.expect(std::string{"durable "} + writer, kBoot)) << describe(mode);
    const milliseconds more{std::uniform_int_distribution{0, 1500}(random_)};
    ASSERT_TRUE(vm.lives_for(more)) << vm.output();
    vm.signal(SIGKILL);
    ASSERT_TRUE(vm.ends_with(128 + SIGKILL));
    expect_mode(mode, vm);
    const Durable before = durable_;
    for (size_t writer = 0; writer < kWriters.size(); ++writer) {
      durable_[writer] = last_durable(vm.output(), kWriters[writer], before[writer]);
      EXPECT_GT(durable_[writer], before[writer]) << kWriters[writer];
    }
    std::printf("    %-28s killed after %4lld ms more: durable", describe(mode).c_str(), 0LL + more.count());
    for (size_t writer = 0; writer < kWriters.size(); ++writer)
      std::printf(" %s %llu", kWriters[writer], 0ULL + durable_[writer]);
    std::printf("\n");
    std::fflush(stdout);
  }

  // In the image, as it is: no guest has a part in it.
  void check_records() const {
    for (const size_t writer : {size_t{0}, size_t{1}}) {
      VmProcess checker{environment().guest("disk_records"),
                        {"check", records_.string(), std::to_string(writer), std::to_string(durable_[writer])},
                        Console::kNullInput};
      EXPECT_TRUE(checker.ends_with(0)) << kWriters[writer];
      EXPECT_TRUE(checker.expect("records checked"));
    }
  }

  void boot_and_leave_in_order() const {
    VmProcess vm{arguments(kModes[0], kernel("latest"), " records.last"), Console::kNullInput};
    expect_recovery(vm);
    EXPECT_TRUE(vm.expect("records: in order", kBoot));
    EXPECT_TRUE(vm.ends_with(0));
  }

 private:
  fs::path records_;
  fs::path ext4_;
  std::optional<TemporaryFile> programs_;
  Durable durable_{};
  std::minstd_rand random_{std::random_device{}()};
};

TEST_F(DiskIntegrity, WhatAFlushAcknowledgedOutlivesAKill) {
  const unsigned rounds = environment().full ? kRoundsOfFullRun : kRounds;
  for (unsigned round = 0; round < rounds; ++round) {
    const Mode& mode = kModes[round % kModes.size()];
    run_and_kill(mode, kernel(round % 2 == 0 ? "latest" : "612"));
    if (HasFailure()) FAIL() << "in round " << round << ": " << describe(mode);
    check_records();
    if (HasFailure()) FAIL() << "after round " << round << ": " << describe(mode);
  }
  boot_and_leave_in_order();
}

}  // namespace
}  // namespace rvvmm::test::disk_integrity_test
