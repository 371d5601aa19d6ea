// A PCI function with a type 0 header: configuration space, BARs, MSI-X and INTx. PCI Local Bus 3.0, ch. 6.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/irq.hpp"
#include "base/mutex.hpp"
#include "base/range.hpp"
#include "devices/device.hpp"
#include "devices/pci/msix_table.hpp"

namespace rvvmm {

/// The registers that identify a function: 6.2.1.
struct PciIdentity {
  uint16_t vendor = 0;
  uint16_t device = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;  ///< 24 bits: base class, sub-class, interface
  uint16_t subsystem_vendor = 0;
  uint16_t subsystem = 0;
  bool has_pin = true;  ///< it can ask for interrupts by its pin A
};

/// The address ranges of the host bridge; a BAR is reached in one of them or not at all.
struct PciWindows {
  GpaRange low;   ///< below 4 GiB
  GpaRange high;  ///< for 64-bit BARs, which can be in either window

  constexpr bool contain(const GpaRange& range) const noexcept {
    return low.contains(range.base, range.size) || high.contains(range.base, range.size);
  }
};

/// How a function is connected.
struct PciConnections {
  PciWindows windows;
  IrqLine& intx;           ///< its pin A
  MsiSink* msi = nullptr;  ///< null: messages are not possible, and the function has no MSI-X
};

/// The state of a function without that of its derived class, as plain data.
struct PciFunctionState {
  std::array<std::byte, 256> config{};
  bool intx = false;  ///< it wants an interrupt, whether or not its pin may show that
  MsixState msix;

  friend bool operator==(const PciFunctionState&, const PciFunctionState&) = default;
};

/// Any hart thread. mu_ guards what the guest configures. irq_mu_ guards what decides about interrupts, so that they
/// never wait for a hart that is stopping the device. irq_mu_ may be taken with mu_ held.
class PciFunction {
 public:
  static constexpr uint8_t kBars = 6;
  static constexpr uint64_t kConfigSize = 256;  // in a space of 4 KiB: there are no extended capabilities
  /// The place of a BAR that is not decoded anywhere.
  static constexpr uint64_t kNowhere = UINT64_MAX;

  virtual ~PciFunction() = default;
  PciFunction(const PciFunction&) = delete;
  PciFunction& operator=(const PciFunction&) = delete;

  /// For logs.
  virtual std::string_view name() const noexcept = 0;

  /// An aligned access of 1, 2 or 4 bytes to the 4 KiB of configuration space.
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept;
  void write_config(uint64_t offset, std::span<const std::byte> in) noexcept;

