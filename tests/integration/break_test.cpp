// --break and its prompt, as a user has them.
#include <gtest/gtest.h>

#include <csignal>
#include <format>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::break_test {
namespace {

// tests/guests/break_here.S: what its calls hand over.
constexpr const char* kStart = "sbi hsm.hart_start(hartid=0x1, start_addr=0x8020";
constexpr const char* kPrompt = "(rvvmm) ";
constexpr const char* kWrite = "sbi dbcn.write_byte(byte=0x42)";

std::string text_of(const char* reg, uint64_t value) {
  return std::format("{:<8}{:>18}", reg, std::format("{:#x}", value));
}

class Break : public KvmTest {
 protected:
  std::vector<std::string> options(std::vector<std::string> more, const char* guest = "break_here") const {
    more.insert(more.begin(), {"--kernel", environment().guest(guest), "--mem", "64M", "--smp", "2"});
    return more;
  }
};

TEST_F(Break, OnOurHsmStopsThereWithTheCallsRegisters) {
  VmProcess vm{options({"--break", "sbi:hsm.hart_start if a0==1", "--on-break", "exit"})};
  ASSERT_TRUE(vm.ends_with(83)) << vm.errors();
  const std::string said = vm.errors();
  EXPECT_NE(said.find(kStart), std::string::npos) << said;
  for (const std::string& reg :
       {text_of("a0", 1), text_of("a2", 0x1234B), text_of("a6", 0), text_of("a7", 0x0848'534D)})
    EXPECT_NE(said.find(reg), std::string::npos) << reg << " is not in\n" << said;
  EXPECT_NE(said.find("\nhart 1:\n    pc "), std::string::npos) << said;
  EXPECT_EQ(vm.output(), "A");
}

TEST_F(Break, OnTheConsolesCallDumpsAndGoesOn) {
  VmProcess vm{options({"--break", "sbi:dbcn if a0==0x42"}), Console::kPipe};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  const std::string said = vm.errors();
  EXPECT_NE(said.find(kWrite), std::string::npos) << said;
  EXPECT_NE(said.find(text_of("a0", 0x42)), std::string::npos) << said;
  EXPECT_EQ(vm.output(), "ABC\n");
}

TEST_F(Break, ContinueIsALineForEach) {
  VmProcess vm{options({"--break", "sbi:dbcn.write_byte,system", "--on-break", "continue"})};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_EQ(vm.error_lines(), 5U) << vm.errors();
  EXPECT_NE(vm.errors().find("system shutdown, reason 0x0"), std::string::npos) << vm.errors();
}

TEST_F(Break, PromptAsksAtTheTerminal) {
  VmProcess vm{options({"--break", "sbi:dbcn if a0==0x42"}), Console::kPty};
  ASSERT_TRUE(vm.says(kPrompt));
  EXPECT_NE(vm.terminal_attributes().c_lflag & ICANON, 0U) << "the terminal is the user's while it is asked at";
  ASSERT_TRUE(vm.send("mem 0x80200000 16\n"));
  ASSERT_TRUE(vm.says("0x000080200000  "));
  ASSERT_TRUE(vm.send("regs 1\n"));
  ASSERT_TRUE(vm.says("hart 1:"));
  ASSERT_TRUE(vm.send("step\n"));
  ASSERT_TRUE(vm.says("sbi dbcn.write_byte(byte=0x43)"));
  ASSERT_TRUE(vm.says(kPrompt, 4));
  ASSERT_TRUE(vm.send("c\n"));
  ASSERT_TRUE(vm.ends_with(0));
  EXPECT_NE(vm.terminal_attributes().c_lflag & ICANON, 0U);
}

TEST_F(Break, TheTerminalIsTheGuestsAgainBehindThePrompt) {
  VmProcess vm{options({"--break", "mmio:uart.thr.write if value==0x67"}, "echo_hex"), Console::kPty};  // 'g'
  ASSERT_TRUE(vm.says(kPrompt));
  ASSERT_TRUE(vm.send("continue\n"));
  ASSERT_TRUE(vm.expect("uest: ready"));
  EXPECT_EQ(vm.terminal_attributes().c_lflag & ICANON, 0U);
  ASSERT_TRUE(vm.send("z"));
  EXPECT_TRUE(vm.expect("byte 000000000000007a"));
  ASSERT_TRUE(vm.send("\x01x"));
  EXPECT_TRUE(vm.ends_with(0));
}

TEST_F(Break, QuitAndASignalEndAMachineThatHasStopped) {
  VmProcess quits{options({"--break", "sbi:dbcn"}), Console::kPty};
  ASSERT_TRUE(quits.says(kPrompt));
  ASSERT_TRUE(quits.send("q\n"));
  EXPECT_TRUE(quits.ends_with(0));
  EXPECT_NE(quits.terminal_attributes().c_lflag & ICANON, 0U);
  VmProcess ends{options({"--break", "sbi:dbcn"}), Console::kPty};
  ASSERT_TRUE(ends.says(kPrompt));
  ends.signal(SIGTERM);
  EXPECT_TRUE(ends.ends_with(143));
}

TEST_F(Break, MistakesAreShownByTheirColumn) {
  VmProcess unknown{options({"--break", "sbi:hsm.hart_stat"})};
  EXPECT_TRUE(unknown.ends_with(64));
  EXPECT_EQ(unknown.errors(),
            "rvvmm: --break: column 9: \"hart_stat\" is not a function of \"hsm\"; did you mean hart_start?\n");
  VmProcess nowhere{options({"--break", "sbi", "--on-break", "prompt"})};
  EXPECT_TRUE(nowhere.ends_with(64));
  EXPECT_EQ(nowhere.errors(),
            "rvvmm: --on-break: prompt: the guest's console is not on a terminal; give continue, dump or exit\n");
}

}  // namespace
}  // namespace rvvmm::test::break_test
