#include "vmm/boot/boot_room.hpp"

#include <format>

#include "base/size_text.hpp"

namespace rvvmm {

SetupError BootRoom::too_small_for_kernel(const GpaRange& kernel, bool is_whole) const {
  return too_small("the kernel", kernel,
                   {.entry = kernel.base, .kernel = kernel, .kernel_is_whole = is_whole, .initrd = {}});
}

SetupError BootRoom::too_small(std::string_view what, uint64_t size, const BootLayout& layout) const {
  return too_small(what, {.base = layout.kernel.end(), .size = size}, layout);
}

SetupError BootRoom::too_small(std::string_view what, const GpaRange& needed, const BootLayout& layout) const {
  const GpaRange ram = memory.range();
  const uint64_t advised = least_ram(ram.base, layout, {.initrd = initrd_bytes, .dtb = dtb_bytes()});
  return SetupError{ExitStatus::kBadInput,
                    std::format("--mem {}: {} needs {} from {:#x}, give at least --mem {}", mem_text(ram.size), what,
                                size_text(needed.size), needed.base.value, mem_text(advised))};
}

}  // namespace rvvmm
