// The interface of a device on the MMIO bus.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fdt_builder.hpp"

namespace rvvmm {

enum class IoStatus : uint8_t {
  kOk,
  kNoRegister,  ///< nothing at this offset
  kBadWidth,    ///< the register does not allow this width
};

/// What an access hits, for reports on exits.
struct DevicePlace {
  std::string device;
  uint64_t offset = 0;
  std::string_view reg = {};  ///< the register's name in its specification, in lower case; empty: it has none
};

/// Any hart thread may call read() and write(), several at once: a device guards itself by one mutex. Devices get
/// offsets, never addresses. They report what is wrong, and the bus decides what the guest sees.
class Device {
 public:
  virtual ~Device() = default;

  /// A short name for logs and statistics: "uart".
  virtual std::string_view name() const noexcept = 0;
  /// What is at `offset`: the device itself, or one behind it. Any thread, any time.
  virtual DevicePlace place_of(uint64_t offset, bool is_write) const {
    return {.device = std::string{name()}, .offset = offset, .reg = register_name(offset, is_write)};
  }
  /// Adds all device names that place_of() can return.
  virtual void add_names(std::vector<std::string>& names) const { names.emplace_back(name()); }
  /// The name of the register at `offset` when it is read or written; empty: it has none.
  virtual std::string_view register_name(uint64_t /*offset*/, bool /*is_write*/) const noexcept { return {}; }

  /// Fills `out` (1, 2, 4 or 8 bytes, little endian) from `offset`; the whole access is in the window.
  /// When the result is not kOk, the content of `out` does not matter.
  virtual IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept = 0;
  virtual IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept = 0;

  /// Adds the device's node to the tree.
  virtual void describe(FdtBuilder& fdt, const FdtSlot& slot) const = 0;
  /// Adds nodes that have no address, and so are not on the bus. They refer to the device's node by the slot's phandle.
  virtual void describe_beside_bus(FdtBuilder& /*fdt*/, const FdtSlot& /*slot*/) const {}
};

}  // namespace rvvmm
