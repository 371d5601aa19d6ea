// --trace and the flight record, as a user has them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "base/fd.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::flight_test {
namespace {

class Flight : public KvmTest {
 protected:
  std::vector<std::string> options(const char* guest, std::vector<std::string> more) const {
    more.insert(more.begin(), {"--kernel", environment().guest(guest), "--mem", "64M", "--no-reboot"});
    return more;
  }
  const TemporaryFile file_;
};

std::string last_line_with(const std::string& text, const std::string& part) {
  const size_t at = text.rfind(part);
  if (at == std::string::npos) return "";
  const size_t begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST_F(Flight, AFaultLeavesARecordThatEndsThere) {
  VmProcess vm{options("amo_mmio", {"--flight-record", file_.path()})};
  ASSERT_TRUE(vm.ends_with(82));
  EXPECT_NE(vm.errors().find("the last exits of each hart are in " + file_.path()), std::string::npos) << vm.errors();
  const std::string text = report_with({file_.path()});
  EXPECT_NE(text.find("an exit after which the guest cannot go on\n"), std::string::npos) << text;
  EXPECT_NE(last_line_with(text, " us  hart 0").find("other KVM_RUN: "), std::string::npos) << text;
  EXPECT_NE(text.find("hart 0 at the end:\n    pc "), std::string::npos) << text;
}

TEST_F(Flight, ASystemFailureDoesToo) {
  VmProcess vm{options("system_failure", {"--flight-record", file_.path()})};
  ASSERT_TRUE(vm.ends_with(81));
  EXPECT_NE(last_line_with(report_with({file_.path()}), " us  hart 0").find("system shutdown, reason 0x1"),
            std::string::npos);
}

TEST_F(Flight, AnOrdinaryEndLeavesNone) {
  std::filesystem::remove(file_.path());
  VmProcess vm{options("shutdown", {"--flight-record", file_.path()})};
  ASSERT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.errors(), "");
  EXPECT_FALSE(std::filesystem::exists(file_.path()));
}

TEST_F(Flight, ASignalAsksAGuestThatRuns) {
  VmProcess vm{options("uart_flood", {"--flight-record", file_.path()}), Console::kNoReader};
  ASSERT_TRUE(vm.lives_for(std::chrono::seconds{2}));
  vm.signal(SIGUSR1);
  for (int tries = 0; tries < 100 && file_.content().empty(); ++tries)
    vm.lives_for(std::chrono::milliseconds{100});
  ASSERT_TRUE(vm.lives_for(std::chrono::milliseconds{500})) << "it goes on";
  EXPECT_NE(report_with({file_.path()}).find("mmio uart.thr write"), std::string::npos);
  EXPECT_NE(vm.errors().find("SIGUSR1: the last exits"), std::string::npos) << vm.errors();
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(143));
}

TEST_F(Flight, TraceTellsWhatWasAskedFor) {
  VmProcess vm{options("exit_mix", {"--trace", "sbi:0x9000000,mmio:uart.scr", "--trace-file", file_.path()})};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  const std::string trace = file_.content();
  EXPECT_EQ(std::ranges::count(trace, '\n'), 200);
  EXPECT_NE(trace.find(": sbi 0x9000000.0x7("), std::string::npos) << trace.substr(0, 1000);
  EXPECT_NE(trace.find("): not supported, 0x0 ("), std::string::npos) << trace.substr(0, 1000);
  EXPECT_NE(trace.find(": mmio uart.scr write, 1 byte at 0x10000007: 0x60 ("), std::string::npos);
  EXPECT_EQ(trace.find("uart.lsr"), std::string::npos);
}

TEST_F(Flight, TraceWithRegistersShowsWhatChanged) {
  VmProcess vm{options("exit_mix", {"--trace", "mmio:uart.lsr", "--trace-file", file_.path() + ",json,registers"})};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_NE(report_with({file_.path()}).find("s3       0x64 -> 0x63"), std::string::npos);
}

TEST_F(Flight, ATraceThatNobodyReadsKeepsNobodyFromEnding) {
  std::filesystem::remove(file_.path());
  ASSERT_EQ(::mkfifo(file_.path().c_str(), 0600), 0);
  const Fd reader{::open(file_.path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  VmProcess vm{options("uart_flood", {"--smp", "2", "--trace", "mmio", "--trace-file", file_.path()}),
               Console::kNoReader};
  ASSERT_TRUE(vm.lives_for(std::chrono::seconds{3})) << vm.errors();
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(143));
}

TEST_F(Flight, WithoutAPlaceOfItsOwnItIsANewFile) {
  VmProcess vm{options("system_failure", {})};
  ASSERT_TRUE(vm.ends_with(81));
  const std::string said = vm.errors();
  const std::string path = said.substr(said.rfind(' ') + 1, said.size() - said.rfind(' ') - 2);
  EXPECT_NE(report_with({path}).find("the guest reported a system failure"), std::string::npos) << said;
  EXPECT_TRUE(std::filesystem::remove(path)) << said;
  VmProcess off{options("system_failure", {"--flight-record", "off"})};
  ASSERT_TRUE(off.ends_with(81));
  EXPECT_EQ(off.errors(),
            "rvvmm: the guest reported a system failure: it panicked, or its tests failed or were all skipped\n");
}

TEST_F(Flight, MistakesInATraceAreShownByTheirColumn) {
  VmProcess unknown{options("shutdown", {"--trace", "csr,sbi:dbcm"})};
  EXPECT_TRUE(unknown.ends_with(64));
  EXPECT_EQ(unknown.errors(), "rvvmm: --trace: column 9: \"dbcm\" is not an SBI extension; did you mean dbcn?\n");
  VmProcess reg{options("shutdown", {"--trace", "mmio:uart.lrs"})};
  EXPECT_TRUE(reg.ends_with(64));
  EXPECT_EQ(reg.errors(), "rvvmm: --trace: column 11: \"lrs\" is not a register of \"uart\"; did you mean lsr?\n");
  VmProcess device{options("shutdown", {"--trace", "mmio:uarrt"})};
  EXPECT_TRUE(device.ends_with(64));
  EXPECT_EQ(device.errors(),
            "rvvmm: --trace: column 6: \"uarrt\" is not a device of this machine; did you mean uart?\n");
}

}  // namespace
}  // namespace rvvmm::test::flight_test
