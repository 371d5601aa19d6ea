// Chapters in quotes: RISC-V Platform-Level Interrupt Controller Specification 1.0.0.
#include "devices/platform/plic.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>

#include "base/error.hpp"

namespace rvvmm {
namespace {

// "Memory Map".
constexpr uint64_t kPriorityEnd = 0x1000;
constexpr uint64_t kPending = 0x1000;
constexpr uint64_t kPendingEnd = 0x1080;
constexpr uint64_t kEnable = 0x2000;
constexpr uint64_t kEnableStride = 0x80;
constexpr uint64_t kContext = 0x20'0000;
constexpr uint64_t kContextStride = 0x1000;
constexpr uint64_t kThreshold = 0;
constexpr uint64_t kClaim = 4;

constexpr uint32_t kSupervisorExternal = 9;  // interrupt of riscv,cpu-intc

uint32_t bit_of(uint32_t source) noexcept {
  return 1U << (source % 32);
}

// Sources 1..sources as bits of one word.
uint32_t existing(size_t word, uint32_t sources) noexcept {
  const uint64_t first = word * 32;
  if (first > sources) return 0;
  const uint64_t count = sources - first + 1;
  const uint32_t mask = count >= 32 ? UINT32_MAX : (1U << count) - 1;
  return word == 0 ? mask & ~1U : mask;
}

}  // namespace

Plic::Plic(uint32_t sources, std::span<HartIrqPin* const> pins) : sources_(sources), context_count_(pins.size()) {
  if (sources == 0 || sources > kMaxSources) {
    throw SetupError{ExitStatus::kInternal,
                     std::format("PLIC: {} sources; 1 to {} are possible", sources, kMaxSources)};
  }
  if (pins.empty() || pins.size() > kMaxContexts) {
    throw SetupError{ExitStatus::kInternal,
                     std::format("PLIC: {} harts; 1 to {} are possible", pins.size(), kMaxContexts)};
  }
  lines_.reserve(sources);
  for (uint32_t source = 1; source <= sources; ++source)
    lines_.emplace_back(*this, source);
  const LockGuard lock{mu_};
  for (HartIrqPin* const pin : pins)
    contexts_.push_back({.pin = pin});
}

IrqLine& Plic::line(Gsi source) {
  if (source.value == 0 || source.value > sources_) {
    throw SetupError{ExitStatus::kInternal,
                     std::format("PLIC: no source {}; there are 1 to {}", source.value, sources_)};
  }
  return lines_[source.value - 1];
}

bool Plic::asserted() const noexcept {
  const LockGuard lock{mu_};
  return std::ranges::any_of(level_, [](uint32_t word) { return word != 0; });
}

IoStatus Plic::read(uint64_t offset, std::span<std::byte> out) noexcept {
  if (!has_register(offset)) return IoStatus::kNoRegister;
  if (out.size() != 4 || offset % 4 != 0) return IoStatus::kBadWidth;
  uint32_t value = 0;
  {
    const LockGuard lock{mu_};
    value = load(offset);
  }
  std::memcpy(out.data(), &value, sizeof(value));
  return IoStatus::kOk;
}

IoStatus Plic::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (!has_register(offset)) return IoStatus::kNoRegister;
  if (in.size() != 4 || offset % 4 != 0) return IoStatus::kBadWidth;
  uint32_t value = 0;
  std::memcpy(&value, in.data(), sizeof(value));
  const LockGuard lock{mu_};
  store(offset, value);
  return IoStatus::kOk;
}

bool Plic::has_register(uint64_t offset) const noexcept {
  if (offset < kPendingEnd) return true;
  if (offset < kEnable) return false;
  if (offset < kContext) return (offset - kEnable) / kEnableStride < context_count_;
  const uint64_t context = (offset - kContext) / kContextStride;
  return context < context_count_ && (offset - kContext) % kContextStride < kClaim + 4;
}

uint32_t Plic::load(uint64_t offset) noexcept {
  if (offset < kPriorityEnd) return priority_[offset / 4];
  if (offset < kPendingEnd) return pending_[(offset - kPending) / 4];
  if (offset < kContext) {
    const uint64_t at = offset - kEnable;
    return contexts_[at / kEnableStride].registers.enabled[at % kEnableStride / 4];
  }
  Context& context = contexts_[(offset - kContext) / kContextStride];
  return (offset - kContext) % kContextStride == kThreshold ? context.registers.threshold : claim(context);
}

void Plic::store(uint64_t offset, uint32_t value) noexcept {
  if (offset < kPriorityEnd) {
    const uint64_t source = offset / 4;
    // WARL ("Interrupt Priorities"): bits that do not exist are dropped. Source 0 does not exist.
    if (source == 0 || source > sources_) return;
    priority_[source] = static_cast<uint8_t>(value & kMaxPriority);
    return update_pins();
  }
  if (offset < kPendingEnd) return;  // "Interrupt Pending Bits": cleared by a claim only
  if (offset < kContext) {
    const uint64_t at = offset - kEnable;
    const uint64_t word = at % kEnableStride / 4;
    Context& context = contexts_[at / kEnableStride];
    context.registers.enabled[word] = value & existing(word, sources_);
    return update_pin(context);
  }
  Context& context = contexts_[(offset - kContext) / kContextStride];
  if ((offset - kContext) % kContextStride == kClaim) return complete(context, value);
  context.registers.threshold = value & kMaxPriority;
  update_pin(context);
}

