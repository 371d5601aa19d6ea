// An SBI call and its answer, as they pass between the exit table and the SBI extension that answers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rvvmm {

/// SBI 3.0, 3.2 "Listing of SBI Errors".
enum class SbiError : int64_t {
  kSuccess = 0,
  kFailed = -1,
  kNotSupported = -2,
  kInvalidParam = -3,
  kDenied = -4,
  kInvalidAddress = -5,
  kAlreadyAvailable = -6,
  kAlreadyStarted = -7,
  kAlreadyStopped = -8,
  kNoShmem = -9,
  kInvalidState = -10,
  kBadRange = -11,
  kTimeout = -12,
  kIo = -13,
  kDeniedLocked = -14,
};

/// The names of the errors, indexed by -SbiError.
inline constexpr std::array<std::string_view, 15> kSbiErrorNames{"success",
                                                                 "failed",
                                                                 "not supported",
                                                                 "invalid param",
                                                                 "denied",
                                                                 "invalid address",
                                                                 "already available",
                                                                 "already started",
                                                                 "already stopped",
                                                                 "no shared memory",
                                                                 "invalid state",
                                                                 "bad range",
                                                                 "timeout",
                                                                 "i/o",
                                                                 "denied, locked"};
static_assert(-static_cast<int64_t>(SbiError::kDeniedLocked) + 1 == kSbiErrorNames.size());

/// EIDs first..last, both included.
struct EidRange {
  uint64_t first = 0;
  uint64_t last = 0;

  constexpr bool contains(uint64_t eid) const noexcept { return first <= eid && eid <= last; }
  constexpr bool contains(const EidRange& other) const noexcept { return first <= other.first && other.last <= last; }

  friend constexpr bool operator==(const EidRange&, const EidRange&) = default;
};

/// Registers a7, a6 and a0..a5 at the ecall. The guest chooses all of them.
struct SbiCall {
  uint64_t eid = 0;
  uint64_t fid = 0;
  std::array<uint64_t, 6> args{};
};

/// What the guest gets in a0 and a1. Legacy calls (EID 0..8) use legacy(): they return their value in a0 and change no
/// other register (SBI 3.0, ch. 5), so a1 is returned unchanged.
struct SbiRet {
  int64_t error = 0;
  uint64_t value = 0;

  static constexpr SbiRet ok(uint64_t value = 0) noexcept { return {.error = 0, .value = value}; }
  static constexpr SbiRet fail(SbiError error, uint64_t value = 0) noexcept {
    return {.error = static_cast<int64_t>(error), .value = value};
  }
  static constexpr SbiRet legacy(int64_t a0, uint64_t a1) noexcept { return {.error = a0, .value = a1}; }

  friend constexpr bool operator==(const SbiRet&, const SbiRet&) = default;
};

}  // namespace rvvmm