  /// An access inside a BAR.
  IoStatus read_bar(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept;
  IoStatus write_bar(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept;

  /// Zero: the BAR does not exist. Otherwise a power of two. The same for the function's whole life.
  uint64_t bar_size(uint8_t bar) const noexcept { return bars_[bar].size; }
  /// Where it is decoded now, completely inside one of the windows; otherwise kNowhere. The guest can change it.
  const std::atomic<uint64_t>& bar_place(uint8_t bar) const noexcept { return places_[bar]; }

 protected:
  PciFunction(const PciIdentity& identity, const PciConnections& connections);

  // While the function is made: no other thread has it yet, so no mutex is needed.

  /// A memory BAR of `size` bytes, a power of two from 16; a 64-bit BAR takes the next number too.
  void add_bar(uint8_t bar, uint64_t size, bool wide) REQUIRES(mu_);
  /// Adds a capability with that id; `body` follows its id and next pointer. The guest can write the bits that are set
  /// in `writable`, which is as long as `body`. Returns its offset in configuration space.
  uint8_t add_capability(uint8_t id, std::span<const std::byte> body, std::span<const std::byte> writable)
      REQUIRES(mu_);
  /// MSI-X, with table and pending bits at these offsets of a BAR. Nothing if messages are not possible.
  void add_msix(uint16_t vectors, uint8_t bar, uint64_t table_offset, uint64_t pending_offset) REQUIRES(mu_, irq_mu_);

  // What the derived class implements.

  virtual IoStatus load(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept REQUIRES(mu_) = 0;
  virtual IoStatus store(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept REQUIRES(mu_) = 0;
  /// The BAR is decoded somewhere else now, or nowhere.
  virtual void bar_moved(uint8_t /*bar*/, std::optional<Gpa> /*place*/) noexcept REQUIRES(mu_) {}
  /// Before configuration space is read and after it was written, for registers with side effects.
  virtual void before_config_read(uint64_t /*offset*/, size_t /*width*/) noexcept REQUIRES(mu_) {}
  virtual void after_config_write(uint64_t /*offset*/, size_t /*width*/) noexcept REQUIRES(mu_) {}
  /// The messages of vectors may have changed, or which of them are sent.
  virtual void msix_changed() noexcept REQUIRES(irq_mu_) {}

  // What the derived class may use.

  std::span<std::byte, kConfigSize> config() noexcept REQUIRES(mu_) { return config_; }
  /// Whether the guest allows the function to read and write memory.
  bool is_bus_master() const noexcept REQUIRES(mu_);
  /// The same as read_bar() and write_bar(), with mu_ held.
  IoStatus read_bar_locked(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept REQUIRES(mu_);
  IoStatus write_bar_locked(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept REQUIRES(mu_);

  bool msix_enabled() const noexcept REQUIRES(irq_mu_) { return msix_ && msix_->enabled(); }
  /// How many vectors there are; 0 without MSI-X.
  uint16_t msix_vectors() const noexcept REQUIRES(irq_mu_) { return msix_ ? msix_->vectors() : 0; }
  void signal_msix(uint16_t vector) noexcept REQUIRES(irq_mu_) { msix_->signal(vector); }
  /// What signal_msix() would send now; nullopt if it would send nothing, or not yet.
  std::optional<MsiMessage> msix_message(uint16_t vector) const noexcept REQUIRES(irq_mu_) {
    return msix_ ? msix_->message(vector) : std::nullopt;
  }
  /// nullptr without MSI-X.
  MsiSink* msi_sink() const noexcept { return msi_; }
  /// Whether the function wants an interrupt by its pin, which stays low while MSI-X is on.
  void set_intx(bool wanted) noexcept REQUIRES(irq_mu_);

  PciFunctionState function_state() REQUIRES(mu_);
  /// Takes over what the guest could have written.
  void restore_function(const PciFunctionState& state) noexcept REQUIRES(mu_);

  Mutex mu_;
  Mutex irq_mu_;

 private:
  struct Bar {
    uint64_t size = 0;
    bool wide = false;
  };
  struct MsixPlace {
    uint8_t capability = 0;  // where it is in configuration space; 0: there is none
    uint8_t bar = 0;
    GpaRange table;  // offsets in the BAR
    GpaRange pending;
  };

  uint16_t config16(uint64_t offset) const noexcept REQUIRES(mu_);
  uint32_t config32(uint64_t offset) const noexcept REQUIRES(mu_);
  void apply_config() noexcept REQUIRES(mu_);
  void place_bars(uint16_t command) noexcept REQUIRES(mu_);
  std::optional<Gpa> decoded_place(uint8_t bar) const noexcept REQUIRES(mu_);
  void drive_pin() noexcept REQUIRES(irq_mu_);
  bool is_msix(uint8_t bar, uint64_t offset) const noexcept;
  IoStatus read_msix(uint64_t offset, std::span<std::byte> out) noexcept;
  IoStatus write_msix(uint64_t offset, std::span<const std::byte> in) noexcept;

  const PciWindows windows_;
  IrqLine& pin_;
  MsiSink* const msi_;
  std::array<Bar, kBars> bars_{};
  std::array<std::atomic<uint64_t>, kBars> places_;
  MsixPlace msix_place_;
  uint8_t last_capability_ = 0;  // where the pointer to the next capability is written
  uint8_t free_config_ = 0;      // where the next capability goes

  std::array<std::byte, kConfigSize> config_ GUARDED_BY(mu_){};
  std::array<std::byte, kConfigSize> writable_ GUARDED_BY(mu_){};

  std::optional<MsixTable> msix_ GUARDED_BY(irq_mu_);
  bool intx_wanted_ GUARDED_BY(irq_mu_) = false;
  bool intx_disabled_ GUARDED_BY(irq_mu_) = false;
  bool pin_high_ GUARDED_BY(irq_mu_) = false;
};

}  // namespace rvvmm
