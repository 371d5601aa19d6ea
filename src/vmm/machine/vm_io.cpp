#include "vmm/machine/vm_io.hpp"

#include <sys/random.h>

namespace rvvmm {
namespace {

constexpr uint32_t kSeedCsr = 0x015;
// Entropy source (scalar cryptography 1.0.1, "seed"): OPST in bits 31:30, entropy in bits 15:0.
constexpr uint64_t kSeedWait = 1UL << 30;
constexpr uint64_t kSeedEs16 = 2UL << 30;

uint64_t read_seed() noexcept {
  uint16_t entropy = 0;
  if (::getrandom(&entropy, sizeof(entropy), GRND_NONBLOCK) != sizeof(entropy)) return kSeedWait;
  return kSeedEs16 | entropy;
}

}  // namespace

void VmIo::mmio_read(HartId /*hart*/, Gpa at, std::span<std::byte> out) noexcept {
  bus_.read(at, out);
}

void VmIo::mmio_write(HartId /*hart*/, Gpa at, std::span<const std::byte> in) noexcept {
  bus_.write(at, in);
}

SbiRet VmIo::sbi_ecall(HartId hart, const SbiCall& call) noexcept {
  return sbi_.dispatch(hart, call);
}

std::optional<uint64_t> VmIo::csr_access(HartId hart, const CsrAccess& access) noexcept {
  if (access.number == kSeedCsr) return read_seed();
  if (unknown_csrs_.allow()) {
    log::line(log::Module::kVmm, log::Level::kInfo, "hart {}: CSR {:#x} does not exist here; illegal instruction",
              hart.value, access.number);
  }
  return std::nullopt;
}

void VmIo::system_event(HartId hart, const SystemEvent& event) noexcept {
  listener_.on_system_event(hart, event);
}

}  // namespace rvvmm