// "Interrupt Claim Process": the best pending source, whatever the threshold; 0 if there is none, or another hart was
// faster.
uint32_t Plic::claim(Context& context) noexcept {
  const uint32_t source = best_source(context, 0);
  if (source == 0) return 0;
  pending_[source / 32] &= ~bit_of(source);
  claimed_[source / 32] |= bit_of(source);
  update_pins();
  return source;
}

// "Interrupt Completion": a source that is not enabled for the context is ignored, and so is a source that is not
// claimed.
void Plic::complete(const Context& context, uint32_t source) noexcept {
  if (source > sources_) return;
  if ((context.registers.enabled[source / 32] & claimed_[source / 32] & bit_of(source)) == 0) return;
  claimed_[source / 32] &= ~bit_of(source);
  open_gateways();
}

void Plic::set_level(uint32_t source, bool asserted) noexcept {
  const LockGuard lock{mu_};
  uint32_t& word = level_[source / 32];
  const uint32_t before = word;
  word = asserted ? word | bit_of(source) : word & ~bit_of(source);
  // A request that has passed the gateway stays, even if its device lowers the line again.
  if (word != before && asserted) open_gateways();
}

// "Interrupt Gateways": a high level becomes one request; the next request comes only after its completion.
void Plic::open_gateways() noexcept {
  bool changed = false;
  for (size_t word = 0; word < kWords; ++word) {
    const uint32_t requests = level_[word] & ~claimed_[word] & ~pending_[word];
    pending_[word] |= requests;
    changed |= requests != 0;
  }
  if (changed) update_pins();
}

// The pending and enabled source of the highest priority above `above`; of several, the first; 0: none.
uint32_t Plic::best_source(const Context& context, uint32_t above) const noexcept {
  uint32_t best = 0;
  for (uint32_t word = 0; word <= sources_ / 32; ++word) {
    for (uint32_t bits = pending_[word] & context.registers.enabled[word]; bits != 0; bits &= bits - 1) {
      const uint32_t source = word * 32 + static_cast<uint32_t>(std::countr_zero(bits));
      if (priority_[source] <= above) continue;
      above = priority_[source];
      best = source;
    }
  }
  return best;
}

void Plic::update_pin(Context& context) noexcept {
  const bool asserted = best_source(context, context.registers.threshold) != 0;
  if (asserted == context.asserted) return;
  context.asserted = asserted;
  context.pin->set_external_interrupt(asserted);
}

void Plic::update_pins() noexcept {
  for (Context& context : contexts_)
    update_pin(context);
}

PlicState Plic::state() const {
  const LockGuard lock{mu_};
  PlicState state{.priority = priority_, .level = level_, .pending = pending_, .claimed = claimed_, .contexts = {}};
  for (const Context& context : contexts_)
    state.contexts.push_back(context.registers);
  return state;
}

void Plic::restore(const PlicState& state) noexcept {
  const LockGuard lock{mu_};
  for (uint32_t source = 1; source <= sources_; ++source)
    priority_[source] = state.priority[source] & kMaxPriority;
  for (size_t word = 0; word < kWords; ++word) {
    const uint32_t mask = existing(word, sources_);
    level_[word] = state.level[word] & mask;
    claimed_[word] = state.claimed[word] & mask;
    pending_[word] = state.pending[word] & ~state.claimed[word] & mask;
  }
  for (size_t hart = 0; hart < contexts_.size(); ++hart) {
    PlicState::Context& registers = contexts_[hart].registers;
    registers = hart < state.contexts.size() ? state.contexts[hart] : PlicState::Context{};
    registers.threshold &= kMaxPriority;
    for (size_t word = 0; word < kWords; ++word)
      registers.enabled[word] &= existing(word, sources_);
  }
  open_gateways();
  update_pins();
}

void Plic::describe_controller(FdtBuilder& fdt, const FdtSlot& slot, std::span<const uint32_t> hart_intcs,
                               uint32_t own_phandle) const {
  const auto node = fdt.node("interrupt-controller", slot.window.base.value);
  fdt.strings("compatible", {"sifive,plic-1.0.0", "riscv,plic0"});
  fdt.reg({slot.window});
  fdt.u32("#address-cells", 0);
  fdt.u32("#interrupt-cells", 1);
  fdt.empty("interrupt-controller");
  std::vector<uint32_t> contexts;
  for (const uint32_t intc : hart_intcs)
    contexts.insert(contexts.end(), {intc, kSupervisorExternal});
  fdt.cells("interrupts-extended", contexts);
  fdt.u32("riscv,ndev", sources_);
  fdt.u32("phandle", own_phandle);
}

}  // namespace rvvmm
