// A 16550A UART (ns16550a) with its FIFOs, between the guest's serial driver and the console.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/console.hpp"
#include "base/irq.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// All that software can see of a UART or has put into it, as plain data.
struct Uart16550State {
  static constexpr size_t kFifoSize = 16;

  uint8_t ier = 0;  ///< bits 3:0
  uint8_t fcr = 0;  ///< bits 0 (FIFOs on) and 7:6 (trigger level)
  uint8_t lcr = 0;
  uint8_t mcr = 0;  ///< bits 4:0
  uint8_t scr = 0;
  uint8_t dll = 2;  ///< divisor: 115200 baud, until the guest says otherwise
  uint8_t dlm = 0;
  uint8_t line_errors = 0;                  ///< LSR bits 4:1 not yet read
  uint8_t modem_changes = 0;                ///< MSR bits 3:0 not yet read
  bool transmitter_event = false;           ///< the transmitter became empty, and no read of IIR has reported it
  uint8_t received = 0;                     ///< elements in use in the arrays below
  std::array<uint8_t, kFifoSize> bytes{};   ///< [0] is the next that RBR returns
  std::array<uint8_t, kFifoSize> errors{};  ///< LSR bits 4:2 that become visible when the byte is next

  friend bool operator==(const Uart16550State&, const Uart16550State&) = default;
};

/// Whether console input waits, and whether the guest takes it.
enum class InputLeft : uint8_t { kNone, kMoves, kStandsStill };

/// National Semiconductor PC16550D, as software sees it. Differences: a byte takes no time, so the transmitter is
/// always empty, and data below the trigger level raises the character timeout at once. Console input never overruns,
/// and it survives when the FIFOs are switched on or off. Any hart thread, and the event loop for on_console_input();
/// guarded by mu_.
class Uart16550 final : public Device, public ConsoleListener {
 public:
  static constexpr uint64_t kWindowSize = 0x100;
  static constexpr uint32_t kClockHz = 3686400;
  /// A guest that reads LSR so often, beyond one read for each byte sent, receives by polling. A driver that only
  /// starts reads it less often.
  static constexpr uint32_t kPollingReads = 8;

  /// `in` tells this device of input through on_console_input().
  Uart16550(ConsoleSink& out, ConsoleSource& in, IrqLine& irq) noexcept : out_(out), in_(in), irq_(irq) {}

  std::string_view name() const noexcept override { return "uart"; }
  /// The names with DLAB off.
  std::string_view register_name(uint64_t offset, bool is_write) const noexcept override;
  /// One byte at offsets 0 to 7; anything else is refused.
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
  /// Blocks while the console blocks; other harts may use the device meanwhile.
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override;

  void on_console_input() noexcept override;

  /// Does nothing if input was taken since the last call, or if no input waits. Otherwise asserts the interrupt again
  /// if it is asserted for input. For InputWatch.
  InputLeft look_after_input() noexcept;

  Uart16550State state() const noexcept;
  /// For snapshots: takes the state over, masks away what no register can hold, and drives the interrupt line
  /// accordingly.
  void restore(const Uart16550State& state) noexcept;

 private:
  uint8_t load(uint64_t offset) noexcept REQUIRES(mu_);
  void store(uint64_t offset, uint8_t value) noexcept REQUIRES(mu_);

  uint8_t receive_buffer() noexcept REQUIRES(mu_);
  uint8_t interrupt_identification() noexcept REQUIRES(mu_);
  uint8_t line_status() noexcept REQUIRES(mu_);
  uint8_t modem_status() noexcept REQUIRES(mu_);
  bool line_read_receives() noexcept REQUIRES(mu_);
  void note_no_polling() noexcept REQUIRES(mu_);

  void set_interrupt_enable(uint8_t value) noexcept REQUIRES(mu_);
  void set_fifo_control(uint8_t value) noexcept REQUIRES(mu_);
  void set_line_control(uint8_t value) noexcept REQUIRES(mu_);
  void set_modem_control(uint8_t value) noexcept REQUIRES(mu_);
  void transmit_looped(uint8_t value) noexcept REQUIRES(mu_);

  bool divisor_selected() const noexcept REQUIRES(mu_);
  bool looped() const noexcept REQUIRES(mu_);
  bool fifos_on() const noexcept REQUIRES(mu_);
  size_t capacity() const noexcept REQUIRES(mu_);
  bool error_in_fifo() const noexcept REQUIRES(mu_);
  uint8_t modem_lines() const noexcept REQUIRES(mu_);
  uint8_t pending_interrupt() const noexcept REQUIRES(mu_);

  void take_input(size_t up_to) noexcept REQUIRES(mu_);
  void receive(uint8_t byte, uint8_t errors) noexcept REQUIRES(mu_);
  void drop_first() noexcept REQUIRES(mu_);
  void show_errors_of_first() noexcept REQUIRES(mu_);
  void update_irq() noexcept REQUIRES(mu_);

  ConsoleSink& out_;
  ConsoleSource& in_;
  IrqLine& irq_;

  mutable Mutex mu_;
  Uart16550State state_ GUARDED_BY(mu_);
  bool input_waits_ GUARDED_BY(mu_) = true;  // false: `in_` was empty, and has announced nothing since
  uint32_t line_reads_ GUARDED_BY(mu_) = 0;  // of LSR; stays at kPollingReads until IER or FCR is written
  bool irq_asserted_ GUARDED_BY(mu_) = false;
  uint64_t taken_ GUARDED_BY(mu_) = 0;  // bytes, from `in_`
  uint64_t taken_at_last_look_ GUARDED_BY(mu_) = 0;
  log::RateLimit unserved_{"input that waits"};
};

}  // namespace rvvmm
