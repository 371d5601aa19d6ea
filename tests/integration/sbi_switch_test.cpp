// --sbi and --list sbi against what a guest finds: tests/guests/sbi_probe.S.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <sstream>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::sbi_switch_test {
namespace {

/// What a hart found of an extension.
struct Finding {
  uint64_t probe = 0;
  int64_t call = 0;
  int64_t batch = 0;

  friend bool operator==(const Finding&, const Finding&) = default;
  friend void PrintTo(const Finding& found, std::ostream* out) {
    *out << "probe " << found.probe << ", call " << found.call << ", batch " << found.batch;
  }
};

using Findings = std::map<uint64_t, Finding>;  ///< by EID

constexpr uint64_t kHypercall = 0x08485643;
constexpr uint64_t kOwnHsm = 0x0848534D;
constexpr uint64_t kVendor = 0x09000000;
constexpr uint64_t kDbcn = 0x4442434E;
constexpr uint64_t kMpxy = 0x4D505859;
constexpr int64_t kNotSupported = -2;

struct Named {
  const char* name;  ///< as --sbi has it
  uint64_t eid;      ///< that the guest calls
};
constexpr std::array kNamed{Named{"legacy", 0x02},       Named{"time", 0x54494D45}, Named{"ipi", 0x735049},
                            Named{"rfence", 0x52464E43}, Named{"srst", 0x53525354}, Named{"hsm", 0x48534D},
                            Named{"pmu", 0x504D55},      Named{"vendor", kVendor},  Named{"dbcn", kDbcn},
                            Named{"sta", 0x535441},      Named{"susp", 0x53555350}, Named{"fwft", 0x46574654},
                            Named{"mpxy", kMpxy}};

class SbiSwitch : public KvmTest {
 protected:
  /// Of each hart, with more options.
  std::vector<Findings> findings(const std::vector<std::string>& more = {}, unsigned smp = 1) {
    std::vector<std::string> all{"--kernel",         environment().guest("sbi_probe"), "--mem", "64M", "--smp",
                                 std::to_string(smp)};
    all.insert(all.end(), more.begin(), more.end());
    VmProcess vm{all, Console::kNullInput};
    EXPECT_TRUE(vm.ends_with(0));
    EXPECT_EQ(vm.errors(), "");
    std::vector<Findings> found(smp);
    std::istringstream lines{vm.output()};
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words{line};
      std::string first;
      uint64_t hart = 0, eid = 0, probe = 0, call = 0, batch = 0;
      if (!(words >> first >> std::hex >> hart >> eid >> probe >> call >> batch) || first != "sbi") continue;
      found.at(hart)[eid] = {.probe = probe, .call = static_cast<int64_t>(call), .batch = static_cast<int64_t>(batch)};
    }
    for (const Findings& hart : found)
      EXPECT_EQ(hart.size(), kNamed.size() + 3) << vm.output();
    return found;
  }
};

TEST_F(SbiSwitch, WithoutAChoiceTheGuestFindsWhatTheListSays) {
  const Findings found = findings().front();
  VmProcess list{{"--list", "sbi"}, Console::kNullInput};
  ASSERT_TRUE(list.ends_with(0));
  EXPECT_EQ(list.errors(), "");
  std::istringstream lines{list.output()};
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(line.starts_with("name ")) << line;
  size_t compared = 0;
  while (std::getline(lines, line)) {
    std::istringstream words{line};
    std::string name, eids;
    words >> name >> eids;
    // The range of legacy calls begins with set_timer; a probe of the others' first EID says nothing of the range.
    const uint64_t eid = name == "legacy" ? 0x02 : std::stoull(eids, nullptr, 16);
    if (!found.contains(eid) || eid == kVendor) continue;
    ++compared;
    EXPECT_EQ(line.contains(" nobody "), found.at(eid).probe == 0) << line;
  }
  EXPECT_EQ(compared, found.size() - 1) << list.output();
  EXPECT_EQ(found.at(kDbcn), (Finding{.probe = 1}));
  EXPECT_EQ(found.at(kHypercall), (Finding{.probe = 1}));
  EXPECT_EQ(found.at(kOwnHsm), (Finding{.probe = 1}));
  EXPECT_EQ(found.at(kMpxy), (Finding{.probe = 0, .call = kNotSupported, .batch = kNotSupported}));
}

// One by one in the full run; or else every second one, and then the others.
TEST_F(SbiSwitch, OffMeansThatNobodyAnswersAndNothingElseChanges) {
  const Findings before = findings().front();
  const size_t groups = environment().full ? kNamed.size() : 2;
  for (size_t group = 0; group < groups; ++group) {
    Findings expected = before;
    std::string choice;
    for (size_t index = group; index < kNamed.size(); index += groups) {
      choice += (choice.empty() ? "" : ",") + std::string{kNamed[index].name} + "=off";
      expected[kNamed[index].eid] = {.probe = 0, .call = kNotSupported, .batch = kNotSupported};
    }
    EXPECT_EQ(findings({"--sbi", choice}).front(), expected) << choice;
  }
}

TEST_F(SbiSwitch, WithTheExperimentalRangeOurOwnGo) {
  const Findings found = findings({"--sbi", "experimental=off"}).front();
  for (const uint64_t eid : {kHypercall, kOwnHsm})
    EXPECT_EQ(found.at(eid), (Finding{.probe = 0, .call = kNotSupported, .batch = kNotSupported})) << std::hex << eid;
  EXPECT_EQ(found.at(kDbcn), (Finding{.probe = 1, .call = 0, .batch = kNotSupported})) << "there is no batch any more";
}

TEST_F(SbiSwitch, EachHartHasWhatWasChosen) {
  const auto found = findings({"--sbi", "dbcn=off,sta=off"}, 2);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[1].at(kDbcn).probe, 0U);
}

TEST_F(SbiSwitch, ChoicesMayStandInAFile) {
  const TemporaryFile config{"sbi = dbcn=off\n"};
  EXPECT_EQ(findings({"--config", config.path()}).front().at(kDbcn).probe, 0U);
}

TEST_F(SbiSwitch, TheMessageProxyIsThereWhereTheKernelForwardsIt) {
  VmProcess vm{{"--kernel", environment().guest("mpxy"), "--mem", "64M", "--sbi", "mpxy=on"}, Console::kNullInput};
  const std::optional<int> status = vm.wait(kSoon);
  ASSERT_TRUE(status.has_value());
  if (environment().host_kernel == "6.12" || (environment().host_kernel.empty() && *status == 69)) {
    EXPECT_EQ(*status, 69);
    EXPECT_EQ(vm.errors(),
              "rvvmm: --sbi mpxy=on: KVM of this host does not have it; leave it out, and see rvvmm --list sbi\n");
    return;
  }
  EXPECT_EQ(*status, 0) << vm.output() << vm.errors();
  EXPECT_EQ(findings({"--sbi", "mpxy=on"}).front().at(kMpxy), (Finding{.probe = 1}));
}

}  // namespace
}  // namespace rvvmm::test::sbi_switch_test
