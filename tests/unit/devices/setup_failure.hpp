// What a failed set-up says.
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"

namespace rvvmm {

/// The SetupError's text; empty where there is none.
inline std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const SetupError& error) {
    return error.what();
  }
  return "";
}

}  // namespace rvvmm
