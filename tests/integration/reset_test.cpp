// Guests that reset again and again: nothing is left behind, the host's kernel has nothing to say, and a VM of the
// process is always there.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::reset_test {
namespace {

using std::chrono::seconds;

/// How often a kernel in trouble says so in its log; nullopt where we may not read that.
std::optional<size_t> complaints_of_the_host() {
  constexpr int kReadAll = 3;  // syslog(2)
  constexpr int kSizeOfLog = 10;
  const int size = ::klogctl(kSizeOfLog, nullptr, 0);
  if (size <= 0) return std::nullopt;
  std::string log(static_cast<size_t>(size), '\0');
  const int length = ::klogctl(kReadAll, log.data(), size);
  if (length < 0) return std::nullopt;
  log.resize(static_cast<size_t>(length));
  size_t count = 0;
  for (const std::string_view sign :
       {"UBSAN: ", "BUG: ", "WARNING: ", "LOCKUP", "lockup", "Oops", "Unable to handle"}) {
    for (size_t at = log.find(sign); at != std::string::npos; at = log.find(sign, at + 1))
      ++count;
  }
  return count;
}

class ResetStorm : public KvmTest {};

TEST_F(ResetStorm, LeavesNothingBehindAndTheHostsKernelSilent) {
  const size_t resets = environment().full ? 10'000 : 200;
  constexpr size_t kAtOnce = 50;
  const auto before = complaints_of_the_host();
  const TemporaryFile disk{std::string(size_t{1} << 20, '\0')};
  VmProcess vm{{"--kernel", environment().guest("reset_storm"), "--mem", "64M", "--smp", "4", "--disk", disk.path(),
                "--net", "user", "--rng", "--power-key", "--console", "virtio"},
               Console::kNullInput};
  const std::string dots(kAtOnce, '.');
  constexpr seconds kLimit{300};
  ASSERT_TRUE(vm.expect(dots, kLimit));
  const size_t descriptors = open_descriptors(vm.pid());
  for (size_t done = kAtOnce; done < resets; done += kAtOnce)
    ASSERT_TRUE(vm.expect(dots, kLimit)) << "after " << done << " resets";
  // Threads of harts and the VM come and go; what leaks at each reset is more than all of them.
  EXPECT_LE(open_descriptors(vm.pid()), descriptors + 40);
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
  EXPECT_EQ(complaints_of_the_host(), before) << "see the host's log";
}

/// The main thread of a process, from system call to system call.
class TracedCalls {
 public:
  explicit TracedCalls(pid_t pid) : pid_(pid) {
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACESYSGOOD), 0) << std::strerror(errno);
    EXPECT_EQ(::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), 0) << std::strerror(errno);
    EXPECT_EQ(::waitpid(pid, &status_, __WALL), pid);
  }
  ~TracedCalls() { ::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr); }
  TracedCalls(const TracedCalls&) = delete;
  TracedCalls& operator=(const TracedCalls&) = delete;

  /// On to the end of the next system call; signals on the way reach the process. nullopt: it has ended.
  std::optional<__ptrace_syscall_info> next() {
    for (;;) {
      const int signal = is_signal() ? WSTOPSIG(status_) : 0;
      if (::ptrace(PTRACE_SYSCALL, pid_, nullptr, signal) != 0) return std::nullopt;
      if (::waitpid(pid_, &status_, __WALL) != pid_ || !WIFSTOPPED(status_)) return std::nullopt;
      __ptrace_syscall_info call{};
      if (WSTOPSIG(status_) == (SIGTRAP | 0x80) && ::ptrace(PTRACE_GET_SYSCALL_INFO, pid_, sizeof call, &call) > 0 &&
          call.op == PTRACE_SYSCALL_INFO_EXIT) {
        return call;
      }
    }
  }

 private:
  bool is_signal() const noexcept {
    return status_ >> 16 == 0 && WSTOPSIG(status_) != SIGTRAP && WSTOPSIG(status_) != (SIGTRAP | 0x80);
  }

  pid_t pid_;
  int status_ = 0;
};

class ResetOrder : public KvmTest {};

// The kernel patches its scheduler when the first VM of a host comes, and when the last one goes (docs/kvm-quirks.md).
TEST_F(ResetOrder, TheNextVmIsThereBeforeTheLastOneGoes) {
  VmProcess vm{{"--kernel", environment().guest("reboot"), "--mem", "64M"}};
  ASSERT_TRUE(vm.expect("guest: booted"));
  size_t most = 0;
  {
    TracedCalls calls{vm.pid()};
    ASSERT_TRUE(vm.send("c"));
    // Until the second VM is alone.
    while (most < 2 || open_vms(vm.pid()) > 1) {
      ASSERT_TRUE(calls.next()) << vm.errors();
      const size_t vms = open_vms(vm.pid());
      ASSERT_GE(vms, 1U);
      most = std::max(most, vms);
    }
  }
  EXPECT_EQ(most, 2U);
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0));
}

}  // namespace
}  // namespace rvvmm::test::reset_test
