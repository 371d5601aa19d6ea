// SBI Message Proxy (MPXY, EID 0x4D505859) for a machine without message channels. SBI 3.0, ch. 20.
#pragma once

#include <optional>
#include <vector>

#include "base/guest_memory.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

/// Any hart below `harts`. A guest finds an empty list of channels, and a call for any channel fails.
class Mpxy final : public SbiExtension {
 public:
  /// Bytes of the memory that a hart shares: the minimum that 20.5 allows.
  static constexpr uint64_t kSharedBytes = 4096;

  Mpxy(const GuestMemory& memory, uint32_t harts) : memory_(memory), shared_(harts) {}

  std::string_view name() const noexcept override { return kSbiMpxy.name; }
  EidRange eids() const noexcept override { return kSbiMpxy.eids; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override;

 private:
  /// 20.6. All ones in both words end the sharing. kInvalidParam for unknown flags or an address that is not a multiple
  /// of kSharedBytes, kInvalidAddress unless all of the memory is RAM.
  SbiRet set_shared_memory(HartId hart, uint64_t base_lo, uint64_t base_hi, uint64_t flags) noexcept;
  /// 20.7. Writes that no channels are returned and none remain. kNoShmem if no memory is shared, kInvalidParam for an
  /// index after the end.
  SbiRet get_channel_ids(HartId hart, uint32_t start_index) noexcept;

  const GuestMemory& memory_;
  std::vector<std::optional<Gpa>> shared_;  // by hart; only the hart's own thread uses its element
};

}  // namespace rvvmm
