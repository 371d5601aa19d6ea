// Register and section numbers: PC16550D data sheet (June 1995), 8.0 "Registers".
#include "devices/platform/uart16550.hpp"

#include <algorithm>
#include <utility>

namespace rvvmm {
namespace {

enum UartRegister : uint64_t {
  kRbrThrDll = 0,
  kIerDlm = 1,
  kIirFcr = 2,
  kLcr = 3,
  kMcr = 4,
  kLsr = 5,
  kMsr = 6,
  kScr = 7,
};

// IER
constexpr uint8_t kEnableData = 0x01;
constexpr uint8_t kEnableTransmitter = 0x02;
constexpr uint8_t kEnableLine = 0x04;
constexpr uint8_t kEnableModem = 0x08;
// IIR, by priority
constexpr uint8_t kIirLine = 0x06;
constexpr uint8_t kIirData = 0x04;
constexpr uint8_t kIirTimeout = 0x0C;
constexpr uint8_t kIirTransmitter = 0x02;
constexpr uint8_t kIirModem = 0x00;
constexpr uint8_t kIirNone = 0x01;
constexpr uint8_t kIirFifosOn = 0xC0;
// FCR
constexpr uint8_t kFifosOn = 0x01;
constexpr uint8_t kClearReceiver = 0x02;
constexpr uint8_t kTriggerLevel = 0xC0;
constexpr std::array<uint8_t, 4> kTriggerLevels{1, 4, 8, 14};
// LCR
constexpr uint8_t kWordLength = 0x03;
constexpr uint8_t kBreak = 0x40;
constexpr uint8_t kDivisorLatch = 0x80;
// MCR
constexpr uint8_t kDtr = 0x01;
constexpr uint8_t kRts = 0x02;
constexpr uint8_t kOut1 = 0x04;
constexpr uint8_t kOut2 = 0x08;
constexpr uint8_t kLoop = 0x10;
constexpr uint8_t kMcrBits = 0x1F;
// LSR
constexpr uint8_t kDataReady = 0x01;
constexpr uint8_t kOverrun = 0x02;
constexpr uint8_t kFramingError = 0x08;
constexpr uint8_t kBreakSeen = 0x10;
constexpr uint8_t kByteErrors = 0x1C;  // parity, framing, break: they belong to a byte
constexpr uint8_t kLineErrors = kByteErrors | kOverrun;
constexpr uint8_t kTransmitterEmpty = 0x60;  // THR and shift register
constexpr uint8_t kErrorInFifo = 0x80;
// MSR
constexpr uint8_t kCts = 0x10;
constexpr uint8_t kDsr = 0x20;
constexpr uint8_t kRing = 0x40;
constexpr uint8_t kCarrier = 0x80;
constexpr uint8_t kRingEnded = 0x04;

// MSR bits 3:0 for lines that went from `before` to `after`: a change of CTS, DSR and DCD, but only the end of RI.
uint8_t changes_of(uint8_t before, uint8_t after) noexcept {
  const auto changed = static_cast<uint8_t>(((before ^ after) & (kCts | kDsr | kCarrier)) >> 4);
  const bool ring_ended = (before & ~after & kRing) != 0;
  return ring_ended ? static_cast<uint8_t>(changed | kRingEnded) : changed;
}

}  // namespace

std::string_view Uart16550::register_name(uint64_t offset, bool is_write) const noexcept {
  switch (offset) {
    case kRbrThrDll: return is_write ? "thr" : "rbr";
    case kIerDlm: return "ier";
    case kIirFcr: return is_write ? "fcr" : "iir";
    case kLcr: return "lcr";
    case kMcr: return "mcr";
    case kLsr: return "lsr";
    case kMsr: return "msr";
    case kScr: return "scr";
    default: return {};
  }
}

IoStatus Uart16550::read(uint64_t offset, std::span<std::byte> out) noexcept {
  if (offset > kScr) return IoStatus::kNoRegister;
  if (out.size() != 1) return IoStatus::kBadWidth;
  const LockGuard lock{mu_};
  // Polling drivers read this all the time: it is answered without a call.
  const bool nothing_new = offset == kLsr && state_.received == 0 && !input_waits_ && state_.line_errors == 0;
  out[0] = static_cast<std::byte>(nothing_new ? kTransmitterEmpty : load(offset));
  return IoStatus::kOk;
}

IoStatus Uart16550::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (offset > kScr) return IoStatus::kNoRegister;
  if (in.size() != 1) return IoStatus::kBadWidth;
  const auto value = std::to_integer<uint8_t>(in[0]);
  bool to_console = false;
  {
    const LockGuard lock{mu_};
    to_console = offset == kRbrThrDll && !divisor_selected() && !looped();
    if (!to_console) store(offset, value);
  }
  if (!to_console) return IoStatus::kOk;
  // Not under the mutex: the console blocks for as long as its reader does. A hart that only reads LSR, and the event
  // loop that brings input, must not wait for that reader too. The event comes after the byte is out, so a driver that
  // sends by interrupt never runs ahead of the console.
  out_.write(in);
  const LockGuard lock{mu_};
  // The chip takes an earlier event back when THR is written (8.5, table 4). Here the event would return at once. To
  // leave it set saves the interrupt line two changes for each byte, each a system call.
  state_.transmitter_event = true;
  // One read of LSR belonged to this byte. A guest that looks for input between its bytes reads more often.
  if (line_reads_ > 0 && line_reads_ < kPollingReads) --line_reads_;
  update_irq();
  return IoStatus::kOk;
}

