#include "vmm/watch/exit_breaker.hpp"

#include <algorithm>
#include <format>
#include <utility>

#include "base/error.hpp"
#include "base/line_output.hpp"
#include "base/log.hpp"

namespace rvvmm {

ExitBreaker::ExitBreaker(const Config& config) : choice_(config.on_break), matcher_("--break", *config.breaks) {}

void ExitBreaker::begin(Machine machine, uint64_t start, uint64_t timebase_hz) {
  matcher_.check_devices(machine.devices);
  devices_ = &machine.devices;
  start_ = start;
  ticks_ = TickScale{timebase_hz};
  const LockGuard lock{mu_};
  machine_ends_ = false;
  machine_.emplace(std::move(machine));
}

void ExitBreaker::let_go() noexcept {
  limit_waits();
  const LockGuard lock{mu_};
  machine_.reset();
  end_stop();
}

void ExitBreaker::resume(bool step) noexcept {
  const LockGuard lock{mu_};
  stepping_ = step;
  end_stop();
}

void ExitBreaker::end_stop() noexcept {
  stop_.reset();
  changed_.notify_all();
}

std::optional<ExitBreaker::Stop> ExitBreaker::stopped() {
  const LockGuard lock{mu_};
  if (stop_) looked_at_ = stops_;
  return stop_;
}

bool ExitBreaker::is_stopped() noexcept {
  const LockGuard lock{mu_};
  return stop_.has_value();
}

void ExitBreaker::look_at(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
  // A stop interrupts the other harts. Without this check, such an interruption could itself be the next break.
  if (exit.kind == ExitKind::kInterrupted) return;
  try {
    if (!stepping_.load(std::memory_order_relaxed) && !matcher_.matches(exit, *devices_)) return;
    const std::string line = "break: " + line_of(hart, vcpu, exit);
    const bool stops = on_break() != OnBreak::kContinue && stop_at(hart, line, registers_of(vcpu));
    if (!stops) standard_error().write(line, machine_ends_);
  } catch (const std::exception& problem) {
    log::line(log::Module::kVmm, log::Level::kError, "--break: hart {} goes on: {}", hart.value, problem.what());
    const LockGuard lock{mu_};
    if (stop_ && stop_->hart == hart) end_stop();
  }
}

// If two harts reach a break at the same time, the second hart waits for the first. It stops when the first goes on.
bool ExitBreaker::stop_at(HartId hart, const std::string& line, std::vector<NamedRegister> registers) {
  const LockGuard lock{mu_};
  while (machine_ && stop_) {
    stop_->registers[hart.value] = registers;
    changed_.notify_all();
    wait_for_end_of(stops_);
  }
  if (!machine_) return false;
  stepping_ = false;
  const uint64_t number = ++stops_;
  stop_.emplace(Stop{.hart = hart, .line = line, .registers = {}});
  stop_->registers.resize(machine_->harts);
  stop_->registers[hart.value] = std::move(registers);
  park_others(hart);
  return stop_ && stops_ == number && act(number);
}

void ExitBreaker::park_others(HartId hart) {
  for (uint32_t other = 0; other < machine_->harts; ++other) {
    if (other == hart.value) continue;
    machine_->control.post(HartId{other},
                           [this, other, number = stops_](VcpuBackend& vcpu) { park(HartId{other}, vcpu, number); });
  }
  const auto all_are = [this]() REQUIRES(mu_) {
    return !stop_ || std::ranges::none_of(stop_->registers, [](const auto& registers) { return registers.empty(); });
  };
  changed_.wait_for(mu_, kPatience, all_are);
}

void ExitBreaker::park(HartId hart, VcpuBackend& vcpu, uint64_t number) noexcept {
  try {
    std::vector<NamedRegister> registers = registers_of(vcpu);
    const LockGuard lock{mu_};
    if (!stop_ || stops_ != number) return;
    stop_->registers[hart.value] = std::move(registers);
    changed_.notify_all();
    wait_for_end_of(number);
  } catch (const std::bad_alloc&) {
    log::line(log::Module::kVmm, log::Level::kError, "--break: hart {} goes on: no memory", hart.value);
  }
}

bool ExitBreaker::act(uint64_t number) {
  if (on_break() == OnBreak::kPrompt) {
    on_stop_();
    wait_for_end_of(number);
    return looked_at_ == number;
  }
  show_stop();
  if (!stop_ || stops_ != number) return true;
  if (on_break() == OnBreak::kExit) {
    machine_->control.stop(static_cast<int>(ExitStatus::kBreak));
    wait_for_end_of(number);
  } else {
    end_stop();
  }
  return true;
}

// Writes without the lock. The reader of stderr may not read, and the thread that ends the machine needs the lock.
void ExitBreaker::show_stop() noexcept {
  const std::string text = stop_to_text(*stop_);
  mu_.unlock();
  standard_error().write(text, machine_ends_);
  mu_.lock();
}

void ExitBreaker::wait_for_end_of(uint64_t number) noexcept {
  changed_.wait(mu_, [&]() REQUIRES(mu_) { return !stop_ || stops_ != number; });
}

std::string ExitBreaker::line_of(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) const {
  const ExitLine line{
      .hart = hart, .at_us = ticks_.us_between(start_, exit.left), .pc = vcpu.get(HartRegister::kPc), .exit = exit};
  return exit_to_text(line, *devices_);
}

std::string stop_to_text(const ExitBreaker::Stop& stop) {
  std::string text = stop.line;
  for (size_t hart = 0; hart < stop.registers.size(); ++hart)
    text += hart_to_text(stop, hart);
  return text;
}

std::string hart_to_text(const ExitBreaker::Stop& stop, size_t hart) {
  if (stop.registers[hart].empty()) return std::format("hart {}: has not stopped yet\n", hart);
  return std::format("hart {}:{}", hart, registers_to_text(stop.registers[hart]));
}

}  // namespace rvvmm
