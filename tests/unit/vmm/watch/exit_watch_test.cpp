#include "vmm/watch/exit_watch.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "fakes/fake_hypervisor.hpp"
#include "fakes/one_device.hpp"
#include "observe/profile_json.hpp"

namespace rvvmm::exit_watch_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ExitRecord load_from(uint64_t at) {
  ExitRecord exit;
  exit.entered = 10;
  exit.left = 20;
  exit.answered = 23;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = at, .value = 0, .width = 1, .is_write = false};
  return exit;
}

Config config_with(std::optional<std::string> Config::* option, const std::string& value) {
  Config config;
  config.*option = value;
  return config;
}

class ExitWatchTest : public ::testing::Test {
 protected:
  ~ExitWatchTest() override { std::filesystem::remove(path_); }

  /// A machine of two harts; hart n makes n + 1 exits, `times` times.
  void run_machine(ExitWatch& watch, int times) {
    FakeVmBackend vm{host_, record_};
    std::vector<std::unique_ptr<VcpuBackend>> vcpus;
    for (uint32_t hart = 0; hart < 2; ++hart)
      vcpus.push_back(vm.create_vcpu(HartId{hart}));
    watch.begin(vm, vcpus, OneDevice{});
    for (uint32_t hart = 0; hart < 2; ++hart) {
      FakeVcpu& vcpu = *record_.vcpus[hart];
      vcpu.at(HartRegister::kPc) = 0x8020'0000;
      vcpu.counted = {{"exits", {hart + 1}}};
      for (uint32_t i = 0; vcpu.observer != nullptr && i < (hart + 1) * static_cast<uint32_t>(times); ++i)
        vcpu.observer->on_exit(vcpu, load_from(0x1000'0005));
    }
    watch.gather(vm, vcpus, OneDevice{});
  }

  ExitProfile written() const {
    std::ifstream file{path_};
    return profile_from_json(std::string{std::istreambuf_iterator<char>{file}, {}}, path_);
  }

  static std::string error_of(const Config& config) {
    try {
      ExitWatch watch{config};
    } catch (const SetupError& error) {
      return error.what();
    }
    return "no error";
  }

  const std::string path_ = ::testing::TempDir() + "exit_watch_" + std::to_string(::getpid());
  FakeHost host_;
  FakeVmRecord record_;
};

TEST_F(ExitWatchTest, WithoutAnOptionNobodyWatches) {
  const Config config;
  ExitWatch watch{config};
  run_machine(watch, 1);
  EXPECT_EQ(record_.vcpus.size(), 2U);
  watch.finish();
}

TEST_F(ExitWatchTest, ProfileCountsEachHartOverAllResets) {
  host_.vm_statistics = {{"remote_tlb_flush", {5}}};
  ExitWatch watch{config_with(&Config::profile, path_)};
  run_machine(watch, 128);
  run_machine(watch, 128);
  watch.finish();
  const ExitProfile profile = written();
  EXPECT_EQ(profile.timebase_hz, 10'000'000U);
  ASSERT_EQ(profile.harts.size(), 2U);
  for (uint32_t hart = 0; hart < 2; ++hart) {
    ASSERT_EQ(profile.harts[hart].rows.size(), 1U);
    const ProfileRow& row = profile.harts[hart].rows.front();
    EXPECT_EQ(row.name, "uart+0x5 read");
    EXPECT_EQ(row.costs.user.count(), 256U * (hart + 1));
    EXPECT_EQ(row.costs.user.total, 3 * 256U * (hart + 1));
    EXPECT_EQ(row.costs.guest.total, 10 * 256U * (hart + 1));
    EXPECT_THAT(profile.harts[hart].kvm, ElementsAre(Statistic{"exits", {2 * (hart + 1)}}));
  }
  EXPECT_THAT(profile.kvm, ElementsAre(Statistic{"remote_tlb_flush", {10}}));
  ASSERT_EQ(profile.pcs.size(), 1U);
  EXPECT_EQ(profile.pcs.front().samples, 6U);
  ASSERT_EQ(profile.timeline.slots.size(), 1U);
  EXPECT_EQ(profile.timeline.slots.front().front(), 3 * 256U);
}

TEST_F(ExitWatchTest, AGuestThatResetsForEverFillsNoMemory) {
  constexpr uint32_t kBoots = 3;
  constexpr uint32_t kDifferent = 200;
  ExitWatch watch{config_with(&Config::profile, path_)};
  for (uint32_t boot = 0; boot < kBoots; ++boot) {
    FakeVmBackend vm{host_, record_};
    std::vector<std::unique_ptr<VcpuBackend>> vcpus;
    vcpus.push_back(vm.create_vcpu(HartId{0}));
    watch.begin(vm, vcpus, OneDevice{});
    FakeVcpu& vcpu = *record_.vcpus.back();
    for (uint32_t i = 0; i < kDifferent * HartProfile::kSampleEvery; ++i) {
      vcpu.at(HartRegister::kPc) = 2 * (boot * kDifferent + i / HartProfile::kSampleEvery);
      vcpu.observer->on_exit(vcpu, load_from(0x1000'0000 + boot * kDifferent + i % kDifferent));
    }
    watch.gather(vm, vcpus, OneDevice{});
  }
  watch.finish();
  const ExitProfile profile = written();
  ASSERT_EQ(profile.harts.size(), 1U);
  ASSERT_EQ(profile.harts[0].rows.size(), HartProfile::kMostRows + 1);
  EXPECT_EQ(profile.harts[0].rows.back().name, kOtherExits);
  uint64_t exits = 0;
  for (const ProfileRow& row : profile.harts[0].rows)
    exits += row.costs.user.count();
  EXPECT_EQ(exits, uint64_t{kBoots} * kDifferent * HartProfile::kSampleEvery);
  EXPECT_EQ(profile.pcs.size(), HartProfile::kMostPcs);
  EXPECT_EQ(profile.other_samples, kBoots * kDifferent - HartProfile::kMostPcs);
}

TEST_F(ExitWatchTest, DashIsATableOnStderr) {
  ExitWatch watch{config_with(&Config::profile, "-")};
  run_machine(watch, 1);
  ::testing::internal::CaptureStderr();
  watch.finish();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("uart+0x5 read"));
}

TEST_F(ExitWatchTest, AFileThatCannotBeWrittenIsSaidAtOnce) {
  EXPECT_EQ(error_of(config_with(&Config::profile, "/none/p.json")),
            "--profile /none/p.json: cannot be written: No such file or directory");
  Config config = config_with(&Config::profile, "-");
  config.symbols = "/none/map";
  EXPECT_THAT(error_of(config), HasSubstr("--symbols /none/map: "));
}

TEST_F(ExitWatchTest, AFullDiskIsSaidAtTheEnd) {
  ExitWatch watch{config_with(&Config::profile, "/dev/full")};
  run_machine(watch, 1);
  try {
    watch.finish();
    FAIL() << "nothing was said";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kInternal);
    EXPECT_STREQ(error.what(), "--profile /dev/full: cannot be written: No space left on device");
  }
}

TEST_F(ExitWatchTest, AStartThatFailsLeavesNoFile) {
  {
    const ExitWatch watch{config_with(&Config::profile, path_)};
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace rvvmm::exit_watch_test
