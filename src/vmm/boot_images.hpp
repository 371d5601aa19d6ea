// What a guest starts from: opens kernel, initrd and device tree once, and places them in RAM at each start.
#pragma once

#include <optional>

#include "base/guest_memory.hpp"
#include "vmm/config.hpp"
#include "vmm/fdt_image.hpp"
#include "vmm/input_file.hpp"
#include "vmm/kernel_image.hpp"

namespace rvvmm {

struct BootLayout {
  Gpa entry;
  GpaRange kernel;
  bool kernel_is_whole = true;     ///< LoadedKernel::range_is_whole
  std::optional<GpaRange> initrd;  ///< exactly the file's bytes; starts on a page
};

class BootImages {
 public:
  /// Opens the files of `config`. Throws SetupError(kBadInput) when one is missing or no regular file.
  explicit BootImages(const Config& config);

  /// Reads kernel and initrd into `memory`, whose base is a multiple of 2 MiB; also after a guest's reset, over
  /// whatever RAM then holds. The caller makes the instruction cache see it. Throws SetupError.
  BootLayout load(const GuestMemory& memory) const;

  /// The file of --dtb; null without that option.
  const InputFile* user_dtb() const noexcept { return dtb_ ? &*dtb_ : nullptr; }

 private:
  InputFile kernel_;
  std::optional<InputFile> initrd_;
  std::optional<InputFile> dtb_;
  mutable bool said_ = false;  ///< what is odd about the files
};

/// Where a device tree of `size` bytes goes: the top of the 2 MiB block in which the kernel ends, if the kernel leaves
/// half of that free (one block of RAM less for the host to clear); else a 2 MiB block of its own at the top of low RAM
/// if there is one, else the highest free page. Throws SetupError when no place is left.
Gpa choose_dtb_address(const GuestMemory& memory, const BootLayout& layout, uint64_t size);

/// Copies `tree` to the place that choose_dtb_address() picks for it and its free room, and returns that.
Gpa place_dtb(const GuestMemory& memory, const BootLayout& layout, const DeviceTree& tree);

}  // namespace rvvmm
