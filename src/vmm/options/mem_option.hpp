// The argument of --mem: how much RAM, and how the host backs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/guest_memory.hpp"

namespace rvvmm {

struct MemOption {
  uint64_t bytes = 0;
  RamOptions ram;

  friend bool operator==(const MemOption&, const MemOption&) = default;
};

/// "2G", "size=2G,hugepages=2M|1G|thp|off,shared,prefault,merge". Throws SetupError (kUsage) as the
/// functions of option_values.hpp do.
MemOption parse_mem(const std::string& where, std::string_view text);

}  // namespace rvvmm
