#include "vmm/watch/break_prompt.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <format>
#include <memory>

#include "fakes/fake_vcpu.hpp"
#include "fakes/one_device.hpp"

namespace rvvmm::break_prompt_test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Config config_with_breaks() {
  Config config;
  config.breaks = "sbi:hsm.hart_start";
  return config;
}

/// One hart that makes the same call again and again, and somebody who types when there is a prompt.
class BreakPromptTest : public ::testing::Test {
 protected:
  BreakPromptTest() {
    hart().at(kA0) = 0x77;
    breaker_.begin({.vcpus = vcpus_,
                    .devices = devices_,
                    .control = {.pause = [this] { paused_.notify(); }, .resume = [this] { call_.notify(); }}},
                   0, 10'000'000);
    prompt_.set_on_wanted([this] {
      if (prompt_.takes_input()) typist_.notify();
    });
  }

  /// What the prompt says to these lines, one for each time it asks; then the input ends.
  std::string answers_to(std::vector<std::string> lines, int calls = 1) {
    type_these(std::move(lines));
    ::testing::internal::CaptureStderr();
    calls_left_ = calls;
    call_.notify();
    EXPECT_EQ(loop_.run(), StopReason{});
    breaker_.let_go();
    return ::testing::internal::GetCapturedStderr();
  }

  FakeVcpu& hart() { return static_cast<FakeVcpu&>(*vcpus_[0]); }
  void type_these(std::vector<std::string> lines) { lines_ = std::move(lines); }

  EventLoop loop_;
  Terminal terminal_{-1};
  ConsoleHub console_{-1, ConsoleHub::Reader::kNever};
  GuestMemory memory_{Gpa{0x8000'0000}, 1_MiB};
  OneDevice devices_;
  std::array<std::unique_ptr<VcpuBackend>, 1> vcpus_{std::make_unique<FakeVcpu>()};
  ExitBreaker breaker_{config_with_breaks()};
  BreakPrompt prompt_{
      {.loop = loop_, .terminal = terminal_, .console = console_, .memory = memory_, .breaker = &breaker_}};

 private:
  void type() {
    if (lines_.empty()) return prompt_.on_end_of_input();
    const std::string line = lines_.front() + "\n";
    lines_.erase(lines_.begin());
    prompt_.take(std::as_bytes(std::span{line}));
    if (prompt_.takes_input()) typist_.notify();
  }

  void call() {
    if (calls_left_-- == 0) return;
    ExitRecord exit;
    exit.kind = ExitKind::kSbi;
    exit.sbi = {.eid = 0x0848'534D, .fid = 0, .args = {2, 0x8020'0000}, .error = 0, .value = 0};
    breaker_.on_exit(HartId{0}, hart(), exit);
  }

  int calls_left_ = 0;
  Notifier call_{loop_, [this] { call(); }};
  Notifier paused_{loop_, [this] { breaker_.on_paused(); }};
  std::vector<std::string> lines_;
  Notifier typist_{loop_, [this] { type(); }};
};

TEST_F(BreakPromptTest, ShowsTheCallAndTheRegistersAndAsks) {
  const std::string said = answers_to({});
  EXPECT_THAT(said, HasSubstr("break: [    0.000000] hart 0 pc 0x0: sbi hsm.hart_start(hartid=0x2, "
                              "start_addr=0x80200000, opaque=0x0): success, 0x0\nhart 0:\n    pc "));
  EXPECT_THAT(said, HasSubstr(std::format("{:<8}{:>18}", "a0", "0x77")));
  EXPECT_THAT(said, EndsWith("(rvvmm) quit\n"));
}

TEST_F(BreakPromptTest, GoesOnAndStopsAgain) {
  const std::string said = answers_to({"continue", "s", "q"}, 3);
  size_t stops = 0;
  for (size_t at = said.find("break: "); at != std::string::npos; at = said.find("break: ", at + 1))
    ++stops;
  EXPECT_EQ(stops, 3U);
}

TEST_F(BreakPromptTest, ShowsMemory) {
  std::memcpy(memory_.slice(Gpa{0x8000'0010}, 6)->data(), "hello\x01", 6);
  EXPECT_THAT(answers_to({"mem 0x80000010 18", ""}),
              HasSubstr("0x000080000010  68 65 6c 6c 6f 01 00 00 00 00 00 00 00 00 00 00  hello...........\n"
                        "0x000080000020  00 00                                            ..\n(rvvmm) 0x000080000010"))
      << "an empty line does it again";
}

TEST_F(BreakPromptTest, ALineThatIsTooLongIsRefused) {
  const std::string command = "mem 0x80000000 1";
  const std::string spaces(256 - command.size(), ' ');
  const std::string said = answers_to({command + spaces + " ", command + spaces});
  EXPECT_THAT(said, HasSubstr("(rvvmm) a line has at most 256 bytes\n(rvvmm) 0x000080000000  00 "));
}

TEST_F(BreakPromptTest, MistakesAreNamed) {
  const std::string said =
      answers_to({"contineu", "xyzzy", "regs 1", "mem", "mem 0x80000000 5000", "mem 0x800ffff0 17", "mem 1 2 3"});
  EXPECT_THAT(said, HasSubstr("\"contineu\" is not a command; did you mean continue?\n"));
  EXPECT_THAT(said, HasSubstr("\"xyzzy\" is not a command; help shows them\n"));
  EXPECT_THAT(said, HasSubstr("regs: \"1\" is not a hart; give one from 0 to 0\n"));
  EXPECT_THAT(said, HasSubstr("(rvvmm) mem: give an address and how many bytes, 1 to 4096, such as mem 0x80200000 64\n"
                              "(rvvmm) mem: give"));
  EXPECT_THAT(said, HasSubstr("mem: 17 bytes at 0x800ffff0 are not all in RAM, which is 0x80000000 to 0x800fffff\n"));
}

TEST_F(BreakPromptTest, APanicIsLookedAtAndDoesNotGoOn) {
  type_these({"regs 1", "continue", "s", "q"});
  ::testing::internal::CaptureStderr();
  prompt_.ask_about_panic({.hart = HartId{1},
                           .line = "panic: it has\n",
                           .registers = {{{.name = "a0", .value = 5}}, {{.name = "a0", .value = 6}}}});
  EXPECT_EQ(loop_.run().status, 81);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("\npanic: it has\nhart 1:\n"));
  EXPECT_THAT(said, HasSubstr("the guest has panicked and does not go on; quit ends rvvmm\n(rvvmm) the guest has"));
}

TEST_F(BreakPromptTest, AnotherMachineIsNotAskedAbout) {
  ::testing::internal::CaptureStderr();
  prompt_.ask_about_panic({.hart = HartId{0}, .line = "", .registers = {{{.name = "a0", .value = 5}}}});
  EXPECT_TRUE(prompt_.takes_input());
  prompt_.forget();
  EXPECT_FALSE(prompt_.takes_input());
  ::testing::internal::GetCapturedStderr();
}

TEST_F(BreakPromptTest, HelpNamesAllCommands) {
  const std::string said = answers_to({"help", "r", "regs 0"});
  for (const char* command : {"continue (c)", "step (s)", "regs (r)", "mem (m)", "quit (q)"})
    EXPECT_THAT(said, HasSubstr(command));
}

}  // namespace
}  // namespace rvvmm::break_prompt_test
