// Any register access of any hart between any changes of lines: a pin is always what the registers say, and a source
// that is being served is never handed out again.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "devices/platform/plic.hpp"
#include "fakes/fake_irq.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

constexpr uint32_t kSources = 40;  // more than one word, less than two
constexpr uint32_t kHarts = 3;

struct Step {
  uint8_t action;
  uint8_t width;
  uint32_t offset;
  uint32_t value;
} __attribute__((packed));

class Machine {
 public:
  void run(const Step& step) {
    switch (step.action % 4) {
      case 0: set_line(step.value % kSources + 1, (step.offset & 1) != 0); break;
      case 1: write(place_of(step), step); break;
      case 2: read(place_of(step), step); break;
      default: claim_or_complete(step); break;
    }
    check_pins();
  }

 private:
  // Most offsets of 64 MiB hold nothing: they are folded to where registers are, and one in eight is left alone.
  static uint64_t place_of(const Step& step) {
    const uint64_t word = step.offset % 0x40 * 4;
    switch (step.offset >> 29) {
      case 0: return step.offset % Plic::kWindowSize;
      case 1:
      case 2: return word;
      case 3: return 0x1000 + word;
      case 4:
      case 5: return 0x2000 + step.offset / 0x40 % (kHarts + 1) * 0x80 + step.offset % 4 * 4;
      default: return 0x20'0000 + step.offset / 0x40 % (kHarts + 1) * 0x1000 + step.offset % 4 * 4;
    }
  }

  void set_line(uint32_t source, bool level) { plic_.line(Gsi{source}).set(level); }

  void write(uint64_t offset, const Step& step) {
    std::array<std::byte, 8> raw{};
    std::memcpy(raw.data(), &step.value, sizeof(step.value));
    const size_t width = size_t{1} << (step.width < 0x20 ? step.width % 4 : 2);
    const IoStatus status = plic_.write(offset, std::span{raw}.first(width));
    if (status == IoStatus::kOk && (width != 4 || offset % 4 != 0)) std::abort();
    if (status == IoStatus::kOk && is_claim(offset) && enabled(hart_of(offset), step.value)) {
      in_service_[step.value] = false;
    }
  }

  void read(uint64_t offset, const Step& step) {
    std::array<std::byte, 8> raw{};
    const size_t width = size_t{1} << (step.width < 0x20 ? step.width % 4 : 2);
    const IoStatus status = plic_.read(offset, std::span{raw}.first(width));
    if (status == IoStatus::kOk && (width != 4 || offset % 4 != 0)) std::abort();
    if (status != IoStatus::kOk || !is_claim(offset)) return;
    uint32_t source = 0;
    std::memcpy(&source, raw.data(), sizeof(source));
    note_claim(hart_of(offset), source);
  }

  void claim_or_complete(const Step& step) {
    const uint32_t hart = step.offset % kHarts;
    if ((step.width & 1) == 0) return note_claim(hart, load(0x20'0004 + uint64_t{hart} * 0x1000));
    const uint32_t source = step.value % (kSources + 1);
    write(0x20'0004 + uint64_t{hart} * 0x1000, {.action = 1, .width = 0xFF, .offset = 0, .value = source});
  }

  void note_claim(uint32_t hart, uint32_t source) {
    if (source == 0) return;
    if (source > kSources || !enabled(hart, source) || in_service_[source] || pending(source)) std::abort();
    in_service_[source] = true;
  }

  void check_pins() {
    for (uint32_t hart = 0; hart < kHarts; ++hart) {
      const uint32_t threshold = load(0x20'0000 + uint64_t{hart} * 0x1000);
      bool expected = false;
      for (uint32_t source = 1; source <= kSources; ++source) {
        expected |= pending(source) && enabled(hart, source) && load(uint64_t{source} * 4) > threshold;
      }
      if (pins_[hart].level != expected) std::abort();
    }
  }

  uint32_t load(uint64_t offset) {
    std::array<std::byte, 4> raw{};
    if (plic_.read(offset, raw) != IoStatus::kOk) std::abort();
    uint32_t value = 0;
    std::memcpy(&value, raw.data(), sizeof(value));
    return value;
  }
  bool pending(uint32_t source) { return (load(0x1000 + source / 32 * 4) >> source % 32 & 1) != 0; }
  bool enabled(uint32_t hart, uint32_t source) {
    if (source == 0 || source > kSources) return false;
    return (load(0x2000 + uint64_t{hart} * 0x80 + source / 32 * 4) >> source % 32 & 1) != 0;
  }
  static bool is_claim(uint64_t offset) { return offset >= 0x20'0000 && offset % 0x1000 == 4; }
  static uint32_t hart_of(uint64_t offset) { return static_cast<uint32_t>((offset - 0x20'0000) / 0x1000); }

  std::array<FakeHartPin, kHarts> pins_;
  std::vector<HartIrqPin*> pointers_{&pins_[0], &pins_[1], &pins_[2]};
  Plic plic_{kSources, pointers_};
  std::array<bool, kSources + 1> in_service_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Machine machine;
  for_each_step<Step>({data, size}, [&](const Step& step) { machine.run(step); });
  return 0;
}
