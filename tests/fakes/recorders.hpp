// What devices and SBI extensions ask of the machine, remembered.
#pragma once

#include <string>
#include <vector>

#include "base/boot_marks.hpp"
#include "base/finish.hpp"

namespace rvvmm {

class RecordingFinish final : public FinishListener {
 public:
  void on_finish(FinishRequest request) noexcept override { requests.push_back(request); }
  std::vector<FinishRequest> requests;
};

class RecordingMarks final : public BootMarks {
 public:
  bool mark(HartId /*hart*/, std::string_view name) noexcept override {
    if (names.size() == most) return false;
    names.emplace_back(name);
    return true;
  }
  std::vector<std::string> names;
  size_t most = 1'000;
};

}  // namespace rvvmm
