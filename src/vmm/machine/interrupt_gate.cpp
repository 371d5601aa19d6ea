#include "vmm/machine/interrupt_gate.hpp"

#include <bit>
#include <utility>

namespace rvvmm {

InterruptGate::InterruptGate(VmBackend& vm, std::span<const std::unique_ptr<VcpuBackend>> harts,
                             std::function<void()> on_raised)
    : vm_(vm), on_raised_(std::move(on_raised)) {
  pins_.reserve(harts.size());
  for (const auto& hart : harts)
    pins_.emplace_back(*this, *hart);
}

std::vector<HartIrqPin*> InterruptGate::pins() {
  std::vector<HartIrqPin*> pins;
  pins.reserve(pins_.size());
  for (Pin& pin : pins_)
    pins.push_back(&pin);
  return pins;
}

void InterruptGate::set_line(Gsi gsi, bool asserted) noexcept {
  vm_.set_irq_line(gsi, asserted);
  if (asserted) raised();
}

// If the machine has begun to fall asleep or has woken during the call, the file may have been cleared after the
// message. A message that comes twice does no harm.
void InterruptGate::signal_msi(const MsiMessage& message) noexcept {
  const uint32_t before = state_;
  vm_.signal_msi(message);
  if (state_ != before || stage() != kAwake) [[unlikely]]
    make_sure_of(message);
}

// While the file may still be cleared, the message is kept, and sleeps() sends it. The second check is for a sleeps()
// that came before the message was kept.
void InterruptGate::make_sure_of(const MsiMessage& message) noexcept {
  if (stage() == kFallsAsleep) keep(message);
  if (stage() != kFallsAsleep) vm_.signal_msi(message);
  on_raised_();
}

void InterruptGate::keep(const MsiMessage& message) noexcept {
  constexpr uint32_t kBits = 64;
  if (message.address != file_ || message.data / kBits >= kept_.size()) return;
  kept_[message.data / kBits] |= uint64_t{1} << message.data % kBits;
}

void InterruptGate::falls_asleep(Gpa file) noexcept {
  file_ = file.value;
  enter(kFallsAsleep);
}

void InterruptGate::sleeps() noexcept {
  enter(kSleeps);
  for (uint32_t word = 0; word < kept_.size(); ++word) {
    for (uint64_t bits = kept_[word].exchange(0); bits != 0; bits &= bits - 1)
      vm_.signal_msi({.address = file_, .data = word * 64 + static_cast<uint32_t>(std::countr_zero(bits))});
  }
}

void InterruptGate::is_awake() noexcept {
  enter(kAwake);
}

// If a message was waiting for the connection, it goes out at once.
bool InterruptGate::connect_msi(int eventfd, const MsiMessage& message) noexcept {
  const bool connected = vm_.connect_msi(eventfd, message);
  raised();
  return connected;
}

void InterruptGate::disconnect_msi(int eventfd) noexcept {
  vm_.disconnect_msi(eventfd);
}

void InterruptGate::Pin::set_external_interrupt(bool asserted) noexcept {
  pin_.set_external_interrupt(asserted);
  if (asserted) gate_.raised();
}

}  // namespace rvvmm
