// The MSI-X table of a PCI function and its pending bits: PCI Local Bus 3.0, 6.8.2 and 6.8.3.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/irq.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// The whole table as plain data.
struct MsixState {
  bool enabled = false;
  bool masked = false;            ///< the whole function
  std::vector<uint32_t> entries;  ///< four words a vector: address, its upper half, data, vector control
  std::vector<uint64_t> pending;  ///< one bit a vector

  friend bool operator==(const MsixState&, const MsixState&) = default;
};

/// One thread at a time: guarded by its function's mutex for interrupts.
class MsixTable {
 public:
  static constexpr uint64_t kEntrySize = 16;
  static constexpr uint16_t kMostVectors = 2048;

  /// 1 to kMostVectors; all masked, as after a reset. `sink` outlives it.
  MsixTable(uint16_t vectors, MsiSink& sink);

  uint16_t vectors() const noexcept { return static_cast<uint16_t>(entries_.size() / kEntryWords); }
  bool enabled() const noexcept { return enabled_; }

  /// MSI-X Enable and Function Mask of message control. Sends what is pending and no longer masked. When messages are
  /// switched off, drops what is pending.
  void set_control(bool enabled, bool masked) noexcept;
  /// Sends that vector's message, now or when it is unmasked. Nothing while messages are off, or for a vector that does
  /// not exist.
  void signal(uint16_t vector) noexcept;
  /// What signal() would send at once; nullopt if it would send nothing, or not yet.
  std::optional<MsiMessage> message(uint16_t vector) const noexcept;

  /// Aligned accesses of 4 and 8 bytes.
  IoStatus read_table(uint64_t offset, std::span<std::byte> out) const noexcept;
  IoStatus write_table(uint64_t offset, std::span<const std::byte> in) noexcept;
  /// The same; the guest cannot write these bits.
  IoStatus read_pending(uint64_t offset, std::span<std::byte> out) const noexcept;

  MsixState state() const;
  /// Takes over what a table of this size can hold. Sends nothing; set_control() does that.
  void restore(const MsixState& state) noexcept;

 private:
  static constexpr size_t kEntryWords = kEntrySize / sizeof(uint32_t);

  bool deliverable(uint16_t vector) const noexcept;
  MsiMessage entry(uint16_t vector) const noexcept;
  void send(uint16_t vector) noexcept;
  void send_if_pending(uint16_t vector) noexcept;
  void send_all_pending() noexcept;

  MsiSink& sink_;
  bool enabled_ = false;
  bool masked_ = false;
  std::vector<uint32_t> entries_;
  std::vector<uint64_t> pending_;
};

}  // namespace rvvmm
