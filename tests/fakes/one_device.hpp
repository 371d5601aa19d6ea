// A machine that has an UART at 0x1000_0000 and nothing else, for who names exits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/exit_names.hpp"

namespace rvvmm {

class OneDevice final : public DeviceNames {
 public:
  /// `reg`: what each of its registers is called.
  explicit OneDevice(std::string reg = "") noexcept : reg_(std::move(reg)) {}

  std::vector<std::string> device_names() const override { return {"uart"}; }
  std::vector<std::string> register_names(std::string_view /*device*/) const override { return {}; }
  std::optional<RegisterPlace> place_of(Gpa at, bool /*is_write*/) const override {
    constexpr uint64_t kBase = 0x1000'0000;
    return RegisterPlace{.device = "uart", .reg = reg_, .offset = at.value - kBase};
  }

 private:
  std::string reg_;
};

}  // namespace rvvmm