uint8_t Uart16550::load(uint64_t offset) noexcept {
  if (offset != kLsr) note_no_polling();
  switch (offset) {
    case kRbrThrDll: return divisor_selected() ? state_.dll : receive_buffer();
    case kIerDlm: return divisor_selected() ? state_.dlm : state_.ier;
    case kIirFcr: return interrupt_identification();
    case kLcr: return state_.lcr;
    case kMcr: return state_.mcr;
    case kLsr: return line_status();
    case kMsr: return modem_status();
    default: return state_.scr;
  }
}

void Uart16550::store(uint64_t offset, uint8_t value) noexcept {
  note_no_polling();
  switch (offset) {
    case kRbrThrDll:
      if (!divisor_selected()) return transmit_looped(value);
      state_.dll = value;
      return;
    case kIerDlm:
      if (!divisor_selected()) return set_interrupt_enable(value);
      state_.dlm = value;
      return;
    case kIirFcr: return set_fifo_control(value);
    case kLcr: return set_line_control(value);
    case kMcr: return set_modem_control(value);
    case kLsr:
    case kMsr: return;  // status: a write is for the chip's factory test
    default: state_.scr = value; return;
  }
}

uint8_t Uart16550::receive_buffer() noexcept {
  const uint8_t byte = state_.bytes[0];
  if (state_.received == 0) return byte;  // the last byte stays in the register
  drop_first();
  if (state_.received == 0 && (state_.ier & kEnableData) != 0) take_input(capacity());
  update_irq();
  return byte;
}

uint8_t Uart16550::interrupt_identification() noexcept {
  const uint8_t pending = pending_interrupt();
  if (pending == kIirTransmitter) {
    state_.transmitter_event = false;
    update_irq();
  }
  return fifos_on() ? static_cast<uint8_t>(pending | kIirFifosOn) : pending;
}

uint8_t Uart16550::line_status() noexcept {
  // One byte is enough for a driver that polls: the rest stays in the console for the next reader.
  if (state_.received == 0 && input_waits_ && line_read_receives()) {
    take_input(1);
    update_irq();
  }
  uint8_t status = kTransmitterEmpty | state_.line_errors;
  if (state_.received > 0) status |= kDataReady;
  if (fifos_on() && error_in_fifo()) status |= kErrorInFifo;
  if (state_.line_errors != 0) {
    state_.line_errors = 0;
    update_irq();
  }
  return status;
}

uint8_t Uart16550::modem_status() noexcept {
  const auto status = static_cast<uint8_t>(modem_lines() | state_.modem_changes);
  if (state_.modem_changes != 0) {
    state_.modem_changes = 0;
    update_irq();
  }
  return status;
}

// A driver that starts reads LSR and RBR once or twice to empty them: a byte taken for that would be lost. So the
// receiver counts as in use only once its interrupt is on, or LSR is read more often than sending explains.
bool Uart16550::line_read_receives() noexcept {
  if ((state_.ier & kEnableData) != 0) return true;
  if (line_reads_ < kPollingReads) ++line_reads_;
  return line_reads_ == kPollingReads;
}

