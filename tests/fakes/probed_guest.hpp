// The guest that probe_sbi() runs, played by a FakeVcpu on a kernel that has what a test says.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "fakes/fake_hypervisor.hpp"

namespace rvvmm {

/// Has each VM's first hart probe what it is asked for: present is what is in `eids`, and as KVM does it the ranges of
/// user space are user space's to answer. `eids` outlives the host.
inline void play_probes(FakeHost& host, const std::set<uint64_t>& eids) {
  host.on_vcpu_made = [&eids](HartId hart, FakeVcpu& vcpu) {
    constexpr int kMoreThanThereAre = 100;
    for (int probe = 0; probe < kMoreThanThereAre; ++probe) {
      vcpu.add_step([&eids, hart](VcpuIo& io) {
        std::array<std::byte, 8> word{};
        io.mmio_read(hart, Gpa{0x1000}, word);
        uint64_t eid = 0;
        std::memcpy(&eid, word.data(), word.size());
        const uint64_t answer = eid >> 25 == 0x08000000 >> 25
                                    ? io.sbi_ecall(hart, {.eid = 0x10, .fid = 3, .args = {eid}}).value
                                    : static_cast<uint64_t>(eids.contains(eid));
        std::memcpy(word.data(), &answer, word.size());
        io.mmio_write(hart, Gpa{0x1000}, word);
        return RunOutcome::kContinue;
      });
    }
  };
}

}  // namespace rvvmm
