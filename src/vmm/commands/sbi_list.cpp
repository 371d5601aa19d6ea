#include "vmm/commands/sbi_list.hpp"

#include <algorithm>
#include <format>
#include <utility>

#include "base/error.hpp"
#include "sbi/extensions.hpp"
#include "vmm/commands/sbi_probe.hpp"
#include "vmm/machine/board.hpp"

namespace rvvmm {
namespace {

/// All SBI extensions of rvvmm, for a machine with one hart and nothing else. They can be listed and probed, but not
/// called.
class BareTable : private ConsoleSink,
                  private ConsoleSource,
                  private FinishListener,
                  private BootMarks,
                  private HartControl {
 public:
  explicit BareTable(const SbiChoices& choices) : memory_(kRamBase, 4_KiB) {
    add_extensions(sbi_, choices,
                   {.memory = memory_,
                    .console_out = *this,
                    .console_in = *this,
                    .finish = *this,
                    .boot_marks = *this,
                    .guest_log = log_,
                    .harts = *this});
  }

  const GuestMemory& memory() const noexcept { return memory_; }
  SbiDispatcher& sbi() noexcept { return sbi_; }

 private:
  void write(std::span<const std::byte> /*bytes*/) noexcept override {}
  size_t read(std::span<std::byte> /*out*/) noexcept override { return 0; }
  void on_finish(FinishRequest /*request*/) noexcept override {}
  bool mark(HartId /*hart*/, std::string_view /*name*/) noexcept override { return false; }
  uint32_t harts() const noexcept override { return 1; }
  HsmState state(HartId /*asker*/, HartId /*target*/) noexcept override { return HsmState::kStarted; }
  bool start(HartId /*asker*/, HartId /*target*/, const HartEntry& /*entry*/) noexcept override { return false; }
  bool stop(HartId /*self*/) noexcept override { return false; }
  bool suspend(HartId /*self*/, const std::optional<HartEntry>& /*resume*/) noexcept override { return false; }
  bool resume(HartId /*self*/) noexcept override { return false; }
  bool suspend_system(HartId /*self*/, const HartEntry& /*resume*/) noexcept override { return false; }

  GuestMemory memory_;
  GuestLog log_;
  SbiDispatcher sbi_;
};

/// A probe asks for one EID only. A range of EIDs counts as present if it is switched on.
bool is_range_of_many(const SbiSwitch& extension) noexcept {
  return extension.forwarding == SbiForwarding::kAll && extension.eids.first != extension.eids.last;
}

/// The first EID of each row of kSbiSwitches, then the EID of the base extension.
std::vector<uint64_t> eids_to_probe() {
  std::vector<uint64_t> eids;
  eids.reserve(kSbiSwitches.size() + 1);
  for (const SbiSwitch& extension : kSbiSwitches)
    eids.push_back(extension.eids.first);
  eids.push_back(kSbiBase.eids.first);
  return eids;
}

std::string_view default_text(bool present, bool can_be_switched_on) noexcept {
  if (present) return "on";
  return can_be_switched_on ? "off" : "absent";
}

SbiListRow row_of(const SbiSwitch& extension, bool present, std::optional<bool> is_on,
                  std::span<const SbiDispatcher::Entry> ours) {
  const bool many = is_range_of_many(extension);
  if (many) present = is_on.value_or(false);
  const bool have_some =
      std::ranges::any_of(ours, [&](const auto& entry) { return extension.eids.contains(entry.eids); });
  return {.name = extension.name,
          .eids = extension.eids,
          .version = extension.version,
          .kernel_answers = present && extension.forwarding != SbiForwarding::kAll,
          .rvvmm_answers = present && extension.forwarding != SbiForwarding::kNone && have_some,
          .by_default = default_text(present, is_on == false),
          .what = extension.what};
}

std::string answerers(const SbiListRow& row) {
  if (row.kernel_answers) return row.rvvmm_answers ? "kernel, rvvmm" : "kernel";
  return row.rvvmm_answers ? "rvvmm" : "nobody";
}

/// The specification's notation: EIDs from 0x01000000 on have all eight digits.
std::string eid_text(uint64_t eid) {
  return eid >> 24 == 0 ? std::format("0x{:X}", eid) : std::format("0x{:08X}", eid);
}
std::string eid_text(const EidRange& eids) {
  return eids.first == eids.last ? eid_text(eids.first) : eid_text(eids.first) + "-" + eid_text(eids.last);
}

}  // namespace

std::vector<SbiListRow> survey_sbi(Hypervisor& hypervisor) {
  BareTable table{{}};
  const SbiFindings found = probe_sbi(hypervisor, table.memory(), {}, table.sbi(), eids_to_probe());
  const std::vector<SbiDispatcher::Entry> ours = table.sbi().entries();
  std::vector<SbiListRow> rows{{.name = kSbiBase.name,
                                .eids = kSbiBase.eids,
                                .version = kSbiBase.version,
                                .kernel_answers = found.present.back(),
                                .rvvmm_answers = found.present.back(),  // answers probes of the ranges below
                                .by_default = "on",
                                .what = kSbiBase.what}};
  for (size_t row = 0; row < kSbiSwitches.size(); ++row) {
    const SbiSwitch& extension = kSbiSwitches[row];
    rows.push_back(row_of(extension, found.present[row], found.is_on[row], ours));
    if (!is_range_of_many(extension)) continue;
    const SbiListRow range = rows.back();
    for (const SbiDispatcher::Entry& entry : ours) {
      if (!extension.eids.contains(entry.eids)) continue;
      rows.push_back({.name = entry.name,
                      .eids = entry.eids,
                      .version = {},
                      .kernel_answers = false,
                      .rvvmm_answers = range.rvvmm_answers,
                      .by_default = range.by_default,
                      .what = "rvvmm's own"});
    }
  }
  return rows;
}

std::string sbi_list_text(std::span<const SbiListRow> rows) {
  constexpr std::string_view kLine = "{:<13} {:<21} {:<4} {:<14} {:<8} {}\n";
  std::string text = std::format(kLine, "name", "EID", "SBI", "answered by", "default", "what");
  for (const SbiListRow& row : rows) {
    text += std::format(kLine, row.name, eid_text(row.eids), row.version.empty() ? "-" : row.version, answerers(row),
                        row.by_default, row.what);
  }
  return text;
}

void check_sbi_choices(Hypervisor& hypervisor, const SbiChoices& choices) {
  if (!choices.chose_any_on()) return;
  BareTable table{choices};
  const SbiFindings found = probe_sbi(hypervisor, table.memory(), choices, table.sbi(), eids_to_probe());
  for (size_t row = 0; row < kSbiSwitches.size(); ++row) {
    const SbiSwitch& extension = kSbiSwitches[row];
    if (choices.chosen(row) != SbiSetting::kOn || found.present[row] || is_range_of_many(extension)) continue;
    throw SetupError{ExitStatus::kHostUnsupported,
                     std::format("--sbi {}=on: KVM of this host has the switch, but guests do not find the extension; "
                                 "leave it out, and see rvvmm --list sbi",
                                 extension.name)};
  }
}

}  // namespace rvvmm
