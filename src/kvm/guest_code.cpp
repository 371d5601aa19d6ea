#include "kvm/guest_code.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kPageShift = 12;
constexpr uint64_t kPageMask = (1UL << kPageShift) - 1;
constexpr uint64_t kLevelBits = 9;
constexpr uint64_t kPteValid = 1 << 0;
constexpr uint64_t kPteReadOrExecute = (1 << 1) | (1 << 3);
constexpr uint64_t kPtePpnShift = 10;
constexpr uint64_t kPpnMask = (1UL << 44) - 1;
constexpr uint64_t kPteNapot = 1UL << 63;
constexpr uint64_t kNapotPages = 16;  // Svnapot 1.0 has 64 KiB only

// satp.MODE 8, 9 and 10 are Sv39, Sv48 and Sv57, with three, four and five levels.
std::optional<uint64_t> levels_of(uint64_t satp) noexcept {
  const uint64_t mode = satp >> 60;
  if (mode < 8 || mode > 10) return std::nullopt;
  return mode - 5;
}

LoadInstruction decode_compressed(uint32_t i) noexcept {
  LoadInstruction load{.length = 2};
  const uint32_t quadrant = bits(i, 1, 0);
  const uint32_t funct3 = bits(i, 15, 13);
  if (quadrant == 0 && funct3 == 2) {  // c.lw
    load.signed_width_bits = 32;
    load.rd = bits(i, 4, 2) + 8;
  } else if (quadrant == 2 && funct3 == 2) {  // c.lwsp
    load.signed_width_bits = 32;
    load.rd = bits(i, 11, 7);
  } else if (quadrant == 0 && bits(i, 15, 10) == 0b100001 && bits(i, 6, 6) == 1) {  // c.lh, of Zcb
    load.signed_width_bits = 16;
    load.rd = bits(i, 4, 2) + 8;
  }
  return load;
}

}  // namespace

LoadInstruction decode_load(uint32_t instruction) noexcept {
  if (bits(instruction, 1, 0) != 3) return decode_compressed(instruction);
  constexpr uint32_t kOpcodeLoad = 0x03;
  LoadInstruction load{.length = 4};
  const uint32_t funct3 = bits(instruction, 14, 12);
  if (bits(instruction, 6, 0) == kOpcodeLoad && funct3 <= 2) {  // lb, lh, lw
    load.signed_width_bits = 8U << funct3;
    load.rd = bits(instruction, 11, 7);
  }
  return load;
}

std::optional<Gpa> GuestCode::translate(uint64_t address, uint64_t satp) const noexcept {
  if (satp >> 60 == 0) return Gpa{address};
  const auto levels = levels_of(satp);
  if (!levels) return std::nullopt;
  uint64_t table = (satp & kPpnMask) << kPageShift;
  for (uint64_t level = *levels; level-- > 0;) {
    const uint64_t shift = kPageShift + level * kLevelBits;
    const uint64_t index = (address >> shift) & ((1 << kLevelBits) - 1);
    const auto pte = load<uint64_t>(Gpa{table + index * sizeof(uint64_t)});
    if (!pte || (*pte & kPteValid) == 0) return std::nullopt;
    uint64_t ppn = (*pte >> kPtePpnShift) & kPpnMask;
    if ((*pte & kPteReadOrExecute) != 0) {
      if ((*pte & kPteNapot) != 0) ppn &= ~(kNapotPages - 1);
      const uint64_t reach = (*pte & kPteNapot) != 0 ? kNapotPages << kPageShift : 1UL << shift;
      return Gpa{(ppn << kPageShift) | (address & (reach - 1))};
    }
    table = ppn << kPageShift;
  }
  return std::nullopt;
}

std::optional<uint32_t> GuestCode::fetch(uint64_t pc, uint64_t satp) const noexcept {
  const auto low_at = translate(pc, satp);
  if (!low_at) return std::nullopt;
  const auto low = load<uint16_t>(*low_at);
  if (!low || bits(*low, 1, 0) != 3) return low;
  // A four-byte instruction may begin in one page and end in another.
  const auto high_at = ((pc + 2) & kPageMask) == 0 ? translate(pc + 2, satp) : *low_at + 2;
  if (!high_at) return std::nullopt;
  const auto high = load<uint16_t>(*high_at);
  if (!high) return std::nullopt;
  return static_cast<uint32_t>(*high) << 16 | *low;
}

}  // namespace rvvmm
