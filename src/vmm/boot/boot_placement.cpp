#include "vmm/boot/boot_placement.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "base/types.hpp"

namespace rvvmm {
namespace {

// Old loaders and kernels do not look above this (Linux, Documentation/arch/riscv/boot.rst). Images go higher only if
// they do not fit below.
constexpr uint64_t kLowRam = 3_GiB;

struct Wanted {
  uint64_t size;
  uint64_t alignment;
};

/// The highest place in the first `top` bytes of RAM that does not overlap `taken`. All ranges of `taken` are in RAM.
std::optional<Gpa> highest_free(const GpaRange& ram, std::span<const GpaRange> taken, uint64_t top, Wanted wanted) {
  for (uint64_t limit = top;;) {
    if (wanted.size > limit) return std::nullopt;
    const GpaRange place{.base = ram.base + align_down(limit - wanted.size, wanted.alignment), .size = wanted.size};
    const auto hit = std::ranges::find_if(taken, [&](const GpaRange& range) { return range.overlaps(place); });
    if (hit == taken.end()) return place.base;
    limit = hit->base - ram.base;  // below place's end, so the search ends
  }
}

/// The highest place above the kernel, in low RAM if possible. Not below: some kernels do not use the RAM below them.
std::optional<Gpa> highest_above_kernel(const GpaRange& ram, std::span<const GpaRange> taken, const GpaRange& kernel,
                                        Wanted wanted) {
  for (const uint64_t top : {std::min(ram.size, kLowRam), ram.size}) {
    const auto at = highest_free(ram, taken, top, wanted);
    if (at && *at >= kernel.base) return at;
  }
  return std::nullopt;
}

/// The top of the block that the kernel ends in. A kernel may use some RAM behind its end before it reads the device
/// tree, for example as its first stack. So at least half of the block stays free between kernel and tree.
std::optional<Gpa> beside_kernel(const GpaRange& ram, const BootLayout& layout, uint64_t size) {
  const Gpa kernel_end = layout.kernel.end();
  const Gpa block_end = ram.base + align_up(kernel_end - ram.base, kDtbBlock);
  if (!layout.kernel_is_whole || size > kDtbBlock / 2) return std::nullopt;
  const GpaRange place{.base = block_end + (0 - align_up(size, kPageSize)), .size = size};
  const bool far_enough = kernel_end + kDtbBlock / 2 <= place.base;
  const bool hits_initrd = layout.initrd && layout.initrd->overlaps(place);
  return far_enough && !hits_initrd && ram.contains(place.base, size) ? std::optional{place.base} : std::nullopt;
}

bool has_room(const GpaRange& ram, BootLayout layout, const BootSizes& sizes) {
  if (sizes.initrd != 0) {
    layout.initrd = find_initrd_place(ram, layout.kernel, sizes.initrd);
    if (!layout.initrd) return false;
  }
  return find_dtb_place(ram, layout, sizes.dtb).has_value();
}

}  // namespace

std::optional<GpaRange> find_initrd_place(const GpaRange& ram, const GpaRange& kernel, uint64_t size) {
  const Wanted wanted{.size = size, .alignment = kPageSize};
  std::array<GpaRange, 2> taken{kernel, {}};
  const auto dtb = highest_above_kernel(ram, taken, kernel, {.size = kDtbBlock, .alignment = kDtbBlock});
  std::optional<Gpa> at;
  if (dtb) {
    taken[1] = {.base = *dtb, .size = kDtbBlock};
    at = highest_above_kernel(ram, taken, kernel, wanted);
  }
  // If RAM is small, the device tree gets some free pages instead of a whole block.
  if (!at) at = highest_free(ram, std::span{taken}.first(1), ram.size, wanted);
  return at ? std::optional{GpaRange{.base = *at, .size = size}} : std::nullopt;
}

std::optional<Gpa> find_dtb_place(const GpaRange& ram, const BootLayout& layout, uint64_t size) {
  const std::array taken{layout.kernel, layout.initrd.value_or(GpaRange{})};
  if (const auto at = beside_kernel(ram, layout, size)) return at;
  if (size <= kDtbBlock) {
    const Wanted block{.size = kDtbBlock, .alignment = kDtbBlock};
    if (const auto at = highest_above_kernel(ram, taken, layout.kernel, block)) return at;
  }
  return highest_free(ram, taken, ram.size, {.size = size, .alignment = kPageSize});
}

uint64_t least_ram(Gpa ram_base, BootLayout layout, const BootSizes& sizes) {
  // The RAM that such a kernel uses behind its last byte is unknown. A place that is too near would stay unnoticed.
  if (!layout.kernel_is_whole) layout.kernel.size += kDtbBlock;
  const uint64_t kernel = align_up(layout.kernel.end() - ram_base, kPageSize);
  const auto [less, more] = std::minmax({align_up(sizes.initrd, kPageSize), align_up(sizes.dtb, kPageSize)});
  // One or both may fit below the kernel.
  for (const uint64_t above : {uint64_t{0}, less, more}) {
    if (has_room({.base = ram_base, .size = kernel + above}, layout, sizes)) return kernel + above;
  }
  return kernel + less + more;
}

}  // namespace rvvmm
