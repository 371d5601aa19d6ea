#include "vmm/boot_images.hpp"

#include <algorithm>
#include <utility>

namespace rvvmm {
namespace {

std::optional<InputFile> open_optional(std::string option, const std::optional<std::string>& path, std::string wanted) {
  if (!path) return std::nullopt;
  return InputFile{std::move(option), *path, std::move(wanted)};
}

}  // namespace

BootImages::BootImages(const Config& config)
    : kernel_("--kernel", config.kernel, "a RISC-V kernel image"),
      kernel_format_(config.kernel_format),
      initrd_(open_optional("--initrd", config.initrd, "an initramfs or initrd image")),
      dtb_(open_optional("--dtb", config.dtb, "a device tree (.dtb)")) {}

void BootImages::set_checkpoint(const std::function<void()>& checkpoint) {
  kernel_.set_checkpoint(checkpoint);
  if (initrd_) initrd_->set_checkpoint(checkpoint);
}

BootLayout BootImages::load(const GuestMemory& memory, const std::function<uint64_t()>& dtb_bytes) const {
  const uint64_t initrd_size = initrd_ ? initrd_->size() : 0;
  if (initrd_size > kLargestRam) throw initrd_->error("is larger than any machine's RAM");
  const BootRoom room{.memory = memory,
                      .initrd_bytes = initrd_size,
                      .dtb_bytes = dtb_bytes,
                      .odd_file = std::exchange(said_, true) ? log::Level::kInfo : log::Level::kWarn};
  const LoadedKernel kernel =
      kernel_format_ == KernelFormat::kRaw ? load_raw_kernel(kernel_, room) : load_kernel(kernel_, room);
  BootLayout layout{
      .entry = kernel.entry, .kernel = kernel.range, .kernel_is_whole = kernel.range_is_whole, .initrd = {}};
  if (initrd_) {
    layout.initrd = find_initrd_place(memory.range(), kernel.range, initrd_size);
    if (!layout.initrd) throw room.too_small("the initrd", initrd_size, layout);
    initrd_->read(0, *memory.slice(layout.initrd->base, initrd_size));
  }
  return layout;
}

Gpa place_dtb(const GuestMemory& memory, const BootLayout& layout, const DeviceTree& tree) {
  const auto at = find_dtb_place(memory.range(), layout, tree.size);
  if (!at) {
    const BootRoom room{.memory = memory,
                        .initrd_bytes = layout.initrd ? layout.initrd->size : 0,
                        .dtb_bytes = [&tree] { return tree.size; }};
    throw room.too_small("the device tree", tree.size, layout);
  }
  if (const auto to = memory.slice(*at, tree.size)) std::ranges::copy(tree.bytes, to->begin());
  return *at;
}

}  // namespace rvvmm
