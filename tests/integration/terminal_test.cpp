// The guest's console on a terminal: raw while the VM runs, restored however it ends, with Ctrl-A as our key.
#include <gtest/gtest.h>
#include <signal.h>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::terminal_test {
namespace {

bool same(const termios& a, const termios& b) {
  return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag && a.c_lflag == b.c_lflag &&
         std::equal(std::begin(a.c_cc), std::end(a.c_cc), std::begin(b.c_cc));
}

class Terminal : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    vm_.emplace(std::vector<std::string>{"--kernel", environment().guest("echo_hex"), "--mem", "64M"}, Console::kPty);
    before_ = vm_->terminal_attributes();
    ASSERT_TRUE(vm_->expect("guest: ready"));
    ASSERT_FALSE(same(before_, vm_->terminal_attributes())) << "the terminal is not raw while the VM runs";
  }

  void expect_restored() { EXPECT_TRUE(same(before_, vm_->terminal_attributes())) << "the terminal is not restored"; }

  std::optional<VmProcess> vm_;

 private:
  termios before_{};
};

TEST_F(Terminal, CtrlAXQuitsWithStatusZero) {
  ASSERT_TRUE(vm_->send("\x01x"));
  EXPECT_TRUE(vm_->ends_with(0));
  expect_restored();
}

TEST_F(Terminal, CtrlATwiceSendsOne) {
  ASSERT_TRUE(vm_->send("\x01\x01z"));
  EXPECT_TRUE(vm_->expect("byte 0000000000000001"));
  EXPECT_TRUE(vm_->expect("byte 000000000000007a"));
}

TEST_F(Terminal, KeysThatSignalElsewhereReachTheGuest) {
  for (const auto& [key, value] : {std::pair{"\x03", "03"},
                                   {"\x1a", "1a"},
                                   {"\x1c", "1c"},
                                   {"\x04", "04"},
                                   {"\x11", "11"},
                                   {"\x13", "13"},
                                   {"\r", "0d"},
                                   {"\x7f", "7f"}}) {
    ASSERT_TRUE(vm_->send(key));
    EXPECT_TRUE(vm_->expect(std::string{"byte 00000000000000"} + value));
  }
}

// On stderr, so that a console that goes to a file stays the guest's alone.
TEST_F(Terminal, CtrlAHTellsTheKeys) {
  ASSERT_TRUE(vm_->send("\x01hz"));
  ASSERT_TRUE(vm_->expect("byte 000000000000007a"));
  EXPECT_NE(vm_->errors().find("Ctrl-A x"), std::string::npos) << vm_->errors();
}

TEST_F(Terminal, IsRestoredAfterSigterm) {
  vm_->signal(SIGTERM);
  EXPECT_TRUE(vm_->ends_with(128 + SIGTERM));
  expect_restored();
}

TEST_F(Terminal, IsRestoredAfterACrash) {
  vm_->signal(SIGSEGV);
  EXPECT_TRUE(vm_->ends_with(128 + SIGSEGV));
  expect_restored();
}

TEST_F(Terminal, IsRestoredAfterAnAbort) {
  vm_->signal(SIGABRT);
  EXPECT_TRUE(vm_->ends_with(128 + SIGABRT));
  expect_restored();
}

TEST_F(Terminal, IsRestoredAfterASignalThatNobodyExpects) {
  vm_->signal(SIGALRM);
  EXPECT_TRUE(vm_->ends_with(128 + SIGALRM));
  expect_restored();
}

TEST_F(Terminal, IsRestoredAfterARealTimeSignal) {
  vm_->signal(SIGRTMIN + 3);
  EXPECT_TRUE(vm_->ends_with(128 + SIGRTMIN + 3));
  expect_restored();
}

class TerminalSetup : public KvmTest {};

TEST_F(TerminalSetup, AFailedStartLeavesTheTerminalAlone) {
  VmProcess vm{{"--kernel", "/nonexistent"}, Console::kPty};
  const termios before = vm.terminal_attributes();
  EXPECT_TRUE(vm.ends_with(65));
  EXPECT_TRUE(same(before, vm.terminal_attributes()));
}

TEST_F(TerminalSetup, IsRestoredWhenTheGuestPowersOff) {
  VmProcess vm{{"--kernel", environment().guest("dbcn"), "--mem", "64M"}, Console::kPty};
  const termios before = vm.terminal_attributes();
  ASSERT_TRUE(vm.expect("input?"));
  ASSERT_TRUE(vm.send("hello"));
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_TRUE(same(before, vm.terminal_attributes()));
}

}  // namespace
}  // namespace rvvmm::test::terminal_test
