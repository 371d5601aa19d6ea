#include "vmm/boot_room.hpp"

#include <format>

#include "base/size_text.hpp"

namespace rvvmm {

SetupError BootRoom::too_small(std::string_view what, Gpa from, uint64_t size) const {
  const GpaRange ram = memory.range();
  const uint64_t images = (from - ram.base) + size + align_up(initrd_bytes, 4_KiB);
  const uint64_t advised = align_up(images, kDtbBlock) + kDtbBlock;
  return SetupError{ExitStatus::kBadInput,
                    std::format("--mem {}: {} needs {} from {:#x}, give at least --mem {}", mem_text(ram.size), what,
                                size_text(size), from.value, mem_text(advised))};
}

}  // namespace rvvmm
