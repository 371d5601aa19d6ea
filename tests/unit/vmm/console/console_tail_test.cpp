#include "vmm/console/console_tail.hpp"

#include <gmock/gmock.h>

namespace rvvmm::console_tail_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void add(ConsoleTail& tail, const std::string& text) {
  tail.add(std::as_bytes(std::span{text}));
}

TEST(ConsoleTail, KeepsTheLastBytes) {
  ConsoleTail tail;
  EXPECT_EQ(tail.text(), "");
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece = std::to_string(i) + "\n";
    add(tail, piece);
    all += piece;
    if (i == 10) {
      EXPECT_EQ(tail.text(), all);
    }
  }
  EXPECT_EQ(tail.text(), all.substr(all.size() - ConsoleTail::kCapacity));
}

TEST(ConsoleTail, TakesMoreThanItHasRoomFor) {
  ConsoleTail tail;
  add(tail, "before");
  const std::string much = std::string(ConsoleTail::kCapacity, 'a') + std::string(ConsoleTail::kCapacity, 'b');
  add(tail, much);
  EXPECT_EQ(tail.text(), std::string(ConsoleTail::kCapacity, 'b'));
}

TEST(ConsoleLines, AreTheLastOnesFitToBeShown) {
  EXPECT_THAT(console_lines("one\r\n\r\ntwo\tand \x1b[1mmore\n\xff three", 9),
              ElementsAre("one", "two and ?[1mmore", "? three"));
  EXPECT_THAT(console_lines("1\n2\n3\n", 2), ElementsAre("2", "3"));
  EXPECT_THAT(console_lines("\n\r\n", 2), IsEmpty());
}

}  // namespace
}  // namespace rvvmm::console_tail_test
