#include "vmm/host/host_limits.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "base/error.hpp"

namespace rvvmm::host_limits_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// In a child with limits of its own; true if `body` is.
bool holds_with(rlimit files, const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::setrlimit(RLIMIT_NOFILE, &files) == 0 && body() ? 0 : 1);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

rlim_t soft_limit() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

TEST(HostLimits, FewHartsLeaveTheLimitAlone) {
  EXPECT_TRUE(holds_with({.rlim_cur = 200, .rlim_max = 400}, [] {
    make_room_for_descriptors(100, 0);
    return soft_limit() == 200;
  }));
}

TEST(HostLimits, ManyHartsRaiseTheSoftLimitAsFarAsNeeded) {
  EXPECT_TRUE(holds_with({.rlim_cur = 200, .rlim_max = 400}, [] {
    make_room_for_descriptors(220, 0);
    return soft_limit() > 220 && soft_limit() < 400;
  }));
}

TEST(HostLimits, DevicesNeedDescriptorsToo) {
  EXPECT_TRUE(holds_with({.rlim_cur = 200, .rlim_max = 400}, [] {
    make_room_for_descriptors(1, 220);
    return soft_limit() > 220 && soft_limit() < 400;
  }));
  EXPECT_TRUE(holds_with({.rlim_cur = 200, .rlim_max = 400}, [] {
    try {
      make_room_for_descriptors(1, 400);
    } catch (const SetupError& error) {
      const std::string line = error.what();
      EXPECT_THAT(line, StartsWith("--disk, --net: need "));
      EXPECT_THAT(line, HasSubstr("this host allows 400 (ulimit -Hn); give fewer of them or fewer queues"));
      return !::testing::Test::HasFailure() && error.status() == ExitStatus::kUsage;
    }
    return false;
  }));
}

TEST(HostLimits, HardLimitTooLowNamesTheMostHartsThatFit) {
  EXPECT_TRUE(holds_with({.rlim_cur = 200, .rlim_max = 400}, [] {
    try {
      make_room_for_descriptors(1024, 0);
    } catch (const SetupError& error) {
      const std::string line = error.what();
      EXPECT_THAT(line, StartsWith("--smp 1024: needs "));
      EXPECT_THAT(line, HasSubstr("this host allows 400 (ulimit -Hn); give at most --smp "));
      const auto most = static_cast<uint32_t>(std::stoul(line.substr(line.rfind("--smp ") + 6)));
      make_room_for_descriptors(most, 0);
      const bool raised_to_the_end = soft_limit() == 400;
      try {
        make_room_for_descriptors(most + 1, 0);
      } catch (const SetupError&) {
        return !::testing::Test::HasFailure() && raised_to_the_end && error.status() == ExitStatus::kUsage;
      }
    }
    return false;
  }));
}

TEST(HostLimits, WhereNotEvenOneHartFitsFewerAreNotAdvised) {
  for (const uint32_t harts : {1U, 4U}) {
    for (const uint32_t devices : {0U, 3U}) {
      EXPECT_TRUE(holds_with({.rlim_cur = 32, .rlim_max = 32}, [harts, devices] {
        try {
          make_room_for_descriptors(harts, devices);
        } catch (const SetupError& error) {
          EXPECT_THAT(error.what(), ::testing::MatchesRegex(
                                        "even one hart without disks and networks needs [0-9]+ open files, and this "
                                        "host allows 32 \\(ulimit -Hn\\); raise that limit"));
          return !::testing::Test::HasFailure() && error.status() == ExitStatus::kUsage;
        }
        return false;
      }));
    }
  }
}

}  // namespace
}  // namespace rvvmm::host_limits_test
