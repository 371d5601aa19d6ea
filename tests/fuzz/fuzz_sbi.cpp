// Any SBI call from any hart over a small guest memory: never a crash, never more work than one call may do, and an
// error code that the specification knows.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/guest_memory.hpp"
#include "base/log.hpp"
#include "fakes/sbi_table.hpp"
#include "fuzz/steps.hpp"
#include "sbi/debug_console.hpp"
#include "sbi/hsm.hpp"
#include "sbi/hypercall.hpp"

namespace {

using namespace rvvmm;

struct RawCall {
  uint8_t choice;
  uint64_t eid, fid, args[6];
} __attribute__((packed));

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kMpxy = 0x4D505859;
constexpr uint64_t kKnownEids[] = {
    0x01, 0x02, 0x10, 0x4442434E, 0x0800'0000, RVVMM_HYPERCALL_EID, Hsm::kStandardEid, Hsm::kOwnEid, kMpxy};

// Somewhere in RAM, or behind its end.
uint64_t near_ram(uint64_t random) {
  return kRam.value + random % 0x12000;
}

// Most random numbers are nobody's EID and point nowhere: half of the calls are moved to where it gets interesting.
SbiCall call_of(const RawCall& raw) {
  SbiCall call{.eid = raw.eid, .fid = raw.fid};
  std::memcpy(call.args.data(), raw.args, sizeof(raw.args));
  if ((raw.choice & 1) != 0) {
    call.eid = kKnownEids[(raw.choice >> 1) % std::size(kKnownEids)];
    call.fid %= 8;
    if (call.eid == kMpxy) {
      call.args[0] = (raw.choice & 0x80) != 0 ? kRam.value + call.args[0] % 18 * 4_KiB : near_ram(call.args[0]);
      call.args[1] %= 2;
      call.args[2] %= 4;
      return call;
    }
    const bool log = call.eid == RVVMM_HYPERCALL_EID && call.fid == RVVMM_HC_LOG;
    const size_t address = log ? 2 : 1;
    if (log) call.args[0] %= 5;
    call.args[address] = near_ram(call.args[address]);
    call.args[address + 1] %= 2;
    // What batches find in RAM is this input: they begin in it, aligned as they must be, or anywhere.
    if ((raw.choice & 0x80) != 0) call.args[address] = kRam.value + call.args[address] % 64 * 8;
  }
  return call;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const GuestMemory memory{kRam, 64_KiB};
  log::set_level(log::Module::kGuest, log::Level::kOff);
  clear(memory.bytes());
  std::memcpy(memory.bytes().data(), data, std::min<size_t>(size, memory.bytes().size()));
  SbiTable table{memory};
  table.in.waiting = "some input that waits";
  const std::string& out = table.out.text;
  for_each_step<RawCall>({data, size}, [&](const RawCall& raw) {
    const size_t before = out.size();
    const SbiCall call = call_of(raw);
    const SbiRet ret = table.sbi.dispatch(HartId{0}, call);
    const bool legacy = call.eid <= 2;
    require(legacy || (ret.error <= 0 && ret.error >= -14));
    const bool hypercall = call.eid == RVVMM_HYPERCALL_EID;  // which may be a batch of others
    const uint64_t calls = hypercall ? RVVMM_BATCH_MAX_ENTRIES : 1;
    require(out.size() - before <= calls * DebugConsole::kMaxBytesPerCall);
  });
  return 0;
}