void Uart16550::note_no_polling() noexcept {
  if (line_reads_ < kPollingReads) line_reads_ = 0;
}

void Uart16550::set_interrupt_enable(uint8_t value) noexcept {
  line_reads_ = 0;
  const auto turned_on = static_cast<uint8_t>(value & ~state_.ier);
  state_.ier = value & (kEnableData | kEnableTransmitter | kEnableLine | kEnableModem);
  // The transmitter is always empty: turning its interrupt on raises the interrupt. Drivers start sending by this.
  if ((turned_on & kEnableTransmitter) != 0) state_.transmitter_event = true;
  if ((turned_on & kEnableData) != 0) take_input(capacity());
  update_irq();
}

void Uart16550::set_fifo_control(uint8_t value) noexcept {
  const bool on = (value & kFifosOn) != 0;
  // The other bits count only together with bit 0. On the chip, switching modes empties the FIFOs. Here what was typed
  // before the driver started stays, as if the line had been slower. Only an explicit clear drops it.
  state_.fcr = on ? static_cast<uint8_t>(value & (kTriggerLevel | kFifosOn)) : 0;
  line_reads_ = 0;
  if (on && (value & kClearReceiver) != 0) {
    state_.received = 0;
    state_.errors = {};
  }
  if ((state_.ier & kEnableData) != 0) take_input(capacity());
  update_irq();
}

void Uart16550::set_line_control(uint8_t value) noexcept {
  const bool break_begins = (value & ~state_.lcr & kBreak) != 0;
  state_.lcr = value;
  if (break_begins && looped()) {
    receive(0, kBreakSeen | kFramingError);
    update_irq();
  }
}

void Uart16550::set_modem_control(uint8_t value) noexcept {
  const uint8_t before = modem_lines();
  state_.mcr = value & kMcrBits;
  state_.modem_changes |= changes_of(before, modem_lines());
  if ((state_.ier & kEnableData) != 0 && state_.received == 0) take_input(capacity());
  update_irq();
}

// Moves the byte from the shift register to the receiver (8.6, MCR bit 4), cut to the word's length as on the line.
void Uart16550::transmit_looped(uint8_t value) noexcept {
  const bool line_held = (state_.lcr & kBreak) != 0;
  if (!line_held) receive(value & static_cast<uint8_t>(0x1F << (state_.lcr & kWordLength) | 0x1F), 0);
  state_.transmitter_event = true;
  update_irq();
}

void Uart16550::on_console_input() noexcept {
  const LockGuard lock{mu_};
  input_waits_ = true;
  // Without this interrupt the guest may not read the UART: a guest that reads by SBI must not lose a byte to us.
  if ((state_.ier & kEnableData) == 0) return;
  take_input(capacity());
  update_irq();
}

InputLeft Uart16550::look_after_input() noexcept {
  {
    const LockGuard lock{mu_};
    const bool moves = std::exchange(taken_at_last_look_, taken_) != taken_;
    if (state_.received == 0 && !input_waits_) return InputLeft::kNone;
    if (moves) return InputLeft::kMoves;
    if (!irq_asserted_ || state_.received == 0) return InputLeft::kStandsStill;
    irq_.assert_again();
  }
  if (unserved_.allow()) {
    log::line(log::Module::kDevices, log::Level::kInfo,
              "uart: input waits and the guest does not take it; interrupt raised again ({} times so far)",
              unserved_.count());
  }
  return InputLeft::kStandsStill;
}

bool Uart16550::divisor_selected() const noexcept {
  return (state_.lcr & kDivisorLatch) != 0;
}
bool Uart16550::looped() const noexcept {
  return (state_.mcr & kLoop) != 0;
}
bool Uart16550::fifos_on() const noexcept {
  return (state_.fcr & kFifosOn) != 0;
}
size_t Uart16550::capacity() const noexcept {
  return fifos_on() ? Uart16550State::kFifoSize : 1;
}

bool Uart16550::error_in_fifo() const noexcept {
  if ((state_.line_errors & kByteErrors) != 0) return true;
  return std::any_of(state_.errors.begin(), state_.errors.begin() + state_.received, [](uint8_t e) { return e != 0; });
}

