#include "vmm/harts/hart_states.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/register_file.hpp"
#include "sbi/hsm.hpp"

namespace rvvmm {
namespace {

// Not only an interrupt ends the wfi, but also a kick. So the code checks for an interrupt, which needs no exit.
// Interrupts are off, so the hart takes none here.
constexpr std::array<uint32_t, 10> kWaitCode{
    0x1050'0073,  // 1: wfi
    0x1440'22F3,  //    csrr t0, sip
    0x1040'2373,  //    csrr t1, sie
    0x0062'F2B3,  //    and  t0, t0, t1
    0xFE02'88E3,  //    beqz t0, 1b
    0x0848'58B7,  //    lui  a7, 0x8485
    0x34D8'8893,  //    addi a7, a7, 0x34d
    0x0570'0813,  //    li   a6, 0x57
    0x0000'0073,  //    ecall
    0xFDDF'F06F,  //    j    1b: reached only if the guest itself jumped to this page
};
static_assert((kWaitCode[5] & 0xFFFF'F000) + (kWaitCode[6] >> 20) == Hsm::kOwnEid);
static_assert(kWaitCode[7] >> 20 == Hsm::kResumeFid);

constexpr std::array kOverwritten{
    x(5), x(6), x(16), x(17), HartRegister::kSatp, HartRegister::kSstatus, HartRegister::kPc};

// SBI 3.0, 9.1 and 9.4. Registers that are not named there stay unchanged.
void enter(RegisterFile& registers, HartId hart, const HartEntry& entry) noexcept {
  registers.set(HartRegister::kPc, entry.pc.value);
  registers.set(kA0, hart.value);
  registers.set(kA1, entry.opaque);
  registers.set(HartRegister::kSatp, 0);
  registers.set(HartRegister::kSstatus, registers.get(HartRegister::kSstatus).value_or(0) & ~kSstatusSie);
}

}  // namespace

void HartStates::log_refusal(HartId hart, const char* what) noexcept {
  if (!refusals_.allow()) return;
  log::line(log::Module::kVmm, log::Level::kError, "hart {}: KVM does not let it {} ({} such refusals so far)",
            hart.value, what, refusals_.count());
}

std::span<const uint32_t> HartStates::wait_code() noexcept {
  return kWaitCode;
}

// A hart that makes a call runs, so its state is known.
void HartStates::answer_that_it_runs(HartId hart) noexcept {
  Question* question = std::exchange(at(hart).first_question, nullptr);
  for (; question != nullptr; question = question->next)
    question->seen = HsmState::kStarted;
  answered_.notify_all();
}

// Appends the question. One task answers all questions that are there when it runs, in the order in which they came.
void HartStates::add_question(HartId target, Question& question) noexcept {
  Question** end = &at(target).first_question;
  while (*end != nullptr)
    end = &(*end)->next;
  *end = &question;
  if (std::exchange(at(target).answer_is_due, true)) return;
  parts_.post(target, [this, target](VcpuBackend& vcpu) { answer(target, vcpu); });
}

void HartStates::take_back_question(HartId target, const Question& question) noexcept {
  for (Question** at_question = &at(target).first_question; *at_question != nullptr;
       at_question = &(*at_question)->next) {
    if (*at_question != &question) continue;
    *at_question = question.next;
    return;
  }
}

// Two harts may ask each other, or several harts in a circle. A hart that waits here cannot serve its mailbox, so
// others take it as started without an answer.
HsmState HartStates::ask(HartId asker, HartId target, const HartEntry* start_at) noexcept {
  answer_that_it_runs(asker);
  if (at(target).state != HsmState::kStarted) return at(target).state;
  if (asker == target || at(target).waits_for_another) return HsmState::kStarted;
  Question question{.start_at = start_at};
  add_question(target, question);
  at(asker).waits_for_another = true;
  while (!question.seen && !ended_)
    answered_.wait(mu_);
  at(asker).waits_for_another = false;
  if (!question.seen) take_back_question(target, question);
  return question.seen.value_or(HsmState::kStarted);
}

void HartStates::answer(HartId hart, VcpuBackend& vcpu) noexcept {
  const LockGuard lock{mu_};
  at(hart).answer_is_due = false;
  const HartEntry* start_at = nullptr;
  HsmState state = vcpu.state() == HartState::kStopped ? HsmState::kStopped : HsmState::kStarted;
  Question* question = std::exchange(at(hart).first_question, nullptr);
  for (; question != nullptr; question = question->next) {
    question->seen = state;
    if (state != HsmState::kStopped || question->start_at == nullptr) continue;
    start_at = question->start_at;
    state = HsmState::kStartPending;  // for the later questions
  }
  if (start_at != nullptr) start_now(hart, vcpu, *start_at);
  answered_.notify_all();
}

void HartStates::start_now(HartId hart, VcpuBackend& vcpu, const HartEntry& entry) noexcept {
  RegisterFile registers{vcpu};
  enter(registers, hart, entry);
  registers.set(HartRegister::kSie, 0);
  registers.set(HartRegister::kScounteren, kAllCountersReadable);
  if (!registers.write_back() || !vcpu.set_state(HartState::kRunnable)) log_refusal(hart, "start");
}

HsmState HartStates::state(HartId asker, HartId target) noexcept {
  const LockGuard lock{mu_};
  return ended_ ? HsmState::kStarted : ask(asker, target, nullptr);
}

bool HartStates::start(HartId asker, HartId target, const HartEntry& entry) noexcept {
  const LockGuard lock{mu_};
  return !ended_ && ask(asker, target, &entry) == HsmState::kStopped;
}

bool HartStates::begin(HartId self, HsmState from, HsmState pending) noexcept {
  answer_that_it_runs(self);
  if (at(self).state != from || ended_) return false;
  at(self).state = pending;
  return true;
}

bool HartStates::stop(HartId self) noexcept {
  const LockGuard lock{mu_};
  if (!begin(self, HsmState::kStarted, HsmState::kStopPending)) return false;
  parts_.post(self, [this, self](VcpuBackend& vcpu) { stop_now(self, vcpu); });
  return true;
}

void HartStates::stop_now(HartId self, VcpuBackend& vcpu) noexcept {
  const LockGuard lock{mu_};
  if (!vcpu.set_state(HartState::kStopped)) log_refusal(self, "stop");
  at(self).state = HsmState::kStarted;
}

bool HartStates::map_wait_page() noexcept {
  if (!wait_page_.bytes().empty()) return true;
  try {
    Mapping page = Mapping::anonymous(4_KiB, 4_KiB, "the page that suspended harts wait in");
    std::memcpy(page.bytes().data(), kWaitCode.data(), sizeof(kWaitCode));
    if (!parts_.map_wait_page(page.bytes())) return false;
    __builtin___clear_cache(reinterpret_cast<char*>(page.bytes().data()),
                            reinterpret_cast<char*>(page.bytes().data() + page.bytes().size()));
    wait_page_ = std::move(page);
    return true;
  } catch (const std::exception& problem) {  // no memory, for the page or for its name
    if (no_wait_page_.allow()) log::line(log::Module::kVmm, log::Level::kError, "HSM suspend: {}", problem.what());
    return false;
  }
}

bool HartStates::suspend(HartId self, const std::optional<HartEntry>& resume) noexcept {
  const LockGuard lock{mu_};
  if (!map_wait_page() || !begin(self, HsmState::kStarted, HsmState::kSuspendPending)) return false;
  at(self).resume = resume;
  parts_.post(self, [this, self](VcpuBackend& vcpu) { suspend_now(self, vcpu); });
  return true;
}

void HartStates::suspend_now(HartId self, VcpuBackend& vcpu) noexcept {
  const LockGuard lock{mu_};
  Hart& hart = at(self);
  RegisterFile registers{vcpu};
  hart.overwritten.clear();
  if (!hart.resume) {
    for (const HartRegister reg : kOverwritten)
      hart.overwritten.push_back({.reg = reg, .value = registers.get(reg).value_or(0)});
  }
  registers.set(HartRegister::kPc, parts_.wait_page.value);
  registers.set(HartRegister::kSatp, 0);
  registers.set(HartRegister::kSstatus, registers.get(HartRegister::kSstatus).value_or(0) & ~kSstatusSie);
  if (!registers.write_back()) log_refusal(self, "suspend");
  hart.state = HsmState::kSuspended;
}

bool HartStates::resume(HartId self) noexcept {
  const LockGuard lock{mu_};
  if (!begin(self, HsmState::kSuspended, HsmState::kResumePending)) return false;
  parts_.post(self, [this, self](VcpuBackend& vcpu) { resume_now(self, vcpu); });
  return true;
}

void HartStates::resume_now(HartId self, VcpuBackend& vcpu) noexcept {
  const LockGuard lock{mu_};
  Hart& hart = at(self);
  RegisterFile registers{vcpu};
  if (hart.resume) {
    enter(registers, self, *hart.resume);
  } else {
    // The answer of the suspend call. The call that ended the sleep has overwritten these too.
    registers.set(kA0, 0);
    registers.set(kA1, 0);
    for (const auto& [reg, value] : hart.overwritten)
      registers.set(reg, value);
  }
  if (!registers.write_back()) log_refusal(self, "resume");
  hart.state = HsmState::kStarted;
}

bool HartStates::suspend_system(HartId self, const HartEntry& resume) noexcept {
  const LockGuard lock{mu_};
  for (HartId other{0}; other.value < parts_.harts; ++other.value) {
    if (other != self && (ended_ || ask(self, other, nullptr) != HsmState::kStopped)) return false;
  }
  if (!begin(self, HsmState::kStarted, HsmState::kSuspendPending)) return false;
  sleep_ = {.hart = self, .resume = resume};
  parts_.post(self, [this, self](VcpuBackend& vcpu) { suspend_system_now(self, vcpu); });
  return true;
}

// before_system_suspend() comes first, so that no later interrupt is missed. The look at the end finds earlier ones.
void HartStates::suspend_system_now(HartId self, VcpuBackend& vcpu) noexcept {
  parts_.before_system_suspend(self);
  remember(vcpu);
  if (!fall_asleep(self, vcpu)) return parts_.on_system_resumed();
  parts_.on_system_suspended();
  look_for_interrupt(vcpu);
  wait_for_timer();
}

void HartStates::remember(VcpuBackend& vcpu) noexcept {
  const auto value_of = [&vcpu](HartRegister reg, uint64_t without) { return vcpu.get(reg).value_or(without); };
  const LockGuard lock{mu_};
  sleep_->scounteren = value_of(HartRegister::kScounteren, kAllCountersReadable);
  sleep_->enabled = value_of(HartRegister::kSie, 0);
  sleep_->pending = vcpu.pending_interrupts();
  sleep_->timer_compare = value_of(HartRegister::kTimerCompare, kNoTimer);
  sleep_->time = value_of(HartRegister::kTime, 0);
}

// A hart that KVM has stopped waits in KVM_RUN and costs no CPU time. It still serves its mailbox.
bool HartStates::fall_asleep(HartId self, VcpuBackend& vcpu) noexcept {
  const bool reset = vcpu.take_suspend_reset();
  if (!reset) log_refusal(self, "suspend the machine");
  const LockGuard lock{mu_};
  // If the reset failed, another hart may have started this hart meanwhile by KVM's HSM.
  const bool asleep = reset || vcpu.state() == HartState::kStopped;
  at(self).state = asleep ? HsmState::kSuspended : HsmState::kStarted;
  if (!asleep) {
    sleep_.reset();
    return false;
  }
  vcpu.set(HartRegister::kScounteren, sleep_->scounteren);
  if (sleep_->woken || (sleep_->pending & sleep_->enabled) != 0) resume_system_soon();
  return true;
}

bool HartStates::wake() noexcept {
  const LockGuard lock{mu_};
  if (!sleep_ || ended_) return false;
  sleep_->woken = true;
  resume_system_soon();
  return true;
}

void HartStates::on_interrupt() noexcept {
  const LockGuard lock{mu_};
  if (!sleep_ || ended_ || sleep_->look_posted || (sleep_->enabled & kExternalInterrupt) == 0) return;
  sleep_->look_posted = true;
  parts_.post(sleep_->hart, [this](VcpuBackend& vcpu) { look_for_interrupt(vcpu); });
}

void HartStates::look_for_interrupt(VcpuBackend& vcpu) noexcept {
  {
    const LockGuard lock{mu_};
    if (sleep_) sleep_->look_posted = false;  // this look may miss later interrupts
  }
  const uint64_t pending = vcpu.pending_interrupts();
  const LockGuard lock{mu_};
  if (sleep_ && (pending & sleep_->enabled) != 0) resume_system_soon();
}

void HartStates::wait_for_timer() noexcept {
  uint64_t ticks = 0;
  {
    const LockGuard lock{mu_};
    if (!sleep_ || (sleep_->enabled & kTimerInterrupt) == 0 || sleep_->timer_compare == kNoTimer) return;
    ticks = sleep_->timer_compare > sleep_->time ? sleep_->timer_compare - sleep_->time : 0;
  }
  parts_.wake_in(ticks);
}

void HartStates::on_time_continues(uint64_t time) noexcept {
  {
    const LockGuard lock{mu_};
    if (sleep_) sleep_->time = time;
  }
  wait_for_timer();
}

// Posts once, and only if the hart sleeps. Before that, fall_asleep() checks `woken` and `pending`.
void HartStates::resume_system_soon() noexcept {
  if (ended_ || at(sleep_->hart).state != HsmState::kSuspended) return;
  at(sleep_->hart).state = HsmState::kResumePending;
  parts_.post(sleep_->hart, [this](VcpuBackend& vcpu) { resume_system_now(vcpu); });
}

// KVM's reset has cleared the hart's timer. If the timer has woken the hart, its interrupt must be pending again.
void HartStates::resume_system_now(VcpuBackend& vcpu) noexcept {
  {
    const LockGuard lock{mu_};
    RegisterFile registers{vcpu};
    enter(registers, sleep_->hart, sleep_->resume);
    if (sleep_->timer_compare != kNoTimer) {
      registers.set(HartRegister::kTimerCompare, sleep_->timer_compare);
      registers.set(HartRegister::kTimerState, 1);  // for harts without Sstc: on
    }
    if (!registers.write_back() || !vcpu.set_state(HartState::kRunnable)) log_refusal(sleep_->hart, "resume");
    at(sleep_->hart).state = HsmState::kStarted;
    sleep_.reset();
  }
  parts_.on_system_resumed();
}

void HartStates::end() noexcept {
  const LockGuard lock{mu_};
  ended_ = true;
  answered_.notify_all();
}

}  // namespace rvvmm
