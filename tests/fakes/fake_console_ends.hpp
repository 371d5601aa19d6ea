// Both ends of a console, in memory.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/console.hpp"

namespace rvvmm {

class RecordingSink final : public ConsoleSink {
 public:
  void write(std::span<const std::byte> bytes) noexcept override {
    ++writes;
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  std::string text;
  int writes = 0;
};

class ScriptedSource final : public ConsoleSource {
 public:
  explicit ScriptedSource(std::string_view input = "") : waiting(input) {}

  size_t read(std::span<std::byte> out) noexcept override {
    const size_t n = std::min(out.size(), waiting.size());
    std::transform(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(n), out.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    waiting.erase(0, n);
    return n;
  }

  std::string waiting;
};

}  // namespace rvvmm
