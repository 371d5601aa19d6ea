#include "base/error.hpp"

#include <system_error>

namespace rvvmm {

SetupError SetupError::from_errno(ExitStatus status, const std::string& what, int errno_value) {
  return SetupError{status, what + ": " + std::generic_category().message(errno_value)};
}

}  // namespace rvvmm
