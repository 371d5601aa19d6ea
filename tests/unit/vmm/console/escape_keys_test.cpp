#include "vmm/console/escape_keys.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rvvmm::escape_keys_test {
namespace {

using Action = EscapeKeys::Action;

struct Outcome {
  std::string passed;
  Action last = Action::kNone;
};

Outcome feed(EscapeKeys& keys, std::string_view typed) {
  Outcome outcome;
  for (const char c : typed) {
    const EscapeKeys::Step step = keys.feed(static_cast<std::byte>(c));
    if (step.pass) outcome.passed += static_cast<char>(*step.pass);
    if (step.action != Action::kNone) outcome.last = step.action;
  }
  return outcome;
}

TEST(EscapeKeys, EveryOtherByteGoesToTheGuest) {
  EscapeKeys keys;
  for (int i = 0; i < 256; ++i) {
    if (i == 1) continue;
    EXPECT_EQ(keys.feed(static_cast<std::byte>(i)).pass, static_cast<std::byte>(i));
  }
}

TEST(EscapeKeys, CtrlAXQuits) {
  EscapeKeys keys;
  const Outcome outcome = feed(keys, "a\x01x");
  EXPECT_EQ(outcome.passed, "a");
  EXPECT_EQ(outcome.last, Action::kQuit);
}

TEST(EscapeKeys, CtrlAHIsHelp) {
  EscapeKeys keys;
  EXPECT_EQ(feed(keys, "\x01h").last, Action::kHelp);
}

TEST(EscapeKeys, CtrlATwiceSendsOne) {
  EscapeKeys keys;
  EXPECT_EQ(feed(keys, "\x01\x01").passed, "\x01");
  EXPECT_EQ(feed(keys, "x").passed, "x");
}

TEST(EscapeKeys, CtrlAThenASendsCtrlA) {
  EscapeKeys keys;
  EXPECT_EQ(feed(keys,
                 "\x01"
                 "a")
                .passed,
            "\x01");
}

TEST(EscapeKeys, UnknownSequenceIsDroppedWhole) {
  EscapeKeys keys;
  const Outcome outcome = feed(keys, "\x01zb");
  EXPECT_EQ(outcome.passed, "b");
  EXPECT_EQ(outcome.last, Action::kNone);
}

TEST(EscapeKeys, PrefixIsRememberedAcrossReads) {
  EscapeKeys keys;
  EXPECT_EQ(feed(keys, "\x01").passed, "");
  EXPECT_EQ(feed(keys, "x").last, Action::kQuit);
}

}  // namespace
}  // namespace rvvmm::escape_keys_test
