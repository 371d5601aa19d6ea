// The guest-physical memory of a VM.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/types.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm {

enum MemorySlot : uint32_t {
  kRamSlot,
  kRomSlot,
  kFirstEntrySlot,  ///< exists only during enter_first()
};

/// KVM_SET_USER_MEMORY_REGION; an empty `memory` removes the slot. The ioctl's value, or -1 with errno.
inline int set_memory(int vm_fd, MemorySlot slot, uint32_t flags, Gpa base,
                      std::span<const std::byte> memory) noexcept {
  const kvm_userspace_memory_region region{.slot = slot,
                                           .flags = flags,
                                           .guest_phys_addr = base.value,
                                           .memory_size = memory.size(),
                                           .userspace_addr = reinterpret_cast<uintptr_t>(memory.data())};
  return kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

}  // namespace rvvmm
