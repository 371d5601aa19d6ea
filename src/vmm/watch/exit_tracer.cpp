#include "vmm/watch/exit_tracer.hpp"

#include <cerrno>
#include <cstring>
#include <format>

#include "base/line_output.hpp"
#include "base/log.hpp"
#include "base/register_file.hpp"
#include "observe/exit_log.hpp"

namespace rvvmm {

ExitTracer::ExitTracer(const Config& config)
    : what_(*config.trace), matcher_("--trace", what_), form_(config.trace_file.value_or(TraceFile{.path = "-"})) {
  if (form_.path != "-") file_.emplace("--trace-file", form_.path, OutputFile::Start::kEmptied);
}

ExitTracer::~ExitTracer() {
  if (file_) file_->remove_if_unused();
}

void ExitTracer::begin(uint64_t now, uint64_t timebase_hz, const DeviceNames& devices) {
  matcher_.check_devices(devices);
  devices_ = &devices;
  waits_are_limited_ = false;
  ticks_ = TickScale{timebase_hz};
  if (start_) return;
  start_ = now;
  if (form_.json) write(exit_log_head("trace of " + what_));
}

void ExitTracer::on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
  try {
    if (failed_ || !matcher_.matches(exit, *devices_)) return;
    write(line_of(hart, vcpu, exit));
  } catch (...) {
    failed_ = true;  // there is no memory for a line
  }
}

std::string ExitTracer::line_of(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) const {
  const ExitLine line{.hart = hart,
                      .at_us = ticks_.us_between(*start_, exit.left),
                      .pc = vcpu.get(HartRegister::kPc),
                      .took_us = ticks_.us_between(exit.left, exit.answered),
                      .registers = form_.registers ? registers_of(vcpu) : std::vector<NamedRegister>{},
                      .exit = exit};
  return form_.json ? exit_to_json(line, *devices_) : exit_to_text(line, *devices_);
}

// A full disk ends the trace, not the guest.
void ExitTracer::write(std::string_view line) noexcept {
  const LockGuard lock{mu_};
  const int error = file_ ? file_->write(line, &waits_are_limited_) : standard_error().write(line, waits_are_limited_);
  // EAGAIN: the machine is ending, and only this line is lost.
  if (error == 0 || error == EAGAIN || failed_.exchange(true)) return;
  log::line(log::Module::kVmm, log::Level::kWarn, "--trace: cannot be written any more: {}", std::strerror(error));
}

}  // namespace rvvmm
