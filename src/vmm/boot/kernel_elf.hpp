// Loads the segments of an ELF64 kernel (System V ABI, "Object Files" and "Program Loading"; RISC-V psABI).
#pragma once

#include <cstddef>
#include <span>

#include "vmm/boot/kernel_content.hpp"
#include "vmm/boot/kernel_image.hpp"

namespace rvvmm {

/// True if the content starts as any ELF file does.
bool is_elf(std::span<const std::byte> head) noexcept;

/// Copies the PT_LOAD segments to their physical addresses and clears what they own beyond the file. If the lowest of
/// them is not in RAM, all move so that it lands at kDefaultTextOffset. Throws SetupError as load_kernel().
LoadedKernel load_elf(KernelContent& content, const BootRoom& room);

}  // namespace rvvmm
