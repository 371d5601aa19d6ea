// The RAM that boot images are placed in, and the one way to say that it is too small.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/guest_memory.hpp"

namespace rvvmm {

struct BootRoom {
  const GuestMemory& memory;
  /// Bytes that have to find room besides the kernel (initrd, device tree): for the advice only.
  uint64_t also_needed = 0;

  /// "--mem 64M: <what> needs 38 MiB from 0x80200000, give at least --mem 44M", kBadInput. Where [from, from + size)
  /// is beyond any machine the line says that the file is damaged instead.
  SetupError too_small(std::string_view what, Gpa from, uint64_t size) const;
};

/// "38 MiB", "1 GiB", "4097 bytes": exact if it can be, rounded up to a unit otherwise.
std::string size_text(uint64_t bytes);

}  // namespace rvvmm
