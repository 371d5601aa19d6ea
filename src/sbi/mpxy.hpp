// SBI Message Proxy (MPXY, EID 0x4D505859) of a machine that has no message channels. SBI 3.0, ch. 20.
#pragma once

#include <optional>
#include <vector>

#include "base/guest_memory.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart below `harts`. A guest finds that there are no channels, and every channel that it names is none.
class Mpxy final : public SbiExtension {
 public:
  /// Bytes of the memory that a hart shares: the least that 20.5 allows.
  static constexpr uint64_t kSharedBytes = 4096;

  Mpxy(const GuestMemory& memory, uint32_t harts) : memory_(memory), shared_(harts) {}

  std::string_view name() const noexcept override { return kSbiMpxy.name; }
  EidRange eids() const noexcept override { return kSbiMpxy.eids; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 20.6. All ones in both words: nothing is shared any more. kInvalidParam for unknown flags or an address that is no
  /// multiple of kSharedBytes, kInvalidAddress unless all of it is RAM.
  SbiRet set_shared_memory(HartId hart, uint64_t base_lo, uint64_t base_hi, uint64_t flags) noexcept;
  /// 20.7. Writes that none are returned and none remain. kNoShmem where nothing is shared, kInvalidParam for an index
  /// behind the end.
  SbiRet get_channel_ids(HartId hart, uint32_t start_index) noexcept;

  const GuestMemory& memory_;
  std::vector<std::optional<Gpa>> shared_;  // by hart, each used on its hart's thread alone
};

}  // namespace rvvmm
