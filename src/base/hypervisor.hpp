// The interface between the machine and the hypervisor below it: KVM (src/kvm), or a scripted fake in tests
// (tests/fakes).
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

struct VcpuState;     // saved_state.hpp
struct IrqchipState;  // the same

/// What the hart's thread does after an exit.
enum class RunOutcome : uint8_t {
  kContinue,     ///< answered: enter again
  kInterrupted,  ///< a kick or a signal: look at the mailbox, then enter again
  kStop,         ///< the machine was told to end or restart; do not enter again
  kFault,        ///< an exit that rvvmm cannot handle; fault_report() describes it
};

enum class HartState : uint8_t { kRunnable, kStopped, kUnknown };

/// The registers of a hart that have at most 64 bits, by group, in KVM's order (Linux,
/// arch/riscv/include/uapi/asm/kvm.h). VectorRegister has v0..v31.
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
  kSiselect,  ///< AIA, up to kIprio2h; only if the hart has AIA
  kIprio1,
  kIprio2,
  kSieh,
  kSiph,
  kIprio1h,
  kIprio2h,
  kTime,  ///< guest time is the same for all harts
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
  kVstart,  ///< vector, up to kVlenb; only if the hart has the V extension
  kVl,
  kVtype,
  kVcsr,
  kVlenb,  ///< bytes of each of v0..v31: the host's value, which does not change
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
/// Two bits: 0 if the guest has switched off the vector registers.
inline constexpr uint64_t kSstatusVs = 3UL << 9;

/// Bits of sip and sie (privileged specification, "Supervisor Interrupt Registers").
inline constexpr uint64_t kSoftwareInterrupt = 1UL << 1;
inline constexpr uint64_t kTimerInterrupt = 1UL << 5;
inline constexpr uint64_t kExternalInterrupt = 1UL << 9;

/// The value of kTimerCompare after a reset: the timer never expires.
inline constexpr uint64_t kNoTimer = UINT64_MAX;

/// The scounteren that a hart starts with: CY, TM and IR readable in user mode.
inline constexpr uint64_t kAllCountersReadable = 7;

/// A counter that the hypervisor keeps.
struct Statistic {
  std::string name;              ///< the hypervisor's name for it
  std::vector<uint64_t> values;  ///< one, or the buckets of a histogram

  friend bool operator==(const Statistic&, const Statistic&) = default;
};

/// One vCPU. Only the thread that runs it may call it, and not during run(). Any thread may call request_interrupt()
/// and set_external_interrupt().
class VcpuBackend : public HartIrqPin {
 public:
  /// Enters the guest, answers its exit through `io`, and enters it again as long as the outcome is kContinue. Never
  /// throws and does not allocate.
  virtual RunOutcome run(VcpuIo& io) noexcept = 0;
  /// From the next run() on, tells `observer` about each exit. `observer` must outlive the vCPU. nullptr, the default:
  /// no observer.
  virtual void observe_exits(ExitObserver* observer) noexcept = 0;
  /// Makes the current run(), or the next one, return kInterrupted as soon as the vCPU's thread gets a signal. The
  /// caller must send that signal after this call. Any thread.
  virtual void request_interrupt() noexcept = 0;
  /// Clears the request. The vCPU's own thread calls this before it checks its mailbox; later kicks are not lost.
  virtual void clear_interrupt() noexcept = 0;

