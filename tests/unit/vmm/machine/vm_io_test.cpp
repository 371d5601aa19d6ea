#include "vmm/machine/vm_io.hpp"

#include <gmock/gmock.h>

#include <array>
#include <set>

#include "fakes/fake_machine.hpp"

namespace rvvmm::vm_io_test {
namespace {

constexpr HartId kHart{3};

class OnePlace final : public AddressMap {
 public:
  std::string what_is_at(Gpa at, bool is_write) const override {
    return at == Gpa{0x1000} ? (is_write ? "thing.out" : "thing.in") : "";
  }
};

class VmIoTest : public ::testing::Test {
 protected:
  void SetUp() override { bus_.freeze(); }

  MmioBus bus_;
  SbiDispatcher sbi_;
  RecordingListener listener_;
  OnePlace map_;
  VmIo io_{bus_, map_, sbi_, listener_};
};

TEST_F(VmIoTest, PlacesHaveTheirNamesFromTheMap) {
  EXPECT_EQ(io_.what_is_at(Gpa{0x1000}, false), "thing.in");
  EXPECT_EQ(io_.what_is_at(Gpa{0x1000}, true), "thing.out");
  EXPECT_EQ(io_.what_is_at(Gpa{0x2000}, false), "");
}

// Scalar cryptography 1.0.1, "seed": OPST in bits 31:30 is WAIT (1) or ES16 (2), entropy in bits 15:0, the rest zero.
TEST_F(VmIoTest, SeedGivesSixteenBitsOfEntropyOrSaysWait) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 64; ++i) {
    const auto seed = io_.csr_access(kHart, {.number = 0x015, .new_value = 0, .write_mask = ~uint64_t{0}});
    ASSERT_TRUE(seed.has_value());
    const uint64_t state = *seed >> 30;
    EXPECT_TRUE(state == 1 || state == 2) << *seed;
    EXPECT_EQ(*seed & 0x3fff'0000, 0U);
    const bool silent_while_waiting = state != 1 || (*seed & 0xffff) == 0;
    EXPECT_TRUE(silent_while_waiting) << *seed;
    seen.insert(*seed);
  }
  EXPECT_GT(seen.size(), 1U);
}

TEST_F(VmIoTest, OtherCsrsDoNotExist) {
  for (const uint32_t number : {0U, 0x014U, 0x016U, 0x151U, 0x15cU, 0xfffU}) {
    EXPECT_EQ(io_.csr_access(kHart, {.number = number, .new_value = 1, .write_mask = 1}), std::nullopt) << number;
  }
}

TEST_F(VmIoTest, UnknownCsrIsLoggedWithItsHart) {
  log::detail::counter_of("unknown CSRs", "") = 0;  // what earlier tests have logged counts for nothing
  log::set_level(log::Module::kVmm, log::Level::kInfo);
  ::testing::internal::CaptureStderr();
  io_.csr_access(kHart, {.number = 0x15c, .new_value = 0, .write_mask = 0});
  log::set_level(log::Module::kVmm, log::Level::kWarn);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("hart 3: CSR 0x15c does not exist here; illegal instruction"));
}

TEST_F(VmIoTest, AccessWithoutADeviceReadsAllOnesAndIsCounted) {
  std::array<std::byte, 4> bytes{};
  const uint64_t before = bus_.misses();
  io_.mmio_read(kHart, Gpa{0x4000'0000}, bytes);
  EXPECT_THAT(bytes, ::testing::Each(std::byte{0xff}));
  io_.mmio_write(kHart, Gpa{0x4000'0000}, bytes);
  EXPECT_EQ(bus_.misses() - before, 2U);
}

TEST_F(VmIoTest, CallThatNobodyAnswersIsNotSupported) {
  const uint64_t before = sbi_.unknown_calls();
  EXPECT_EQ(io_.sbi_ecall(kHart, {.eid = 0x0900'0000, .fid = 0, .args = {}}), SbiRet::fail(SbiError::kNotSupported));
  EXPECT_EQ(sbi_.unknown_calls() - before, 1U);
}

TEST_F(VmIoTest, SystemEventReachesTheMachineWhole) {
  io_.system_event(kHart, {.type = SystemEventType::kReset, .raw_type = 2, .reason = 0xf000'0001});
  const SystemEvent event = listener_.last_event();
  EXPECT_EQ(event.type, SystemEventType::kReset);
  EXPECT_EQ(event.raw_type, 2U);
  EXPECT_EQ(event.reason, 0xf000'0001U);
}

}  // namespace
}  // namespace rvvmm::vm_io_test
