// One exit as it is seen from outside: what the guest asked for, what it got, and when.
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
  kOther,        ///< what is a fault, or unknown
  kCount,
};
inline constexpr size_t kExitKinds = static_cast<size_t>(ExitKind::kCount);

struct MmioExit {
  uint64_t at;
  uint64_t value;  ///< of a load: what the guest gets
  uint8_t width;   ///< bytes
  bool is_write;
};

struct SbiExit {
  uint64_t eid;
  uint64_t fid;
  std::array<uint64_t, 6> args;
  int64_t error;  ///< a0 of the answer
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
  uint32_t reason;       ///< the hypervisor's number for it
  uint32_t errno_value;  ///< of an entry that failed; 0: none did
};

/// Times are in ticks of VmBackend::ticks(). Of the union, the member that `kind` says: kInterrupted has none.
struct ExitRecord {
  uint64_t entered = 0;   ///< the hart was let into the guest
  uint64_t left = 0;      ///< it came back
  uint64_t answered = 0;  ///< its exit had been answered
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
