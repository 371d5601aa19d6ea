// How much memory the cgroups of this process allow it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rvvmm {

struct MemoryLimit {
  uint64_t bytes = 0;  ///< memory and swap together
  std::string file;    ///< the file that sets the limit

  friend bool operator==(const MemoryLimit&, const MemoryLimit&) = default;
};

/// The tightest limit of this process's cgroup v2 and its ancestors (Linux, Documentation/admin-guide/cgroup-v2.rst,
/// memory.max and memory.swap.max). nullopt if none of them has a limit or cgroups cannot be read. `host_swap`: bytes
/// of swap that the host has. Tests pass other paths.
std::optional<MemoryLimit> memory_limit(uint64_t host_swap, const std::string& own_cgroup = "/proc/self/cgroup",
                                        const std::string& root = "/sys/fs/cgroup");

}  // namespace rvvmm
