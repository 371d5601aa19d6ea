#include "observe/profile_text.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <format>
#include <optional>

#include "fakes/sample_profile.hpp"
#include "observe/profile_html.hpp"

namespace rvvmm::profile_text_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProfileText, DurationsHaveThreeDigits) {
  EXPECT_EQ(duration_text(0), "0");
  EXPECT_EQ(duration_text(7), "7 ns");
  EXPECT_EQ(duration_text(999.4), "999 ns");
  EXPECT_EQ(duration_text(999.6), "1.00 us");
  EXPECT_EQ(duration_text(12'345), "12.3 us");
  EXPECT_EQ(duration_text(456'000'000), "456 ms");
  EXPECT_EQ(duration_text(7.8e9), "7.80 s");
  EXPECT_EQ(duration_text(-1'500), "-1.50 us");
}

TEST(ProfileText, CountsAreGrouped) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(UINT64_MAX), "18,446,744,073,709,551,615");
}

constexpr const char* kGolden =
    R"(1,511 exits of 2 harts

                                           exits   user:all      p50      p99      max  guest:all      p50      p99      max
mmio                                       1,500     450 us   300 ns   300 ns   300 ns    6.00 ms  4.00 us  4.00 us  4.00 us
sbi                                           10     100 us  9.60 us  10.0 us  10.0 us    5.00 us   500 ns   500 ns   500 ns
system                                         1     700 ns   600 ns   700 ns   700 ns     900 ns   900 ns   900 ns   900 ns

mmio uart.lsr read                         1,500     450 us   300 ns   300 ns   300 ns    6.00 ms  4.00 us  4.00 us  4.00 us
sbi dbcn.write                                10     100 us  9.60 us  10.0 us  10.0 us    5.00 us   500 ns   500 ns   500 ns
system shutdown                                1     700 ns   600 ns   700 ns   700 ns     900 ns   900 ns   900 ns   900 ns

by hart
hart 0                                     1,011     401 us   301 ns   756 ns  10.0 us    4.01 ms  4.00 us  4.00 us  4.00 us
hart 1                                       500     150 us   300 ns   300 ns   300 ns    2.00 ms  4.00 us  4.00 us  4.00 us

where the guest exits (every 128th exit was looked at: 24 samples)
  83.3 %  0xffffffff80001234  serial8250_console_write+0x10
  12.5 %  0x0000000080200000

KVM's own counters, of VM and vCPUs, without those that are 0
remote_tlb_flush                               4
exits                                      1,800
halt_wait_ns                             2.50 ms
)";

TEST(ProfileText, DrawsTables) {
  EXPECT_EQ(profile_to_text(sample_profile()), kGolden);
}

TEST(ProfileText, AnEmptyProfileIsDrawnToo) {
  EXPECT_THAT(profile_to_text({}), HasSubstr("0 exits of 0 harts"));
  EXPECT_THAT(profile_to_html({}, std::nullopt), HasSubstr("no exits"));
}

TEST(ProfileText, ComparisonBeginsWithWhatCostsMore) {
  const ExitProfile before = sample_profile();
  ExitProfile now = sample_profile();
  now.harts[0].rows[0].costs.user = histogram_of(1000, 2);  // uart: hart 0 faster
  now.harts[0].rows[1].costs.user = histogram_of(10, 150);  // dbcn: half as slow again
  now.harts[0].rows[2] = {ExitKind::kCsr, "seed", {histogram_of(1, 7), histogram_of(1, 9)}};
  const std::string text = comparison_to_text(now, before);
  const size_t dbcn = text.find("sbi dbcn.write ");
  const size_t uart = text.find("mmio uart.lsr read");
  ASSERT_NE(dbcn, std::string::npos) << text;
  ASSERT_NE(uart, std::string::npos) << text;
  EXPECT_LT(dbcn, uart);
  EXPECT_THAT(text.substr(dbcn, text.find('\n', dbcn) - dbcn), HasSubstr("50 % slower")) << text;
  EXPECT_THAT(text.substr(uart, text.find('\n', uart) - uart), HasSubstr("22 % faster")) << text;
  EXPECT_THAT(text, HasSubstr("new\n"));
  EXPECT_THAT(text, HasSubstr("gone\n"));
}

// Ticks of another length are not compared as such.
TEST(ProfileText, ComparisonIsOfTimesNotTicks) {
  const ExitProfile before = sample_profile();
  ExitProfile now = sample_profile();
  now.timebase_hz *= 2;
  EXPECT_THAT(comparison_to_text(now, before), HasSubstr("50 % faster"));
  EXPECT_THAT(comparison_to_text(before, before), Not(HasSubstr("er\n")));
}

/// With more rows and places than a table shows.
ExitProfile long_profile(size_t rows, size_t places) {
  ExitProfile profile = sample_profile();
  profile.harts.resize(1);
  profile.harts[0].rows.clear();
  profile.pcs.clear();
  for (size_t i = 0; i < rows; ++i)
    profile.harts[0].rows.push_back({ExitKind::kSbi, std::format("0x9000000.{}", i), {histogram_of(1, 3), {}}});
  for (size_t i = 0; i < places; ++i)
    profile.pcs.push_back({0x80200000 + 2 * i, "", 1});
  return profile;
}

TEST(ProfileText, ALongTableSaysHowMuchMoreThereIs) {
  const auto lines_of = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  const std::string full = profile_to_text(long_profile(40, 20));
  EXPECT_THAT(full, Not(HasSubstr("more)")));
  const std::string rows = profile_to_text(long_profile(42, 20));
  EXPECT_THAT(rows, HasSubstr("\n(2 more)\n"));
  EXPECT_EQ(lines_of(rows), lines_of(full) + 1);
  const std::string places = profile_to_text(long_profile(40, 23));
  EXPECT_THAT(places, HasSubstr("\n(3 more)\n"));
  EXPECT_EQ(lines_of(places), lines_of(full) + 1);
}

TEST(ProfileText, ALongNameIsCutAndSaysSo) {
  ExitProfile profile = long_profile(1, 1);
  profile.harts[0].rows[0].name = std::string(31, 'n');
  EXPECT_THAT(profile_to_text(profile), HasSubstr("\nsbi " + std::string(31, 'n') + " "));
  profile.harts[0].rows[0].name = std::string(32, 'n');
  EXPECT_THAT(profile_to_text(profile), HasSubstr("\nsbi " + std::string(28, 'n') + "... "));
}

TEST(ProfileHtml, SaysHowManyPlacesThereAreMore) {
  EXPECT_THAT(profile_to_html(long_profile(1, 100), std::nullopt), Not(HasSubstr(" more</p>")));
  EXPECT_THAT(profile_to_html(long_profile(1, 107), std::nullopt), HasSubstr("<p>7 more</p>"));
}

TEST(ProfileHtml, IsOnePageThatNeedsNothingElse) {
  ExitProfile profile = sample_profile();
  profile.pcs[0].symbol = "<script>alert(1)</script>";
  const std::string page = profile_to_html(profile, sample_profile());
  EXPECT_THAT(page, HasSubstr("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("</html>"));
  EXPECT_THAT(page, HasSubstr("uart.lsr read"));
  EXPECT_THAT(page, HasSubstr("What changed"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  for (const char* outside : {"<script", "http:", "https:", "src=", "@import", "url("})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
}

}  // namespace
}  // namespace rvvmm::profile_text_test
