// The last bytes that a guest wrote to its console.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace rvvmm {

class ConsoleTail {
 public:
  static constexpr size_t kCapacity = 8_KiB;

  void add(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() > kCapacity) bytes = bytes.last(kCapacity);
    const size_t until_wrap = std::min(bytes.size(), kCapacity - end_);
    std::memcpy(ring_.data() + end_, bytes.data(), until_wrap);
    std::memcpy(ring_.data(), bytes.data() + until_wrap, bytes.size() - until_wrap);
    end_ = (end_ + bytes.size()) % kCapacity;
    count_ = std::min(count_ + bytes.size(), kCapacity);
  }

  /// Oldest byte first; up to kCapacity bytes of any value.
  std::string text() const {
    const size_t begin = (end_ + kCapacity - count_) % kCapacity;
    const size_t until_wrap = std::min(count_, kCapacity - begin);
    std::string text{ring_.data() + begin, until_wrap};
    return text.append(ring_.data(), count_ - until_wrap);
  }

 private:
  std::array<char, kCapacity> ring_;  // not cleared, so that a guest without output does not pay for it
  size_t end_ = 0;                    // where the next byte goes
  size_t count_ = 0;
};

/// The last `most` lines of `output`, made printable; empty lines are left out.
std::vector<std::string> console_lines(std::string_view output, size_t most);

}  // namespace rvvmm
