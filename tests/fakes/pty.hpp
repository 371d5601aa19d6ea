// A terminal, and the end at which its user types.
#pragma once

#include <gtest/gtest.h>
#include <pty.h>

#include "base/fd.hpp"

namespace rvvmm {

struct Pty {
  Pty() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::openpty(&fds[0], &fds[1], nullptr, nullptr, nullptr), 0);
    user = Fd{fds[0]};
    tty = Fd{fds[1]};
  }
  Fd user;
  Fd tty;
};

}  // namespace rvvmm
