#include "vmm/boot/boot_images.hpp"

#include <algorithm>
#include <span>

namespace rvvmm {
namespace {

std::vector<InputFile> open_initrds(const std::vector<std::string>& paths) {
  std::vector<InputFile> files;
  files.reserve(paths.size());
  for (const std::string& path : paths)
    files.emplace_back("--initrd", path, "an initramfs or initrd image");
  return files;
}

std::optional<InputFile> open_dtb(const std::optional<std::string>& path) {
  if (!path) return std::nullopt;
  return InputFile{"--dtb", *path, "a device tree (.dtb)", kLargestDtb};
}

/// Joins the files of --initrd into one.
class JoinedInitrd {
 public:
  explicit JoinedInitrd(std::span<const InputFile> files) : files_(files) {
    for (const InputFile& file : files) {
      const uint64_t at = align_up(size_, kInitrdAlignment);
      const uint64_t size = file.size();
      if (size > kLargestRam || at > kLargestRam - size) throw file.error("is larger than any machine's RAM");
      places_.push_back({.offset = at, .size = size});
      size_ = at + size;
    }
  }

  /// 0: there is no initrd.
  uint64_t size() const noexcept { return size_; }

  /// Fills `out`, size() bytes.
  void read(std::span<std::byte> out) const {
    uint64_t end = 0;
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto [offset, size] = places_[i];
      std::ranges::fill(out.subspan(end, offset - end), std::byte{0});
      files_[i].read(0, out.subspan(offset, size));
      end = offset + size;
    }
  }

 private:
  std::span<const InputFile> files_;
  std::vector<FilePart> places_;  // of each file in the joined initrd
  uint64_t size_ = 0;
};

}  // namespace

BootImages::BootImages(const Config& config)
    : kernel_("--kernel", config.kernel, "a RISC-V kernel image"),
      kernel_format_(config.kernel_format),
      initrds_(open_initrds(config.initrds)),
      dtb_(open_dtb(config.dtb)) {}

void BootImages::set_checkpoint(const std::function<void()>& checkpoint) {
  kernel_.set_checkpoint(checkpoint);
  for (InputFile& initrd : initrds_)
    initrd.set_checkpoint(checkpoint);
}

BootLayout BootImages::load(const GuestMemory& memory, const std::function<uint64_t()>& dtb_bytes) const {
  const JoinedInitrd initrd{initrds_};
  const BootRoom room{.memory = memory, .initrd_bytes = initrd.size(), .dtb_bytes = dtb_bytes, .odd_file = odd_input()};
  const LoadedKernel kernel =
      kernel_format_ == KernelFormat::kRaw ? load_raw_kernel(kernel_, room) : load_kernel(kernel_, room);
  BootLayout layout{
      .entry = kernel.entry, .kernel = kernel.range, .kernel_is_whole = kernel.range_is_whole, .initrd = {}};
  if (initrd.size() != 0) {
    layout.initrd = find_initrd_place(memory.range(), kernel.range, initrd.size());
    if (!layout.initrd) throw room.too_small("the initrd", initrd.size(), layout);
    initrd.read(*memory.slice(layout.initrd->base, initrd.size()));
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
