#include "base/size_text.hpp"

#include <array>
#include <format>

namespace rvvmm {

std::string mem_text(uint64_t bytes) {
  struct Suffix {
    int shift;
    char letter;
  };
  constexpr std::array kSuffixes{Suffix{40, 'T'}, Suffix{30, 'G'}, Suffix{20, 'M'}, Suffix{10, 'K'}};
  for (const auto [shift, letter] : kSuffixes) {
    const uint64_t number = bytes >> shift;
    if (number != 0 && number << shift == bytes) return std::format("{}{}", number, letter);
  }
  return std::format("{}", bytes);
}

}  // namespace rvvmm
