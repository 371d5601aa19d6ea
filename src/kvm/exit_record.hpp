// Turns the exit in kvm_run into an ExitRecord.
#pragma once

#include <linux/kvm.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/exit_record.hpp"

namespace rvvmm {

/// For the rare exits.
void fill_other_exit_record(const kvm_run& run, ExitRecord& record) noexcept;

inline void fill_mmio_exit_record(const kvm_run& run, ExitRecord& record) noexcept {
  const auto& mmio = run.mmio;
  const uint32_t width = std::min<uint32_t>(mmio.len, sizeof(mmio.data));
  uint64_t value = 0;
  std::memcpy(&value, __builtin_assume_aligned(mmio.data, alignof(uint64_t)), sizeof(value));
  const uint32_t unused_bits = 64 - 8 * width;
  record.kind = ExitKind::kMmio;
  record.mmio = {.at = mmio.phys_addr,
                 .value = width == 0 ? 0 : value << unused_bits >> unused_bits,
                 .width = static_cast<uint8_t>(width),
                 .is_write = mmio.is_write != 0};
}

inline void fill_sbi_exit_record(const kvm_run& run, ExitRecord& record) noexcept {
  const auto& sbi = run.riscv_sbi;
  const auto& args = sbi.args;
  record.kind = ExitKind::kSbi;
  record.sbi = {.eid = sbi.extension_id,
                .fid = sbi.function_id,
                .args = {args[0], args[1], args[2], args[3], args[4], args[5]},
                .error = static_cast<int64_t>(sbi.ret[0]),
                .value = sbi.ret[1]};
}

/// Fills all fields except the times. The exit's handler must have run, and KVM must not have completed the exit yet.
inline void fill_exit_record(const kvm_run& run, ExitRecord& record) noexcept {
  if (run.exit_reason == KVM_EXIT_MMIO) {
    fill_mmio_exit_record(run, record);
  } else if (run.exit_reason == KVM_EXIT_RISCV_SBI) {
    fill_sbi_exit_record(run, record);
  } else {
    fill_other_exit_record(run, record);
  }
}

}  // namespace rvvmm
