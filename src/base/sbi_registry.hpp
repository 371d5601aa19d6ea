// Every SBI extension that rvvmm has a name for: its EID, its functions and their arguments, written once. The code
// that answers, switches, traces, breaks on and profiles SBI calls reads them here. SBI 3.0, in the order of its
// chapters; docs/hypercalls.md.
#pragma once

#include <rvvmm/hypercall.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/sbi_call.hpp"

namespace rvvmm {

struct SbiFunction {
  std::string_view name;
  std::string_view arguments = {};  ///< names for a0 and the following registers, separated by spaces
};

struct SbiExtensionInfo {
  std::string_view name;  ///< as users type it
  EidRange eids;
  std::string_view version;  ///< the first version of the SBI specification that has it
  std::string_view what;
  std::span<const SbiFunction> functions = {};  ///< indexed by FID; by EID if the extension has several EIDs

  /// nullptr if the extension has no such function.
  constexpr const SbiFunction* function(const SbiCall& call) const noexcept {
    const uint64_t index = eids.first == eids.last ? call.fid : call.eid - eids.first;
    return index < functions.size() ? &functions[index] : nullptr;
  }
};

namespace sbi_functions {
inline constexpr std::array<SbiFunction, 9> kLegacy{{{"set_timer", "stime_value"},
                                                     {"putchar", "ch"},
                                                     {"getchar"},
                                                     {"clear_ipi"},
                                                     {"send_ipi", "hart_mask"},
                                                     {"remote_fence_i", "hart_mask"},
                                                     {"remote_sfence_vma", "hart_mask start size"},
                                                     {"remote_sfence_vma_asid", "hart_mask start size asid"},
                                                     {"shutdown"}}};
inline constexpr std::array<SbiFunction, 7> kBase{{{"get_spec_version"},
                                                   {"get_impl_id"},
                                                   {"get_impl_version"},
                                                   {"probe_extension", "extension_id"},
                                                   {"get_mvendorid"},
                                                   {"get_marchid"},
                                                   {"get_mimpid"}}};
inline constexpr std::array<SbiFunction, 1> kTime{{{"set_timer", "stime_value"}}};
inline constexpr std::array<SbiFunction, 1> kIpi{{{"send_ipi", "hart_mask hart_mask_base"}}};
inline constexpr std::array<SbiFunction, 7> kRfence{
    {{"remote_fence_i", "hart_mask hart_mask_base"},
     {"remote_sfence_vma", "hart_mask hart_mask_base start_addr size"},
     {"remote_sfence_vma_asid", "hart_mask hart_mask_base start_addr size asid"},
     {"remote_hfence_gvma_vmid", "hart_mask hart_mask_base start_addr size vmid"},
     {"remote_hfence_gvma", "hart_mask hart_mask_base start_addr size"},
     {"remote_hfence_vvma_asid", "hart_mask hart_mask_base start_addr size asid"},
     {"remote_hfence_vvma", "hart_mask hart_mask_base start_addr size"}}};
inline constexpr std::array<SbiFunction, 4> kHsm{{{"hart_start", "hartid start_addr opaque"},
                                                  {"hart_stop"},
                                                  {"hart_get_status", "hartid"},
                                                  {"hart_suspend", "suspend_type resume_addr opaque"}}};
inline constexpr std::array<SbiFunction, 1> kSrst{{{"system_reset", "reset_type reset_reason"}}};
inline constexpr std::array<SbiFunction, 9> kPmu{
    {{"num_counters"},
     {"counter_get_info", "counter_idx"},
     {"counter_config_matching", "counter_idx_base counter_idx_mask config_flags event_idx event_data"},
     {"counter_start", "counter_idx_base counter_idx_mask start_flags initial_value"},
     {"counter_stop", "counter_idx_base counter_idx_mask stop_flags"},
     {"counter_fw_read", "counter_idx"},
     {"counter_fw_read_hi", "counter_idx"},
     {"snapshot_set_shmem", "shmem_phys_lo shmem_phys_hi flags"},
     {"event_get_info", "shmem_phys_lo shmem_phys_hi num_entries flags"}}};
inline constexpr std::array<SbiFunction, 3> kDbcn{{{"write", "num_bytes base_addr_lo base_addr_hi"},
                                                   {"read", "num_bytes base_addr_lo base_addr_hi"},
                                                   {"write_byte", "byte"}}};
inline constexpr std::array<SbiFunction, 1> kSusp{{{"system_suspend", "sleep_type resume_addr opaque"}}};
inline constexpr std::array<SbiFunction, 1> kSta{{{"set_shmem", "shmem_phys_lo shmem_phys_hi flags"}}};
inline constexpr std::array<SbiFunction, 2> kFwft{{{"set", "feature value flags"}, {"get", "feature"}}};
inline constexpr std::array<SbiFunction, 8> kMpxy{
    {{"get_shmem_size"},
     {"set_shmem", "shmem_phys_lo shmem_phys_hi flags"},
     {"get_channel_ids", "start_index"},
     {"read_attributes", "channel_id base_attribute_id attribute_count"},
     {"write_attributes", "channel_id base_attribute_id attribute_count"},
     {"send_message_with_response", "channel_id message_id message_data_len"},
     {"send_message_without_response", "channel_id message_id message_data_len"},
     {"get_notification_events", "channel_id"}}};
inline constexpr std::array<SbiFunction, 7> kHypercall{{{"version"},
                                                        {"features"},
                                                        {"exit", "status"},
                                                        {"log", "level num_bytes base_addr_lo base_addr_hi"},
                                                        {"mark", "num_bytes base_addr_lo base_addr_hi"},
                                                        {"wall_clock"},
                                                        {"batch", "entries base_addr_lo base_addr_hi flags"}}};
static_assert(kHypercall[RVVMM_HC_EXIT].name == "exit" && kHypercall[RVVMM_HC_BATCH].name == "batch");
}  // namespace sbi_functions

inline constexpr SbiExtensionInfo kSbiLegacy{
    "legacy", {0x00, 0x08}, "0.1", "calls from before SBI 0.2", sbi_functions::kLegacy};
inline constexpr SbiExtensionInfo kSbiBase{"base", {0x10, 0x10}, "0.2", "version and probing", sbi_functions::kBase};
inline constexpr SbiExtensionInfo kSbiTime{"time", {0x5449'4D45, 0x5449'4D45}, "0.2", "timer", sbi_functions::kTime};
inline constexpr SbiExtensionInfo kSbiIpi{
    "ipi", {0x73'5049, 0x73'5049}, "0.2", "interrupts between harts", sbi_functions::kIpi};
inline constexpr SbiExtensionInfo kSbiRfence{
    "rfence", {0x5246'4E43, 0x5246'4E43}, "0.2", "fences on other harts", sbi_functions::kRfence};
inline constexpr SbiExtensionInfo kSbiHsm{
    "hsm", {0x48'534D, 0x48'534D}, "0.2", "starting and stopping harts", sbi_functions::kHsm};
inline constexpr SbiExtensionInfo kSbiSrst{
    "srst", {0x5352'5354, 0x5352'5354}, "0.3", "shutdown and reset", sbi_functions::kSrst};
inline constexpr SbiExtensionInfo kSbiPmu{
    "pmu", {0x50'4D55, 0x50'4D55}, "0.3", "performance counters", sbi_functions::kPmu};
inline constexpr SbiExtensionInfo kSbiDbcn{
    "dbcn", {0x4442'434E, 0x4442'434E}, "2.0", "debug console", sbi_functions::kDbcn};
inline constexpr SbiExtensionInfo kSbiSusp{
    "susp", {0x5355'5350, 0x5355'5350}, "2.0", "suspend of the whole machine", sbi_functions::kSusp};
inline constexpr SbiExtensionInfo kSbiSta{"sta", {0x53'5441, 0x53'5441}, "2.0", "stolen time", sbi_functions::kSta};
inline constexpr SbiExtensionInfo kSbiFwft{
    "fwft", {0x4657'4654, 0x4657'4654}, "3.0", "firmware features", sbi_functions::kFwft};
inline constexpr SbiExtensionInfo kSbiMpxy{
    "mpxy", {0x4D50'5859, 0x4D50'5859}, "3.0", "message proxy, without channels", sbi_functions::kMpxy};
inline constexpr SbiExtensionInfo kSbiHypercall{
    "hypercall", {RVVMM_HYPERCALL_EID, RVVMM_HYPERCALL_EID}, "", "rvvmm's own", sbi_functions::kHypercall};
/// KVM answers the standard HSM extension itself (docs/hsm.md).
inline constexpr SbiExtensionInfo kSbiOwnHsm{
    "hsm", {0x0848'534D, 0x0848'534D}, "", "rvvmm's own HSM", sbi_functions::kHsm};

/// The two EID ranges that KVM forwards completely. An extension above may lie in one of them.
inline constexpr SbiExtensionInfo kSbiExperimental{
    "experimental", {0x0800'0000, 0x08FF'FFFF}, "0.2", "range with rvvmm's own extensions"};
inline constexpr SbiExtensionInfo kSbiVendor{
    "vendor", {0x0900'0000, 0x09FF'FFFF}, "0.2", "range that rvvmm does not use"};

/// The extensions whose functions have names. No two of them share an EID.
inline constexpr std::array<const SbiExtensionInfo*, 15> kSbiExtensions{
    &kSbiBase, &kSbiTime, &kSbiIpi,  &kSbiRfence, &kSbiHsm,       &kSbiSrst,   &kSbiPmu,   &kSbiDbcn,
    &kSbiSusp, &kSbiSta,  &kSbiFwft, &kSbiMpxy,   &kSbiHypercall, &kSbiOwnHsm, &kSbiLegacy};

/// nullptr if none of kSbiExtensions has `eid`.
constexpr const SbiExtensionInfo* sbi_extension_of(uint64_t eid) noexcept {
  for (const SbiExtensionInfo* const extension : kSbiExtensions)
    if (extension->eids.contains(eid)) return extension;
  return nullptr;
}

}  // namespace rvvmm
