// Boots a Linux guest to its shell; commands go to a loop that reads a line and evaluates it.
#include "linux_guest.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "kernel_files.hpp"

namespace rvvmm::test {
namespace {

void pad_to_4(std::string& archive) {
  archive.resize((archive.size() + 3) & ~size_t{3}, '\0');
}

// One entry of the "newc" format of cpio(5): a header of 8-digit hexadecimal numbers, the name, the content.
void add_cpio_entry(std::string& archive, const std::string& name, unsigned mode, const std::string& content) {
  static unsigned inode = 0x10000;
  char header[111];
  std::snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ++inode, mode,
                0U, 0U, 1U, 0U, content.size(), 0U, 0U, 0U, 0U, name.size() + 1, 0U);
  archive += header;
  archive += name + '\0';
  pad_to_4(archive);
  archive += content;
  pad_to_4(archive);
}

// nowatchdog: a host that is emulated and busy stops for seconds, which is no lockup of the guest's.
std::vector<std::string> arguments_for(const LinuxLaunch& launch, const std::vector<std::string>& initrds) {
  std::vector<std::string> arguments = {
      "--kernel", launch.kernel, "--smp",    std::to_string(launch.smp),
      "--mem",    "256M",        "--append", "console=ttyS0 quiet nowatchdog " + launch.append,
  };
  for (const std::string& initrd : initrds)
    arguments.insert(arguments.end(), {"--initrd", initrd});
  arguments.insert(arguments.end(), launch.options.begin(), launch.options.end());
  return arguments;
}

// A terminal's echo and line editing make output hard to read: this shell has neither.
constexpr const char* kQuietShell =
    "exec sh -c 'stty -echo -onlcr; echo qui\"\"et; while IFS= read -r line; do eval \"$line\"; done'\n";

}  // namespace

std::string initrd_of_programs(const TestEnvironment& environment, const std::vector<GuestProgram>& programs) {
  std::string archive;
  for (const GuestProgram& program : programs)
    add_cpio_entry(archive, "usr/bin/" + program.name, 0100755, read_file(environment.guest(program.file)));
  add_cpio_entry(archive, "TRAILER!!!", 0, "");
  return archive;
}

LinuxGuest::LinuxGuest(const LinuxLaunch& launch)
    // Compressed, so that the second hardly ends at a multiple of 4.
    : programs_(gzip(initrd_of_programs(TestEnvironment::get(), {{.name = "read-time", .file = "read_time"},
                                                                 {.name = "illegal", .file = "illegal_process"}}))),
      alarm_(gzip(initrd_of_programs(TestEnvironment::get(), {{.name = "rtc-alarm", .file = "rtc_alarm"}}))),
      vm_(arguments_for(launch, {TestEnvironment::get().guest_initrd, programs_.path(), alarm_.path()}),
          launch.console) {}

::testing::AssertionResult LinuxGuest::boots() {
  if (auto prompt = vm_.expect("guest# ", kBoot); !prompt) return prompt;
  if (auto typed = vm_.send(kQuietShell); !typed) return typed;
  return vm_.expect("quiet");
}

::testing::AssertionResult LinuxGuest::run(const std::string& command, int status, std::chrono::seconds limit) {
  if (auto begun = begin(command, limit); !begun) return begun;
  return end(status, limit);
}

::testing::AssertionResult LinuxGuest::begin(const std::string& command, std::chrono::seconds limit) {
  const std::string number = std::to_string(++commands_);
  const std::string line = "echo; echo @begin" + number + "@; " + command + "; echo @end" + number + "=$?@\n";
  if (auto typed = vm_.send(line, limit); !typed) return typed;
  command_ = command;
  return vm_.expect("@begin" + number + "@", limit);
}

::testing::AssertionResult LinuxGuest::end(int status, std::chrono::seconds limit) {
  const std::string number = std::to_string(commands_);
  if (auto ended = vm_.expect_match("@end" + number + "=([0-9]+)@", limit); !ended) return ended;
  output_ = vm_.before_match();
  std::erase(output_, '\r');
  while (output_.starts_with('\n'))
    output_.erase(0, 1);
  if (vm_.matches()[1] == std::to_string(status)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "in the guest: " << command_ << "\nstatus " << vm_.matches()[1] << ", not "
                                       << status << "; it printed:\n"
                                       << end_of(output_);
}

}  // namespace rvvmm::test
