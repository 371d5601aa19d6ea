#include "devices/platform/test_finisher.hpp"

#include <algorithm>
#include <cstring>

namespace rvvmm {
namespace {

enum Status : uint16_t { kFail = 0x3333, kPass = 0x5555, kReset = 0x7777 };

bool is_register_width(size_t width) noexcept {
  return width == 2 || width == 4;
}

}  // namespace

IoStatus TestFinisher::read(uint64_t offset, std::span<std::byte> out) noexcept {
  if (offset != 0) return IoStatus::kNoRegister;
  if (!is_register_width(out.size())) return IoStatus::kBadWidth;
  std::ranges::fill(out, std::byte{0});
  return IoStatus::kOk;
}

IoStatus TestFinisher::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (offset != 0) return IoStatus::kNoRegister;
  if (!is_register_width(in.size())) return IoStatus::kBadWidth;
  uint32_t value = 0;
  std::memcpy(&value, in.data(), in.size());
  switch (value & 0xFFFF) {
    case kPass: listener_.on_finish({.kind = FinishKind::kPass}); break;
    case kFail: listener_.on_finish({.kind = FinishKind::kFail, .code = static_cast<uint16_t>(value >> 16)}); break;
    case kReset: listener_.on_finish({.kind = FinishKind::kReset}); break;
    default:
      if (unknown_.allow()) {
        log::line(log::Module::kDevices, log::Level::kInfo,
                  "finisher: {:#x} is not pass 0x5555, fail 0x3333 or reset 0x7777; ignored", value);
      }
  }
  return IoStatus::kOk;
}

void TestFinisher::describe(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto node = fdt.node("test", slot.window.base.value);
  fdt.strings("compatible", {"sifive,test1", "sifive,test0", "syscon"});
  fdt.reg({slot.window});
  fdt.u32("phandle", slot.own_phandle);
}

void TestFinisher::describe_beside_bus(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto act = [&](std::string_view name, std::string_view driver, Status value) {
    const auto node = fdt.node(name);
    fdt.string("compatible", driver);
    fdt.u32("regmap", slot.own_phandle);
    fdt.u32("offset", 0);
    fdt.u32("value", value);
  };
  act("poweroff", "syscon-poweroff", kPass);
  act("reboot", "syscon-reboot", kReset);
}

}  // namespace rvvmm
