#include "base/register_file.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace rvvmm {

std::optional<uint64_t> RegisterFile::get(HartRegister reg) noexcept {
  Slot& slot = slots_[static_cast<size_t>(reg)];
  if (slot.is == Is::kUnknown) {
    const auto value = hart_.get(reg);
    if (!value) return std::nullopt;
    slot = {.value = *value, .is = Is::kRead};
  }
  return slot.value;
}

void RegisterFile::set(HartRegister reg, uint64_t value) noexcept {
  Slot& slot = slots_[static_cast<size_t>(reg)];
  if (slot.is == Is::kRead && slot.value == value) return;
  slot = {.value = value, .is = Is::kChanged};
}

// The size comes from the hypervisor and is read once. If a caller sets vlenb later, the size here does not change.
RegisterFile::VectorSlots* RegisterFile::vector_slots() noexcept {
  if (vectors_) return vectors_.get();
  const uint64_t vlenb = get(HartRegister::kVlenb).value_or(0);
  if (!std::has_single_bit(vlenb) || vlenb > kMaxVlenb) return nullptr;
  std::unique_ptr<std::byte[]> bytes{new (std::nothrow) std::byte[kVectorRegisters * vlenb]};
  if (!bytes) return nullptr;
  vectors_.reset(new (std::nothrow) VectorSlots{.bytes = std::move(bytes), .vlenb = vlenb});
  return vectors_.get();
}

std::optional<std::span<const std::byte>> RegisterFile::get(VectorRegister reg) noexcept {
  VectorSlots* const slots = vector_slots();
  if (slots == nullptr) return std::nullopt;
  const auto number = static_cast<size_t>(reg);
  const std::span bytes = slots->of(number);
  Is& is = slots->is[number];
  if (is == Is::kUnknown) {
    if (!hart_.get(reg, bytes)) return std::nullopt;
    is = Is::kRead;
  }
  return bytes;
}

bool RegisterFile::set(VectorRegister reg, std::span<const std::byte> bytes) noexcept {
  VectorSlots* const slots = vector_slots();
  if (slots == nullptr || bytes.size() != slots->vlenb) return false;
  const auto number = static_cast<size_t>(reg);
  const std::span known = slots->of(number);
  Is& is = slots->is[number];
  if (is == Is::kRead && std::ranges::equal(known, bytes)) return true;
  std::ranges::copy(bytes, known.begin());
  is = Is::kChanged;
  return true;
}

bool RegisterFile::write_back() noexcept {
  bool all = true;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].is != Is::kChanged) continue;
    all &= hart_.set(static_cast<HartRegister>(i), slots_[i].value);
    slots_[i].is = Is::kRead;
  }
  if (!vectors_) return all;
  for (size_t number = 0; number < kVectorRegisters; ++number) {
    if (vectors_->is[number] != Is::kChanged) continue;
    all &= hart_.set(static_cast<VectorRegister>(number), vectors_->of(number));
    vectors_->is[number] = Is::kRead;
  }
  return all;
}

}  // namespace rvvmm
