#include "vmm/options/irqchip_kinds.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "fakes/fake_hypervisor.hpp"

namespace rvvmm::irqchip_kinds_test {
namespace {

using enum IrqchipKind;
using ::testing::ElementsAre;

TEST(IrqchipKinds, AreTheBestFirst) {
  const FakeHypervisor host;
  EXPECT_THAT(irqchip_kinds(IrqchipChoice::kAuto, 12, host), ElementsAre(kAiaHardware, kAiaEmulated, kPlic));
  EXPECT_THAT(irqchip_kinds(IrqchipChoice::kAia, 12, host), ElementsAre(kAiaHardware, kAiaEmulated));
  EXPECT_THAT(irqchip_kinds(IrqchipChoice::kPlic, 12, host), ElementsAre(kPlic));
}

TEST(IrqchipKinds, MoreHartsThanAnAiaHasRoomForGetThePlic) {
  const FakeHypervisor host;
  EXPECT_THAT(irqchip_kinds(IrqchipChoice::kAuto, 13, host), ElementsAre(kPlic));
  EXPECT_THAT(irqchip_kinds(IrqchipChoice::kPlic, 13, host), ElementsAre(kPlic));
  try {
    irqchip_kinds(IrqchipChoice::kAia, 13, host);
    FAIL() << "taken";
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    EXPECT_STREQ(problem.what(),
                 "--smp 13: an in-kernel AIA has room for 12 harts; give at most --smp 12, or --irqchip plic");
  }
}

}  // namespace
}  // namespace rvvmm::irqchip_kinds_test
