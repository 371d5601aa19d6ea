// The RAM that boot images are placed in, and the one way to say that it is too small.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/guest_memory.hpp"
#include "base/log.hpp"
#include "vmm/boot/boot_placement.hpp"

namespace rvvmm {

/// More RAM than any machine has: a file that asks for more is damaged, and below it sums cannot overflow.
inline constexpr uint64_t kLargestRam = uint64_t{1} << 48;

struct BootRoom {
  const GuestMemory& memory;
  /// What else must find room beside the kernel: for the advice only.
  uint64_t initrd_bytes = 0;
  std::function<uint64_t()> dtb_bytes = [] { return uint64_t{0}; };
  /// At what level to say that a file is odd: a guest that resets itself again and again must not fill the log.
  log::Level odd_file = log::Level::kWarn;

  /// "--mem 64M: <what> needs 70 MiB from 0x80200000, give at least --mem 74M", kBadInput: the least that all of it
  /// fits in. `kernel`: where it goes, which is not below RAM, and what of RAM it takes; `is_whole`: all that it uses.
  SetupError too_small_for_kernel(const GpaRange& kernel, bool is_whole) const;
  /// The same for `size` bytes behind a kernel that fits.
  SetupError too_small(std::string_view what, uint64_t size, const BootLayout& layout) const;

 private:
  SetupError too_small(std::string_view what, const GpaRange& needed, const BootLayout& layout) const;
};

}  // namespace rvvmm
