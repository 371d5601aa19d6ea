// The seam between the machine and the hypervisor below it: KVM (src/kvm), or a script in tests (tests/fakes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/doorbell.hpp"
#include "base/exit_observer.hpp"
#include "base/irq.hpp"
#include "base/range.hpp"
#include "base/sbi_switches.hpp"
#include "base/vcpu_io.hpp"

namespace rvvmm {

/// What an exit comes to.
enum class RunOutcome : uint8_t {
  kContinue,     ///< answered: enter again
  kInterrupted,  ///< a kick or a signal: look at the mailbox, then enter again
  kStop,         ///< the machine was told to end or restart; do not enter again
  kFault,        ///< an exit that cannot go on; fault_report() says which
};

enum class HartState : uint8_t { kRunnable, kStopped, kUnknown };

/// The registers of a hart that have at most 64 bits, group after group in KVM's order (Linux,
/// arch/riscv/include/uapi/asm/kvm.h). v0..v31 are VectorRegister.
enum class HartRegister : uint8_t {
  kPc,
  kX1,
  kX2,
  kX3,
  kX4,
  kX5,
  kX6,
  kX7,
  kX8,
  kX9,
  kX10,
  kX11,
  kX12,
  kX13,
  kX14,
  kX15,
  kX16,
  kX17,
  kX18,
  kX19,
  kX20,
  kX21,
  kX22,
  kX23,
  kX24,
  kX25,
  kX26,
  kX27,
  kX28,
  kX29,
  kX30,
  kX31,
  kMode,
  kSstatus,
  kSie,
  kStvec,
  kSscratch,
  kSepc,
  kScause,
  kStval,
  kSip,
  kSatp,
  kScounteren,
  kSenvcfg,
  kSiselect,  ///< AIA, to kIprio2h; only where the hart has it
  kIprio1,
  kIprio2,
  kSieh,
  kSiph,
  kIprio1h,
  kIprio2h,
  kTime,  ///< guest time is one for all harts
  kTimerCompare,
  kTimerState,
  kFcsr,
  kF0,
  kF1,
  kF2,
  kF3,
  kF4,
  kF5,
  kF6,
  kF7,
  kF8,
  kF9,
  kF10,
  kF11,
  kF12,
  kF13,
  kF14,
  kF15,
  kF16,
  kF17,
  kF18,
  kF19,
  kF20,
  kF21,
  kF22,
  kF23,
  kF24,
  kF25,
  kF26,
  kF27,
  kF28,
  kF29,
  kF30,
  kF31,
  kVstart,  ///< vector, to kVlenb; only where the hart has it
  kVl,
  kVtype,
  kVcsr,
  kVlenb,  ///< bytes of each of v0..v31: the host's, for good
  kCount,
};

/// v0..v31, each vlenb bytes.
enum class VectorRegister : uint8_t {};
inline constexpr size_t kVectorRegisters = 32;
/// VLEN is at most 65536 bits (vector specification 1.0, ch. 2).
inline constexpr size_t kMaxVlenb = 8192;

/// x1..x31, by number.
constexpr HartRegister x(uint32_t number) noexcept {
  return static_cast<HartRegister>(number);
}
/// f0..f31, by number.
constexpr HartRegister f(uint32_t number) noexcept {
  return static_cast<HartRegister>(static_cast<uint32_t>(HartRegister::kF0) + number);
}
/// v0..v31, by number.
constexpr VectorRegister v(uint32_t number) noexcept {
  return static_cast<VectorRegister>(number);
}
inline constexpr HartRegister kA0 = x(10);
inline constexpr HartRegister kA1 = x(11);

inline constexpr uint64_t kSstatusSie = 1UL << 1;
/// Two bits: 0 where the guest has vector registers switched off.
inline constexpr uint64_t kSstatusVs = 3UL << 9;

/// Bits of sip and sie (privileged specification, "Supervisor Interrupt Registers").
inline constexpr uint64_t kSoftwareInterrupt = 1UL << 1;
inline constexpr uint64_t kTimerInterrupt = 1UL << 5;
inline constexpr uint64_t kExternalInterrupt = 1UL << 9;

/// Of kTimerCompare, at a reset: the timer never expires.
inline constexpr uint64_t kNoTimer = UINT64_MAX;

/// The scounteren that a hart starts with: CY, TM and IR readable in user mode.
inline constexpr uint64_t kAllCountersReadable = 7;

/// A counter that the hypervisor keeps of itself.
struct Statistic {
  std::string name;              ///< the hypervisor's own
  std::vector<uint64_t> values;  ///< one, or the buckets of a histogram

