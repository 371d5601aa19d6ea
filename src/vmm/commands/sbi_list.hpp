// What a guest finds of SBI on this host, and who answers it: rvvmm --list sbi.
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
  std::string_view version;  ///< the first of the SBI specification that has it; empty: none has
  bool kernel_answers = false;
  bool rvvmm_answers = false;
  std::string_view
      by_default;  ///< what a guest gets without --sbi: "on", "off", or "absent", and then --sbi cannot help
  std::string_view what;
};

/// Asks the host, in a VM that is thrown away. Throws SetupError.
std::vector<SbiListRow> survey_sbi(Hypervisor& hypervisor);

/// A table with a line of headings.
std::string sbi_list_text(std::span<const SbiListRow> rows);

/// Before the machine is made. Throws SetupError (kHostUnsupported) where a guest would not find an extension that was
/// switched on; asks the host only if one was.
void check_sbi_choices(Hypervisor& hypervisor, const SbiChoices& choices);

}  // namespace rvvmm
