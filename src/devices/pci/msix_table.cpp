#include "devices/pci/msix_table.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace rvvmm {
namespace {

// Words of an entry: 6.8.2.6 to 6.8.2.9.
enum EntryWord : uint8_t { kAddress = 0, kUpperAddress = 1, kData = 2, kVectorControl = 3 };
constexpr uint32_t kMasked = 1;

constexpr size_t kPendingBits = 64;

IoStatus check_access(uint64_t offset, size_t width, uint64_t size) noexcept {
  if ((width != 4 && width != 8) || offset % width != 0) return IoStatus::kBadWidth;
  return offset < size && width <= size - offset ? IoStatus::kOk : IoStatus::kNoRegister;
}

}  // namespace

MsixTable::MsixTable(uint16_t vectors, MsiSink& sink)
    : sink_(sink), entries_(vectors * kEntryWords), pending_((vectors + kPendingBits - 1) / kPendingBits) {
  assert(vectors >= 1 && vectors <= kMostVectors);
  for (size_t word = kVectorControl; word < entries_.size(); word += kEntryWords)
    entries_[word] = kMasked;
}

void MsixTable::set_control(bool enabled, bool masked) noexcept {
  enabled_ = enabled;
  masked_ = masked;
  if (!enabled) std::ranges::fill(pending_, 0);
  send_all_pending();
}

void MsixTable::signal(uint16_t vector) noexcept {
  if (!enabled_ || vector >= vectors()) return;
  if (deliverable(vector)) return send(vector);
  pending_[vector / kPendingBits] |= uint64_t{1} << vector % kPendingBits;
}

bool MsixTable::deliverable(uint16_t vector) const noexcept {
  return enabled_ && !masked_ && (entries_[vector * kEntryWords + kVectorControl] & kMasked) == 0;
}

std::optional<MsiMessage> MsixTable::message(uint16_t vector) const noexcept {
  if (vector >= vectors() || !deliverable(vector)) return std::nullopt;
  return entry(vector);
}

MsiMessage MsixTable::entry(uint16_t vector) const noexcept {
  const uint32_t* const words = &entries_[vector * kEntryWords];
  return {.address = words[kAddress] | uint64_t{words[kUpperAddress]} << 32, .data = words[kData]};
}

void MsixTable::send(uint16_t vector) noexcept {
  sink_.signal_msi(entry(vector));
}

void MsixTable::send_if_pending(uint16_t vector) noexcept {
  uint64_t& word = pending_[vector / kPendingBits];
  const uint64_t bit = uint64_t{1} << vector % kPendingBits;
  if ((word & bit) == 0 || !deliverable(vector)) return;
  word &= ~bit;
  send(vector);
}

void MsixTable::send_all_pending() noexcept {
  if (std::ranges::all_of(pending_, [](uint64_t word) { return word == 0; })) return;
  for (uint16_t vector = 0; vector < vectors(); ++vector)
    send_if_pending(vector);
}

IoStatus MsixTable::read_table(uint64_t offset, std::span<std::byte> out) const noexcept {
  const auto bytes = std::as_bytes(std::span{entries_});
  const IoStatus status = check_access(offset, out.size(), bytes.size());
  if (status == IoStatus::kOk) std::memcpy(out.data(), &bytes[offset], out.size());
  return status;
}

IoStatus MsixTable::write_table(uint64_t offset, std::span<const std::byte> in) noexcept {
  const IoStatus status = check_access(offset, in.size(), entries_.size() * sizeof(uint32_t));
  if (status != IoStatus::kOk) return status;
  for (size_t at = 0; at < in.size(); at += sizeof(uint32_t)) {
    const size_t word = (offset + at) / sizeof(uint32_t);
    std::memcpy(&entries_[word], &in[at], sizeof(uint32_t));
    if (word % kEntryWords == kVectorControl) entries_[word] &= kMasked;
  }
  // Only now: when 8 bytes bring data and unmask the vector, the new data is sent.
  send_if_pending(static_cast<uint16_t>(offset / kEntrySize));
  return status;
}

IoStatus MsixTable::read_pending(uint64_t offset, std::span<std::byte> out) const noexcept {
  const auto bytes = std::as_bytes(std::span{pending_});
  const IoStatus status = check_access(offset, out.size(), bytes.size());
  if (status == IoStatus::kOk) std::memcpy(out.data(), &bytes[offset], out.size());
  return status;
}

MsixState MsixTable::state() const {
  return {.enabled = enabled_, .masked = masked_, .entries = entries_, .pending = pending_};
}

void MsixTable::restore(const MsixState& state) noexcept {
  enabled_ = state.enabled;
  masked_ = state.masked;
  std::copy_n(state.entries.begin(), std::min(state.entries.size(), entries_.size()), entries_.begin());
  for (size_t word = kVectorControl; word < entries_.size(); word += kEntryWords)
    entries_[word] &= kMasked;
  std::copy_n(state.pending.begin(), std::min(state.pending.size(), pending_.size()), pending_.begin());
  // Bits of vectors that do not exist would read as set forever.
  if (const size_t used = vectors() % kPendingBits; used != 0) pending_.back() &= (uint64_t{1} << used) - 1;
}

}  // namespace rvvmm
