#include "vmm/options/suboptions.hpp"

#include <gtest/gtest.h>

#include <array>

#include "base/error.hpp"

namespace rvvmm::suboptions_test {
namespace {

constexpr std::array kKnown{SuboptionSpec{"ro"}, SuboptionSpec{"serial", SuboptionKind::kValue},
                            SuboptionSpec{"hostfwd", SuboptionKind::kRepeatedValue}};

std::string error_of(std::string_view text, bool with_head = true) {
  try {
    const Suboptions parsed{"--disk", text, kKnown, with_head};
  } catch (const SetupError& error) {
    return error.what();
  }
  return "none";
}

TEST(Suboptions, HeadFlagsAndValues) {
  const Suboptions parsed{"--disk", "a.img,ro,serial=x=y", kKnown, true};
  EXPECT_EQ(parsed.head(), "a.img");
  ASSERT_EQ(parsed.all().size(), 2U);
  ASSERT_NE(parsed.find("ro"), nullptr);
  EXPECT_EQ(parsed.find("serial")->value, "x=y");
  EXPECT_EQ(parsed.find("serial")->where, "--disk: serial");
  EXPECT_EQ(parsed.find("hostfwd"), nullptr);
}

TEST(Suboptions, DoubledCommasBelongToTheValue) {
  const Suboptions parsed{"--disk", "a,,b.img,serial=1,,2", kKnown, true};
  EXPECT_EQ(parsed.head(), "a,b.img");
  EXPECT_EQ(parsed.find("serial")->value, "1,2");
}

TEST(Suboptions, SomeMayComeMoreThanOnce) {
  const Suboptions parsed{"--net", "hostfwd=1,hostfwd=2", kKnown, true};
  EXPECT_EQ(parsed.head(), "");
  ASSERT_EQ(parsed.all().size(), 2U);
  EXPECT_EQ(parsed.all()[1].value, "2");
}

TEST(Suboptions, MistakesAreNamed) {
  EXPECT_EQ(error_of("a.img,sreial=1"), "--disk: \"sreial=1\": unknown suboption; did you mean serial?");
  EXPECT_EQ(error_of("a.img,zzzz"), "--disk: \"zzzz\": unknown suboption; give ro, serial=, hostfwd=");
  EXPECT_EQ(error_of("a.img", false), "--disk: \"a.img\": unknown suboption; give ro, serial=, hostfwd=");
  EXPECT_EQ(error_of("a.img,"), "--disk: \"\": unknown suboption; give ro, serial=, hostfwd=");
  EXPECT_EQ(error_of("a.img,ro=1"), "--disk: ro: takes no value");
  EXPECT_EQ(error_of("a.img,serial"), "--disk: serial: has no value; write serial=VALUE");
  EXPECT_EQ(error_of("a.img,serial="), "--disk: serial: has no value; write serial=VALUE");
  EXPECT_EQ(error_of("a.img,ro,ro"), "--disk: ro: given twice");
}

}  // namespace
}  // namespace rvvmm::suboptions_test
