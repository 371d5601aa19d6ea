#include "kvm/riscv64/aia.hpp"

#include <linux/kvm.h>

#include <bit>
#include <cstring>
#include <format>

#include "base/types.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm {
namespace {

// Each step of the sequence, remembering the first that failed.
class AiaSetup {
 public:
  AiaSetup(int device_fd, std::string& why) noexcept : fd_(device_fd), why_(why) {}

  template <typename Value>
  bool set(uint32_t group, uint64_t attribute, Value value, const char* what) {
    return ioctl(KVM_SET_DEVICE_ATTR, group, attribute, &value, what);
  }
  template <typename Value>
  bool get(uint32_t group, uint64_t attribute, Value& value, const char* what) {
    return ioctl(KVM_GET_DEVICE_ATTR, group, attribute, &value, what);
  }

 private:
  bool ioctl(unsigned long request, uint32_t group, uint64_t attribute, void* value, const char* what) {
    const kvm_device_attr attr{
        .flags = 0, .group = group, .attr = attribute, .addr = reinterpret_cast<uintptr_t>(value)};
    if (kvm_ioctl(fd_, request, &attr) == 0) return true;
    why_ = std::format("{}: {}", what, std::strerror(errno));
    return false;
  }

  int fd_;
  std::string& why_;
};

uint32_t hart_index_bits(uint32_t harts) noexcept {
  return static_cast<uint32_t>(std::bit_width(harts - 1));
}

bool configure(AiaSetup& aia, const AiaLayout& layout, uint32_t harts) {
  if (!aia.set(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_SRCS, layout.sources, "wired sources")) {
    return false;
  }
  // The default is 0, which is right for one hart: an ioctl saved where start-up is counted.
  if (harts > 1 && !aia.set(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_HART_BITS, hart_index_bits(harts),
                            "hart index bits")) {
    return false;
  }
  if (!aia.set(KVM_DEV_RISCV_AIA_GRP_ADDR, KVM_DEV_RISCV_AIA_ADDR_APLIC, layout.aplic_base.value, "APLIC address")) {
    return false;
  }
  for (uint32_t hart = 0; hart < harts; ++hart) {
    const Gpa page = layout.imsic_base + hart * 4_KiB;
    if (!aia.set(KVM_DEV_RISCV_AIA_GRP_ADDR, KVM_DEV_RISCV_AIA_ADDR_IMSIC(hart), page.value, "IMSIC address")) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why) {
  kvm_create_device create{.type = KVM_DEV_TYPE_RISCV_AIA, .fd = 0, .flags = 0};
  if (kvm_ioctl(vm_fd, KVM_CREATE_DEVICE, &create) < 0) {
    why = std::format("KVM_CREATE_DEVICE: {}", std::strerror(errno));
    return std::nullopt;
  }
  Aia aia{.device = Fd{static_cast<int>(create.fd)}, .properties = {}};
  AiaSetup setup{aia.device.get(), why};
  // KVM's own default is AUTO where this host has guest interrupt files, EMUL where it has none.
  uint32_t mode = KVM_DEV_RISCV_AIA_MODE_EMUL;
  if (!setup.get(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_MODE, mode, "mode")) return std::nullopt;
  if (emulated && mode != KVM_DEV_RISCV_AIA_MODE_EMUL) {
    mode = KVM_DEV_RISCV_AIA_MODE_EMUL;
    aia.properties.files_left_unused = true;
    if (!setup.set(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_MODE, mode, "mode")) return std::nullopt;
  }
  if (!setup.get(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_IDS, aia.properties.ids, "identities") ||
      !configure(setup, layout, harts) ||
      !setup.set(KVM_DEV_RISCV_AIA_GRP_CTRL, KVM_DEV_RISCV_AIA_CTRL_INIT, uint64_t{0}, "initialisation")) {
    return std::nullopt;
  }
  aia.properties.kind = mode == KVM_DEV_RISCV_AIA_MODE_EMUL ? IrqchipKind::kAiaEmulated : IrqchipKind::kAiaHardware;
  return aia;
}

}  // namespace rvvmm
