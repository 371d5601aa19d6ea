#include "kvm/riscv64/kvm_vm.hpp"

#include <linux/kvm.h>
#include <sys/mman.h>

#include <format>

#include "base/log.hpp"
#include "kvm/binary_statistics.hpp"
#include "kvm/host_errors.hpp"
#include "kvm/riscv64/isa.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"
#include "kvm/riscv64/kvm_vcpu.hpp"
#include "kvm/riscv64/memory_slots.hpp"
#include "kvm/riscv64/one_reg.hpp"
#include "kvm/riscv64/sbi_switching.hpp"

namespace rvvmm {

namespace {

// KVM_CAP_IOEVENTFD: api.rst, 4.59.
int set_ioeventfd(int vm_fd, const Doorbell& doorbell, uint32_t flags) noexcept {
  if (doorbell.match) flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  const kvm_ioeventfd ioeventfd{.datamatch = doorbell.match.value_or(0),
                                .addr = doorbell.at.value,
                                .len = doorbell.width,
                                .fd = doorbell.eventfd,
                                .flags = flags,
                                .pad = {}};
  return kvm_ioctl(vm_fd, KVM_IOEVENTFD, &ioeventfd);
}

}  // namespace

void KvmVm::map_ram(Gpa base, std::span<std::byte> memory) {
  if (set_memory(fd_.get(), kRamSlot, 0, base, memory) < 0) {
    const int error = errno;
    if (error == EFAULT || error == EINVAL) {
      const int bits = kvm_ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_VM_GPA_BITS);
      throw ram_is_refused({.base = base, .size = memory.size()}, bits);
    }
    throw SetupError::from_errno(ExitStatus::kInternal, "KVM_SET_USER_MEMORY_REGION", error);
  }
  guest_code_ = GuestCode{base, memory};
}

bool KvmVm::map_rom(Gpa base, std::span<const std::byte> memory) noexcept {
  if (set_memory(fd_.get(), kRomSlot, KVM_MEM_READONLY, base, memory) == 0) return true;
  const int error = errno;
  if (!refused_roms_.allow()) return false;
  log::line(log::Module::kKvm, log::Level::kError, "KVM_SET_USER_MEMORY_REGION at {:#x}, read-only: errno {}",
            base.value, error);
  return false;
}

std::unique_ptr<VcpuBackend> KvmVm::create_vcpu(HartId hart) {
  Fd fd{kvm_ioctl_or_throw(fd_.get(), KVM_CREATE_VCPU, static_cast<unsigned long>(hart.value),
                           std::format("KVM_CREATE_VCPU of hart {}", hart.value))};
  if (first_vcpu_fd_ < 0) {
    first_vcpu_fd_ = fd.get();
    // Read it now, because later a hart would have to leave the guest for this call.
    timebase_hz_ = one_reg::get(fd.get(), one_reg::kTimerFrequency).value_or(timebase_hz_);
  }
  switch_sbi_extensions(fd.get(), sbi_);
  ++harts_;
  return std::make_unique<KvmVcpu>(std::move(fd), hart,
                                   KvmVcpu::OfVm{.vm_fd = fd_.get(),
                                                 .run_size = run_size_,
                                                 .code = guest_code_,
                                                 .sign_extension = sign_extension_,
                                                 .aia = aia_,
                                                 .flight_memory = next_flight_memory()});
}

// One mapping serves many harts. A mapping for each hart would take a tenth of a hart's start-up time.
std::span<std::byte> KvmVm::next_flight_memory() {
  constexpr size_t kRingsAtOnce = 16;
  const size_t place = rings_++ % kRingsAtOnce;
  if (place == 0) {
    const Mapping& memory = flight_memory_.emplace_back(
        Mapping::anonymous(kRingsAtOnce * FlightRing::kBytes, 4_KiB, "memory for the last exits"));
    // With a huge page, the first exit of a hart would allocate and clear 2 MiB, of which little is ever used.
    ::madvise(memory.bytes().data(), memory.bytes().size(), MADV_NOHUGEPAGE);
  }
  return flight_memory_.back().bytes().subspan(place * FlightRing::kBytes, FlightRing::kBytes);
}

