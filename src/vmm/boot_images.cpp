#include "vmm/boot_images.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace rvvmm {
namespace {

// Loaders and kernels of some age look no further (Linux, Documentation/arch/riscv/boot.rst); used unless what must fit
// does not.
constexpr uint64_t kLowRam = 3_GiB;
constexpr uint64_t kPage = 4_KiB;

std::optional<InputFile> open_optional(std::string option, const std::optional<std::string>& path, std::string wanted) {
  if (!path) return std::nullopt;
  return InputFile{std::move(option), *path, std::move(wanted)};
}

struct Wanted {
  uint64_t size;
  uint64_t alignment;
};

/// The highest place in the first `top` bytes of RAM that shares no byte with `taken`, whose ranges lie in RAM.
std::optional<Gpa> highest_free(const GpaRange& ram, std::span<const GpaRange> taken, uint64_t top, Wanted wanted) {
  for (uint64_t limit = top;;) {
    if (wanted.size > limit) return std::nullopt;
    const GpaRange place{.base = ram.base + align_down(limit - wanted.size, wanted.alignment), .size = wanted.size};
    const auto hit = std::ranges::find_if(taken, [&](const GpaRange& range) { return range.overlaps(place); });
    if (hit == taken.end()) return place.base;
    limit = hit->base - ram.base;  // below place's end, so the search ends
  }
}

/// The highest place above the kernel, in low RAM if possible: kernels do not all use what lies below them.
std::optional<Gpa> highest_above_kernel(const GpaRange& ram, std::span<const GpaRange> taken, const GpaRange& kernel,
                                        Wanted wanted) {
  for (const uint64_t top : {std::min(ram.size, kLowRam), ram.size}) {
    const auto at = highest_free(ram, taken, top, wanted);
    if (at && *at >= kernel.base) return at;
  }
  return std::nullopt;
}

GpaRange place_initrd(const BootRoom& room, const GpaRange& kernel, uint64_t size) {
  const GpaRange ram = room.memory.range();
  const Wanted wanted{.size = size, .alignment = kPage};
  std::array<GpaRange, 2> taken{kernel, {}};
  const auto dtb = highest_above_kernel(ram, taken, kernel, {.size = kDtbBlock, .alignment = kDtbBlock});
  std::optional<Gpa> at;
  if (dtb) {
    taken[1] = {.base = *dtb, .size = kDtbBlock};
    at = highest_above_kernel(ram, taken, kernel, wanted);
  }
  // With little RAM the device tree takes some pages that are left instead of a block.
  if (!at) at = highest_free(ram, std::span{taken}.first(1), ram.size, wanted);
  if (!at) throw BootRoom{.memory = room.memory}.too_small("the initrd", kernel.end(), size);
  return {.base = *at, .size = size};
}

/// The top of the block that the kernel ends in. A kernel may use some RAM behind its end before it knows better, a
/// first stack for one: at least half of the block stays between the two.
std::optional<Gpa> beside_kernel(const GpaRange& ram, const BootLayout& layout, uint64_t size) {
  const Gpa kernel_end = layout.kernel.end();
  const Gpa block_end = ram.base + align_up(kernel_end - ram.base, kDtbBlock);
  if (!layout.kernel_is_whole || size > kDtbBlock / 2) return std::nullopt;
  const GpaRange place{.base = block_end + (0 - align_up(size, kPage)), .size = size};
  const bool far_enough = kernel_end + kDtbBlock / 2 <= place.base;
  const bool hits_initrd = layout.initrd && layout.initrd->overlaps(place);
  return far_enough && !hits_initrd && ram.contains(place.base, size) ? std::optional{place.base} : std::nullopt;
}

}  // namespace

BootImages::BootImages(const Config& config)
    : kernel_("--kernel", config.kernel, "a RISC-V kernel image"),
      initrd_(open_optional("--initrd", config.initrd, "an initramfs or initrd image")),
      dtb_(open_optional("--dtb", config.dtb, "a device tree (.dtb)")) {}

BootLayout BootImages::load(const GuestMemory& memory) const {
  const uint64_t initrd_size = initrd_ ? initrd_->size() : 0;
  if (initrd_size > kLargestRam) throw initrd_->error("is larger than any machine's RAM");
  const BootRoom room{.memory = memory,
                      .initrd_bytes = initrd_size,
                      .odd_file = std::exchange(said_, true) ? log::Level::kInfo : log::Level::kWarn};
  const LoadedKernel kernel = load_kernel(kernel_, room);
  BootLayout layout{
      .entry = kernel.entry, .kernel = kernel.range, .kernel_is_whole = kernel.range_is_whole, .initrd = {}};
  if (initrd_) {
    layout.initrd = place_initrd(room, kernel.range, initrd_size);
    initrd_->read(0, *memory.slice(layout.initrd->base, initrd_size));
  }
  return layout;
}

Gpa choose_dtb_address(const GuestMemory& memory, const BootLayout& layout, uint64_t size) {
  const GpaRange ram = memory.range();
  const std::array taken{layout.kernel, layout.initrd.value_or(GpaRange{})};
  if (const auto at = beside_kernel(ram, layout, size)) return *at;
  if (size <= kDtbBlock) {
    const Wanted block{.size = kDtbBlock, .alignment = kDtbBlock};
    if (const auto at = highest_above_kernel(ram, taken, layout.kernel, block)) return *at;
  }
  if (const auto at = highest_free(ram, taken, ram.size, {.size = size, .alignment = kPage})) return *at;
  const uint64_t initrd_size = layout.initrd ? layout.initrd->size : 0;
  throw BootRoom{.memory = memory, .initrd_bytes = initrd_size}.too_small("the device tree", layout.kernel.end(), size);
}

Gpa place_dtb(const GuestMemory& memory, const BootLayout& layout, const DeviceTree& tree) {
  const Gpa at = choose_dtb_address(memory, layout, tree.size);
  if (const auto to = memory.slice(at, tree.size)) std::ranges::copy(tree.bytes, to->begin());
  return at;
}

}  // namespace rvvmm