  friend bool operator==(const Statistic&, const Statistic&) = default;
};

/// One vCPU. Only from the thread that runs it, while it is not inside run(); request_interrupt() and
/// set_external_interrupt() from any.
class VcpuBackend : public HartIrqPin {
 public:
  /// Enters the guest, answers its exit through `io`, and enters it again for as long as that comes to kContinue.
  /// Never throws, allocates nothing.
  virtual RunOutcome run(VcpuIo& io) noexcept = 0;
  /// Tells `observer`, which outlives the vCPU, of each exit from the next run() on; nullptr: nobody, as at first.
  virtual void observe_exits(ExitObserver* observer) noexcept = 0;
  /// Makes the run() in progress, or the next one, return kInterrupted as soon as the vCPU's thread gets a
  /// signal. The caller sends that signal after this. Any thread.
  virtual void request_interrupt() noexcept = 0;
  /// The vCPU's own thread, before it looks at its mailbox: kicks from here on count anew.
  virtual void clear_interrupt() noexcept = 0;

  /// Registers of a hart that starts an image: SBI 3.0, 9.1 (a0 = hartid, a1 = opaque, the rest reset), and
  /// scounteren as kAllCountersReadable.
  virtual void set_entry(Gpa pc, uint64_t a0, uint64_t a1) = 0;
  virtual HartState state() noexcept = 0;
  /// kRunnable or kStopped, from the next run() on; a stopped hart waits in run() until somebody starts it. False where
  /// the hypervisor refuses.
  virtual bool set_state(HartState state) noexcept = 0;
  /// Behind an SBI system suspend, which the hypervisor forwards and then resets the hart at its next entry: brings
  /// that about without entering the guest. The hart is stopped afterwards; interrupts that were pending at its
  /// interrupt file or its pin still are, and are enabled as they were; so is its software interrupt. False where the
  /// hypervisor refuses. May take milliseconds.
  virtual bool take_suspend_reset() noexcept = 0;
  /// What of sip is pending, but for the timer, which follows from kTimerCompare: what the hart's interrupt file or pin
  /// asks for is in it, which kSip alone may not show.
  virtual uint64_t pending_interrupts() noexcept = 0;
  /// One register; RegisterFile spares its users doing that twice. nullopt where the hart has no such register.
  virtual std::optional<uint64_t> get(HartRegister reg) noexcept = 0;
  virtual bool set(HartRegister reg, uint64_t value) noexcept = 0;
  /// A register's bytes, element 0 first: vlenb of them. False, and `bytes` may hold anything, where the hart has no
  /// vector registers or they have another size.
  virtual bool get(VectorRegister reg, std::span<std::byte> bytes) noexcept = 0;
  virtual bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept = 0;

  /// After kFault: one line that names the exit, and what the hart was at by the names that `io` has; then the
  /// registers, one group a line.
  virtual std::string fault_report(const VcpuIo& io) = 0;

