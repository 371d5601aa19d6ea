// Loads a guest kernel of any form we know, found from its content and never from its name: RISC-V Image, ELF64,
// EFI zboot, each plain or compressed by gzip or zstd, or a headerless blob.
#pragma once

#include "vmm/boot/boot_room.hpp"
#include "vmm/boot/decompress.hpp"
#include "vmm/host/input_file.hpp"

namespace rvvmm {

/// Where a headerless blob goes, and the lowest byte of an ELF file that is not linked for RAM: this far above the
/// base of RAM (what Linux's own text_offset says: Documentation/arch/riscv/boot-image-header.rst).
inline constexpr uint64_t kDefaultTextOffset = 2_MiB;

/// Where an instruction may lie (RISC-V Unprivileged Specification 20240411, 1.5: IALIGN with compressed instructions).
inline constexpr uint64_t kInstructionAlignment = 2;

struct LoadedKernel {
  Gpa entry;
  GpaRange range;  ///< all that the kernel owns before it reads the device tree: image_size, or ELF memory with BSS
  bool range_is_whole = true;  ///< false: no header says what the kernel uses behind the file's last byte
};

/// Copies the kernel into RAM. Bytes of the file go from the kernel's page cache straight to their place; nothing
/// beyond RAM is touched, whatever the headers say. Throws SetupError(kBadInput) naming the file, or --mem.
LoadedKernel load_kernel(const InputFile& file, const BootRoom& room);

/// The same for a file that is a headerless blob whatever it looks like, as somebody has said.
LoadedKernel load_raw_kernel(const InputFile& file, const BootRoom& room);

}  // namespace rvvmm
