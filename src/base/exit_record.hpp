// One exit: what the guest asked for, what it got, and when.
#pragma once

#include <array>
#include <cstdint>

#include "base/sbi_call.hpp"
#include "base/vcpu_io.hpp"

namespace rvvmm {

enum class ExitKind : uint8_t {
  kMmio,
  kSbi,
  kCsr,
  kSystemEvent,
  kInterrupted,  ///< a signal for the hart's thread
  kOther,        ///< a fault, or a reason that is not known
  kCount,
};
inline constexpr size_t kExitKinds = static_cast<size_t>(ExitKind::kCount);

struct MmioExit {
  uint64_t at;
  uint64_t value;  ///< for a load: what the guest gets
  uint8_t width;   ///< bytes
  bool is_write;
};

struct SbiExit {
  uint64_t eid;
  uint64_t fid;
  std::array<uint64_t, 6> args;
  int64_t error;  ///< the answer in a0
  uint64_t value;
};

struct CsrExit {
  uint32_t number;
  uint64_t new_value;
  uint64_t write_mask;
  uint64_t old_value;
};

struct SystemExit {
  uint64_t type;  ///< as SystemEvent::raw_type
  uint64_t reason;
};

struct OtherExit {
  uint32_t reason;       ///< the hypervisor's number of the exit
  uint32_t errno_value;  ///< of a failed entry; 0: the entry did not fail
};

/// Times are in ticks of VmBackend::ticks(). `kind` selects the union's member; kInterrupted has none.
struct ExitRecord {
  uint64_t entered = 0;   ///< when the hart entered the guest
  uint64_t left = 0;      ///< when it left the guest
  uint64_t answered = 0;  ///< when its exit was answered
  ExitKind kind = ExitKind::kOther;
  union {
    MmioExit mmio;
    SbiExit sbi;
    CsrExit csr;
    SystemExit system;
    OtherExit other;
  };
};

}  // namespace rvvmm
