#include "vmm/machine/board.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "devices/rng/virtio_rng.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_hypervisor.hpp"
#include "fakes/recorders.hpp"

namespace rvvmm::board_test {
namespace {

class IdleAlarm final : public AlarmTimer {
 public:
  void arm(std::optional<std::chrono::nanoseconds>) noexcept override {}
};

class BoardTest : public ::testing::TestWithParam<IrqchipKind> {
 protected:
  bool has_plic() const { return irqchip_.kind == IrqchipKind::kPlic; }

  /// True if the four bytes at `at` lie in some device's window.
  bool is_taken(uint64_t at) {
    const uint64_t before = board_.bus().misses();
    std::array<std::byte, 4> bytes{};
    board_.bus().read(Gpa{at}, bytes);
    return board_.bus().misses() == before;
  }

  /// The window takes its first and its last word.
  void expect_window(uint64_t base, uint64_t size) {
    EXPECT_TRUE(is_taken(base)) << std::hex << base;
    EXPECT_TRUE(is_taken(base + size - 4)) << std::hex << base + size;
  }
  void expect_nothing_at(uint64_t at) { EXPECT_FALSE(is_taken(at)) << std::hex << at; }

  Board::Parts parts(std::span<VirtioDevice* const> virtio, Transport transport) {
    return {.irqchip = irqchip_,
            .interrupts = interrupts_,
            .doorbells = *backend_,
            .console_out = sink_,
            .console_in = source_,
            .rtc_alarm = alarm_,
            .finish_listener = finish_,
            .memory = memory_,
            .virtio = virtio,
            .transport = transport};
  }

  void write_uart(uint64_t offset, uint8_t value) {
    const std::array byte{std::byte{value}};
    board_.bus().write(kUartWindow.base + offset, byte);
  }

