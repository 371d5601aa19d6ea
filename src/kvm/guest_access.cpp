#include "kvm/guest_access.hpp"

#include <array>
#include <format>
#include <string_view>

#include "base/register_names.hpp"

namespace rvvmm {
namespace {

constexpr uint32_t kStackPointer = 2;

constexpr uint32_t bit(uint32_t value, uint32_t from, uint32_t to) noexcept {
  return bits(value, from, from) << to;
}

// Indexed by funct3; empty: no such instruction.
using Names = std::array<std::string_view, 8>;
constexpr Names kLoads{"lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", ""};
constexpr Names kStores{"sb", "sh", "sw", "sd", "", "", "", ""};
constexpr Names kFpLoads{"", "flh", "flw", "fld", "flq", "", "", ""};
constexpr Names kFpStores{"", "fsh", "fsw", "fsd", "fsq", "", "", ""};

/// `reg` is rd or rs2, an integer register or, with a prefix, a floating-point register.
std::string with_offset(std::string_view name, std::string_view prefix, uint32_t reg, int64_t offset, uint32_t base) {
  const std::string data = prefix.empty() ? std::string{integer_register_name(reg)} : std::format("{}{}", prefix, reg);
  return std::format("{} {}, {}({})", name, data, offset, integer_register_name(base));
}

std::optional<MemoryInstruction> plain(std::string_view name, bool is_fp, bool is_write, uint32_t reg, int64_t offset,
                                       uint32_t base) {
  if (name.empty()) return std::nullopt;
  return MemoryInstruction{.text = with_offset(name, is_fp ? "f" : "", reg, offset, base),
                           .base = base,
                           .offset = offset,
                           .is_write = is_write};
}

/// Vector loads and stores share their opcodes with floating point: element widths of 8, 16, 32 and 64 bits.
MemoryInstruction vector(bool is_write, uint32_t base) {
  return {.text = std::format("a vector {} of ({})", is_write ? "store" : "load", integer_register_name(base)),
          .base = base,
          .is_write = is_write};
}

std::optional<MemoryInstruction> load(uint32_t i, bool is_fp) {
  const uint32_t funct3 = bits(i, 14, 12);
  const uint32_t base = bits(i, 19, 15);
  if (is_fp && (funct3 == 0 || funct3 > 4)) return vector(false, base);
  return plain((is_fp ? kFpLoads : kLoads)[funct3], is_fp, false, bits(i, 11, 7), sign_extended(bits(i, 31, 20), 12),
               base);
}

std::optional<MemoryInstruction> store(uint32_t i, bool is_fp) {
  const uint32_t funct3 = bits(i, 14, 12);
  const uint32_t base = bits(i, 19, 15);
  if (is_fp && (funct3 == 0 || funct3 > 4)) return vector(true, base);
  const uint32_t offset = bits(i, 31, 25) << 5 | bits(i, 11, 7);
  return plain((is_fp ? kFpStores : kStores)[funct3], is_fp, true, bits(i, 24, 20), sign_extended(offset, 12), base);
}

std::string_view amo_name(uint32_t funct5) noexcept {
  switch (funct5) {
    case 0x00: return "amoadd";
    case 0x01: return "amoswap";
    case 0x02: return "lr";
    case 0x03: return "sc";
    case 0x04: return "amoxor";
    case 0x05: return "amocas";
    case 0x08: return "amoor";
    case 0x0C: return "amoand";
    case 0x10: return "amomin";
    case 0x14: return "amomax";
    case 0x18: return "amominu";
    case 0x1C: return "amomaxu";
    default: return {};
  }
}

std::optional<MemoryInstruction> atomic(uint32_t i) {
  constexpr std::string_view kWidths = "bhwdq";
  const std::string_view name = amo_name(bits(i, 31, 27));
  const uint32_t width = bits(i, 14, 12);
  if (name.empty() || width >= kWidths.size()) return std::nullopt;
  const uint32_t base = bits(i, 19, 15);
  std::string text = std::format("{}.{} {}", name, kWidths[width], integer_register_name(bits(i, 11, 7)));
  if (name != "lr") text += std::format(", {}", integer_register_name(bits(i, 24, 20)));
  text += std::format(", ({})", integer_register_name(base));
  return MemoryInstruction{.text = std::move(text), .base = base, .is_write = name != "lr"};
}

// Offsets of the compressed loads and stores, in the bit order of the C extension's tables.
constexpr uint32_t word_offset(uint32_t i) noexcept {
  return bits(i, 12, 10) << 3 | bit(i, 6, 2) | bit(i, 5, 6);
}
constexpr uint32_t double_offset(uint32_t i) noexcept {
  return bits(i, 12, 10) << 3 | bits(i, 6, 5) << 6;
}
constexpr uint32_t stack_word_load_offset(uint32_t i) noexcept {
  return bit(i, 12, 5) | bits(i, 6, 4) << 2 | bits(i, 3, 2) << 6;
}
constexpr uint32_t stack_double_load_offset(uint32_t i) noexcept {
  return bit(i, 12, 5) | bits(i, 6, 5) << 3 | bits(i, 4, 2) << 6;
}
constexpr uint32_t stack_word_store_offset(uint32_t i) noexcept {
  return bits(i, 12, 9) << 2 | bits(i, 8, 7) << 6;
}
constexpr uint32_t stack_double_store_offset(uint32_t i) noexcept {
  return bits(i, 12, 10) << 3 | bits(i, 9, 7) << 6;
}

std::optional<MemoryInstruction> zcb(uint32_t i, uint32_t reg, uint32_t base) {
  const uint32_t byte = bit(i, 6, 0) | bit(i, 5, 1);
  const uint32_t half = bit(i, 5, 1);
  switch (bits(i, 12, 10)) {
    case 0: return plain("lbu", false, false, reg, byte, base);
    case 1: return plain(bits(i, 6, 6) != 0 ? "lh" : "lhu", false, false, reg, half, base);
    case 2: return plain("sb", false, true, reg, byte, base);
    case 3:
      if (bits(i, 6, 6) != 0) return std::nullopt;
      return plain("sh", false, true, reg, half, base);
    default: return std::nullopt;
  }
}

std::optional<MemoryInstruction> quadrant_0(uint32_t i) {
  const uint32_t base = bits(i, 9, 7) + 8;
  const uint32_t reg = bits(i, 4, 2) + 8;
  switch (bits(i, 15, 13)) {
    case 1: return plain("fld", true, false, reg, double_offset(i), base);
    case 2: return plain("lw", false, false, reg, word_offset(i), base);
    case 3: return plain("ld", false, false, reg, double_offset(i), base);
    case 4: return zcb(i, reg, base);
    case 5: return plain("fsd", true, true, reg, double_offset(i), base);
    case 6: return plain("sw", false, true, reg, word_offset(i), base);
    case 7: return plain("sd", false, true, reg, double_offset(i), base);
    default: return std::nullopt;
  }
}

std::optional<MemoryInstruction> quadrant_2(uint32_t i) {
  const uint32_t rd = bits(i, 11, 7);
  const uint32_t rs2 = bits(i, 6, 2);
  switch (bits(i, 15, 13)) {
    case 1: return plain("fld", true, false, rd, stack_double_load_offset(i), kStackPointer);
    case 2: return plain("lw", false, false, rd, stack_word_load_offset(i), kStackPointer);
    case 3: return plain("ld", false, false, rd, stack_double_load_offset(i), kStackPointer);
    case 5: return plain("fsd", true, true, rs2, stack_double_store_offset(i), kStackPointer);
    case 6: return plain("sw", false, true, rs2, stack_word_store_offset(i), kStackPointer);
    case 7: return plain("sd", false, true, rs2, stack_double_store_offset(i), kStackPointer);
    default: return std::nullopt;
  }
}

/// Text for a guest address: the physical address and what is there.
std::string place_text(uint64_t address, std::optional<Gpa> at, bool is_write, const VcpuIo& io) {
  std::string text = std::format("{:#x}", address);
  if (!at) return text + ", which the guest's page tables do not map";
  if (at->value != address) text += std::format(" (physical {:#x})", at->value);
  const std::string what = io.what_is_at(*at, is_write);
  return text + (what.empty() ? ", where nothing is: most likely a stray pointer" : ", which is " + what);
}

}  // namespace

std::optional<MemoryInstruction> decode_memory_instruction(uint32_t instruction) {
  switch (bits(instruction, 1, 0)) {
    case 0: return quadrant_0(instruction);
    case 1: return std::nullopt;
    case 2: return quadrant_2(instruction);
    default: break;
  }
  switch (bits(instruction, 6, 0)) {
    case 0x03: return load(instruction, false);
    case 0x07: return load(instruction, true);
    case 0x23: return store(instruction, false);
    case 0x27: return store(instruction, true);
    case 0x2F: return atomic(instruction);
    default: return std::nullopt;
  }
}

std::string describe_access(RegisterFile& registers, const GuestCode& code, const VcpuIo& io) {
  const auto pc = registers.get(HartRegister::kPc);
  const auto satp = registers.get(HartRegister::kSatp);
  if (!pc || !satp) return "";
  const auto instruction = code.fetch(*pc, *satp);
  if (!instruction) return "a jump to " + place_text(*pc, code.translate(*pc, *satp), false, io);
  const auto access = decode_memory_instruction(*instruction);
  if (!access) return "";
  const uint64_t base = access->base == 0 ? 0 : registers.get(x(access->base)).value_or(0);
  const uint64_t address = base + static_cast<uint64_t>(access->offset);
  return std::format("{} at {}", access->text,
                     place_text(address, code.translate(address, *satp), access->is_write, io));
}

}  // namespace rvvmm
