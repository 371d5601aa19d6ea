// What the memory cgroups that this process is in let it have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rvvmm {

struct MemoryLimit {
  uint64_t bytes = 0;  ///< of memory and swap together
  std::string file;    ///< that says so

  friend bool operator==(const MemoryLimit&, const MemoryLimit&) = default;
};

/// The tightest of cgroup v2 (Linux, Documentation/admin-guide/cgroup-v2.rst, memory.max and memory.swap.max), of this
/// process's cgroup and those around it; nullopt where none has a limit, or cgroups cannot be read. `host_swap`: bytes
/// of swap that the host has. The paths are arguments for tests.
std::optional<MemoryLimit> memory_limit(uint64_t host_swap, const std::string& own_cgroup = "/proc/self/cgroup",
                                        const std::string& root = "/sys/fs/cgroup");

}  // namespace rvvmm
