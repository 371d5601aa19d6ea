// KvmVcpu::save() and restore(): all registers of a hart by KVM_GET_REG_LIST.
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <span>
#include <utility>

#include "base/mapping.hpp"
#include "base/saved_state.hpp"
#include "base/sbi_registry.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"
#include "kvm/riscv64/kvm_vcpu.hpp"
#include "kvm/riscv64/memory_slots.hpp"
#include "kvm/riscv64/one_reg.hpp"
#include "kvm/riscv64/register_list.hpp"

namespace rvvmm {
namespace {

using register_list::Use;

uint64_t raw_id(HartRegister reg) noexcept {
  return static_cast<uint64_t>(one_reg::id_of(reg));
}

// struct kvm_reg_list is the number of ids, and then the ids. With too small a number KVM fills in the right one.
std::optional<std::vector<uint64_t>> read_register_ids(int vcpu_fd, std::string& why) {
  std::vector<uint64_t> list(1);
  while (kvm_ioctl(vcpu_fd, KVM_GET_REG_LIST, list.data()) < 0) {
    if (errno != E2BIG || list[0] < list.size()) {
      why = std::format("KVM_GET_REG_LIST: {}", std::strerror(errno));
      return std::nullopt;
    }
    list.resize(1 + list[0]);
  }
  list.resize(1 + list[0]);
  list.erase(list.begin());
  return list;
}

bool read_register(int vcpu_fd, uint64_t id, SavedRegister& reg, std::string& why) {
  reg = {.id = id, .name = register_list::register_name(id), .value = {}};
  reg.value.resize(register_list::size_of(id));
  if (one_reg::get(vcpu_fd, static_cast<one_reg::Id>(id), reg.value)) return true;
  why = std::format("KVM_GET_ONE_REG of {}: {}", register_list::describe(id), std::strerror(errno));
  return false;
}

bool read_registers(int vcpu_fd, VcpuState& state, std::string& why) {
  const auto ids = read_register_ids(vcpu_fd, why);
  if (!ids) return false;
  const bool doubles = register_list::has_doubles(*ids);
  for (const uint64_t id : *ids) {
    const Use use = register_list::use_of(id, doubles);
    if (use == Use::kLeftOut) continue;
    auto& registers = use == Use::kCompared ? state.fixed : state.registers;
    if (!read_register(vcpu_fd, id, registers.emplace_back(), why)) return false;
  }
  return true;
}

bool write_register(int vcpu_fd, uint64_t id, std::span<const std::byte> value, std::string& why) {
  if (one_reg::set(vcpu_fd, static_cast<one_reg::Id>(id), value)) return true;
  why = std::format("KVM_SET_ONE_REG of {}: {}", register_list::describe(id), std::strerror(errno));
  return false;
}

bool write_number(int vcpu_fd, HartRegister reg, uint64_t value, std::string& why) {
  return write_register(vcpu_fd, raw_id(reg), std::as_bytes(std::span{&value, 1}), why);
}

// If KVM writes sip, it forgets which interrupts it holds pending. So it would not wake a hart for this bit. The pin
// and the interrupt file set the bit again (kvm_riscv_vcpu_general_set_csr).
bool write_sip(int vcpu_fd, const SavedRegister& sip, std::string& why) {
  return write_number(vcpu_fd, HartRegister::kSip, register_list::number(sip) & ~kExternalInterrupt, why);
}

// KVM accepts "off" only for a timer that is on. A timer that enter_first() armed is left alone; if it has expired
// since, the hart's sip, written before, has discarded the interrupt, and it expires once more. If a timer without Sstc
// had expired before the save, only sip still shows it: it is armed again, so that KVM itself holds the interrupt
// pending. With Sstc sip never shows it here.
bool write_timer_state(int vcpu_fd, const SavedRegister& timer, const SavedRegister* sip, std::string& why) {
  const bool expired = sip != nullptr && (register_list::number(*sip) & kTimerInterrupt) != 0;
  const bool on = register_list::number(timer) == 1 || expired;
  return !on || one_reg::get(vcpu_fd, one_reg::id_of(HartRegister::kTimerState)) == 1 ||
         write_number(vcpu_fd, HartRegister::kTimerState, 1, why);
}

bool write_one(int vcpu_fd, const SavedRegister& reg, const VcpuState& state, std::string& why) {
  if (reg.id == raw_id(HartRegister::kSip)) return write_sip(vcpu_fd, reg, why);
  if (reg.id == raw_id(HartRegister::kTimerState)) {
    return write_timer_state(vcpu_fd, reg, register_list::find(state.registers, raw_id(HartRegister::kSip)), why);
  }
  return write_register(vcpu_fd, reg.id, reg.value, why);
}

// In KVM's order, in which the timer's compare value is before its state.
bool write_registers(int vcpu_fd, const VcpuState& state, std::string& why) {
  const auto ids = read_register_ids(vcpu_fd, why);
  if (!ids) return false;
  for (const uint64_t id : *ids) {
    const SavedRegister* const reg = register_list::find(state.registers, id);
    if (reg != nullptr && !write_one(vcpu_fd, *reg, state, why)) return false;
  }
  return true;
}

// The code of a hart's first entry, in read-only memory at address 0, where there is never RAM.
constexpr Gpa kFirstPage{0};
constexpr std::array<uint32_t, 2> kFirstCode{0x0000'0073,   // ecall: sets the timer; left out if there is none to set
                                             0x0000'2023};  // sw x0, 0(x0): exits

Mapping first_page() {
  Mapping page = Mapping::anonymous(kPageSize, kPageSize, "a page for a hart's first entry");
  std::memcpy(page.bytes().data(), kFirstCode.data(), sizeof kFirstCode);
  auto* const code = reinterpret_cast<char*>(page.bytes().data());
  __builtin___clear_cache(code, code + sizeof kFirstCode);
  return page;
}

// Supervisor mode, without page tables and interrupts.
bool write_first_registers(int vcpu_fd, std::optional<uint64_t> timer, std::string& why) {
  constexpr uint64_t kSupervisor = 1;
  const uint64_t pc = kFirstPage.value + (timer ? 0 : sizeof kFirstCode[0]);
  using enum HartRegister;
  return write_number(vcpu_fd, kPc, pc, why) && write_number(vcpu_fd, kMode, kSupervisor, why) &&
         write_number(vcpu_fd, kSatp, 0, why) && write_number(vcpu_fd, kSstatus, 0, why) &&
         write_number(vcpu_fd, kSie, 0, why) && write_number(vcpu_fd, kA0, timer.value_or(0), why) &&
         write_number(vcpu_fd, x(16), 0, why) && write_number(vcpu_fd, x(17), kSbiTime.eids.first, why);
}

// KVM keeps a timer itself if the host has no Sstc. There 6.12 loses the compare value when the timer's state is set:
// it arms the timer for tick 1 (kvm_riscv_vcpu_set_reg_timer). So the hart arms it by SBI TIME, as its guest did.
std::optional<uint64_t> timer_to_arm(const VcpuState& state) {
  const SavedRegister* const timer = register_list::find(state.registers, raw_id(HartRegister::kTimerState));
  const SavedRegister* const compare = register_list::find(state.registers, raw_id(HartRegister::kTimerCompare));
  if (timer == nullptr || compare == nullptr || register_list::number(*timer) != 1) return std::nullopt;
  return register_list::number(*compare);
}

std::string of_hart(HartId hart, const std::string& text) {
  return std::format("hart {}: {}", hart.value, text);
}

}  // namespace

std::optional<VcpuState> KvmVcpu::save(std::string& why) {
  VcpuState saved;
  if (exit_in_hand_) {
    why = of_hart(exit_.hart, "an exit of it is not answered yet");
    return std::nullopt;
  }
  if (!read_registers(fd_.get(), saved, why)) {
    why = of_hart(exit_.hart, why);
    return std::nullopt;
  }
  saved.state = state();
  if (saved.state == HartState::kUnknown) {
    why = of_hart(exit_.hart, "KVM_GET_MP_STATE does not tell whether it runs");
    return std::nullopt;
  }
  const LockGuard lock{pin_mu_};
  saved.external_interrupt = pin_asserted_;
  return saved;
}

bool KvmVcpu::restore(const VcpuState& state, std::string& why) {
  if (can_take(state, why) && enter_if_needed(state, why) && write_state(state, why)) return true;
  why = of_hart(exit_.hart, why);
  return false;
}

// A hart gets its guest interrupt file at its first entry. Until then KVM has a file in software, which lacks half of
// the identities (docs/kvm-quirks.md, "Interrupt identities").
bool KvmVcpu::enter_if_needed(const VcpuState& state, std::string& why) {
  const bool has_file = aia_.device && aia_.properties.kind == IrqchipKind::kAiaHardware;
  const auto timer = timer_to_arm(state);
  return (!has_file && !timer) || enter_first(timer, why);
}

bool KvmVcpu::can_take(const VcpuState& state, std::string& why) {
  if (state.external_interrupt && aia_.device) {
    why = "its pin is asserted, and this machine's harts have interrupt files instead";
    return false;
  }
  VcpuState here;
  return read_registers(fd_.get(), here, why) && register_list::fits(state, here, why);
}

bool KvmVcpu::enter_first(std::optional<uint64_t> timer, std::string& why) {
  const Mapping page = first_page();
  if (set_memory(vm_fd_, kFirstEntrySlot, KVM_MEM_READONLY, kFirstPage, page.bytes()) < 0) {
    why = std::format("memory for its first entry: {}", std::strerror(errno));
    return false;
  }
  const bool entered = write_first_registers(fd_.get(), timer, why) && run_first_code(why);
  set_memory(vm_fd_, kFirstEntrySlot, 0, kFirstPage, {});
  return entered;
}

bool KvmVcpu::run_first_code(std::string& why) {
  constexpr int kMostSignals = 1000;
  long result = -EINTR;
  if (!set_state(HartState::kRunnable)) result = -errno;
  for (int entry = 0; entry < kMostSignals && result == -EINTR; ++entry) {
    clear_interrupt();
    result = enter_guest(fd_.get());
  }
  const bool stored = result == 0 && exit_.run.exit_reason == KVM_EXIT_MMIO && exit_.run.mmio.phys_addr == 0;
  if (result == 0) complete_exit();
  request_interrupt();  // one of the signals may have been a kick from another thread
  if (!stored) why = std::format("its first entry: errno {}, exit reason {}", -result, exit_.run.exit_reason);
  return stored;
}

bool KvmVcpu::write_state(const VcpuState& state, std::string& why) {
  if (!write_registers(fd_.get(), state, why)) return false;
  if (!set_state(state.state)) {
    why = std::format("KVM_SET_MP_STATE: {}", std::strerror(errno));
    return false;
  }
  if (!aia_.device) set_external_interrupt(state.external_interrupt);
  return true;
}

}  // namespace rvvmm
