#include "kvm/riscv64/aia.hpp"

#include <linux/kvm.h>

#include <bit>
#include <cstring>
#include <format>
#include <span>

#include "base/types.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm {
namespace {

// Performs the steps of the sequence. Stores the step that failed and the reason in `why`.
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
    if (access_device(fd_, request, group, attribute, value)) return true;
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
  // The default 0 is right for one hart. Skipping this ioctl saves start-up time.
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

bool access_register(unsigned long request, const Aia& aia, uint64_t attribute, uint64_t& value) noexcept {
  return access_device(aia.device.get(), request, KVM_DEV_RISCV_AIA_GRP_IMSIC, attribute, &value);
}

}  // namespace

InterruptFile InterruptFile::of(const Aia& aia, HartId hart) noexcept {
  InterruptFile file;
  if (!aia.device) return file;
  const auto add = [&](uint64_t number) {
    const uint64_t attribute = KVM_DEV_RISCV_AIA_IMSIC_MKATTR(hart.value, number);
    uint64_t value = 0;
    if (file.count_ < file.registers_.size() && access_register(KVM_GET_DEVICE_ATTR, aia, attribute, value)) {
      file.registers_[file.count_++] = {.attribute = attribute, .value = value};
    }
  };
  // The pending bits come after the enable bits, and eidelivery comes last. So nothing is delivered before all
  // registers are restored.
  add(kEithreshold);
  for (const uint64_t array : {kEie0, kEip0}) {
    for (uint64_t number = 0; number <= aia.properties.ids / 32; number += 2)
      add(array + number);
  }
  add(kEidelivery);
  return file;
}

bool InterruptFile::restore(const Aia& aia) const noexcept {
  bool all = true;
  for (const auto& [attribute, saved] : std::span{registers_}.first(count_)) {
    uint64_t value = saved;
    // Keeps interrupts that arrived after the save.
    const uint64_t number = KVM_DEV_RISCV_AIA_IMSIC_GET_ISEL(attribute);
    uint64_t now = 0;
    if (number >= kEip0 && number < kEie0 && access_register(KVM_GET_DEVICE_ATTR, aia, attribute, now)) value |= now;
    all &= access_register(KVM_SET_DEVICE_ATTR, aia, attribute, value);
  }
  return all;
}

uint64_t InterruptFile::value_of(uint64_t number) const noexcept {
  for (const auto& [attribute, value] : std::span{registers_}.first(count_))
    if (KVM_DEV_RISCV_AIA_IMSIC_GET_ISEL(attribute) == number) return value;
  return 0;
}

// AIA 1.0, 3.8: eidelivery 1 delivers. Identities from eithreshold upwards are held back; with eithreshold 0 none are.
// The lowest identity that is pending and enabled decides.
bool InterruptFile::asks() const noexcept {
  if (value_of(kEidelivery) != 1) return false;
  const uint64_t threshold = value_of(kEithreshold);
  for (uint64_t word = 0; word < kMostWords; ++word) {
    const uint64_t both = value_of(kEip0 + 2 * word) & value_of(kEie0 + 2 * word);
    if (both != 0) return threshold == 0 || word * 64 + static_cast<uint64_t>(std::countr_zero(both)) < threshold;
  }
  return false;
}

std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why) {
  kvm_create_device create{.type = KVM_DEV_TYPE_RISCV_AIA, .fd = 0, .flags = 0};
  if (kvm_ioctl(vm_fd, KVM_CREATE_DEVICE, &create) < 0) {
    why = std::format("KVM_CREATE_DEVICE: {}", std::strerror(errno));
    return std::nullopt;
  }
  Aia aia{.device = Fd{static_cast<int>(create.fd)}, .properties = {}};
  AiaSetup setup{aia.device.get(), why};
  // KVM's default is AUTO if this host has guest interrupt files, otherwise EMUL.
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
