// What a guest starts from: opens kernel, initrd and device tree once, and places them in RAM at each start.
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

/// Where each file of --initrd begins in a joined initrd: a kernel looks for the next archive at multiples of this, and
/// passes over zeroes before it (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
inline constexpr uint64_t kInitrdAlignment = 4;

class BootImages {
 public:
  /// Opens the files of `config`. Throws SetupError(kBadInput) when one is missing or no regular file.
  explicit BootImages(const Config& config);

  /// Reads kernel and initrd into `memory`, whose base is a multiple of 2 MiB; also after a guest's reset, over
  /// whatever RAM then holds. The caller makes the instruction cache see it. Throws SetupError. `dtb_bytes`: what the
  /// device tree is going to take, asked for where RAM is too small.
  BootLayout load(
      const GuestMemory& memory, const std::function<uint64_t()>& dtb_bytes = [] { return kDtbRoom; }) const;

  /// What is called again and again while load() runs; it may throw to end that.
  void set_checkpoint(const std::function<void()>& checkpoint);

  /// At what level to say that something which was given is odd: a guest that resets itself again and again must not
  /// fill the log.
  log::Level odd_input() const noexcept { return loaded_ ? log::Level::kInfo : log::Level::kWarn; }
  /// All is loaded, and said.
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

/// Copies `tree` to the place that find_dtb_place() picks for it and its free room, and returns that. Throws SetupError
/// (kBadInput) where there is none.
Gpa place_dtb(const GuestMemory& memory, const BootLayout& layout, const DeviceTree& tree);

}  // namespace rvvmm
