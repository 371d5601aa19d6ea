// Loads the segments of an ELF64 kernel (System V ABI, "Object Files" and "Program Loading"; RISC-V psABI).
#pragma once

#include <cstddef>
#include <span>

#include "vmm/boot/kernel_content.hpp"
#include "vmm/boot/kernel_image.hpp"

namespace rvvmm {

/// True if the content starts with the ELF magic number.
bool is_elf(std::span<const std::byte> head) noexcept;

/// Copies the PT_LOAD segments to their physical addresses and clears the memory that the file has no bytes for.
/// If the lowest segment is not in RAM, all segments move so that the lowest one starts at kDefaultTextOffset, with its
/// offset in the page. Throws SetupError as load_kernel() does.
LoadedKernel load_elf(KernelContent& content, const BootRoom& room);

}  // namespace rvvmm
