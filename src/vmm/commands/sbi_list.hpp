// rvvmm --list sbi: which SBI extensions a guest finds on this host, and whether KVM or rvvmm answers them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

struct SbiListRow {
  std::string_view name;
  EidRange eids;
  std::string_view version;  ///< first SBI specification version that has it; empty: no version has it
  bool kernel_answers = false;
  bool rvvmm_answers = false;
  std::string_view
      by_default;  ///< what a guest gets without --sbi: "on", "off", or "absent", which --sbi cannot change
  std::string_view what;
};

/// Asks the host in a temporary VM. Throws SetupError.
std::vector<SbiListRow> survey_sbi(Hypervisor& hypervisor);

/// A table with a line of headings.
std::string sbi_list_text(std::span<const SbiListRow> rows);

/// Called before the machine is made. Throws SetupError (kHostUnsupported) if a guest would not find an extension that
/// `choices` switches on. Asks the host only if `choices` switches one on.
void check_sbi_choices(Hypervisor& hypervisor, const SbiChoices& choices);

}  // namespace rvvmm