uint8_t Uart16550::modem_lines() const noexcept {
  if (!looped()) return kCts | kDsr | kCarrier;  // somebody always listens at the other end
  const uint8_t mcr = state_.mcr;
  return static_cast<uint8_t>(((mcr & kRts) != 0 ? kCts : 0) | ((mcr & kDtr) != 0 ? kDsr : 0) |
                              ((mcr & kOut1) != 0 ? kRing : 0) | ((mcr & kOut2) != 0 ? kCarrier : 0));
}

uint8_t Uart16550::pending_interrupt() const noexcept {
  if ((state_.ier & kEnableLine) != 0 && state_.line_errors != 0) return kIirLine;
  if ((state_.ier & kEnableData) != 0 && state_.received > 0) {
    const bool enough = !fifos_on() || state_.received >= kTriggerLevels[state_.fcr >> 6];
    return enough ? kIirData : kIirTimeout;
  }
  if ((state_.ier & kEnableTransmitter) != 0 && state_.transmitter_event) return kIirTransmitter;
  if ((state_.ier & kEnableModem) != 0 && state_.modem_changes != 0) return kIirModem;
  return kIirNone;
}

// Fills the FIFO up to `up_to` bytes. What does not fit stays in the console, so no input is lost.
void Uart16550::take_input(size_t up_to) noexcept {
  if (!input_waits_ || looped() || state_.received >= up_to) return;
  std::array<std::byte, Uart16550State::kFifoSize> taken;
  const auto room = std::span{taken}.first(up_to - state_.received);
  const size_t count = in_.read(room);
  taken_ += count;
  // Input that arrives from here on is announced, and the announcement waits for mu_.
  if (count < room.size()) input_waits_ = false;
  for (const std::byte byte : room.first(count))
    receive(std::to_integer<uint8_t>(byte), 0);
}

// Receives one element from the line. If the receiver is full (8.4, LSR bit 1): with the FIFOs off the new element
// replaces the unread one, otherwise the new element is lost.
void Uart16550::receive(uint8_t byte, uint8_t errors) noexcept {
  if (state_.received >= capacity()) {
    state_.line_errors |= kOverrun;
    if (fifos_on()) return;
    state_.received = 0;
  }
  state_.bytes[state_.received] = byte;
  state_.errors[state_.received] = errors;
  if (++state_.received == 1) show_errors_of_first();
}

void Uart16550::drop_first() noexcept {
  std::shift_left(state_.bytes.begin(), state_.bytes.begin() + state_.received, 1);
  std::shift_left(state_.errors.begin(), state_.errors.begin() + state_.received, 1);
  if (--state_.received > 0) show_errors_of_first();
}

void Uart16550::show_errors_of_first() noexcept {
  state_.line_errors |= state_.errors[0];
  state_.errors[0] = 0;
}

void Uart16550::update_irq() noexcept {
  const bool asserted = pending_interrupt() != kIirNone;
  if (asserted == irq_asserted_) return;
  irq_asserted_ = asserted;
  irq_.set(asserted);
}

Uart16550State Uart16550::state() const noexcept {
  const LockGuard lock{mu_};
  return state_;
}

void Uart16550::restore(const Uart16550State& state) noexcept {
  const LockGuard lock{mu_};
  state_ = state;
  state_.ier &= kEnableData | kEnableTransmitter | kEnableLine | kEnableModem;
  state_.fcr = fifos_on() ? state_.fcr & (kTriggerLevel | kFifosOn) : 0;
  state_.mcr &= kMcrBits;
  state_.line_errors &= kLineErrors;
  state_.modem_changes &= 0x0F;
  state_.received = std::min<uint8_t>(state_.received, Uart16550State::kFifoSize);
  for (uint8_t& errors : state_.errors)
    errors &= kByteErrors;
  input_waits_ = true;
  if ((state_.ier & kEnableData) != 0) take_input(capacity());
  update_irq();
}

void Uart16550::describe(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto node = fdt.node("serial", slot.window.base.value);
  fdt.string("compatible", "ns16550a");
  fdt.reg({slot.window});
  fdt.u32("clock-frequency", kClockHz);
  if (!slot.interrupts.empty()) fdt.cells("interrupts", slot.interrupts);
}

}  // namespace rvvmm
