#include "vmm/watch/exit_watch.hpp"

#include <algorithm>
#include <utility>

namespace rvvmm {

ExitWatch::ExitWatch(const Config& config) {
  if (!config.profile && !config.trace && !config.breaks) return;
  watchers_ = std::make_unique<Watchers>();
  if (config.trace) watchers_->tracer.emplace(config);
  if (config.breaks) watchers_->breaker.emplace(config);
  if (config.profile) watchers_->profile.emplace(config);
}

void ExitWatch::begin(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices, ExitBreaker::Control control) {
  if (!watchers_) return;
  Watchers& w = *watchers_;
  const uint64_t timebase_hz = std::max<uint64_t>(vm.timebase_hz(), 1);
  if (!w.start) {
    w.start = vm.ticks();
    if (w.profile) w.profile->set_timebase(timebase_hz);
  }
  if (w.tracer) w.tracer->begin(*w.start, timebase_hz, devices);
  if (w.breaker) {
    w.breaker->begin({.vcpus = vcpus, .devices = devices, .control = std::move(control)}, *w.start, timebase_hz);
  }
  w.harts.clear();
  for (const auto& vcpu : vcpus) {
    const HartId hart{static_cast<uint32_t>(w.harts.size())};
    w.harts.push_back(std::make_unique<HartWatch>(hart, *w.start, w.tracer ? &*w.tracer : nullptr, breaker()));
    vcpu->observe_exits(w.harts.back().get());
  }
}

void ExitWatch::limit_waits() noexcept {
  if (!watchers_) return;
  if (watchers_->tracer) watchers_->tracer->limit_waits();
  if (watchers_->breaker) watchers_->breaker->limit_waits();
}

void ExitWatch::let_go() noexcept {
  if (watchers_ && watchers_->breaker) watchers_->breaker->let_go();
}

void ExitWatch::gather(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices) {
  if (!watchers_ || !watchers_->profile) return;
  for (HartId hart{0}; hart.value < watchers_->harts.size(); ++hart.value)
    watchers_->profile->add_hart(hart, watchers_->harts[hart.value]->profile(), *vcpus[hart.value], devices);
  watchers_->profile->add_machine(vm);
}

void ExitWatch::finish() {
  if (watchers_ && watchers_->profile && watchers_->start) watchers_->profile->finish();
}

}  // namespace rvvmm