  /// Sets the registers of a hart that starts an image: SBI 3.0, 9.1 (a0 = hartid, a1 = opaque, the rest reset), and
  /// scounteren = kAllCountersReadable.
  virtual void set_entry(Gpa pc, uint64_t a0, uint64_t a1) = 0;
  virtual HartState state() noexcept = 0;
  /// kRunnable or kStopped, from the next run() on. A stopped hart waits in run() until it is started. False if the
  /// hypervisor refuses.
  virtual bool set_state(HartState state) noexcept = 0;
  /// After it forwards an SBI system suspend, the hypervisor resets the hart at its next entry. This call forces that
  /// reset without entering the guest. Afterwards the hart is stopped. Interrupts that were pending at its interrupt
  /// file or its pin are still pending and enabled as before; a pending software interrupt is kept too. False if the
  /// hypervisor refuses. May take milliseconds.
  virtual bool take_suspend_reset() noexcept = 0;
  /// The pending bits of sip, without the timer interrupt, which follows from kTimerCompare. They include an interrupt
  /// of the hart's interrupt file or pin, which kSip alone may not show.
  virtual uint64_t pending_interrupts() noexcept = 0;
  /// Reads one register; nullopt if the hart does not have it. RegisterFile caches the values.
  virtual std::optional<uint64_t> get(HartRegister reg) noexcept = 0;
  virtual bool set(HartRegister reg, uint64_t value) noexcept = 0;
  /// The vlenb bytes of a register, element 0 first. False if the hart has no vector registers or they have another
  /// size; `bytes` may then hold anything.
  virtual bool get(VectorRegister reg, std::span<std::byte> bytes) noexcept = 0;
  virtual bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept = 0;

  /// Reads all of the hart that restore() can set; guest time is the VM's. The last run() must have returned
  /// kInterrupted, unless there was none. nullopt, with one line in `why`, if the hypervisor refuses.
  virtual std::optional<VcpuState> save(std::string& why) = 0;
  /// Takes over the state of a saved hart (saved_state.hpp), for a hart that has not run. First checks the state
  /// against what this hart has: ids and sizes of registers, extensions, the timer's frequency. False, with one line in
  /// `why` that names the register or the step, if they do not fit or the hypervisor refuses; after the latter the hart
  /// must not run. Call it for one hart of a VM at a time, from any thread. May enter the guest's memory map (not its
  /// code) once and take milliseconds.
  virtual bool restore(const VcpuState& state, std::string& why) = 0;

  /// After kFault: one line that names the exit and the access that the hart was making, with names from `io`. Then the
  /// registers, one group per line.
  virtual std::string fault_report(const VcpuIo& io) = 0;

  /// The last few thousand exits, oldest first. All three times of an exit are the time when it was answered. Any
  /// thread, at any time.
  virtual std::vector<ExitRecord> last_exits() const = 0;
  /// The hypervisor's counters of this vCPU; empty if it has none.
  virtual std::vector<Statistic> statistics() = 0;
};

/// What the guest may know about a hart; the same for all harts.
struct CpuDescription {
  std::vector<std::string> isa_extensions;  ///< lower case, single letters first, in canonical order
  uint64_t satp_mode = 8;                   ///< satp.MODE of the deepest page tables: 8 Sv39, 9 Sv48, 10 Sv57
  uint64_t cbom_block_size = 0;             ///< bytes; 0: the extension does not exist
  uint64_t cboz_block_size = 0;
  uint64_t cbop_block_size = 0;
  uint64_t timebase_hz = 0;
};

/// How interrupts reach the harts.
enum class IrqchipKind : uint8_t {
  kAiaHardware,  ///< in-kernel AIA with guest interrupt files as far as some are free
  kAiaEmulated,  ///< in-kernel AIA, interrupt files in software
  kPlic,         ///< a PLIC in user space
};

struct AiaLayout {
  Gpa imsic_base;  ///< the first hart's interrupt file; one page per hart
  Gpa aplic_base;
  uint32_t sources = 0;  ///< wired inputs 1..sources, at most 1023
};

/// What the AIA set-up chose, for the device tree and for the log.
struct AiaProperties {
  IrqchipKind kind = IrqchipKind::kAiaHardware;
  uint32_t ids = 0;                ///< highest interrupt identity
  bool files_left_unused = false;  ///< the host has guest interrupt files, but files in software were requested
};

