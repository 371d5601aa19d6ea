// One vCPU on KVM.
#pragma once

#include <linux/kvm.h>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"
#include "base/mapping.hpp"
#include "kvm/exit_table.hpp"
#include "kvm/guest_code.hpp"
#include "kvm/riscv64/signed_load.hpp"

namespace rvvmm {

class KvmVcpu final : public VcpuBackend {
 public:
  /// `code` and `sign_extension` belong to the VM and outlive the vCPU. Throws SetupError.
  KvmVcpu(Fd fd, HartId hart, size_t run_size, const GuestCode& code, SignExtension& sign_extension);

  RunOutcome run(VcpuIo& io) noexcept override;
  void request_interrupt() noexcept override;
  void clear_interrupt() noexcept override;

  void set_entry(Gpa pc, uint64_t a0, uint64_t a1) override;
  HartState state() noexcept override;
  bool set_state(HartState state) noexcept override;
  std::optional<uint64_t> get(HartRegister reg) noexcept override;
  bool set(HartRegister reg, uint64_t value) noexcept override;
  std::string fault_report() override;

  void set_external_interrupt(bool asserted) noexcept override;

 private:
  template <bool kTraced>
  RunOutcome answer_exits() noexcept;
  void trace_exit() const noexcept;
  RunOutcome run_failed(int errno_value) noexcept;
  void do_afterwork(Afterwork afterwork) noexcept;
  void mend_signed_load() noexcept;
  void raise_illegal_instruction() noexcept;
  /// Lets KVM finish the MMIO, SBI or CSR exit in hand (destination register, pc) without entering the guest.
  void complete_exit() noexcept;
  std::string describe_fault() const;

  Fd fd_;
  Mapping run_mapping_;
  ExitContext exit_;
  const GuestCode& code_;
  SignExtension& sign_extension_;
  int run_errno_ = 0;  ///< of the KVM_RUN that faulted, after which there is no other; 0: none did
};

}  // namespace rvvmm
