#include "kvm/riscv64/msi_routes.hpp"

#include <gtest/gtest.h>

#include "fakes/no_memory.hpp"

namespace rvvmm::msi_routes_test {
namespace {

// What KVM does with routes the tests of network devices on a host show.
TEST(MsiRoutes, WithoutMemoryForOneMoreRvvmmSendsTheMessage) {
  MsiRoutes routes{-1};
  const NoMemory none;
  for (int eventfd = 0; eventfd < 100; ++eventfd) {
    EXPECT_FALSE(routes.connect(eventfd, {.address = 0x2800'0000, .data = 1}));
    routes.disconnect(eventfd);
  }
  EXPECT_GE(none.refusals(), 100U);
}

}  // namespace
}  // namespace rvvmm::msi_routes_test
