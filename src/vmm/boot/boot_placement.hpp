// Where initrd and device tree go in RAM beside the kernel, and how much RAM it takes.
#pragma once

#include <cstdint>
#include <optional>

#include "base/range.hpp"

namespace rvvmm {

/// The block of RAM that the device tree gets where there is room: the most that Linux takes.
inline constexpr uint64_t kDtbBlock = 2_MiB;

struct BootLayout {
  Gpa entry;
  GpaRange kernel;
  bool kernel_is_whole = true;     ///< LoadedKernel::range_is_whole
  std::optional<GpaRange> initrd;  ///< exactly its bytes; starts on a page
};

/// The place of an initrd of `size` bytes: below a block for the device tree at the top of low RAM, or wherever there
/// is room. nullopt: nowhere.
std::optional<GpaRange> find_initrd_place(const GpaRange& ram, const GpaRange& kernel, uint64_t size);

/// Where a device tree of `size` bytes goes: the top of the 2 MiB block in which the kernel ends, if the kernel leaves
/// half of that free (one block of RAM less for the host to clear); else a 2 MiB block of its own at the top of low RAM
/// if there is one, else the highest free page. nullopt: nowhere.
std::optional<Gpa> find_dtb_place(const GpaRange& ram, const BootLayout& layout, uint64_t size);

struct BootSizes {
  uint64_t initrd = 0;  ///< bytes; 0: there is none
  uint64_t dtb = 0;
};

/// The least RAM from `ram_base` on, in bytes and whole pages, in which all of it finds a place. `layout` has the
/// kernel alone, where it goes. Nothing is above 2^48.
uint64_t least_ram(Gpa ram_base, BootLayout layout, const BootSizes& sizes);

}  // namespace rvvmm