  /// What the guest exited for last, oldest first: some thousand exits. Their three times are one, at which each was
  /// answered. Any thread, at any time.
  virtual std::vector<ExitRecord> last_exits() const = 0;
  /// What the hypervisor counted of this vCPU; nothing where it does not say.
  virtual std::vector<Statistic> statistics() = 0;
};

/// What the guest may know of a hart; the same for all.
struct CpuDescription {
  std::vector<std::string> isa_extensions;  ///< lower case, single letters first, in canonical order
  uint64_t satp_mode = 8;                   ///< satp.MODE of the deepest page tables: 8 Sv39, 9 Sv48, 10 Sv57
  uint64_t cbom_block_size = 0;             ///< bytes, 0: no such extension
  uint64_t cboz_block_size = 0;
  uint64_t cbop_block_size = 0;
  uint64_t timebase_hz = 0;
};

/// How interrupts reach the harts.
enum class IrqchipKind : uint8_t {
  kAiaHardware,  ///< in-kernel AIA with guest interrupt files where free
  kAiaEmulated,  ///< in-kernel AIA, interrupt files in software
  kPlic,         ///< a PLIC in user space
};

struct AiaLayout {
  Gpa imsic_base;  ///< first hart's interrupt file; one page each
  Gpa aplic_base;
  uint32_t sources = 0;  ///< wired inputs 1..sources, at most 1023
};

/// What the AIA set-up chose, for the device tree and for the log.
struct AiaProperties {
  IrqchipKind kind = IrqchipKind::kAiaHardware;
  uint32_t ids = 0;                ///< highest interrupt identity
  bool files_left_unused = false;  ///< the host has guest interrupt files; files in software were asked for
};

/// One VM. Set-up by one thread; interrupts and doorbells by any. Messages (MsiSink) need an in-kernel AIA.
class VmBackend : public DoorbellHost, public MsiSink {
 public:
  /// Throws SetupError.
  virtual void map_ram(Gpa base, std::span<std::byte> memory) = 0;
  /// Memory that the guest can read and execute and not write, one block a VM; `memory`, of whole pages, outlives the
  /// VM's harts. Any thread, also while harts run. False, and logged, where the hypervisor refuses.
  virtual bool map_rom(Gpa base, std::span<const std::byte> memory) noexcept = 0;
  /// Ids count up from 0. All vCPUs are made before set_up_aia() and before the first run. Throws SetupError.
  virtual std::unique_ptr<VcpuBackend> create_vcpu(HartId hart) = 0;
  /// Whole set-up of the in-kernel AIA for the vCPUs made so far; `emulated`: without the host's guest interrupt
  /// files even where it has them. nullopt, with the step and the reason in `why`, when the host cannot; the VM is
  /// then of no further use.
  virtual std::optional<AiaProperties> set_up_aia(const AiaLayout& layout, uint32_t harts, bool emulated,
                                                  std::string& why) = 0;
  /// After create_vcpu(). Throws SetupError.
  virtual CpuDescription describe_cpu(bool with_aia) = 0;
  /// After create_vcpu(): whether the extension of that row of kSbiSwitches is on; nullopt where the hypervisor does
  /// not have it.
  virtual std::optional<bool> sbi_extension_is_on(size_t row) noexcept = 0;
  /// A wired source of the in-kernel AIA.
  virtual void set_irq_line(Gsi gsi, bool asserted) noexcept = 0;

  /// The clock of ExitRecord, which never goes back. Any thread.
  virtual uint64_t ticks() const noexcept = 0;
  /// Its ticks a second; after create_vcpu(). Any thread.
  virtual uint64_t timebase_hz() const noexcept = 0;
  /// What the hypervisor counted of this VM; nothing where it does not say.
  virtual std::vector<Statistic> statistics() = 0;
};

/// Makes VMs: one per boot of the machine, since a portable reset is a new VM over the same RAM.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  /// `sbi`: of every vCPU of that VM; create_vcpu() throws where the hypervisor refuses what was chosen.
  virtual std::unique_ptr<VmBackend> create_vm(const SbiChoices& sbi) = 0;
  virtual uint32_t max_vcpus() const = 0;
  /// How many vCPUs an in-kernel AIA has room for; no more than max_vcpus() counts.
  virtual uint32_t max_aia_vcpus() const = 0;
  /// False where a vCPU that sleeps can miss an interrupt sent to its guest interrupt file (docs/kvm-quirks.md).
  virtual bool interrupt_files_wake_harts() const = 0;
};

}  // namespace rvvmm
