// Loads a guest kernel: RISC-V Image, ELF64 or EFI zboot, each plain or compressed by gzip or zstd, or a headerless
// blob. The format is detected from the content, never from the file name.
#pragma once

#include "vmm/boot/boot_room.hpp"
#include "vmm/boot/decompress.hpp"
#include "vmm/host/input_file.hpp"

namespace rvvmm {

/// Offset from the base of RAM for a headerless blob, and for the lowest byte of an ELF file that is not linked for
/// RAM. Linux's own text_offset has this value (Documentation/arch/riscv/boot-image-header.rst).
inline constexpr uint64_t kDefaultTextOffset = 2_MiB;

/// Alignment of instructions (RISC-V Unprivileged Specification 20240411, 1.5: IALIGN with compressed instructions).
inline constexpr uint64_t kInstructionAlignment = 2;

struct LoadedKernel {
  Gpa entry;
  GpaRange range;  ///< all RAM that the kernel uses before it reads the device tree: image_size, or ELF memory with BSS
  bool range_is_whole = true;  ///< false: no header states what the kernel uses behind the file's last byte
};

/// Copies the kernel into RAM. The file's bytes go from the host's page cache directly to their place. Never writes
/// outside RAM, even if the headers ask for it. Throws SetupError(kBadInput) that names the file, or --mem.
LoadedKernel load_kernel(const InputFile& file, const BootRoom& room);

/// The same for --kernel-format raw: treats the file as a headerless blob, whatever its content is.
LoadedKernel load_raw_kernel(const InputFile& file, const BootRoom& room);

}  // namespace rvvmm
