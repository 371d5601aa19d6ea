#include "vmm/watch/profile_recorder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "observe/profile_json.hpp"
#include "observe/profile_text.hpp"
#include "vmm/watch/symbols_file.hpp"

namespace rvvmm {
namespace {

ProfileRow with_name(const HartProfile::Row& row, const DeviceNames& devices) {
  return {.kind = row.key.kind, .name = name_of(row.key, devices), .costs = row.costs};
}

}  // namespace

ProfileRecorder::ProfileRecorder(const Config& config) {
  if (config.symbols) symbols_ = read_symbols(*config.symbols);
  if (*config.profile != "-") file_.emplace("--profile", *config.profile, OutputFile::Start::kEmptied);
}

ProfileRecorder::~ProfileRecorder() {
  if (file_) file_->remove_if_unused();
}

void ProfileRecorder::add_hart(HartId hart, const HartProfile& counted, VcpuBackend& vcpu, const DeviceNames& devices) {
  if (profile_.harts.size() <= hart.value) profile_.harts.push_back({.hart = hart.value});
  ProfileHart& sum = profile_.harts[hart.value];
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
  profile_.other_samples += counted.other_pcs();
  timeline_.merge(counted.timeline());
}

void ProfileRecorder::add_machine(VmBackend& vm) {
  merge_statistics(profile_.kvm, vm.statistics());
}

void ProfileRecorder::add_pc(const HartProfile::Pc& pc) {
  const auto known = std::ranges::find(profile_.pcs, pc.pc, &ProfilePc::pc);
  if (known != profile_.pcs.end()) {
    known->samples += pc.samples;
  } else if (profile_.pcs.size() >= HartProfile::kMostPcs * profile_.harts.size()) {
    profile_.other_samples += pc.samples;
  } else {
    profile_.pcs.push_back({.pc = pc.pc, .symbol = symbols_.name_of(pc.pc), .samples = pc.samples});
  }
}

void ProfileRecorder::add_timeline() {
  const auto& slots = timeline_.slots();
  const auto is_used = [](const ExitTimeline::Slot& slot) { return std::ranges::any_of(slot, std::identity{}); };
  const auto last = std::ranges::find_last_if(slots, is_used);
  const auto used = last.empty() ? 0 : last.begin() - slots.begin() + 1;
  profile_.timeline.slot_ticks = timeline_.slot_ticks();
  for (const ExitTimeline::Slot& slot : std::span{slots}.first(static_cast<size_t>(used)))
    std::copy_n(slot.begin(), kExitKinds, profile_.timeline.slots.emplace_back().begin());
}

void ProfileRecorder::finish() {
  add_timeline();
  std::ranges::stable_sort(profile_.pcs, std::greater{}, &ProfilePc::samples);
  if (file_) return file_->write_whole(profile_to_json(profile_), OutputFile::kNever);
  if (std::fputs(profile_to_text(profile_).c_str(), stderr) < 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, "--profile -: stderr cannot be written", errno);
  }
}

}  // namespace rvvmm
