// Legacy console calls (EID 0x01 and 0x02), which hosts with CONFIG_RISCV_SBI_V01 forward. SBI 3.0, 5.2 and 5.3.
#pragma once

#include "base/console.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart. Legacy calls have one result, in a0.
class LegacyConsole final : public SbiExtension {
 public:
  LegacyConsole(ConsoleSink& out, ConsoleSource& in) noexcept : out_(out), in_(in) {}

  std::string_view name() const noexcept override { return "legacy console"; }  // a part of kSbiLegacy
  EidRange eids() const noexcept override { return {.first = 0x01, .last = 0x02}; }
  /// putchar returns 0. getchar returns the byte, or -1 if no input waits.
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  ConsoleSink& out_;
  ConsoleSource& in_;
};

}  // namespace rvvmm
