// The test finisher (sifive,test1): a guest ends its machine by it, with a status that it chooses.
#pragma once

#include "base/finish.hpp"
#include "base/log.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// One write-only register at offset 0. Any hart thread; holds no state.
class TestFinisher final : public Device {
 public:
  static constexpr uint64_t kWindowSize = 0x1000;

  explicit TestFinisher(FinishListener& listener) noexcept : listener_(listener) {}

  std::string_view name() const noexcept override { return "finisher"; }
  /// Offset 0 reads zero, 2 or 4 bytes wide.
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
  /// Two or four bytes at offset 0. The lower half is the command: 0x5555 pass, 0x3333 fail, 0x7777 reset. The upper
  /// half is the code of a failure. Any other command is ignored and logged.
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override;
  /// For guests without SBI's SRST: the nodes by which they power off and reset. syscon-poweroff.yaml and
  /// syscon-reboot.yaml of the device tree bindings.
  void describe_beside_bus(FdtBuilder& fdt, const FdtSlot& slot) const override;

 private:
  FinishListener& listener_;
  log::RateLimit unknown_{"finisher"};
};

}  // namespace rvvmm
