#include "kvm/riscv64/aia_state.hpp"

#include <linux/kvm.h>

#include <cerrno>
#include <cstring>
#include <format>

#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm {
namespace {

// Registers of the APLIC by their offsets (AIA 1.0, 4.5).
constexpr uint64_t kDomaincfg = 0x0;
constexpr uint64_t kSourcecfg1 = 0x4;
constexpr uint64_t kSetip = 0x1C00;
constexpr uint64_t kSetie = 0x1E00;
constexpr uint64_t kTarget1 = 0x3004;

/// Reads and writes the AIA's registers. The first refusal is kept in `why`.
class AiaRegisters {
 public:
  AiaRegisters(int device_fd, std::string& why) noexcept : fd_(device_fd), why_(why) {}

  uint32_t sources() {
    uint32_t count = 0;
    get(KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_SRCS, count, "number of wired sources");
    return count;
  }

  bool get_aplic(uint64_t offset, uint32_t& value, const char* name) {
    return get(KVM_DEV_RISCV_AIA_GRP_APLIC, offset, value, name);
  }
  bool set_aplic(uint64_t offset, uint32_t value, const char* name) {
    return access(KVM_SET_DEVICE_ATTR, KVM_DEV_RISCV_AIA_GRP_APLIC, offset, &value, name);
  }
  bool get_aplic(uint64_t first, std::vector<uint32_t>& values, const char* name) {
    for (size_t i = 0; i < values.size(); ++i)
      if (!get_aplic(first + 4 * i, values[i], name)) return false;
    return true;
  }
  bool set_aplic(uint64_t first, const std::vector<uint32_t>& values, const char* name) {
    for (size_t i = 0; i < values.size(); ++i)
      if (!set_aplic(first + 4 * i, values[i], name)) return false;
    return true;
  }

  bool get_file(uint32_t hart, uint64_t number, uint64_t& value, const char* name) {
    return get(KVM_DEV_RISCV_AIA_GRP_IMSIC, KVM_DEV_RISCV_AIA_IMSIC_MKATTR(hart, number), value, name);
  }
  bool set_file(uint32_t hart, uint64_t number, uint64_t value, const char* name) {
    return access(KVM_SET_DEVICE_ATTR, KVM_DEV_RISCV_AIA_GRP_IMSIC, KVM_DEV_RISCV_AIA_IMSIC_MKATTR(hart, number),
                  &value, name);
  }
  bool get_file(uint32_t hart, uint64_t first, std::vector<uint64_t>& words, const char* name) {
    for (size_t i = 0; i < words.size(); ++i)
      if (!get_file(hart, first + 2 * i, words[i], name)) return false;
    return true;
  }

  /// Writes a word of an array and reads it back. KVM's files in software drop identities without an error.
  bool set_file_word(uint32_t hart, uint64_t number, uint64_t word, const char* name) {
    uint64_t kept = 0;
    if (!set_file(hart, number, word, name) || !get_file(hart, number, kept, name)) return false;
    if ((kept & word) == word) return true;
    why_ = std::format(
        "interrupt file of hart {}: {} {:#x} keeps {:#x} of {:#x}; KVM's interrupt files in software lack "
        "the other identities",
        hart, name, number, kept & word, word);
    return false;
  }
  bool set_file(uint32_t hart, uint64_t first, const std::vector<uint64_t>& words, const char* name) {
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] != 0 && !set_file_word(hart, first + 2 * i, words[i], name)) return false;
    return true;
  }

 private:
  template <typename Value>
  bool get(uint32_t group, uint64_t attribute, Value& value, const char* name) {
    return access(KVM_GET_DEVICE_ATTR, group, attribute, &value, name);
  }
  bool access(unsigned long request, uint32_t group, uint64_t attribute, void* value, const char* name) {
    if (access_device(fd_, request, group, attribute, value)) return true;
    why_ = std::format("{} of the AIA (group {}, {:#x}): {}", name, group, attribute, std::strerror(errno));
    return false;
  }

  int fd_;
  std::string& why_;
};

/// Of that many sources and identities, all zero.
IrqchipState empty_state(uint32_t ids, uint32_t sources, uint32_t harts) {
  const size_t words = ids / 64 + 1;
  IrqchipState state{.ids = ids, .sources = sources};
  if (sources > 0) {
    state.aplic.sourcecfg.resize(sources);
    state.aplic.target.resize(sources);
    state.aplic.setie.resize(sources / 32 + 1);
    state.aplic.setip.resize(sources / 32 + 1);
  }
  state.files.resize(harts);
  for (InterruptFileState& file : state.files) {
    file.eip.resize(words);
    file.eie.resize(words);
  }
  return state;
}

