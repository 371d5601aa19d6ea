// Finds places in RAM for initrd and device tree beside the kernel, and the least RAM that all three need.
#pragma once

#include <cstdint>
#include <optional>

#include "base/range.hpp"

namespace rvvmm {

/// Size and alignment of the RAM block that the device tree gets if there is room: the largest tree that Linux takes.
inline constexpr uint64_t kDtbBlock = 2_MiB;

struct BootLayout {
  Gpa entry;
  GpaRange kernel;
  bool kernel_is_whole = true;     ///< LoadedKernel::range_is_whole
  std::optional<GpaRange> initrd;  ///< exactly its bytes; starts on a page
};

/// The place of an initrd of `size` bytes: below a block for the device tree at the top of low RAM, or else any free
/// place. nullopt: there is no room.
std::optional<GpaRange> find_initrd_place(const GpaRange& ram, const GpaRange& kernel, uint64_t size);

/// The place of a device tree of `size` bytes. First choice: the top of the 2 MiB block in which the kernel ends, if
/// half of that block is free (the host then clears one block of RAM less). Second choice: a separate 2 MiB block at
/// the top of low RAM. Last choice: the highest free pages. nullopt: there is no room.
std::optional<Gpa> find_dtb_place(const GpaRange& ram, const BootLayout& layout, uint64_t size);

struct BootSizes {
  uint64_t initrd = 0;  ///< bytes; 0: no initrd
  uint64_t dtb = 0;
};

/// The smallest RAM from `ram_base` on, in bytes and whole pages, that has room for kernel, initrd and device tree.
/// `layout` contains only the kernel, at its place. No address or size is above 2^48.
uint64_t least_ram(Gpa ram_base, BootLayout layout, const BootSizes& sizes);

}  // namespace rvvmm
