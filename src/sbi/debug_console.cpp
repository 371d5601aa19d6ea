#include "sbi/debug_console.hpp"

#include <algorithm>

namespace rvvmm {
namespace {

enum DbcnFunction : uint64_t { kWrite = 0, kRead = 1, kWriteByte = 2 };
static_assert(kSbiDbcn.functions[kRead].name == "read" && kSbiDbcn.functions.size() == kWriteByte + 1);

}  // namespace

SbiRet DebugConsole::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  switch (call.fid) {
    case kWrite: return write(call.args[0], call.args[1], call.args[2]);
    case kRead: return read(call.args[0], call.args[1], call.args[2]);
    case kWriteByte: return write_byte(call.args[0]);
    default: return SbiRet::fail(SbiError::kNotSupported);
  }
}

std::optional<std::span<std::byte>> DebugConsole::buffer(uint64_t num_bytes, uint64_t base_lo,
                                                         uint64_t base_hi) const noexcept {
  const auto whole = memory_.slice_of_words(base_lo, base_hi, num_bytes);
  if (!whole) return std::nullopt;
  return whole->first(std::min(num_bytes, kMaxBytesPerCall));
}

SbiRet DebugConsole::write(uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept {
  const auto bytes = buffer(num_bytes, base_lo, base_hi);
  if (!bytes) return SbiRet::fail(SbiError::kInvalidParam);
  if (!bytes->empty()) out_.write(*bytes);
  return SbiRet::ok(bytes->size());
}

SbiRet DebugConsole::read(uint64_t num_bytes, uint64_t base_lo, uint64_t base_hi) noexcept {
  const auto bytes = buffer(num_bytes, base_lo, base_hi);
  if (!bytes) return SbiRet::fail(SbiError::kInvalidParam);
  return SbiRet::ok(bytes->empty() ? 0 : in_.read(*bytes));
}

SbiRet DebugConsole::write_byte(uint64_t byte) noexcept {
  const auto one = static_cast<std::byte>(byte & 0xFF);
  out_.write({&one, 1});
  return SbiRet::ok();
}

}  // namespace rvvmm
