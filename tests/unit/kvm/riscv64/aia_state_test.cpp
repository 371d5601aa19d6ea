#include "kvm/riscv64/aia_state.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

namespace rvvmm::aia_state_test {
namespace {

using ::testing::StartsWith;

IrqchipState some_state() {
  IrqchipState state{.ids = 255, .sources = 40};
  state.aplic = {.domaincfg = 0x8000'0004,
                 .sourcecfg = std::vector<uint32_t>(40),
                 .target = std::vector<uint32_t>(40),
                 .setie = std::vector<uint32_t>(2),
                 .setip = std::vector<uint32_t>(2)};
  state.files.resize(2);
  for (InterruptFileState& file : state.files) {
    file.eip.resize(4);
    file.eie.resize(4);
  }
  return state;
}

TEST(AiaState, HasTheFormOfItsMachineWhateverItsValues) {
  IrqchipState state = some_state();
  state.aplic.sourcecfg[39] = UINT32_MAX;
  state.files[1].eip[3] = UINT64_MAX;
  std::string why;
  EXPECT_TRUE(has_same_form(state, some_state(), why)) << why;
}

TEST(AiaState, OfAnotherFormIsRefused) {
  const std::vector<std::function<void(IrqchipState&)>> spoil{
      [](IrqchipState& state) { state = {}; },
      [](IrqchipState& state) { state.ids = 2047; },
      [](IrqchipState& state) { state.sources = 41; },
      [](IrqchipState& state) { state.files.pop_back(); },
      [](IrqchipState& state) { state.files.emplace_back(); },
      [](IrqchipState& state) { state.files[1].eip.clear(); },
      [](IrqchipState& state) { state.files[1].eie.resize(5); },
      [](IrqchipState& state) { state.aplic.sourcecfg.resize(2000); },
      [](IrqchipState& state) { state.aplic.target.clear(); },
      [](IrqchipState& state) { state.aplic.setie.resize(3); },
      [](IrqchipState& state) { state.aplic.setip.resize(1); }};
  for (size_t i = 0; i < spoil.size(); ++i) {
    IrqchipState state = some_state();
    spoil[i](state);
    std::string why;
    EXPECT_FALSE(has_same_form(state, some_state(), why)) << i;
    EXPECT_THAT(why, StartsWith("the interrupt controller had ")) << i;
  }
}

TEST(AiaState, OfAVmWithoutAnAiaIsEmpty) {
  std::string why;
  const Aia none;
  EXPECT_EQ(save_aia(none, 4, why), IrqchipState{});
  EXPECT_TRUE(restore_aia(none, {}, 4, why)) << why;
}

TEST(AiaState, IsRefusedByAVmWithoutAnAia) {
  std::string why;
  EXPECT_FALSE(restore_aia({}, some_state(), 2, why));
  EXPECT_EQ(why, "the interrupt controller had 255 interrupt identities, and this machine's has 0");
}

// Anything that is not an AIA refuses every register.
TEST(AiaState, RefusedRegisterIsNamed) {
  Aia aia;
  aia.device = Fd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  std::string why;
  EXPECT_EQ(save_aia(aia, 1, why), std::nullopt);
  EXPECT_THAT(why, StartsWith("number of wired sources of the AIA "));
}

}  // namespace
}  // namespace rvvmm::aia_state_test
