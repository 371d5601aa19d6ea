#include "vmm/harts/own_descriptors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <latch>
#include <optional>
#include <thread>

#include "base/eventfd.hpp"
#include "base/fd.hpp"

namespace rvvmm::own_descriptors_test {
namespace {

TEST(OwnDescriptors, AreThoseThatWereOpenAndOutliveTheirClosingElsewhere) {
  std::optional<Fd> before{Fd{::eventfd(0, EFD_CLOEXEC)}};
  const Fd twin{::dup(before->get())};
  const int number = before->get();
  std::latch made{2};
  std::latch changed{2};
  int later = -1;
  std::jthread hart{[&] {
    const OwnDescriptors own;
    made.arrive_and_wait();
    changed.arrive_and_wait();
    EXPECT_EQ(::fcntl(later, F_GETFD), -1);
    EXPECT_EQ(errno, EBADF) << "opened later, elsewhere";
    add_one(number);  // closed elsewhere
  }};
  made.arrive_and_wait();
  const Fd keeper{::fcntl(before->get(), F_DUPFD_CLOEXEC, 200)};
  later = keeper.get();
  before.reset();
  changed.arrive_and_wait();
  hart.join();
  EXPECT_TRUE(take_count(twin.get()));
}

TEST(OwnDescriptors, EndBeforeTheThreadIsJoined) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const Fd reader{ends[0]};
  std::optional<Fd> writer{Fd{ends[1]}};
  std::latch made{2};
  std::latch closed{2};
  std::latch ended{1};
  std::latch go{1};
  std::jthread hart{[&] {
    {
      const OwnDescriptors own;
      made.arrive_and_wait();
      closed.arrive_and_wait();
    }
    ended.count_down();
    go.wait();
  }};
  made.arrive_and_wait();
  writer.reset();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), -1) << "the hart still has the other end";
  closed.arrive_and_wait();
  ended.wait();
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0) << "nobody has";
  go.count_down();
}

}  // namespace
}  // namespace rvvmm::own_descriptors_test
