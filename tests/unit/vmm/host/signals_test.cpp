#include "vmm/host/signals.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <thread>

#include "base/kick_signal.hpp"
#include "base/log.hpp"
#include "fakes/pty.hpp"

namespace rvvmm::signals_test {
namespace {

/// Runs `body` in a child process, since signals are the whole process's; its exit status, or 1000 + signal.
int status_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(body());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

struct WatchedPty : Pty {
  bool is_raw() const {
    termios now{};
    ::tcgetattr(tty.get(), &now);
    return (now.c_lflag & ICANON) == 0;
  }
};

/// A process that serves signals, as the body of status_of_child() has it.
struct Served {
  explicit Served(int terminal_fd = -1) : terminal(terminal_fd), signals(loop, terminal) {}
  EventLoop loop;
  Terminal terminal;
  Signals signals;
};

TEST(Signals, EachEndingSignalStopsTheLoopWithItsStatus) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    EXPECT_EQ(status_of_child([&] {
                Served served;
                ::kill(::getpid(), signal);
                return served.loop.run().status;
              }),
              128 + signal);
  }
}

// Log lines included: the first signal ends a process whose stderr nobody reads.
TEST(Signals, AReaderOfTheLogThatSleepsHoldsNoSignal) {
  EXPECT_EQ(status_of_child([] {
              int ends[2];
              if (::pipe2(ends, O_NONBLOCK) != 0) return 1;
              while (::write(ends[1], "x", 1) == 1)
                continue;
              ::fcntl(ends[1], F_SETFL, 0);
              ::dup2(ends[1], STDERR_FILENO);
              log::set_level(log::Module::kVmm, log::Level::kInfo);
              Served served;
              served.signals.set_on_power_key([] {
                ::kill(::getpid(), SIGINT);
                return true;
              });
              ::kill(::getpid(), SIGTERM);  // presses the key
              return served.loop.run().status;
            }),
            128 + SIGINT);
}

TEST(Signals, IgnoredSignalStaysIgnored) {
  EXPECT_EQ(status_of_child([] {
              ::signal(SIGHUP, SIG_IGN);
              Served served;
              ::kill(::getpid(), SIGHUP);
              ::kill(::getpid(), SIGTERM);
              return served.loop.run().status;
            }),
            128 + SIGTERM);
}

TEST(Signals, Sigusr2WakesAndNeverEndsTheProcess) {
  EXPECT_EQ(status_of_child([] {
              EventLoop loop;
              Terminal terminal(-1);
              {
                Signals signals(loop, terminal);
                int wakes = 0;
                signals.set_on_wake([&] {
                  ++wakes;
                  loop.stop({.kind = StopReason::Kind::kExit, .status = wakes});
                });
                ::kill(::getpid(), SIGUSR2);
                if (loop.run().status != 1) return 99;
                ::kill(::getpid(), SIGUSR2);  // while the machine stops: nobody serves it any more
              }
              ::kill(::getpid(), SIGUSR2);
              return 7;
            }),
            7);
}

TEST(Signals, Sigusr1AsksForADumpAndEndsNothing) {
  EXPECT_EQ(status_of_child([] {
              {
                EventLoop loop;
                Terminal terminal(-1);
                Signals signals(loop, terminal);
                int dumps = 0;
                signals.set_on_dump([&] {
                  ++dumps;
                  loop.stop({.kind = StopReason::Kind::kExit, .status = dumps});
                });
                ::kill(::getpid(), SIGUSR1);
                if (loop.run().status != 1) return 99;
              }
              ::kill(::getpid(), SIGUSR1);
              return 7;
            }),
            7);
}

TEST(Signals, FirstSigtermMayPressThePowerKey) {
  EXPECT_EQ(status_of_child([] {
              Served served;
              int presses = 0;
              served.signals.set_on_power_key([&] {
                ++presses;
                ::kill(::getpid(), SIGTERM);
                return true;
              });
              ::kill(::getpid(), SIGTERM);
              return served.loop.run().status == 128 + SIGTERM && presses == 1 ? 7 : 99;
            }),
            7);
}

