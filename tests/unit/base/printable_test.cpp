#include "base/printable.hpp"

#include <gtest/gtest.h>

namespace rvvmm::printable_test {
namespace {

TEST(Printable, ControlCharactersBecomeQuestionMarks) {
  EXPECT_EQ(printable(std::string_view{"a\0b\tc\n\x1b[0m\x7f", 11}), "a?b?c??[0m?");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, OtherTextStaysAsItIs) {
  EXPECT_EQ(printable("/tmp/K\xc3\xa4se.img ~"), "/tmp/K\xc3\xa4se.img ~");
}

TEST(Printable, ControlCharactersOfUtf8AreShownByNoByte) {
  EXPECT_EQ(printable("\xc2\x80\xc2\x9f\xc2\xa0"), "????\xc2\xa0");
}

TEST(Printable, WhatIsNoUtf8IsNotShown) {
  EXPECT_EQ(printable("a\x9b"
                      "b\xff\xc0\x80\xe2\x82"),
            "a?b?????");
  EXPECT_EQ(printable("\xe2\x82\xac\xf0\x9f\x98\x80"), "\xe2\x82\xac\xf0\x9f\x98\x80");
}

}  // namespace
}  // namespace rvvmm::printable_test
