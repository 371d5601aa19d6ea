// The configuration file: lines "key = value" with the options' names as keys.
#pragma once

#include <string>
#include <vector>

#include "base/types.hpp"
#include "vmm/options/option_table.hpp"

namespace rvvmm {

/// One option as it was given, not yet looked into.
struct Setting {
  const OptionSpec* spec;
  std::string value;
  std::string where;  ///< how messages name it: "--smp", or "smp.conf:3: smp"
};

inline constexpr uint64_t kMaxConfigFile = 64_KiB;
inline constexpr size_t kMaxConfigLine = 4_KiB;

/// The file's settings, in its order, each key at most once unless it is repeatable. A line whose first printable
/// character is '#' is a comment; spaces around key and value do not count; a switch takes true or false. Throws
/// SetupError (kUsage) that names the file, and the line where there is one.
std::vector<Setting> read_config_file(const std::string& path);

}  // namespace rvvmm