std::optional<AiaProperties> KvmVm::set_up_aia(const AiaLayout& layout, uint32_t harts, bool emulated,
                                               std::string& why) {
  auto aia = make_aia(fd_.get(), layout, harts, emulated, why);
  if (!aia) return std::nullopt;
  aia_ = std::move(*aia);
  return aia_.properties;
}

CpuDescription KvmVm::describe_cpu(bool with_aia) {
  return rvvmm::describe_cpu(first_vcpu_fd_, with_aia);
}

std::optional<bool> KvmVm::sbi_extension_is_on(size_t row) noexcept {
  return rvvmm::sbi_extension_is_on(first_vcpu_fd_, row);
}

void KvmVm::set_irq_line(Gsi gsi, bool asserted) noexcept {
  const kvm_irq_level level{.irq = gsi.value, .level = asserted ? 1U : 0U};
  if (kvm_ioctl(fd_.get(), KVM_IRQ_LINE, &level) >= 0) return;
  if (const int error = errno; refused_lines_.allow()) {
    log::line(log::Module::kKvm, log::Level::kError, "KVM_IRQ_LINE {}: errno {} ({} times so far)", gsi.value, error,
              refused_lines_.count());
  }
}

// KVM's interrupt files in software lack some identities (docs/kvm-quirks.md, "Interrupt identities"). The board does
// not need those if the guest assigns identities upwards from 1. A guest that assigns them in another way loses
// interrupts, so this warns.
void KvmVm::check_identity(const MsiMessage& message) noexcept {
  constexpr uint32_t kUpperHalf = 32;  // of each 64
  if ((message.data & kUpperHalf) == 0 || message.data > aia_.properties.ids || !lost_messages_.allow()) return;
  const bool in_software = aia_.properties.kind == IrqchipKind::kAiaEmulated;
  log::line(
      log::Module::kKvm, in_software ? log::Level::kWarn : log::Level::kInfo,
      "the guest uses interrupt identity {} for a device's message, which KVM's interrupt files in software do not "
      "have: the interrupt is lost{} ({} times so far)",
      message.data, in_software ? "" : " if no guest interrupt file is free", lost_messages_.count());
}

void KvmVm::signal_msi(const MsiMessage& message) noexcept {
  check_identity(message);
  const kvm_msi msi{.address_lo = static_cast<uint32_t>(message.address),
                    .address_hi = static_cast<uint32_t>(message.address >> 32),
                    .data = message.data,
                    .flags = 0,
                    .devid = 0,
                    .pad = {}};
  // The guest chose address and data. If the identity does not exist, the message is lost, which is the guest's error.
  kvm_ioctl(fd_.get(), KVM_SIGNAL_MSI, &msi);
}

bool KvmVm::add_doorbell(const Doorbell& doorbell) noexcept {
  if (set_ioeventfd(fd_.get(), doorbell, 0) == 0) return true;
  if (const int error = errno; refused_doorbells_.allow()) {
    log::line(log::Module::kKvm, log::Level::kInfo,
              "KVM_IOEVENTFD at {:#x}: errno {}; stores there will cause exits ({} times so far)", doorbell.at.value,
              error, refused_doorbells_.count());
  }
  return false;
}

void KvmVm::remove_doorbell(const Doorbell& doorbell) noexcept {
  if (set_ioeventfd(fd_.get(), doorbell, KVM_IOEVENTFD_FLAG_DEASSIGN) == 0) return;
  if (const int error = errno; doorbells_left_.allow()) {
    log::line(log::Module::kKvm, log::Level::kError, "KVM_IOEVENTFD at {:#x}, to remove it: errno {}",
              doorbell.at.value, error);
  }
}

std::vector<Statistic> KvmVm::statistics() {
  const Fd stats{kvm_ioctl(fd_.get(), KVM_GET_STATS_FD, 0)};
  return stats ? read_statistics(stats.get()) : std::vector<Statistic>{};
}

}  // namespace rvvmm
