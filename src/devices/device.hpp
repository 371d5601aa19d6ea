// What a device on the MMIO bus is.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/fdt_builder.hpp"

namespace rvvmm {

enum class IoStatus : uint8_t {
  kOk,
  kNoRegister,  ///< nothing at this offset
  kBadWidth,    ///< the register is not accessed like this
};

/// Any hart thread may call read() and write(), several at once: a device guards itself by one mutex.
/// Devices get offsets, never addresses; they say what is wrong and the bus decides what the guest sees.
class Device {
 public:
  virtual ~Device() = default;

  /// A short name for logs and statistics: "uart".
  virtual std::string_view name() const noexcept = 0;

  /// Fills `out` (1, 2, 4 or 8 bytes, little endian) from `offset`; the whole access lies in the window.
  /// When the answer is not kOk the content of `out` does not matter.
  virtual IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept = 0;
  virtual IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept = 0;

  /// Adds its own node to the tree.
  virtual void describe(FdtBuilder& fdt, const FdtSlot& slot) const = 0;
};

}  // namespace rvvmm
