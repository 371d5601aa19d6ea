#include "kvm/exit_trace.hpp"

#include <format>

#include "base/exit_text.hpp"
#include "kvm/exit_record.hpp"
#include "kvm/exit_table.hpp"

namespace rvvmm {

std::string describe_exit(const kvm_run& run) {
  ExitRecord exit;
  fill_exit_record(run, exit);
  const std::string_view kind = exit_handler(run.exit_reason).name;
  switch (exit.kind) {
    case ExitKind::kMmio: return exit_text(exit, exit.mmio.is_write ? "mmio write" : "mmio read");
    case ExitKind::kSbi: return std::format("{} {}", kind, exit_text(exit, sbi_name(exit.sbi.eid, exit.sbi.fid)));
    case ExitKind::kCsr: return std::format("{} {}", kind, exit_text(exit, csr_name(exit.csr.number)));
    case ExitKind::kSystemEvent:
      return std::format("{} {}", kind, exit_text(exit, system_event_name(exit.system.type)));
    default: return std::string{kind};
  }
}

}  // namespace rvvmm
