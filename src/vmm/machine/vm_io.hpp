// Answers exits: passes MMIO to the bus and SBI calls to the dispatcher, and answers a few CSRs itself.
#pragma once

#include <string>

#include "base/log.hpp"
#include "base/vcpu_io.hpp"
#include "devices/mmio_bus.hpp"
#include "sbi/sbi_dispatcher.hpp"
#include "vmm/harts/machine_listener.hpp"

namespace rvvmm {

/// Names for the guest's physical address space.
class AddressMap {
 public:
  virtual ~AddressMap() = default;
  /// Like VcpuIo::what_is_at().
  virtual std::string what_is_at(Gpa at, bool is_write) const = 0;
};

class VmIo final : public VcpuIo {
 public:
  /// `map` names what is at an address; it covers the bus too.
  VmIo(MmioBus& bus, const AddressMap& map, SbiDispatcher& sbi, MachineListener& listener) noexcept
      : bus_(bus), map_(map), sbi_(sbi), listener_(listener) {}

  void mmio_read(HartId hart, Gpa at, std::span<std::byte> out) noexcept override;
  void mmio_write(HartId hart, Gpa at, std::span<const std::byte> in) noexcept override;
  SbiRet sbi_ecall(HartId hart, const SbiCall& call) noexcept override;
  std::optional<uint64_t> csr_access(HartId hart, const CsrAccess& access) noexcept override;
  void system_event(HartId hart, const SystemEvent& event) noexcept override;
  std::string what_is_at(Gpa at, bool is_write) const override { return map_.what_is_at(at, is_write); }

 private:
  MmioBus& bus_;
  const AddressMap& map_;
  SbiDispatcher& sbi_;
  MachineListener& listener_;
  log::RateLimit unknown_csrs_{"unknown CSRs"};
};

}  // namespace rvvmm