bool read_aplic(AiaRegisters& aia, AplicState& aplic) {
  return aia.get_aplic(kDomaincfg, aplic.domaincfg, "domaincfg") &&
         aia.get_aplic(kSourcecfg1, aplic.sourcecfg, "sourcecfg") && aia.get_aplic(kTarget1, aplic.target, "target") &&
         aia.get_aplic(kSetie, aplic.setie, "setie") && aia.get_aplic(kSetip, aplic.setip, "setip");
}

bool read_file(AiaRegisters& aia, uint32_t hart, InterruptFileState& file) {
  return aia.get_file(hart, kEidelivery, file.eidelivery, "eidelivery") &&
         aia.get_file(hart, kEithreshold, file.eithreshold, "eithreshold") &&
         aia.get_file(hart, kEip0, file.eip, "eip") && aia.get_file(hart, kEie0, file.eie, "eie");
}

// sourcecfg comes first, because a source that is inactive keeps no other state. genmsi is never written: it sends a
// message.
bool write_aplic_setup(AiaRegisters& aia, const AplicState& aplic) {
  return aia.set_aplic(kSourcecfg1, aplic.sourcecfg, "sourcecfg") && aia.set_aplic(kTarget1, aplic.target, "target") &&
         aia.set_aplic(kSetie, aplic.setie, "setie");
}

// domaincfg comes last: from then on, what is pending and enabled is sent. KVM ignores the pending bit of a level
// source, whose line the device drives again.
bool write_aplic_pending(AiaRegisters& aia, const AplicState& aplic) {
  return aia.set_aplic(kSetip, aplic.setip, "setip") && aia.set_aplic(kDomaincfg, aplic.domaincfg, "domaincfg");
}

// eidelivery comes last, so that nothing is delivered before.
bool write_file(AiaRegisters& aia, uint32_t hart, const InterruptFileState& file) {
  return aia.set_file(hart, kEithreshold, file.eithreshold, "eithreshold") &&
         aia.set_file(hart, kEie0, file.eie, "eie") && aia.set_file(hart, kEip0, file.eip, "eip") &&
         aia.set_file(hart, kEidelivery, file.eidelivery, "eidelivery");
}

bool write_files(AiaRegisters& aia, const std::vector<InterruptFileState>& files) {
  for (uint32_t hart = 0; hart < files.size(); ++hart)
    if (!write_file(aia, hart, files[hart])) return false;
  return true;
}

bool is_same(uint64_t saved, uint64_t here, const char* what, std::string& why) {
  if (saved == here) return true;
  why = std::format("the interrupt controller had {} {}, and this machine's has {}", saved, what, here);
  return false;
}

bool has_same_form(const AplicState& aplic, const AplicState& here, std::string& why) {
  return is_same(aplic.sourcecfg.size(), here.sourcecfg.size(), "words of sourcecfg", why) &&
         is_same(aplic.target.size(), here.target.size(), "words of target", why) &&
         is_same(aplic.setie.size(), here.setie.size(), "words of setie", why) &&
         is_same(aplic.setip.size(), here.setip.size(), "words of setip", why);
}

}  // namespace

std::optional<IrqchipState> save_aia(const Aia& aia, uint32_t harts, std::string& why) {
  if (!aia.device) return IrqchipState{};
  why.clear();
  AiaRegisters registers{aia.device.get(), why};
  IrqchipState state = empty_state(aia.properties.ids, registers.sources(), harts);
  bool all = why.empty() && (state.sources == 0 || read_aplic(registers, state.aplic));
  for (uint32_t hart = 0; all && hart < harts; ++hart)
    all = read_file(registers, hart, state.files[hart]);
  if (!all) return std::nullopt;
  return state;
}

bool has_same_form(const IrqchipState& state, const IrqchipState& here, std::string& why) {
  if (!is_same(state.ids, here.ids, "interrupt identities", why) ||
      !is_same(state.sources, here.sources, "wired sources", why) ||
      !is_same(state.files.size(), here.files.size(), "interrupt files", why) ||
      !has_same_form(state.aplic, here.aplic, why)) {
    return false;
  }
  for (size_t hart = 0; hart < state.files.size(); ++hart) {
    if (!is_same(state.files[hart].eip.size(), here.files[hart].eip.size(), "words of eip", why) ||
        !is_same(state.files[hart].eie.size(), here.files[hart].eie.size(), "words of eie", why)) {
      return false;
    }
  }
  return true;
}

bool restore_aia(const Aia& aia, const IrqchipState& state, uint32_t harts, std::string& why) {
  const auto here = save_aia(aia, harts, why);
  if (!here || !has_same_form(state, *here, why)) return false;
  if (!aia.device) return true;
  AiaRegisters registers{aia.device.get(), why};
  return (state.sources == 0 || write_aplic_setup(registers, state.aplic)) && write_files(registers, state.files) &&
         (state.sources == 0 || write_aplic_pending(registers, state.aplic));
}

}  // namespace rvvmm
