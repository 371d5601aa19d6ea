#include "vmm/watch/exit_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "observe/profile_json.hpp"
#include "observe/profile_text.hpp"
#include "vmm/options/option_values.hpp"
#include "vmm/watch/symbols_file.hpp"

namespace rvvmm {
namespace {

ProfileRow with_name(const HartProfile::Row& row, const DeviceNames& devices) {
  return {.kind = row.key.kind, .name = name_of(row.key, devices), .costs = row.costs};
}

}  // namespace

ExitWatch::ExitWatch(const Config& config) {
  if (config.symbols && !config.profile) {
    throw usage("--symbols: there is nothing to name; give --profile too");
  }
  if (!config.profile && !config.trace && !config.breaks) return;
  profiling_ = std::make_unique<Profiling>();
  profiling_->profiled = config.profile.has_value();
  if (config.symbols) profiling_->symbols = read_symbols(*config.symbols);
  if (config.trace) profiling_->tracer.emplace(config);
  if (config.breaks) profiling_->breaker.emplace(config);
  if (config.profile && *config.profile != "-")
    profiling_->file.emplace("--profile", *config.profile, OutputFile::Start::kEmptied);
}

ExitWatch::~ExitWatch() {
  if (profiling_ && profiling_->file) profiling_->file->remove_if_unused();
}

void ExitWatch::begin(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices, ExitBreaker::Control control) {
  if (!profiling_) return;
  Profiling& p = *profiling_;
  if (!p.start) {
    p.start = vm.ticks();
    p.profile.timebase_hz = std::max<uint64_t>(vm.timebase_hz(), 1);
  }
  if (p.tracer) p.tracer->begin(*p.start, p.profile.timebase_hz, devices);
  if (p.breaker) {
    p.breaker->begin({.harts = static_cast<uint32_t>(vcpus.size()), .devices = devices, .control = std::move(control)},
                     *p.start, p.profile.timebase_hz);
  }
  p.harts.clear();
  for (const auto& vcpu : vcpus) {
    const HartId hart{static_cast<uint32_t>(p.harts.size())};
    p.harts.push_back(std::make_unique<HartWatch>(hart, *p.start, p.tracer ? &*p.tracer : nullptr, breaker()));
    vcpu->observe_exits(p.harts.back().get());
  }
}

void ExitWatch::limit_waits() noexcept {
  if (!profiling_) return;
  if (profiling_->tracer) profiling_->tracer->limit_waits();
  if (profiling_->breaker) profiling_->breaker->limit_waits();
}

void ExitWatch::let_go() noexcept {
  if (profiling_ && profiling_->breaker) profiling_->breaker->let_go();
}

void ExitWatch::gather(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices) {
  if (!profiling_ || !profiling_->profiled) return;
  for (size_t hart = 0; hart < profiling_->harts.size(); ++hart)
    profiling_->gather_hart(static_cast<uint32_t>(hart), *vcpus[hart], devices);
  merge_statistics(profiling_->profile.kvm, vm.statistics());
}

void ExitWatch::Profiling::gather_hart(uint32_t hart, VcpuBackend& vcpu, const DeviceNames& devices) {
  if (profile.harts.size() <= hart) profile.harts.push_back({.hart = hart});
  ProfileHart& sum = profile.harts[hart];
  const HartProfile& counted = harts[hart]->profile();
  std::vector<ProfileRow> rows;
  for (const HartProfile::Row& row : counted.rows())
    rows.push_back(with_name(row, devices));
  for (size_t kind = 0; kind < kExitKinds; ++kind) {
    const ExitCosts& others = counted.others()[kind];
    if (others.user.count() != 0)
      rows.push_back({.kind = static_cast<ExitKind>(kind), .name = std::string{kOtherExits}, .costs = others});
  }
  merge_rows(sum.rows, rows);
  fold_rows(sum.rows, HartProfile::kMostRows);
  merge_statistics(sum.kvm, vcpu.statistics());
  for (const HartProfile::Pc& pc : counted.pcs())
    add_pc(pc);
  profile.other_samples += counted.other_pcs();
  timeline.merge(counted.timeline());
}

void ExitWatch::Profiling::add_pc(const HartProfile::Pc& pc) {
  const auto known = std::ranges::find(profile.pcs, pc.pc, &ProfilePc::pc);
  if (known != profile.pcs.end()) {
    known->samples += pc.samples;
  } else if (profile.pcs.size() >= HartProfile::kMostPcs * harts.size()) {
    profile.other_samples += pc.samples;
  } else {
    profile.pcs.push_back({.pc = pc.pc, .symbol = symbols.name_of(pc.pc), .samples = pc.samples});
  }
}

void ExitWatch::Profiling::add_timeline() {
  const auto& slots = timeline.slots();
  const auto is_used = [](const ExitTimeline::Slot& slot) { return std::ranges::any_of(slot, std::identity{}); };
  const auto last = std::ranges::find_last_if(slots, is_used);
  const auto used = last.empty() ? 0 : last.begin() - slots.begin() + 1;
  profile.timeline.slot_ticks = timeline.slot_ticks();
  for (const ExitTimeline::Slot& slot : std::span{slots}.first(static_cast<size_t>(used)))
    std::copy_n(slot.begin(), kExitKinds, profile.timeline.slots.emplace_back().begin());
}

void ExitWatch::finish() {
  if (!profiling_ || !profiling_->profiled || !profiling_->start) return;
  profiling_->add_timeline();
  ExitProfile& profile = profiling_->profile;
  std::ranges::stable_sort(profile.pcs, std::greater{}, &ProfilePc::samples);
  std::optional<OutputFile>& file = profiling_->file;
  if (!file) {
    if (std::fputs(profile_to_text(profile).c_str(), stderr) < 0) {
      throw SetupError::from_errno(ExitStatus::kInternal, "--profile -: stderr cannot be written", errno);
    }
    return;
  }
  file->write_whole(profile_to_json(profile), OutputFile::kNever);
}

}  // namespace rvvmm
