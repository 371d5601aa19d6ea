// Any SBI call from any hart over a small guest memory: never a crash, never more work than one call may do, and an
// error code that the specification knows.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/guest_memory.hpp"
#include "fakes/fake_console_ends.hpp"
#include "sbi/debug_console.hpp"
#include "sbi/extensions.hpp"

namespace {

using namespace rvvmm;

struct RawCall {
  uint8_t choice;
  uint64_t eid, fid, args[6];
} __attribute__((packed));

constexpr uint64_t kKnownEids[] = {0x01, 0x02, 0x10, 0x4442434E, 0x0800'0000};

// Most random numbers are nobody's EID and point nowhere: half of the calls are moved to where it gets interesting.
SbiCall call_of(const RawCall& raw) {
  SbiCall call{.eid = raw.eid, .fid = raw.fid};
  std::memcpy(call.args.data(), raw.args, sizeof(raw.args));
  if ((raw.choice & 1) != 0) {
    call.eid = kKnownEids[(raw.choice >> 1) % std::size(kKnownEids)];
    call.fid %= 5;
    call.args[1] = 0x8000'0000 + call.args[1] % 0x12000;
    call.args[2] %= 2;
  }
  return call;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const GuestMemory memory{Gpa{0x8000'0000}, 64_KiB};
  RecordingSink out;
  ScriptedSource in{"some input that waits"};
  SbiDispatcher sbi;
  add_extensions(sbi, {.memory = memory, .console_out = out, .console_in = in});
  for (size_t at = 0; size - at >= sizeof(RawCall); at += sizeof(RawCall)) {
    RawCall raw;
    std::memcpy(&raw, data + at, sizeof(raw));
    const size_t before = out.text.size();
    const SbiCall call = call_of(raw);
    const SbiRet ret = sbi.dispatch(HartId{0}, call);
    const bool legacy = call.eid <= 2;
    if (!legacy && (ret.error > 0 || ret.error < -14)) std::abort();
    if (out.text.size() - before > DebugConsole::kMaxBytesPerCall) std::abort();
  }
  return 0;
}
