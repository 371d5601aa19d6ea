// The RAM that boot images are placed in, and the error that it is too small.
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

/// More RAM than any machine has. A file that asks for more is damaged; sums of smaller values cannot overflow.
inline constexpr uint64_t kLargestRam = uint64_t{1} << 48;

struct BootRoom {
  const GuestMemory& memory;
  /// Sizes of the images beside the kernel. Only the advice in the error message uses them.
  uint64_t initrd_bytes = 0;
  std::function<uint64_t()> dtb_bytes = [] { return uint64_t{0}; };
  /// The log level for remarks about an odd file. A guest that resets itself again and again must not fill the log.
  log::Level odd_file = log::Level::kWarn;

  /// "--mem 64M: <what> needs 70 MiB from 0x80200000, give at least --mem 74M", kBadInput. The advised size
  /// has room for all images. `kernel`: the range that the kernel takes, not below RAM; `is_whole`: the kernel uses
  /// nothing outside that range.
  SetupError too_small_for_kernel(const GpaRange& kernel, bool is_whole) const;
  /// The same for `size` bytes behind a kernel that fits.
  SetupError too_small(std::string_view what, uint64_t size, const BootLayout& layout) const;

 private:
  SetupError too_small(std::string_view what, const GpaRange& needed, const BootLayout& layout) const;
};

}  // namespace rvvmm
