// A Linux guest with a shell on its console that takes commands one by one and tells their status.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test {

struct LinuxLaunch {
  std::string kernel;
  unsigned smp = 1;
  std::vector<std::string> options = {};
  std::string append = {};  ///< more for the guest's command line
  Console console = Console::kPipe;
};

class LinuxGuest {
 public:
  explicit LinuxGuest(const LinuxLaunch& launch);

  /// Waits for the shell and makes it one that does not echo. Also after a reboot.
  ::testing::AssertionResult boots();
  /// Runs `command` and waits for it; the result holds if its status is `status`. output() has what it printed.
  ::testing::AssertionResult run(const std::string& command, int status = 0, std::chrono::seconds limit = kSoon);
  /// The same in two steps: types it, and waits for its end.
  ::testing::AssertionResult begin(const std::string& command, std::chrono::seconds limit = kSoon);
  ::testing::AssertionResult end(int status = 0, std::chrono::seconds limit = kSoon);
  const std::string& output() const { return output_; }

  VmProcess& vm() { return vm_; }

 private:
  TemporaryFile programs_;
  TemporaryFile alarm_;
  VmProcess vm_;
  unsigned commands_ = 0;
  std::string command_;  ///< the last one
  std::string output_;
};

/// One of TestEnvironment::guests, and what it is called in the guest's /usr/bin.
struct GuestProgram {
  std::string name;
  std::string file;
};

/// An initramfs with these programs alone, for an --initrd of its own.
std::string initrd_of_programs(const TestEnvironment& environment, const std::vector<GuestProgram>& programs);

}  // namespace rvvmm::test
