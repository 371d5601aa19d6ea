#include "vmm/options/config_rules.hpp"

#include <string_view>

#include "base/error.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {

void check_rules(const Config& config) {
  struct Rule {
    bool broken;
    std::string_view advice;
  };
  const Rule rules[] = {
      {config.trace_file && !config.trace, "--trace-file: there is nothing to write; give --trace too"},
      {config.on_break && !config.breaks, "--on-break: there is nothing to stop at; give --break too"},
      {config.symbols && !config.profile, "--symbols: there is nothing to name; give --profile too"},
      {config.on_panic == OnPanic::kReset && config.no_reboot,
       "--on-panic: reset is forbidden by --no-reboot; give one of the two"},
      {config.kernel.empty(), "--kernel: missing; give a RISC-V kernel image, for example --kernel Image"},
  };
  for (const Rule& rule : rules)
    if (rule.broken) throw usage(std::string{rule.advice});
}

}  // namespace rvvmm
