// One vCPU on KVM.
#pragma once

#include <linux/kvm.h>

#include <span>
#include <vector>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"
#include "base/mapping.hpp"
#include "base/mutex.hpp"
#include "kvm/exit_table.hpp"
#include "kvm/flight_ring.hpp"
#include "kvm/guest_code.hpp"
#include "kvm/riscv64/aia.hpp"
#include "kvm/riscv64/signed_load.hpp"

namespace rvvmm {

class KvmVcpu final : public VcpuBackend {
 public:
  /// Parts of the VM. They must outlive the vCPU.
  struct OfVm {
    int vm_fd;
    size_t run_size;  ///< bytes of the shared mapping
    const GuestCode& code;
    SignExtension& sign_extension;
    const Aia& aia;
    std::span<std::byte> flight_memory;  ///< FlightRing::kBytes
  };

  /// Throws SetupError.
  KvmVcpu(Fd fd, HartId hart, const OfVm& vm);

  RunOutcome run(VcpuIo& io) noexcept override;
  void observe_exits(ExitObserver* observer) noexcept override { observer_ = observer; }
  void request_interrupt() noexcept override;
  void clear_interrupt() noexcept override;

  void set_entry(Gpa pc, uint64_t a0, uint64_t a1) override;
  HartState state() noexcept override;
  bool set_state(HartState state) noexcept override;
  bool take_suspend_reset() noexcept override;
  uint64_t pending_interrupts() noexcept override;
  std::optional<uint64_t> get(HartRegister reg) noexcept override;
  bool set(HartRegister reg, uint64_t value) noexcept override;
  bool get(VectorRegister reg, std::span<std::byte> bytes) noexcept override;
  bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept override;
  std::optional<VcpuState> save(std::string& why) override;
  bool restore(const VcpuState& state, std::string& why) override;
  std::string fault_report(const VcpuIo& io) override;
  std::vector<Statistic> statistics() override;
  std::vector<ExitRecord> last_exits() const override { return flight_.exits(); }

  void set_external_interrupt(bool asserted) noexcept override;

 private:
  struct Answer {
    RunOutcome outcome;
    uint64_t at;  ///< in ticks
  };

  RunOutcome answer_exits() noexcept;
  RunOutcome answer_observed_exits() noexcept;
  /// Answers the current exit and records it.
  Answer answer() noexcept;
  RunOutcome answer_observed(uint64_t entered, uint64_t left) noexcept;
  RunOutcome observe_failed_run(uint64_t entered, uint64_t left, int errno_value) noexcept;
  void observe(const ExitRecord& exit) noexcept;
  void trace_exit() const noexcept;
  RunOutcome answer_rare_exit() noexcept;
  RunOutcome run_failed(int errno_value) noexcept;
  void do_afterwork(Afterwork afterwork) noexcept;
  void mend_signed_load() noexcept;
  void raise_illegal_instruction() noexcept;
  /// Lets KVM finish the current MMIO, SBI or CSR exit (destination register, pc) without entering the guest.
  void complete_exit() noexcept;
  bool enter_until_reset() noexcept;
  bool can_take(const VcpuState& state, std::string& why);
  bool enter_if_needed(const VcpuState& state, std::string& why);
  /// Enters the guest for code of rvvmm that exits: KVM then has given the hart a guest interrupt file, if one is free,
  /// and has set its timer, if there is one to set. The registers are undefined afterwards.
  bool enter_first(std::optional<uint64_t> timer, std::string& why);
  bool run_first_code(std::string& why);
  bool write_state(const VcpuState& state, std::string& why);
  void drive_pin() noexcept REQUIRES(pin_mu_);
  std::string describe_fault() const;

  Fd fd_;
  Mapping run_mapping_;
  ExitContext exit_;
  const GuestCode& code_;
  SignExtension& sign_extension_;
  const Aia& aia_;
  int vm_fd_;
  FlightRing flight_;
  ExitObserver* observer_ = nullptr;
  bool logged_ = false;  ///< whether each exit is logged: the log level when run() began
  Mutex pin_mu_;         ///< KVM and pin_asserted_ change together
  bool pin_asserted_ GUARDED_BY(pin_mu_) = false;
  uint64_t watched_for_ = 0;   // ticks that the observer took between an exit and its answer
  bool exit_in_hand_ = false;  ///< the guest was entered outside run(), and its exit is not answered yet
  int run_errno_ = 0;          ///< of the last KVM_RUN, if it faulted; 0: none faulted
};

}  // namespace rvvmm
