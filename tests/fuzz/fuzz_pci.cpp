// Any access of a guest to configuration space and BARs, with an entropy device behind virtio: doorbells lie just where
// the BAR is decoded, the pin says what the registers say, messages come only where the guest has switched them on, and
// the function is what it was.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/log.hpp"
#include "devices/mmio_bus.hpp"
#include "devices/pci/pci_root.hpp"
#include "devices/rng/virtio_rng.hpp"
#include "devices/virtio/virtio_pci.hpp"
#include "fakes/fake_doorbells.hpp"
#include "fakes/fake_irq.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 4_KiB;
constexpr GpaRange kEcam{.base = Gpa{0x3000'0000}, .size = PciRoot::kEcamSize};
constexpr PciWindows kWindows{.low = {.base = Gpa{0x4000'0000}, .size = 1_GiB},
                              .high = {.base = Gpa{0x100'0000'0000}, .size = 64_GiB}};

struct Step {
  uint8_t action;  // low bits: what; high ones: which function and width
  uint8_t at;
  uint16_t offset;
  uint32_t value;
} __attribute__((packed));

/// One function, its device, and what a guest finds in its configuration space.
struct Function {
  Function(PciRoot& root, uint8_t number, const GuestMemory& memory, MsiSink* msi, DoorbellHost& doorbells)
      : virtio{{.device = rng,
                .memory = memory,
                .pci = {.windows = root.windows(), .intx = root.pin(number), .msi = msi},
                .doorbells = doorbells}} {
    root.attach(number, virtio);
  }
  VirtioRng rng;
  VirtioPci virtio;
};

const GuestMemory& ram() {
  static const GuestMemory memory{kRam, kRamSize};
  return memory;
}

class Machine {
 public:
  Machine() {
    log::set_level(log::Module::kDevices, log::Level::kOff);
    clear(ram().bytes());
    bus_.attach(kEcam, root_.ecam());
    bus_.attach(kWindows.low, root_.low_window());
    bus_.attach(kWindows.high, root_.high_window());
    bus_.freeze();
  }

  void run(const Step& step) {
    sink_.messages.clear();
    switch (step.action % 8) {
      case 0: access(kEcam.base + config_place(step), step); break;
      case 1: access(kEcam.base + step.value % kEcam.size, step); break;
      case 2: access(bar_place(step), step); break;
      case 3: place_bar(step); break;
      case 4: std::memcpy(&ram().bytes()[step.offset % (kRamSize - 4)], &step.value, 4); break;
      case 5: ring(step); break;
      case 6: function(step).rng.on_doorbell(0); break;
      default: restore(step); break;
    }
    check();
  }

 private:
  Function& function(const Step& step) { return (step.action & 8) != 0 ? second_ : first_; }
  uint8_t number(const Step& step) const { return (step.action & 8) != 0 ? 31 : 1; }
  uint64_t config_place(const Step& step) const { return uint64_t{number(step)} << 15 | (step.offset & 0x1FF); }
  Gpa bar_place(const Step& step) {
    const uint64_t place = function(step).virtio.bar_place(VirtioPci::kBar);
    // Most of a BAR is empty: offsets are folded to where its parts begin, and one in four is left alone.
    const uint64_t offset =
        step.at < 0x40 ? step.offset % VirtioPci::kBarSize : step.at % 8 * 0x1000U + step.offset % 64;
    if (place == PciFunction::kNowhere) return kWindows.low.base + offset;  // where the other's may be
    return Gpa{place} + offset;
  }

  void access(Gpa at, const Step& step) {
    std::array<std::byte, 8> raw{};
    std::memcpy(raw.data(), &step.value, sizeof(step.value));
    const auto bytes = std::span{raw}.first(size_t{1} << (step.action >> 4 & 3));
    if ((step.action & 0x40) != 0) return bus_.read(at, bytes);
    bus_.write(at, bytes);
  }

  void place_bar(const Step& step) {
    const uint64_t base = kEcam.base.value + (uint64_t{number(step)} << 15);
    put<uint32_t>(base + 0x10, step.value);
    put<uint32_t>(base + 0x14, step.at % 4 == 0 ? 0x100 : step.at % 4 == 1 ? 0x10F : 0);
    put<uint16_t>(base + 0x04, step.offset);
  }
  template <typename T>
  void put(uint64_t at, T value) {
    std::array<std::byte, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof(T));
    bus_.write(Gpa{at}, raw);
  }

  template <typename T>
  T get(Gpa at) {
    std::array<std::byte, sizeof(T)> raw{};
    bus_.read(at, raw);
    T value{};
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  void ring(const Step& step) {
    const uint64_t place = function(step).virtio.bar_place(VirtioPci::kBar);
    if (place != PciFunction::kNowhere) doorbells_.ring(Gpa{place + VirtioPci::kNotifyOffset}, 2);
  }

  // A state that was taken goes in again, whole or with something in it changed.
  void restore(const Step& step) {
    VirtioPci& virtio = function(step).virtio;
    VirtioPciState state = virtio.state();
    if (step.at == 0) {
      virtio.restore(state);
      if (virtio.state() != state) std::abort();
      return;
    }
    state.function.config[step.offset % state.function.config.size()] = std::byte{step.at};
    state.config_vector = static_cast<uint16_t>(step.value);
    state.interrupt_causes = static_cast<uint8_t>(step.value >> 16);
    virtio.restore(state);
  }

  void check() {
    if (doorbells_.wrong_removals != 0) std::abort();
    if (get<uint32_t>(kEcam.base) != 0x0008'1B36) std::abort();  // the bridge itself is there, and has no BAR
    if (get<uint32_t>(kEcam.base + 0x10) != 0) std::abort();
    size_t placed = 0;
    for (Function* const function : {&first_, &second_}) {
      const uint64_t place = function->virtio.bar_place(VirtioPci::kBar);
      const VirtioPciState state = function->virtio.state();
      uint16_t command = 0;
      std::memcpy(&command, &state.function.config[4], sizeof command);
      if (std::to_integer<int>(state.function.config[0]) != 0xF4) std::abort();
      if (place != PciFunction::kNowhere) {
        ++placed;
        if ((command & 2) == 0 || !kWindows.contain({.base = Gpa{place}, .size = VirtioPci::kBarSize})) std::abort();
      }
      for (const Doorbell& doorbell : doorbells_.doorbells) {
        if (doorbell.eventfd != function->rng.doorbells()[0]) continue;
        if (doorbell.at != Gpa{place + VirtioPci::kNotifyOffset}) std::abort();
      }
      if (state.function.intx != (state.interrupt_causes != 0)) std::abort();
      const bool pin = state.interrupt_causes != 0 && (command & 0x400) == 0 && !state.function.msix.enabled;
      if (lines_[function == &first_ ? 1 : 3].level != pin) std::abort();
    }
    if (doorbells_.doorbells.size() > placed) std::abort();
    const VirtioPciState first = first_.virtio.state();
    if (!sink_.messages.empty() && !first.function.msix.enabled) std::abort();
  }

  std::array<FakeIrqLine, PciRoot::kLines> lines_;
  FakeMsiSink sink_;
  FakeDoorbellHost doorbells_;
  PciRoot root_{kWindows, {&lines_[0], &lines_[1], &lines_[2], &lines_[3]}};
  Function first_{root_, 1, ram(), &sink_, doorbells_};
  Function second_{root_, 31, ram(), nullptr, doorbells_};  // without MSI-X
  MmioBus bus_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Machine machine;
  for_each_step<Step>({data, size}, [&](const Step& step) { machine.run(step); });
  return 0;
}
