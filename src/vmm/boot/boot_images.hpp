// The images that a guest boots from. Opens kernel, initrd and device tree once, and places them in RAM at each start.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/guest_memory.hpp"
#include "base/log.hpp"
#include "vmm/boot/boot_placement.hpp"
#include "vmm/boot/fdt_image.hpp"
#include "vmm/boot/kernel_image.hpp"
#include "vmm/host/input_file.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// Alignment of each --initrd file in the joined initrd. A kernel looks for the next archive at multiples of this, and
/// skips zeros before it (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
inline constexpr uint64_t kInitrdAlignment = 4;

class BootImages {
 public:
  /// Opens the files of `config`. Throws SetupError(kBadInput) if one is missing or is not a regular file.
  explicit BootImages(const Config& config);

  /// Reads kernel and initrd into `memory`, whose base is a multiple of 2 MiB. After a guest's reset it overwrites the
  /// old content of RAM. The caller makes the instruction cache coherent. `dtb_bytes` returns the size of the device
  /// tree; it is called only if RAM is too small. Throws SetupError.
  BootLayout load(
      const GuestMemory& memory, const std::function<uint64_t()>& dtb_bytes = [] { return kDtbRoom; }) const;

  /// load() calls `checkpoint` again and again; it may throw to end load().
  void set_checkpoint(const std::function<void()>& checkpoint);

  /// The log level for remarks about odd input. It is lower after the first start, because a guest that resets itself
  /// again and again must not fill the log.
  log::Level odd_input() const noexcept { return loaded_ ? log::Level::kInfo : log::Level::kWarn; }
  /// Everything is loaded, and all remarks are logged.
  void set_loaded() const noexcept { loaded_ = true; }

  /// The file of --dtb; null without that option.
  const InputFile* user_dtb() const noexcept { return dtb_ ? &*dtb_ : nullptr; }
  bool has_initrd() const noexcept { return !initrds_.empty(); }

 private:
  InputFile kernel_;
  KernelFormat kernel_format_;
  std::vector<InputFile> initrds_;
  std::optional<InputFile> dtb_;
  mutable bool loaded_ = false;
};

/// Copies `tree` to the place that find_dtb_place() picks for the tree and its free room. Returns that place. Throws
/// SetupError (kBadInput) if RAM has no such place.
Gpa place_dtb(const GuestMemory& memory, const BootLayout& layout, const DeviceTree& tree);

}  // namespace rvvmm
