// Answers exits: the bus for MMIO, the dispatcher for SBI calls, a few CSRs by itself.
#pragma once

#include "base/log.hpp"
#include "base/vcpu_io.hpp"
#include "devices/mmio_bus.hpp"
#include "sbi/sbi_dispatcher.hpp"
#include "vmm/machine_listener.hpp"

namespace rvvmm {

class VmIo final : public VcpuIo {
 public:
  VmIo(MmioBus& bus, SbiDispatcher& sbi, MachineListener& listener) noexcept
      : bus_(bus), sbi_(sbi), listener_(listener) {}

  void mmio_read(HartId hart, Gpa at, std::span<std::byte> out) noexcept override;
  void mmio_write(HartId hart, Gpa at, std::span<const std::byte> in) noexcept override;
  SbiRet sbi_ecall(HartId hart, const SbiCall& call) noexcept override;
  std::optional<uint64_t> csr_access(HartId hart, const CsrAccess& access) noexcept override;
  void system_event(HartId hart, const SystemEvent& event) noexcept override;

 private:
  MmioBus& bus_;
  SbiDispatcher& sbi_;
  MachineListener& listener_;
  log::RateLimit unknown_csrs_;
};

}  // namespace rvvmm
