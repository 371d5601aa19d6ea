// What tests with Linux guests have in common: which kernels there are, what runs where, and a paste.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "linux_guest.hpp"
#include "test_environment.hpp"

namespace rvvmm::test {

inline constexpr const char* kOnlyInTheFullRun = "only with RVVMM_TEST_FULL=1";

class LinuxTest : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const std::string& file : {kernel("612"), kernel("latest"), environment().guest_initrd}) {
      if (!std::filesystem::exists(file)) {
        GTEST_SKIP() << "skipped: set RVVMM_GUEST_KERNEL_612, RVVMM_GUEST_KERNEL_LATEST and RVVMM_GUEST_INITRD";
      }
    }
  }

  /// In the default run a boot of Linux is made on some of the emulated hosts only, here named as `tools/dev test
  /// --host` has them. On each host in the full run, and on one that is none of ours.
  bool is_left_to_other_hosts(std::initializer_list<std::string_view> hosts = {"latest:aia", "6.12:none"}) const {
    const TestEnvironment& here = environment();
    if (here.full || here.host_irqchip.empty()) return false;
    return std::ranges::find(hosts, here.host_kernel + ":" + here.host_irqchip) == hosts.end();
  }

  std::string kernel(const std::string& name) const {
    return name == "612" ? environment().guest_kernel_612 : environment().guest_kernel_latest;
  }

  // Typed as fast as the console takes it, while the guest reads: more than all buffers on the way hold. A byte that
  // comes through a UART costs a busy host 2 ms.
  void check_paste(LinuxGuest& guest) {
    const size_t size = environment().full ? 65536 : 16384;
    std::string text;
    while (text.size() < size)
      text += "line " + std::to_string(text.size()) + " of what is pasted\n";
    text.resize(size);
    const TemporaryFile reference{text};
    ASSERT_TRUE(guest.run("stty raw"));
    VmProcess& vm = guest.vm();
    ASSERT_TRUE(vm.send("echo; echo re\"\"ady; head -c " + std::to_string(size) +
                        " | sha256sum; stty -raw -echo -onlcr; echo do\"\"ne\n"));
    ASSERT_TRUE(vm.expect("ready"));
    ASSERT_TRUE(vm.send(text, kBoot));
    ASSERT_TRUE(vm.expect_match("([0-9a-f]{64})  -", kBoot));
    const std::string sum = vm.matches()[1];
    ASSERT_TRUE(vm.expect("done"));
    EXPECT_EQ(sum, sha256_of(reference.path()));
  }

  static std::string sha256_of(const std::string& path) {
    FILE* pipe = popen(("sha256sum " + path).c_str(), "re");
    char sum[65] = {};
    if (pipe == nullptr || fread(sum, 1, 64, pipe) != 64) ADD_FAILURE() << "sha256sum";
    if (pipe != nullptr) pclose(pipe);
    return sum;
  }
};

/// Says in the log where the time of a session goes: it is what the test matrix costs.
class StepClock {
 public:
  void done(const char* step) {
    const auto now = std::chrono::steady_clock::now();
    std::printf("    %-10s %6.1f s\n", step, std::chrono::duration<double>(now - last_).count());
    std::fflush(stdout);  // a test that is stopped tells how far it came
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace rvvmm::test
