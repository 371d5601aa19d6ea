#include "observe/hart_profile.hpp"

namespace rvvmm {

HartProfile::HartProfile(uint64_t start) : start_(start) {
  rows_.reserve(kMostRows);
}

[[gnu::cold]] ExitCosts& HartProfile::new_row(size_t place, const ExitKey& key) noexcept {
  if (rows_.size() == kMostRows) return others_[static_cast<size_t>(key.kind)];
  rows_.push_back({.key = key, .costs = {}});
  index_[place] = &rows_.back();
  return rows_.back().costs;
}

void HartProfile::add_pc(uint64_t pc) noexcept {
  size_t place = place_of(pc);
  while (pcs_[place].samples != 0 && pcs_[place].pc != pc)
    place = (place + 1) % kIndexSize;
  Pc& slot = pcs_[place];
  if (slot.samples == 0) {
    if (known_pcs_ == kMostPcs) {
      ++other_pcs_;
      return;
    }
    ++known_pcs_;
    slot.pc = pc;
  }
  ++slot.samples;
}

std::vector<HartProfile::Pc> HartProfile::pcs() const {
  std::vector<Pc> sampled;
  for (const Pc& slot : pcs_) {
    if (slot.samples != 0) sampled.push_back(slot);
  }
  return sampled;
}

}  // namespace rvvmm