/// One VM. One thread sets it up; any thread may use interrupts and doorbells. Messages (MsiSink) need an in-kernel
/// AIA.
class VmBackend : public DoorbellHost, public MsiSink {
 public:
  /// Throws SetupError.
  virtual void map_ram(Gpa base, std::span<std::byte> memory) = 0;
  /// Maps memory that the guest can read and execute but not write; one block per VM. `memory` consists of whole pages
  /// and must outlive the VM's harts. Any thread, also while harts run. False, and logged, if the hypervisor refuses.
  virtual bool map_rom(Gpa base, std::span<const std::byte> memory) noexcept = 0;
  /// Ids count up from 0. Create all vCPUs before set_up_aia() and before the first run. Throws SetupError.
  virtual std::unique_ptr<VcpuBackend> create_vcpu(HartId hart) = 0;
  /// Sets up the in-kernel AIA for the vCPUs created so far. `emulated`: do not use the host's guest interrupt files.
  /// If the host cannot do it: nullopt, with the failed step and the reason in `why`. The VM is then unusable.
  virtual std::optional<AiaProperties> set_up_aia(const AiaLayout& layout, uint32_t harts, bool emulated,
                                                  std::string& why) = 0;
  /// After create_vcpu(). Throws SetupError.
  virtual CpuDescription describe_cpu(bool with_aia) = 0;
  /// After create_vcpu(): whether the extension in that row of kSbiSwitches is on; nullopt if the hypervisor does not
  /// have it.
  virtual std::optional<bool> sbi_extension_is_on(size_t row) noexcept = 0;
  /// Sets the level of a wired source of the in-kernel AIA.
  virtual void set_irq_line(Gsi gsi, bool asserted) noexcept = 0;

  /// Guest time in ticks, the same for all harts. After create_vcpu() and only while no hart runs. nullopt or false if
  /// the hypervisor refuses.
  virtual std::optional<uint64_t> guest_time() noexcept = 0;
  /// Shifts the time of all harts. Their timers keep their values.
  virtual bool set_guest_time(uint64_t ticks) noexcept = 0;
  /// Reads the in-kernel AIA while no hart runs and nothing sends interrupts; an empty state without an AIA. nullopt,
  /// with one line in `why`, if the hypervisor refuses.
  virtual std::optional<IrqchipState> save_irqchip(std::string& why) = 0;
  /// Takes over a saved state, after each hart's restore() and before any interrupt is sent. Also true if neither has
  /// an AIA. False, with one line in `why` that names the register, if the state is for another machine, the hypervisor
  /// refuses, or KVM's interrupt files in software lack an identity that the guest uses (docs/kvm-quirks.md). The VM
  /// must then not run.
  virtual bool restore_irqchip(const IrqchipState& state, std::string& why) = 0;

  /// The clock of ExitRecord, in ticks. It never goes back. Any thread.
  virtual uint64_t ticks() const noexcept = 0;
  /// Ticks per second; after create_vcpu(). Any thread.
  virtual uint64_t timebase_hz() const noexcept = 0;
  /// The hypervisor's counters of this VM; empty if it has none.
  virtual std::vector<Statistic> statistics() = 0;
};

/// Creates VMs: one for each boot of the machine, because a reset creates a new VM over the same RAM.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  /// `sbi` applies to every vCPU of the VM. create_vcpu() throws if the hypervisor refuses a choice.
  virtual std::unique_ptr<VmBackend> create_vm(const SbiChoices& sbi) = 0;
  virtual uint32_t max_vcpus() const = 0;
  /// How many vCPUs an in-kernel AIA has room for. May exceed max_vcpus(), which limits it.
  virtual uint32_t max_aia_vcpus() const = 0;
  /// False if a sleeping vCPU can miss an interrupt that is sent to its guest interrupt file (docs/kvm-quirks.md).
  virtual bool interrupt_files_wake_harts() const = 0;
};

}  // namespace rvvmm
