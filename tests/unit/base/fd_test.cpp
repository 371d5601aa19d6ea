#include "base/fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace rvvmm::fd_test {
namespace {

int open_one() {
  return ::memfd_create("fd_test", MFD_CLOEXEC);
}
bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesAtTheEndOfItsScope) {
  const int raw = open_one();
  {
    const Fd fd{raw};
    EXPECT_TRUE(fd);
    EXPECT_EQ(fd.get(), raw);
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(Fd, OwnsNothingByDefault) {
  const Fd fd;
  EXPECT_FALSE(fd);
  EXPECT_LT(fd.get(), 0);
}

TEST(Fd, MovingPassesTheDescriptorOn) {
  Fd from{open_one()};
  const int raw = from.get();
  const Fd to{std::move(from)};
  EXPECT_EQ(to.get(), raw);
  EXPECT_FALSE(from);  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_TRUE(is_open(raw));
}

TEST(Fd, AssigningClosesWhatWasOwnedBefore) {
  Fd fd{open_one()};
  const int first = fd.get();
  Fd other{open_one()};
  const int second = other.get();
  fd = std::move(other);
  EXPECT_FALSE(is_open(first));
  EXPECT_EQ(fd.get(), second);
  EXPECT_TRUE(is_open(second));
}

TEST(Fd, ResetClosesOnce) {
  Fd fd{open_one()};
  const int raw = fd.get();
  fd.reset();
  EXPECT_FALSE(is_open(raw));
  EXPECT_FALSE(fd);
  fd.reset();
}

}  // namespace
}  // namespace rvvmm::fd_test
