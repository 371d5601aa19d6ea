#include "vmm/commands/sbi_list.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "fakes/probed_guest.hpp"
#include "vmm/commands/sbi_probe.hpp"

namespace rvvmm::sbi_list_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kLegacy = 0;
constexpr size_t kExperimental = 7;
constexpr size_t kDbcn = 9;
constexpr size_t kSusp = 11;
constexpr size_t kMpxy = 13;

class SbiList : public ::testing::Test {
 protected:
  // As Linux 7.2 without CONFIG_RISCV_SBI_V01 and without a PMU.
  SbiList() {
    host_.host.sbi_extensions.fill(true);
    host_.host.sbi_extensions[6].reset();
    host_.host.sbi_extensions[kSusp] = false;
    host_.host.sbi_extensions[kMpxy] = false;
    play_probes(host_.host, present_);
  }

  SbiListRow row(std::string_view name, uint64_t eid) {
    const auto rows = survey_sbi(host_);
    const auto at =
        std::ranges::find_if(rows, [&](const SbiListRow& row) { return row.name == name && row.eids.first == eid; });
    if (at != rows.end()) return *at;
    ADD_FAILURE() << "no row " << name;
    return {};
  }
  std::string line(std::string_view name, uint64_t eid) {
    const std::array rows{row(name, eid)};
    const std::string text = sbi_list_text(rows);
    return text.substr(text.find('\n') + 1);
  }
  std::string refusal(const SbiChoices& choices) {
    try {
      check_sbi_choices(host_, choices);
    } catch (const SetupError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
      return error.what();
    }
    return "";
  }

  std::set<uint64_t> present_{0x10,     0x54494D45, 0x735049, 0x52464E43, 0x53525354,
                              0x48534D, 0x4442434E, 0x535441, 0x46574654};
  FakeHypervisor host_;
};

TEST_F(SbiList, HasEachSwitchOnceAndWhatIsOurs) {
  const auto rows = survey_sbi(host_);
  EXPECT_EQ(rows.front().name, "base");
  for (const SbiSwitch& extension : kSbiSwitches)
    EXPECT_EQ(std::ranges::count(rows, extension.eids, &SbiListRow::eids), 1) << extension.name;
  // Base, and hypercalls and HSM of the experimental range.
  EXPECT_EQ(rows.size(), kSbiSwitches.size() + 3);
  EXPECT_EQ(host_.record.sbi, SbiChoices{});
}

TEST_F(SbiList, SaysWhoAnswers) {
  EXPECT_EQ(line("base", 0x10),
            "base          0x10                  0.2  kernel, rvvmm  on       version and probing\n");
  EXPECT_EQ(line("time", 0x54494D45), "time          0x54494D45            0.2  kernel         on       timer\n");
  EXPECT_THAT(line("dbcn", 0x4442434E), StartsWith("dbcn          0x4442434E            2.0  rvvmm          on "));
  EXPECT_THAT(line("hypercall", 0x08485643), StartsWith("hypercall     0x08485643            -    rvvmm          on "));
  EXPECT_THAT(line("hsm", 0x0848534D), StartsWith("hsm           0x0848534D            -    rvvmm          on "));
  EXPECT_THAT(line("experimental", 0x08000000),
              StartsWith("experimental  0x08000000-0x08FFFFFF 0.2  rvvmm          on "));
}

// Our own HSM is for another EID, and for batches: the kernel keeps the standard one to itself.
TEST_F(SbiList, WhatTheKernelKeepsToItselfIsTheKernels) {
  EXPECT_THAT(line("hsm", 0x48534D), HasSubstr(" kernel         on "));
}

TEST_F(SbiList, TellsOffFromAbsent) {
  EXPECT_THAT(line("mpxy", 0x4D505859), HasSubstr(" nobody         off "));
  EXPECT_THAT(line("pmu", 0x504D55), HasSubstr(" nobody         absent "));
  // KVM has the switch, and nothing behind it.
  EXPECT_THAT(line("legacy", 0), HasSubstr(" nobody         absent "));
  // Calls come, and nobody takes them.
  EXPECT_THAT(line("vendor", 0x09000000), HasSubstr(" nobody         on "));
}

TEST_F(SbiList, LegacyIsSharedWhereTheKernelHasIt) {
  present_.insert(0);
  EXPECT_THAT(line("legacy", 0), HasSubstr(" kernel, rvvmm  on "));
}

TEST_F(SbiList, NothingOfARangeIsThereWhereTheRangeIsOff) {
  host_.host.sbi_extensions[kExperimental] = false;
  EXPECT_THAT(line("experimental", 0x08000000), HasSubstr(" nobody         off "));
  EXPECT_THAT(line("hypercall", 0x08485643), HasSubstr(" nobody         off "));
}

TEST_F(SbiList, NoLineIsWide) {
  const std::string text = sbi_list_text(survey_sbi(host_));
  EXPECT_THAT(text, StartsWith("name          EID                   SBI  answered by    default  what\n"));
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100U) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST_F(SbiList, AProbeThatCannotGoOnIsAnError) {
  host_.host.on_vcpu_made = [](HartId, FakeVcpu& vcpu) { vcpu.add_step([](VcpuIo&) { return RunOutcome::kFault; }); };
  try {
    survey_sbi(host_);
    ADD_FAILURE() << "it went on";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kInternal);
    EXPECT_STREQ(error.what(), "probing for SBI extensions: hart 0: pc 0x0: exit unknown");
  }
}

TEST_F(SbiList, OnlyAChoiceOfOnAsksTheHost) {
  SbiChoices choices;
  EXPECT_EQ(refusal(choices), "");
  choices.choose(kDbcn, false);
  EXPECT_EQ(refusal(choices), "");
  EXPECT_EQ(host_.record.vms, 0);
  choices.choose(kMpxy, true);
  present_.insert(0x4D505859);
  EXPECT_EQ(refusal(choices), "");
  EXPECT_EQ(host_.record.vms, 1);
  EXPECT_EQ(host_.record.sbi, choices);
}

TEST_F(SbiList, WhatIsSwitchedOnAndNotFoundIsRefused) {
  SbiChoices choices;
  choices.choose(kLegacy, true);
  EXPECT_THAT(refusal(choices), StartsWith("--sbi legacy=on: KVM of this host has the switch, but "));
}

TEST_F(SbiList, ARangeIsNothingToFind) {
  SbiChoices choices;
  choices.choose(kExperimental, true);
  choices.choose(kExperimental + 1, true);
  EXPECT_EQ(refusal(choices), "");
}

}  // namespace
}  // namespace rvvmm::sbi_list_test
