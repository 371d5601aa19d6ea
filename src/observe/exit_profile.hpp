// A finished profile with names: --profile writes it and `rvvmm report` reads it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/exit_record.hpp"
#include "base/hypervisor.hpp"
#include "observe/hart_profile.hpp"

namespace rvvmm {

struct ProfileRow {
  ExitKind kind = ExitKind::kOther;
  std::string name = {};  ///< "uart.lsr read", "dbcn.write_byte", "others"
  ExitCosts costs = {};

  friend bool operator==(const ProfileRow&, const ProfileRow&) = default;
};

struct ProfilePc {
  uint64_t pc = 0;
  std::string symbol = {};  ///< "memset+0x10"; empty: no symbol is known
  uint64_t samples = 0;

  friend bool operator==(const ProfilePc&, const ProfilePc&) = default;
};

struct ProfileHart {
  uint32_t hart = 0;
  std::vector<ProfileRow> rows = {};
  std::vector<Statistic> kvm = {};  ///< of its vCPU

  friend bool operator==(const ProfileHart&, const ProfileHart&) = default;
};

struct ProfileTimeline {
  uint64_t slot_ticks = 1;
  std::vector<std::array<uint64_t, kExitKinds>> slots = {};  ///< no slots after the last exit

  friend bool operator==(const ProfileTimeline&, const ProfileTimeline&) = default;
};

struct ExitProfile {
  uint64_t timebase_hz = 1;
  std::vector<ProfileHart> harts = {};
  std::vector<Statistic> kvm = {};  ///< of the VM
  std::vector<ProfilePc> pcs = {};  ///< most samples first
  uint64_t other_samples = 0;       ///< at places that are not in `pcs`
  ProfileTimeline timeline = {};    ///< of all harts

  double ns_of(double ticks) const noexcept { return ticks * 1e9 / static_cast<double>(timebase_hz); }

  friend bool operator==(const ExitProfile&, const ExitProfile&) = default;
};

/// The name of the row for exits that have no row of their own.
inline constexpr std::string_view kOtherExits = "others";

/// Adds the counts of rows with the same kind and name. New rows come last.
void merge_rows(std::vector<ProfileRow>& into, const std::vector<ProfileRow>& rows);
/// Keeps the first `most` rows and adds each later row to a row "others" of its kind. So a guest that resets
/// repeatedly, with different exits each time, cannot fill the memory.
void fold_rows(std::vector<ProfileRow>& rows, size_t most);
/// Like merge_rows(), for counters, value by value.
void merge_statistics(std::vector<Statistic>& into, const std::vector<Statistic>& statistics);
/// The merged rows of all harts, most time in user space first.
std::vector<ProfileRow> rows_of_all(const ExitProfile& profile);
/// One row for each kind in `rows`, named after the kind, most time in user space first.
std::vector<ProfileRow> by_kind(const std::vector<ProfileRow>& rows);

}  // namespace rvvmm