TEST(Signals, ThePowerKeyIsForSigtermAndForADriver) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    EXPECT_EQ(status_of_child([&] {
                Served served;
                served.signals.set_on_power_key([&] { return signal != SIGTERM; });
                ::kill(::getpid(), signal);
                return served.loop.run().status;
              }),
              128 + signal);
  }
}

TEST(Signals, ANewMachineHasItsPowerKeyPressedAgain) {
  EXPECT_EQ(status_of_child([] {
              Served served;
              int presses = 0;
              for (int machine = 0; machine < 2; ++machine) {
                served.signals.set_on_power_key([&] {
                  ++presses;
                  served.loop.stop({.kind = StopReason::Kind::kReset});
                  return true;
                });
                ::kill(::getpid(), SIGTERM);
                served.loop.run();
              }
              return presses;
            }),
            2);
}

TEST(Signals, ResizeIsTold) {
  for (const int signal : {SIGWINCH, SIGCONT}) {
    EXPECT_EQ(status_of_child([&] {
                Served served;
                served.signals.set_on_resize([&] { served.loop.stop({.status = 5}); });
                ::kill(::getpid(), signal);
                return served.loop.run().status;
              }),
              5);
  }
}

TEST(Signals, SecondOneEndsABusyProcessWithItsTerminalRestored) {
  const WatchedPty pty;
  EXPECT_EQ(status_of_child([&] {
              Served served{pty.tty.get()};
              served.terminal.enter_raw();
              ::kill(::getpid(), SIGTERM);
              served.loop.run();
              ::kill(::getpid(), SIGINT);  // nobody is in run()
              return 1;
            }),
            128 + SIGINT);
  EXPECT_FALSE(pty.is_raw());
}

TEST(Signals, OneThatComesOutsideOfTheLoopIsKeptForIt) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    EXPECT_EQ(status_of_child([&] {
                Served served;
                served.signals.set_in_loop(false);
                ::kill(::getpid(), signal);
                served.signals.set_in_loop(true);
                return served.loop.run().status;
              }),
              128 + signal);
  }
}

TEST(Signals, OneThatIsKeptMayPressThePowerKey) {
  EXPECT_EQ(status_of_child([] {
              Served served;
              served.signals.set_on_power_key([&] {
                served.loop.stop({.status = 7});
                return true;
              });
              served.signals.set_in_loop(false);
              ::kill(::getpid(), SIGTERM);
              served.signals.set_in_loop(true);
              return served.loop.run().status;
            }),
            7);
}

TEST(Signals, OutsideOfTheLoopTheSecondOneEndsTheProcessWithItsTerminalRestored) {
  const WatchedPty pty;
  EXPECT_EQ(status_of_child([&] {
              Served served{pty.tty.get()};
              served.terminal.enter_raw();
              served.loop.stop({.status = 1});
              served.loop.run();
              served.signals.set_in_loop(false);
              ::kill(::getpid(), SIGTERM);
              ::kill(::getpid(), SIGINT);  // nobody is in run(), and nobody comes
              return 1;
            }),
            128 + SIGINT);
  EXPECT_FALSE(pty.is_raw());
}

TEST(Signals, OtherThreadsAreNotInterrupted) {
  EXPECT_EQ(status_of_child([] {
              Served served;
              bool blocked = false;
              std::thread hart([&] {
                sigset_t mask;
                ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
                blocked = ::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, kKickSignal) == 1;
              });
              hart.join();
              return blocked ? 0 : 1;
            }),
            0);
}

TEST(Signals, MaskIsGivenBack) {
  EXPECT_EQ(status_of_child([] {
              {
                Served served;
              }
              ::raise(SIGTERM);
              return 1;
            }),
            1000 + SIGTERM);
}

TEST(Signals, SuspendGivesTheTerminalBackAndContinueTakesIt) {
  const WatchedPty pty;
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    Served served{pty.tty.get()};
    served.terminal.enter_raw();
    ::kill(::getpid(), SIGTSTP);
    Timer timer(served.loop, CLOCK_MONOTONIC, [&] { served.loop.stop({.status = pty.is_raw() ? 0 : 1}); });
    timer.arm_every(std::chrono::milliseconds{1});
    ::_exit(served.loop.run().status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status)) << status;
  EXPECT_FALSE(pty.is_raw());
  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace rvvmm::signals_test
