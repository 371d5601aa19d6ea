#include "devices/shared_line.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_irq.hpp"

namespace rvvmm::shared_line_test {
namespace {

TEST(SharedLine, IsHighWhileOneOfItsPinsIs) {
  FakeIrqLine controller;
  SharedLine line{controller};
  SharedLine::Pin first{line, 0};
  SharedLine::Pin last{line, SharedLine::kMostPins - 1};
  first.set(true);
  last.set(true);
  last.set(true);
  EXPECT_EQ(controller.calls, 1) << "the controller hears of changes only";
  first.set(false);
  EXPECT_TRUE(controller.level);
  first.set(false);
  EXPECT_TRUE(controller.level);
  last.set(false);
  EXPECT_FALSE(controller.level);
  EXPECT_EQ(controller.calls, 2);
}

TEST(SharedLine, PassesOnThatAPinIsAssertedAgain) {
  FakeIrqLine controller;
  SharedLine line{controller};
  SharedLine::Pin pin{line, 3};
  pin.set(true);
  pin.assert_again();
  EXPECT_EQ(controller.repeats, 1);
}

}  // namespace
}  // namespace rvvmm::shared_line_test
