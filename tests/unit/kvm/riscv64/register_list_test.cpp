#include "kvm/riscv64/register_list.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/register_names.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm::register_list_test {
namespace {

using namespace register_list;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kSingle = KVM_REG_RISCV | KVM_REG_SIZE_U64;
constexpr uint64_t kIsaC = kSingle | KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_SINGLE | 1;
constexpr uint64_t kIsaSvpbmt = kSingle | KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_SINGLE | 7;
constexpr uint64_t kSbiDbcnSwitch = kSingle | KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE | 9;
constexpr uint64_t kFpF = KVM_REG_RISCV | KVM_REG_SIZE_U32 | KVM_REG_RISCV_FP_F;
constexpr uint64_t kStaLow = kSingle | KVM_REG_RISCV_SBI_STATE | KVM_REG_RISCV_SBI_STA;
constexpr uint64_t kFrequency = static_cast<uint64_t>(one_reg::kTimerFrequency);
constexpr uint64_t kUnknownGroup = kSingle | 0x7FUL << KVM_REG_RISCV_TYPE_SHIFT | 3;

uint64_t raw(HartRegister reg) {
  return static_cast<uint64_t>(one_reg::id_of(reg));
}
uint64_t raw(VectorRegister reg, size_t vlenb) {
  return static_cast<uint64_t>(one_reg::vector(reg, vlenb));
}

TEST(RegisterList, RestoresWhatTheGuestCanChange) {
  for (const HartRegister reg : {HartRegister::kPc, HartRegister::kMode, HartRegister::kSip, HartRegister::kSiselect,
                                 HartRegister::kTimerCompare, HartRegister::kTimerState, HartRegister::kF0,
                                 HartRegister::kFcsr, HartRegister::kVstart, HartRegister::kVcsr})
    EXPECT_EQ(use_of(raw(reg), true), Use::kRestored) << name_of(reg);
  EXPECT_EQ(use_of(raw(v(31), 16), true), Use::kRestored);
  EXPECT_EQ(use_of(kStaLow, true), Use::kRestored);
}

TEST(RegisterList, RestoresRegistersOfAKernelThatIsNewerThanRvvmm) {
  EXPECT_EQ(use_of(kUnknownGroup, true), Use::kRestored);
}

TEST(RegisterList, ComparesWhatIsFixed) {
  for (const uint64_t id :
       {kIsaC, kSbiDbcnSwitch, kFrequency, raw(HartRegister::kVlenb), static_cast<uint64_t>(one_reg::kSatpMode)})
    EXPECT_EQ(use_of(id, true), Use::kCompared) << register_name(id);
}

TEST(RegisterList, LeavesGuestTimeToTheVm) {
  EXPECT_EQ(use_of(raw(HartRegister::kTime), true), Use::kLeftOut);
}

TEST(RegisterList, HasSingleFloatsOnlyWithoutDoubles) {
  EXPECT_EQ(use_of(kFpF, true), Use::kLeftOut);
  EXPECT_EQ(use_of(kFpF, false), Use::kRestored);
  EXPECT_TRUE(has_doubles(std::vector{kFpF, raw(HartRegister::kF0)}));
  EXPECT_FALSE(has_doubles(std::vector{kFpF}));
}

TEST(RegisterList, KnowsSizesByIds) {
  EXPECT_EQ(size_of(raw(HartRegister::kPc)), 8U);
  EXPECT_EQ(size_of(raw(HartRegister::kFcsr)), 4U);
  EXPECT_EQ(size_of(raw(v(0), 16)), 16U);
  EXPECT_EQ(size_of(raw(v(0), kMaxVlenb)), kMaxVlenb);
  EXPECT_EQ(size_of(UINT64_MAX), 32768U);
}

TEST(RegisterList, HasNames) {
  EXPECT_EQ(register_name(raw(kA0)), "a0");
  EXPECT_EQ(register_name(raw(HartRegister::kTimerCompare)), "stimecmp");
  EXPECT_EQ(register_name(raw(v(31), 32)), "v31");
  EXPECT_EQ(register_name(kIsaSvpbmt), "isa.svpbmt");
  EXPECT_EQ(register_name(kSbiDbcnSwitch), "sbi.dbcn");
  EXPECT_EQ(register_name(static_cast<uint64_t>(one_reg::kSatpMode)), "config.satp_mode");
  EXPECT_EQ(register_name(kFrequency), "frequency");
  for (const uint64_t id : {kStaLow, kUnknownGroup, uint64_t{0}, UINT64_MAX, kSbiDbcnSwitch + 100, kIsaC + 1000})
    EXPECT_EQ(register_name(id), "") << id;
  EXPECT_EQ(describe(raw(kA0)), "register a0");
  EXPECT_EQ(describe(0x1234), "register 0x1234");
}

SavedRegister saved(uint64_t id, uint64_t value) {
  SavedRegister reg{.id = id, .name = register_name(id), .value = std::vector<std::byte>(size_of(id))};
  std::memcpy(reg.value.data(), &value, std::min(reg.value.size(), sizeof value));
  return reg;
}

/// A hart of few registers, and a state of it.
class StateOfAHart : public ::testing::Test {
 protected:
  StateOfAHart() {
    for (const uint64_t id : {raw(HartRegister::kPc), raw(HartRegister::kSatp), raw(HartRegister::kTimerState),
                              raw(HartRegister::kFcsr), raw(v(0), 16)})
      here.registers.push_back(saved(id, 0));
    here.fixed = {saved(kFrequency, 10'000'000), saved(kIsaC, 1), saved(kIsaSvpbmt, 0), saved(kSbiDbcnSwitch, 1)};
    here.state = HartState::kStopped;
    state = here;
    state.state = HartState::kRunnable;
    at(HartRegister::kPc) = saved(raw(HartRegister::kPc), 0x8000'0000);
  }
  SavedRegister& at(HartRegister reg) { return *std::ranges::find(state.registers, raw(reg), &SavedRegister::id); }
  SavedRegister& fixed(uint64_t id) { return *std::ranges::find(state.fixed, id, &SavedRegister::id); }

  std::string refusal() const {
    std::string why;
    EXPECT_FALSE(fits(state, here, why));
    EXPECT_FALSE(why.empty());
    EXPECT_EQ(std::ranges::count(why, '\n'), 0);
    return why;
  }

  VcpuState here;
  VcpuState state;
};

TEST_F(StateOfAHart, FitsInAnyOrderAndWithoutNames) {
  std::ranges::reverse(state.registers);
  std::ranges::reverse(state.fixed);
  for (SavedRegister& reg : state.registers)
    reg.name.clear();
  std::string why;
  EXPECT_TRUE(fits(state, here, why)) << why;
  EXPECT_EQ(why, "");
}

TEST_F(StateOfAHart, OfNothingIsRefused) {
  state = {};
  EXPECT_EQ(refusal(), "register frequency was 0x0, and this machine has 0x989680");
}

TEST_F(StateOfAHart, WithAnUnknownRegisterIsRefused) {
  state.registers.push_back(saved(kUnknownGroup, 1));
  EXPECT_EQ(refusal(), "register 0x803000007f000003 cannot be set on this machine");
}

TEST_F(StateOfAHart, WithARegisterThatRestoreMayNotSetIsRefused) {
  for (const uint64_t id : {kFrequency, raw(HartRegister::kTime)}) {
    state.registers.push_back(saved(id, 1));
    EXPECT_THAT(refusal(), HasSubstr(" cannot be set on this machine"));
    state.registers.pop_back();
  }
}

TEST_F(StateOfAHart, WithoutARegisterIsRefused) {
  std::erase_if(state.registers, [](const SavedRegister& reg) { return reg.name == "v0"; });
  EXPECT_EQ(refusal(), "register v0 is missing");
}

TEST_F(StateOfAHart, WithARegisterTwiceIsRefused) {
  state.registers.push_back(state.registers.front());
  EXPECT_EQ(refusal(), "register pc is there twice");
}

TEST_F(StateOfAHart, WithAValueOfAnotherSizeIsRefused) {
  for (const size_t size : {0UL, 7UL, 9UL, 4096UL}) {
    at(HartRegister::kPc).value.resize(size);
    EXPECT_EQ(refusal(), "register pc has " + std::to_string(size) + " bytes, not 8");
  }
  at(HartRegister::kPc).value.resize(8);
  fixed(kFrequency).value.clear();
  EXPECT_EQ(refusal(), "register frequency has 0 bytes, not 8");
}

TEST_F(StateOfAHart, WithVectorRegistersOfAnotherSizeIsRefused) {
  state.registers.back() = saved(raw(v(0), 32), 0);
  EXPECT_EQ(refusal(), "register v0 cannot be set on this machine");
}

TEST_F(StateOfAHart, WithTheNameOfAnotherRegisterIsRefused) {
  at(HartRegister::kPc).name = "satp";
  EXPECT_THAT(refusal(), StartsWith("register pc (0x"));
}

TEST_F(StateOfAHart, WithAnotherIsaIsRefused) {
  fixed(kIsaSvpbmt) = saved(kIsaSvpbmt, 1);
  EXPECT_EQ(refusal(), "register isa.svpbmt was 0x1, and this machine has 0x0");
}

TEST_F(StateOfAHart, WithAnExtensionThatThisKernelDoesNotKnowIsRefused) {
  state.fixed.push_back(saved(kIsaSvpbmt + 60, 1));
  EXPECT_THAT(refusal(), HasSubstr(" was 0x1, and this machine has 0x0"));
  state.fixed.back() = saved(kIsaSvpbmt + 60, 0);
  std::string why;
  EXPECT_TRUE(fits(state, here, why)) << why;
}

TEST_F(StateOfAHart, FitsAHartWithOneMoreExtension) {
  std::erase_if(state.fixed, [](const SavedRegister& reg) { return reg.id == kIsaC || reg.id == kSbiDbcnSwitch; });
  std::string why;
  EXPECT_TRUE(fits(state, here, why)) << why;
}

TEST_F(StateOfAHart, WithAnotherFrequencyIsRefused) {
  fixed(kFrequency) = saved(kFrequency, 1'000'000);
  EXPECT_EQ(refusal(), "register frequency was 0xf4240, and this machine has 0x989680");
}

TEST_F(StateOfAHart, WithAnImpossibleTimerIsRefused) {
  at(HartRegister::kTimerState) = saved(raw(HartRegister::kTimerState), 2);
  EXPECT_EQ(refusal(), "register timer is neither 0 nor 1");
}

TEST_F(StateOfAHart, NeitherRunnableNorStoppedIsRefused) {
  for (const HartState unknown : {HartState::kUnknown, static_cast<HartState>(200)}) {
    state.state = unknown;
    EXPECT_EQ(refusal(), "it is neither runnable nor stopped");
  }
}

}  // namespace
}  // namespace rvvmm::register_list_test
