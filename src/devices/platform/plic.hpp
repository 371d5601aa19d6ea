// A PLIC in user space (sifive,plic-1.0.0) for hosts without an in-kernel interrupt controller.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/irq.hpp"
#include "base/mutex.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// All that software can see of a PLIC or has put into it, and the levels at its inputs, as plain data. Each array has
/// a bit or an element for each source.
struct PlicState {
  static constexpr uint32_t kMaxSources = 1023;
  using Bits = std::array<uint32_t, 32>;

  struct Context {
    Bits enabled{};
    uint32_t threshold = 0;
    friend bool operator==(const Context&, const Context&) = default;
  };

  std::array<uint8_t, kMaxSources + 1> priority{};
  Bits level{};
  // A source is pending, or claimed (it waits for its completion), or neither. If neither, its gateway is open.
  Bits pending{};
  Bits claimed{};
  std::vector<Context> contexts;  ///< by hart

  friend bool operator==(const PlicState&, const PlicState&) = default;
};

/// RISC-V PLIC 1.0.0 with level-triggered sources 1..sources and one context for each hart: its supervisor mode. Any
/// thread; guarded by mu_. Pins are driven with mu_ held.
class Plic final : public Device {
 public:
  static constexpr uint64_t kWindowSize = 0x400'0000;
  static constexpr uint32_t kMaxSources = PlicState::kMaxSources;
  static constexpr uint32_t kMaxContexts = 15872;
  static constexpr uint32_t kMaxPriority = 7;

  /// `pins` by hart; they must outlive the PLIC and must not call back. Throws SetupError (kInternal: the board's
  /// mistake) unless there are 1..kMaxSources sources and 1..kMaxContexts pins.
  Plic(uint32_t sources, std::span<HartIrqPin* const> pins);
  Plic(const Plic&) = delete;
  Plic& operator=(const Plic&) = delete;

  /// The input of one source, the same at each call. Throws SetupError (kInternal) unless it is 1..sources.
  IrqLine& line(Gsi source);
  /// Whether the input of some source is asserted now.
  bool asserted() const noexcept;

  std::string_view name() const noexcept override { return "plic"; }
  /// Aligned 32-bit words. Registers of sources that do not exist read zero and ignore writes;
  /// contexts that do not exist have no registers.
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
  /// Nothing: a controller's node needs phandles, see describe_controller().
  void describe(FdtBuilder& /*fdt*/, const FdtSlot& /*slot*/) const override {}
  /// `hart_intcs`: phandles of the harts' own interrupt controllers, one for each pin, in that order.
  void describe_controller(FdtBuilder& fdt, const FdtSlot& slot, std::span<const uint32_t> hart_intcs,
                           uint32_t own_phandle) const;

  PlicState state() const;
  /// For snapshots: takes the state over, masks away what no register can hold, and drives the pins accordingly. Call
  /// it before the devices at its inputs are restored: they may go on working at once, and raise their lines. Harts
  /// that `state` does not have are as after power-on.
  void restore(const PlicState& state) noexcept;

 private:
  using Bits = PlicState::Bits;
  static constexpr size_t kWords = std::tuple_size_v<Bits>;

  class Line final : public IrqLine {
   public:
    Line(Plic& plic, uint32_t source) noexcept : plic_(plic), source_(source) {}
    void set(bool asserted) noexcept override { plic_.set_level(source_, asserted); }

   private:
    Plic& plic_;
    uint32_t source_;
  };

  struct Context {
    HartIrqPin* pin;
    PlicState::Context registers{};
    bool asserted = false;
  };

  void set_level(uint32_t source, bool asserted) noexcept;
  void open_gateways() noexcept REQUIRES(mu_);

  bool has_register(uint64_t offset) const noexcept;
  uint32_t load(uint64_t offset) noexcept REQUIRES(mu_);
  void store(uint64_t offset, uint32_t value) noexcept REQUIRES(mu_);
  uint32_t claim(Context& context) noexcept REQUIRES(mu_);
  void complete(const Context& context, uint32_t source) noexcept REQUIRES(mu_);

  uint32_t best_source(const Context& context, uint32_t above) const noexcept REQUIRES(mu_);
  void update_pin(Context& context) noexcept REQUIRES(mu_);
  void update_pins() noexcept REQUIRES(mu_);

  const uint32_t sources_;
  std::vector<Line> lines_;  // [source - 1]; never grows, since devices hold references

  mutable Mutex mu_;
  std::vector<Context> contexts_ GUARDED_BY(mu_);
  const uint64_t context_count_;
  std::array<uint8_t, kMaxSources + 1> priority_ GUARDED_BY(mu_){};
  // See PlicState.
  Bits level_ GUARDED_BY(mu_){};
  Bits pending_ GUARDED_BY(mu_){};
  Bits claimed_ GUARDED_BY(mu_){};
};

}  // namespace rvvmm
