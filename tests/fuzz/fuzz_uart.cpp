// Any register access between any input: the interrupt line is always what the registers say, no input is lost,
// doubled or reordered unless the guest threw it away, and output is what was written to THR.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "devices/platform/uart16550.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_irq.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

struct Step {
  uint8_t action;
  uint8_t offset;
  uint8_t value;
};

class Machine {
 public:
  void run(const Step& step) {
    switch (step.action % 4) {
      case 0: type(step.value % 40U); break;
      case 1: write(step); break;
      case 2: read(step); break;
      default: odd_access(step); break;
    }
    check();
  }

 private:
  void type(size_t count) {
    for (size_t i = 0; i < count; ++i)
      source_.waiting += static_cast<char>(fed_++);
    uart_.on_console_input();
  }

  void write(const Step& step) {
    const uint64_t offset = step.offset % 8;
    const Uart16550State before = uart_.state();
    const bool to_thr = offset == 0 && (before.lcr & 0x80) == 0;
    const bool looped = (before.mcr & 0x10) != 0;
    if (to_thr && !looped) sent_ += static_cast<char>(step.value);
    // From here on bytes may be lost, and bytes that nobody typed may be there: the guest asked for it.
    if (looped || (offset == 4 && (step.value & 0x10) != 0)) exact_ = false;
    if (offset == 2 && (step.value & 0x03) == 0x03) exact_ = false;
    const auto raw = static_cast<std::byte>(step.value);
    if (uart_.write(offset, {&raw, 1}) != IoStatus::kOk) std::abort();
  }

  void read(const Step& step) {
    const uint64_t offset = step.offset % 8;
    const Uart16550State before = uart_.state();
    std::byte raw{};
    if (uart_.read(offset, {&raw, 1}) != IoStatus::kOk) std::abort();
    const auto value = std::to_integer<uint8_t>(raw);
    if (offset == 0 && (before.lcr & 0x80) == 0 && before.received > 0) received(value);
    if (offset == 5 && ((value & 0x01) != 0) != (uart_.state().received > 0)) std::abort();
    if (offset == 5 && (value & 0x60) != 0x60) std::abort();
    if (offset == 2 && ((value & 0x01) == 0) != interrupting(before)) std::abort();
  }

  void odd_access(const Step& step) {
    const Uart16550State before = uart_.state();
    std::array<std::byte, 8> raw{};
    const size_t width = size_t{1} << (step.value % 4);
    const uint64_t offset = width == 1 ? step.offset | 8U : step.offset;
    if (uart_.read(offset, std::span{raw}.first(width)) == IoStatus::kOk) std::abort();
    if (uart_.write(offset, std::span{raw}.first(width)) == IoStatus::kOk) std::abort();
    if (uart_.state() != before) std::abort();
    if (step.offset == 0xFF) uart_.restore(before);
  }

  void received(uint8_t value) {
    if (exact_ && value != static_cast<uint8_t>(read_)) std::abort();
    ++read_;
  }

  static bool interrupting(const Uart16550State& s) {
    return ((s.ier & 0x01) != 0 && s.received > 0) || ((s.ier & 0x02) != 0 && s.transmitter_event) ||
           ((s.ier & 0x04) != 0 && s.line_errors != 0) || ((s.ier & 0x08) != 0 && s.modem_changes != 0);
  }

  void check() {
    const Uart16550State state = uart_.state();
    if (state.received > Uart16550State::kFifoSize) std::abort();
    if (irq_.level != interrupting(state)) std::abort();
    if (sink_.text != sent_) std::abort();
    if (exact_ && read_ + state.received + source_.waiting.size() != fed_) std::abort();
  }

  RecordingSink sink_;
  ScriptedSource source_;
  FakeIrqLine irq_;
  Uart16550 uart_{sink_, source_, irq_};
  std::string sent_;
  size_t fed_ = 0;
  size_t read_ = 0;
  bool exact_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Machine machine;
  for_each_step<Step>({data, size}, [&](const Step& step) { machine.run(step); });
  return 0;
}
