// The machine around a hart, for tests of the hart alone: it answers nothing.
#pragma once

#include <string>

#include "base/vcpu_io.hpp"

namespace rvvmm {

class IdleIo : public VcpuIo {
 public:
  void mmio_read(HartId, Gpa, std::span<std::byte>) noexcept override {}
  void mmio_write(HartId, Gpa, std::span<const std::byte>) noexcept override {}
  SbiRet sbi_ecall(HartId, const SbiCall&) noexcept override { return SbiRet::fail(SbiError::kNotSupported); }
  std::optional<uint64_t> csr_access(HartId, const CsrAccess&) noexcept override { return std::nullopt; }
  void system_event(HartId, const SystemEvent&) noexcept override {}
  std::string what_is_at(Gpa, bool) const override { return ""; }
};

}  // namespace rvvmm
