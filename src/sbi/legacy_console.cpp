#include "sbi/legacy_console.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kPutchar = 0x01;

}  // namespace

SbiRet LegacyConsole::handle(HartId /*hart*/, const SbiCall& call) noexcept {
  const uint64_t a1 = call.args[1];
  if (call.eid == kPutchar) {
    const auto byte = static_cast<std::byte>(call.args[0] & 0xFF);
    out_.write({&byte, 1});
    return SbiRet::legacy(0, a1);
  }
  std::byte byte{};
  const bool got = in_.read({&byte, 1}) == 1;
  return SbiRet::legacy(got ? static_cast<int64_t>(byte) : -1, a1);
}

}  // namespace rvvmm
