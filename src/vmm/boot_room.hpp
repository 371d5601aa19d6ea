// The RAM that boot images are placed in, and the one way to say that it is too small.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/guest_memory.hpp"
#include "base/log.hpp"

namespace rvvmm {

/// More RAM than any machine has: a file that asks for more is damaged, and below it sums cannot overflow.
inline constexpr uint64_t kLargestRam = uint64_t{1} << 48;

/// The block of RAM that the device tree gets where there is room: the most that Linux takes.
inline constexpr uint64_t kDtbBlock = 2_MiB;

struct BootRoom {
  const GuestMemory& memory;
  /// Bytes of the initrd, which must find room above the kernel: for the advice only.
  uint64_t initrd_bytes = 0;
  /// At what level to say that a file is odd: a guest that resets itself again and again must not fill the log.
  log::Level odd_file = log::Level::kWarn;

  /// "--mem 64M: <what> needs 70 MiB from 0x80200000, give at least --mem 74M", kBadInput. `from` is not below RAM,
  /// and from and size are not above kLargestRam. The advice includes initrd and device tree.
  SetupError too_small(std::string_view what, Gpa from, uint64_t size) const;
};

}  // namespace rvvmm
