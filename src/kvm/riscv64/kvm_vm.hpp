// One VM on KVM.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"
#include "base/log.hpp"
#include "base/mapping.hpp"
#include "kvm/riscv64/aia.hpp"
#include "kvm/riscv64/msi_routes.hpp"
#include "kvm/riscv64/signed_load.hpp"
#include "kvm/riscv64/time_csr.hpp"

namespace rvvmm {

class KvmVm final : public VmBackend {
 public:
  /// `run_size`: bytes of a vCPU's shared mapping (KVM_GET_VCPU_MMAP_SIZE).
  KvmVm(Fd vm, size_t run_size, const SbiChoices& sbi)
      : fd_(std::move(vm)), run_size_(run_size), sbi_(sbi), msi_routes_(fd_.get()) {}

  void map_ram(Gpa base, std::span<std::byte> memory) override;
  bool map_rom(Gpa base, std::span<const std::byte> memory) noexcept override;
  std::unique_ptr<VcpuBackend> create_vcpu(HartId hart) override;
  std::optional<AiaProperties> set_up_aia(const AiaLayout& layout, uint32_t harts, bool emulated,
                                          std::string& why) override;
  CpuDescription describe_cpu(bool with_aia) override;
  std::optional<bool> sbi_extension_is_on(size_t row) noexcept override;
  void set_irq_line(Gsi gsi, bool asserted) noexcept override;
  uint64_t ticks() const noexcept override { return read_time(); }
  uint64_t timebase_hz() const noexcept override { return timebase_hz_; }
  std::optional<uint64_t> guest_time() noexcept override;
  bool set_guest_time(uint64_t ticks) noexcept override;
  std::optional<IrqchipState> save_irqchip(std::string& why) override;
  bool restore_irqchip(const IrqchipState& state, std::string& why) override;
  std::vector<Statistic> statistics() override;
  void signal_msi(const MsiMessage& message) noexcept override;
  bool connect_msi(int eventfd, const MsiMessage& message) noexcept override {
    check_identity(message);
    return msi_routes_.connect(eventfd, message);
  }
  void disconnect_msi(int eventfd) noexcept override { msi_routes_.disconnect(eventfd); }
  bool add_doorbell(const Doorbell& doorbell) noexcept override;
  void remove_doorbell(const Doorbell& doorbell) noexcept override;

 private:
  std::span<std::byte> next_flight_memory();
  void check_identity(const MsiMessage& message) noexcept;

  Fd fd_;
  size_t run_size_;
  SbiChoices sbi_;
  GuestCode guest_code_;  // shared by this VM's vCPUs, which the owner destroys first
  SignExtension sign_extension_;
  int first_vcpu_fd_ = -1;
  uint32_t harts_ = 0;
  uint64_t timebase_hz_ = 1;
  Aia aia_;
  log::RateLimit refused_doorbells_{"doorbells refused"};
  log::RateLimit doorbells_left_{"doorbells not taken away"};
  log::RateLimit refused_lines_{"KVM_IRQ_LINE"};
  log::RateLimit refused_roms_{"read-only memory"};
  log::RateLimit lost_messages_{"messages that KVM loses"};
  MsiRoutes msi_routes_;
  std::vector<Mapping> flight_memory_;  // for kRingsAtOnce harts each
  size_t rings_ = 0;
};

}  // namespace rvvmm
