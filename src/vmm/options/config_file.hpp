// The configuration file: lines "key = value" with the options' names as keys.
#pragma once

#include <string>
#include <vector>

#include "base/types.hpp"
#include "vmm/options/option_table.hpp"

namespace rvvmm {

/// One option as the user wrote it; its value is not parsed yet.
struct Setting {
  const OptionSpec* spec;
  std::string value;
  std::string where;  ///< how messages name it: "--smp", or "smp.conf:3: smp"
};

inline constexpr uint64_t kMaxConfigFile = 64_KiB;
inline constexpr size_t kMaxConfigLine = 4_KiB;

/// Returns the file's settings in the order of the file. A key may occur once, unless its option is repeatable. A line
/// whose first printable character is '#' is a comment. Spaces around key and value are ignored. A switch takes true or
/// false. Throws SetupError (kUsage) that names the file, and the line if the error is in one.
std::vector<Setting> read_config_file(const std::string& path);

}  // namespace rvvmm
