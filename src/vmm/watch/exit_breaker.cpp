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

// A stop that nobody has seen is a line at least.
void ExitBreaker::let_go() noexcept {
  limit_waits();
  const LockGuard lock{mu_};
  machine_.reset();
  if (stop_ && shown_ != stops_) standard_error().write(stop_->line);
  for (const Stop& stop : waiting_)
    standard_error().write(stop.line);
  stop_.reset();
  waiting_.clear();
}

void ExitBreaker::resume(bool step) noexcept {
  const LockGuard lock{mu_};
  stepping_ = step;
  end_stop();
}

void ExitBreaker::end_stop() noexcept {
  stop_.reset();
  if (!machine_) return;
  if (waiting_.empty()) return machine_->control.resume();
  Stop next = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  stepping_ = false;
  begin_stop(std::move(next));
}

std::optional<ExitBreaker::Stop> ExitBreaker::stopped() {
  const LockGuard lock{mu_};
  if (stop_) {
    gather();
    shown_ = stops_;
  }
  return stop_;
}

bool ExitBreaker::is_stopped() noexcept {
  const LockGuard lock{mu_};
  return stop_.has_value();
}

bool ExitBreaker::look_at(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
  // A stop interrupts the other harts. Without this check, such an interruption could itself be the next break.
  if (exit.kind == ExitKind::kInterrupted) return false;
  try {
    if (!stepping_.load(std::memory_order_relaxed) && !matcher_.matches(exit, *devices_)) return false;
    const std::string line = "break: " + line_of(hart, vcpu, exit);
    const bool stops = on_break() != OnBreak::kContinue && stop_at(hart, line, registers_of(vcpu));
    if (!stops) standard_error().write(line, machine_ends_);
    return stops;
  } catch (const std::exception& problem) {
    log::line(log::Module::kVmm, log::Level::kError, "--break: hart {} goes on: {}", hart.value, problem.what());
    return false;
  }
}

bool ExitBreaker::stop_at(HartId hart, const std::string& line, std::vector<NamedRegister> registers) {
  const LockGuard lock{mu_};
  if (!machine_) return false;
  Stop stop{.hart = hart, .line = line, .registers = {}};
  stop.registers.resize(machine_->vcpus.size());
  stop.registers[hart.value] = std::move(registers);
  stepping_ = false;
  if (!stop_) {
    begin_stop(std::move(stop));
    return true;
  }
  waiting_.push_back(std::move(stop));
  machine_->control.pause();
  return true;
}

void ExitBreaker::begin_stop(Stop stop) {
  stop_ = std::move(stop);
  ++stops_;
  machine_->control.pause();
}

void ExitBreaker::rest_in_exit(HartId hart) noexcept {
  std::function<void(HartId)> rest;
  {
    const LockGuard lock{mu_};
    if (machine_) rest = machine_->control.rest_in_exit;
  }
  if (rest) rest(hart);
}

void ExitBreaker::on_paused() {
  const LockGuard lock{mu_};
  if (!machine_ || !stop_ || std::exchange(acted_on_, stops_) == stops_) return;
  gather();
  if (on_break() == OnBreak::kPrompt) return on_stop_();
  // On the hart's thread, which may wait for the reader of stderr.
  machine_->control.post(stop_->hart, [this, number = stops_](VcpuBackend&) { show(number); });
}

void ExitBreaker::gather() {
  for (HartId hart{0}; machine_ && hart.value < stop_->registers.size(); ++hart.value) {
    auto& registers = stop_->registers[hart.value];
    if (registers.empty() && machine_->control.rests(hart)) registers = registers_of(*machine_->vcpus[hart.value]);
  }
}

// Writes without the lock. The reader of stderr may not read, and the thread that ends the machine needs the lock.
void ExitBreaker::show(uint64_t number) noexcept {
  std::string text;
  {
    const LockGuard lock{mu_};
    if (!stop_ || stops_ != number) return;
    text = stop_to_text(*stop_);
    shown_ = number;
  }
  standard_error().write(text, machine_ends_);
  const LockGuard lock{mu_};
  if (!machine_ || !stop_ || stops_ != number) return;
  if (on_break() == OnBreak::kExit) return machine_->control.stop(static_cast<int>(ExitStatus::kBreak));
  end_stop();
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
