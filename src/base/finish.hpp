// How a guest ends its machine itself, by a device or by a call.
#pragma once

#include <cstdint>

namespace rvvmm {

enum class FinishKind : uint8_t { kPass, kFail, kReset };

struct FinishRequest {
  FinishKind kind = FinishKind::kPass;
  uint16_t code = 0;  ///< the guest's code for kFail; otherwise 0

  friend bool operator==(const FinishRequest&, const FinishRequest&) = default;
};

/// Called on the thread of the hart that asked. The hart keeps running until the machine stops it.
class FinishListener {
 public:
  virtual ~FinishListener() = default;
  virtual void on_finish(FinishRequest request) noexcept = 0;
};

}  // namespace rvvmm