  const Irqchip irqchip_{.kind = GetParam(), .aia = {.kind = GetParam(), .ids = 255}};
  FakeHypervisor hypervisor_;
  std::unique_ptr<VmBackend> backend_ = hypervisor_.create_vm({});
  std::vector<std::unique_ptr<VcpuBackend>> harts_ = [this] {
    std::vector<std::unique_ptr<VcpuBackend>> made;
    for (uint32_t hart = 0; hart < 2; ++hart)
      made.push_back(backend_->create_vcpu(HartId{hart}));
    return made;
  }();
  RecordingSink sink_;
  ScriptedSource source_;
  IdleAlarm alarm_;
  RecordingFinish finish_;
  const GuestMemory memory_{kRamBase, 64_KiB};
  VirtioRng rng_;
  const std::array<VirtioDevice*, 1> virtio_{&rng_};
  int raised_ = 0;
  InterruptGate interrupts_{*backend_, harts_, [this] { ++raised_; }};
  Board board_{parts(virtio_, Transport::kMmio)};
};

TEST_P(BoardTest, SaysWhatIsAtAnAddress) {
  EXPECT_EQ(board_.what_is_at(kRamBase, false), "RAM");
  EXPECT_EQ(board_.what_is_at(kRamBase + (64_KiB - 1), true), "RAM");
  EXPECT_EQ(board_.what_is_at(kRamBase + 64_KiB, true), "");
  EXPECT_EQ(board_.what_is_at(Gpa{0}, false), "");
  EXPECT_EQ(board_.what_is_at(kUartWindow.base + 5, false), "uart.lsr");
  EXPECT_EQ(board_.what_is_at(kUartWindow.base, true), "uart.thr");
  EXPECT_EQ(board_.what_is_at(kUartWindow.end(), true), "");
  EXPECT_EQ(board_.what_is_at(kWaitPage, false), "rvvmm's own code");
  const std::string imsic = has_plic() ? "" : "the interrupt file of hart 1 (IMSIC)";
  EXPECT_EQ(board_.what_is_at(kImsicBase + (2 * 4_KiB - 1), true), imsic);
  EXPECT_EQ(board_.what_is_at(kImsicBase + 2 * 4_KiB, true), "");
  EXPECT_EQ(board_.what_is_at(kAplicBase, true) == "the interrupt controller (APLIC)", !has_plic());
  EXPECT_EQ(board_.what_is_at(kAplicBase + kAplicSize, true).empty(), !has_plic());
}

// docs/architecture.md, "Address map": written out, so that the two cannot drift apart together.
TEST_P(BoardTest, WindowsAreWhereTheDocumentSays) {
  expect_nothing_at(0x000f'fffc);
  expect_window(0x0010'0000, 0x1000);
  expect_window(0x0010'1000, 0x1000);
  expect_nothing_at(0x0010'2000);
  expect_window(0x1000'0000, 0x100);
  expect_nothing_at(0x1000'0100);
  expect_window(0x1000'1000, 0x1000);
  expect_nothing_at(0x1000'2000);
  expect_nothing_at(0x2800'0000);
  expect_nothing_at(0x7fff'fffc);
  expect_nothing_at(0x8000'0000);
}

TEST_P(BoardTest, PlicIsThereOnlyWithoutAia) {
  expect_nothing_at(0x0bff'fffc);
  if (has_plic()) {
    expect_window(0x0c00'0000, 64_MiB);
  } else {
    // The kernel's APLIC is at 0x0D00'0000, and answers before an access gets here.
    for (const uint64_t at : {0x0c00'0000U, 0x0d00'0000U, 0x0fff'fffcU})
      expect_nothing_at(at);
  }
}

TEST_P(BoardTest, UartDrivesInputTenOfTheController) {
  write_uart(1, 2);  // IER: transmitter empty, which it is
  const FakeVmRecord& record = hypervisor_.record;
  EXPECT_EQ(record.irq_level[10], has_plic() ? 0 : 1);
  write_uart(1, 0);
  EXPECT_EQ(record.irq_level[10], 0);
  for (size_t gsi = 0; gsi < record.irq_level.size(); ++gsi)
    EXPECT_EQ(record.irq_level[gsi], 0) << gsi;
}

TEST_P(BoardTest, AssertingAgainReachesTheKernelsControllerOnly) {
  write_uart(1, 1);
  source_.waiting = "x";
  board_.uart().on_console_input();
  const int before = hypervisor_.record.irq_calls;
  EXPECT_EQ(board_.uart().look_after_input(), InputLeft::kMoves);
  EXPECT_EQ(board_.uart().look_after_input(), InputLeft::kStandsStill);
  EXPECT_EQ(hypervisor_.record.irq_calls, has_plic() ? before : before + 1);
  EXPECT_EQ(hypervisor_.record.irq_level[10], has_plic() ? 0 : 1);
}

class BoardWithPlic : public BoardTest {};

TEST_P(BoardWithPlic, PassesTheUartsInterruptToTheHartThatEnabledIt) {
  const auto write_word = [this](uint64_t at, uint32_t value) {
    board_.bus().write(Gpa{at}, std::as_bytes(std::span{&value, 1}));
  };
  write_word(0x0c00'0000 + 4 * 10, 1);           // priority of input 10
  write_word(0x0c00'2000 + 0x80 * 1, 1U << 10);  // enabled for hart 1
  write_uart(1, 2);
  EXPECT_FALSE(hypervisor_.record.vcpus[0]->external_interrupt);
  EXPECT_TRUE(hypervisor_.record.vcpus[1]->external_interrupt);
}

TEST_P(BoardTest, TreeNamesTheDevicesWithTheirInterrupts) {
  const auto devices = board_.fdt_devices();
  ASSERT_EQ(devices.size(), 4U);
  EXPECT_EQ(devices[0].window.base, Gpa{0x1000'0000});
  EXPECT_EQ(devices[0].gsi, Gsi{10});
  EXPECT_EQ(devices[1].window.base, Gpa{0x0010'1000});
  EXPECT_EQ(devices[1].gsi, Gsi{11});
  EXPECT_EQ(devices[2].window.base, Gpa{0x0010'0000});
  EXPECT_EQ(devices[2].gsi, std::nullopt);
  EXPECT_EQ(devices[3].window.base, Gpa{0x1000'1000});
  EXPECT_EQ(devices[3].gsi, Gsi{16});
  EXPECT_EQ(std::holds_alternative<FdtPlic>(board_.fdt_irqchip()), has_plic());
}

TEST_P(BoardTest, TakesAsManyVirtioDevicesAsTheTransportHasPlacesFor) {
  std::deque<VirtioRng> bodies(80);
  std::vector<VirtioDevice*> devices;
  for (VirtioRng& body : bodies)
    devices.push_back(&body);
  const auto refusal = [&](Transport transport, size_t count) -> std::string {
    try {
      const Board board{parts(std::span{devices}.first(count), transport)};
    } catch (const SetupError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(Transport::kPci, 31), "");
  EXPECT_EQ(refusal(Transport::kPci, 32),
            "--transport: 32 virtio devices are too many; give at most 31 with pci, or 79 with mmio");
  EXPECT_EQ(refusal(Transport::kMmio, 79), "");
  EXPECT_EQ(refusal(Transport::kMmio, 80),
            "--transport: 80 virtio devices are too many; give at most 31 with pci, or 79 with mmio");
}

/// A board with more virtio devices than there are interrupt identities.
class CrowdedBoard : public BoardTest {
 protected:
  Board board_of(size_t count, Transport transport) {
    for (VirtioRng& device : std::span{rngs_}.first(count))
      many_.push_back(&device);
    return Board{parts(many_, transport)};
  }
  static uint32_t config(Board& board, uint32_t device, uint32_t offset) {
    std::array<std::byte, 4> raw{};
    board.bus().read(kPciEcamWindow.base + (device << 15 | offset), raw);
    uint32_t value = 0;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  /// Entries of the function's MSI-X table; 0: it has none.
  static uint32_t vectors(Board& board, uint32_t device) {
    for (uint32_t at = config(board, device, 0x34) & 0xFF; at != 0; at = config(board, device, at) >> 8 & 0xFF) {
      if ((config(board, device, at) & 0xFF) == 0x11) return (config(board, device, at) >> 16 & 0x7FF) + 1;
    }
    return 0;
  }

  std::array<VirtioRng, 79> rngs_;
  std::vector<VirtioDevice*> many_;
};

TEST_P(CrowdedBoard, PciDevicesHaveNoMoreVectorsThanThereAreIdentities) {
  Board board = board_of(31, Transport::kPci);
  uint32_t sum = 0;
  for (uint32_t device = 1; device < 32; ++device) {
    EXPECT_EQ(config(board, device, 0), 0x1044'1AF4U);
    EXPECT_EQ(config(board, device, 0x3C) >> 8 & 0xFF, 1U) << "each has its pin";
    sum += vectors(board, device);
  }
  // 31, without that of the harts, the UART, the clock and the four lines of INTx.
  EXPECT_EQ(sum, has_plic() ? 0U : 24U);
}

TEST_P(CrowdedBoard, FewPciDevicesHaveAllTheyWant) {
  Board board = board_of(3, Transport::kPci);
  for (uint32_t device = 1; device <= 3; ++device)
    EXPECT_EQ(vectors(board, device), has_plic() ? 0U : 2U);
  EXPECT_EQ(config(board, 0, 8) >> 8, 0x06'00'00U) << "the host bridge";
}

TEST_P(CrowdedBoard, MmioDevicesShareTheInputsThatHaveAnIdentity) {
  Board board = board_of(79, Transport::kMmio);
  std::map<uint32_t, int> sharers;
  for (const FdtDevice& device : board.fdt_devices()) {
    if (device.device->name() == "virtio-mmio") ++sharers[device.gsi->value];
  }
  const size_t inputs = has_plic() ? 79 : 28;
  EXPECT_EQ(sharers.size(), inputs);
  EXPECT_EQ(sharers.begin()->first, 16U);
  EXPECT_EQ(sharers.rbegin()->first, 16U + inputs - 1);
  for (const auto& [gsi, count] : sharers)
    EXPECT_LE(count, has_plic() ? 1 : 3) << gsi;
}

INSTANTIATE_TEST_SUITE_P(Irqchips, BoardWithPlic, ::testing::Values(IrqchipKind::kPlic));
const auto kAllIrqchips = ::testing::Values(IrqchipKind::kAiaHardware, IrqchipKind::kAiaEmulated, IrqchipKind::kPlic);

std::string name_of_irqchip(const ::testing::TestParamInfo<IrqchipKind>& instance) {
  switch (instance.param) {
    case IrqchipKind::kAiaHardware: return "AiaHardware";
    case IrqchipKind::kAiaEmulated: return "AiaEmulated";
    case IrqchipKind::kPlic: return "Plic";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Irqchips, BoardTest, kAllIrqchips, name_of_irqchip);
INSTANTIATE_TEST_SUITE_P(Irqchips, CrowdedBoard, kAllIrqchips, name_of_irqchip);

}  // namespace
}  // namespace rvvmm::board_test
