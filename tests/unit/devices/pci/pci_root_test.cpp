#include "devices/pci/pci_root.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <memory>
#include <vector>

#include "devices/mmio_bus.hpp"
#include "fakes/fake_irq.hpp"
#include "fakes/fake_pci_function.hpp"
#include "unit/devices/pci/pci_access.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::pci_root_test {
namespace {

constexpr GpaRange kEcam{.base = Gpa{0x3000'0000}, .size = PciRoot::kEcamSize};
constexpr PciWindows kWindows{.low = {.base = Gpa{0x4000'0000}, .size = 1_GiB},
                              .high = {.base = Gpa{0x100'0000'0000}, .size = 64_GiB}};

constexpr uint64_t config(uint8_t device, uint64_t offset, uint8_t function = 0) {
  return uint64_t{device} << 15 | uint64_t{function} << 12 | offset;
}

/// Functions at devices 1 and 31.
class PciRootTest : public ::testing::Test {
 protected:
  PciRootTest() {
    root.attach(1, first);
    root.attach(31, last);
    bus.attach(kEcam, root.ecam());
    bus.attach(kWindows.low, root.low_window());
    bus.attach(kWindows.high, root.high_window());
    bus.freeze();
  }
  void place(uint8_t device, uint32_t small, uint64_t large) {
    store_register<uint32_t>(root.ecam(), config(device, 0x10), small);
    store_register<uint32_t>(root.ecam(), config(device, 0x18), static_cast<uint32_t>(large));
    store_register<uint32_t>(root.ecam(), config(device, 0x1C), static_cast<uint32_t>(large >> 32));
    store_register<uint16_t>(root.ecam(), config(device, 0x04), 2);
  }
  template <typename T>
  T load(uint64_t at) {
    std::array<std::byte, sizeof(T)> raw{};
    bus.read(Gpa{at}, raw);
    T value{};
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  template <typename T>
  void store(uint64_t at, T value) {
    std::array<std::byte, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof(T));
    bus.write(Gpa{at}, raw);
  }

  std::array<FakeIrqLine, PciRoot::kLines> lines;
  PciRoot root{kWindows, {&lines[0], &lines[1], &lines[2], &lines[3]}};
  FakePciFunction first{{.windows = root.windows(), .intx = root.pin(1), .msi = nullptr}};
  FakePciFunction last{{.windows = root.windows(), .intx = root.pin(31), .msi = nullptr}};
  MmioBus bus;
};

TEST_F(PciRootTest, EcamReachesTheFunctionsThatThereAre) {
  EXPECT_EQ(load_register<uint32_t>(root.ecam(), config(1, 0)), 0x5678'1234U);
  EXPECT_EQ(load_register<uint16_t>(root.ecam(), config(31, 2)), 0x5678U);
  EXPECT_EQ(load_register<uint8_t>(root.ecam(), config(31, 0x0B)), 0xBCU);
  store_register<uint8_t>(root.ecam(), config(31, 0x3C), 7);
  EXPECT_EQ(load_register<uint8_t>(root.ecam(), config(31, 0x3C)), 7U);
  EXPECT_EQ(load_register<uint8_t>(root.ecam(), config(1, 0x3C)), 0U);
}

TEST_F(PciRootTest, DeviceZeroIsTheBridgeAndHasNothingElse) {
  const auto word = [this](uint64_t offset) { return load_register<uint32_t>(root.ecam(), config(0, offset)); };
  EXPECT_EQ(word(0x00), 0x0008'1B36U);
  EXPECT_EQ(word(0x08), 0x0600'0000U) << "a host bridge";
  EXPECT_EQ(word(0x0C) >> 16, 0U) << "of type 0, with one function";
  EXPECT_EQ(word(0x2C), 0x1100'1AF4U);
  for (uint64_t offset = 0x10; offset < 0x100; offset += 4) {
    if (offset == 0x2C || offset == 0x3C) continue;
    store_register<uint32_t>(root.ecam(), config(0, offset), UINT32_MAX);
    EXPECT_EQ(word(offset), 0U) << offset;
  }
  EXPECT_EQ(word(0x3C) >> 8, 0U) << "no pin";
}

TEST_F(PciRootTest, WhereNobodyIsConfigurationReadsOnes) {
  EXPECT_EQ(load_register<uint32_t>(root.ecam(), config(3, 0)), UINT32_MAX);
  EXPECT_EQ(load_register<uint16_t>(root.ecam(), config(2, 0)), UINT16_MAX);
  EXPECT_EQ(load_register<uint8_t>(root.ecam(), config(30, 0xFFF)), UINT8_MAX);
  for (uint8_t function = 1; function < 8; ++function) {
    store_register<uint8_t>(root.ecam(), config(1, 0x3C, function), 7);
    EXPECT_EQ(load_register<uint32_t>(root.ecam(), config(1, 0, function)), UINT32_MAX);
  }
  EXPECT_EQ(load_register<uint8_t>(root.ecam(), config(1, 0x3C)), 0U);
}

TEST_F(PciRootTest, EcamTakesAlignedAccessesOfFourBytesAtMost) {
  EXPECT_EQ(load_status<uint64_t>(root.ecam(), config(1, 0)), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint64_t>(root.ecam(), config(2, 0)), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint32_t>(root.ecam(), config(1, 2)), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint16_t>(root.ecam(), config(1, 0xFF)), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint64_t>(root.ecam(), config(1, 0x10), 0), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint32_t>(root.ecam(), config(1, 0x12), 0), IoStatus::kBadWidth);
  EXPECT_EQ(load_register<uint32_t>(root.ecam(), config(31, 0xFFC)), 0U);
  EXPECT_EQ(load_register<uint32_t>(root.ecam(), PciRoot::kEcamSize - 4), UINT32_MAX);
}

TEST_F(PciRootTest, WindowsReachTheBarsInThem) {
  place(1, 0x4000'0000, 0x100'0000'0000);
  place(31, 0x7FFF'F000, 0x10F'FFFF'E000);
  store<uint32_t>(0x4000'0010, 1);
  store<uint64_t>(0x100'0000'1FF8, 2);
  store<uint8_t>(0x7FFF'FFFF, 3);
  store<uint16_t>(0x10F'FFFF'FFFE, 4);
  EXPECT_EQ(load<uint32_t>(0x4000'0010), 1U);
  EXPECT_EQ(load<uint64_t>(0x100'0000'1FF8), 2U);
  EXPECT_EQ(load<uint8_t>(0x7FFF'FFFF), 3U);
  EXPECT_EQ(load<uint16_t>(0x10F'FFFF'FFFE), 4U);
  EXPECT_EQ(load_bar<uint32_t>(first, 0, 0x10), 1U);
  EXPECT_EQ(load_bar<uint8_t>(last, 0, 0xFFF), 3U);
}

TEST_F(PciRootTest, BesidesBarsThereIsNothing) {
  place(1, 0x4000'1000, 0x100'0000'0000);
  const uint64_t before = bus.refusals();
  EXPECT_EQ(load<uint8_t>(0x4000'0FFF), 0xFFU);
  EXPECT_EQ(load<uint8_t>(0x4000'2000), 0xFFU);
  EXPECT_EQ(bus.refusals() - before, 2U);
  EXPECT_TRUE(root.is_hole(Gpa{0x4000'0FFF}));
  EXPECT_FALSE(root.is_hole(Gpa{0x4000'1000}));
  EXPECT_TRUE(root.is_hole(kWindows.high.base + (kWindows.high.size - 1)));
  EXPECT_FALSE(root.is_hole(kEcam.base)) << "in no window";
}

TEST_F(PciRootTest, AnAccessThatLeavesItsBarIsRefused) {
  place(1, 0x4000'0000, 0x4000'2000);
  store<uint16_t>(0x4000'0FFE, 0);
  EXPECT_EQ(load<uint32_t>(0x4000'0FFE), UINT32_MAX);
  store<uint32_t>(0x4000'0FFE, 0x5555'5555);
  EXPECT_EQ(load<uint16_t>(0x4000'0FFE), 0U);
}

TEST_F(PciRootTest, WhereBarsOverlapTheFirstAnswersAndTheOtherComesBack) {
  place(1, 0x4000'0000, 0x4000'0000);
  place(31, 0x4000'0000, 0x4000'0000);
  store<uint32_t>(0x4000'0000, 0x11);
  EXPECT_EQ(load_bar<uint32_t>(first, 0, 0), 0x11U);
  EXPECT_EQ(load_bar<uint32_t>(first, 2, 0), 0U);
  place(1, 0x4001'0000, 0x4002'0000);
  store<uint32_t>(0x4000'0000, 0x22);
  EXPECT_EQ(load_bar<uint32_t>(last, 0, 0), 0x22U);
  EXPECT_EQ(load_bar<uint32_t>(last, 2, 0), 0U);
  store<uint32_t>(0x4000'1000, 0x33);
  EXPECT_EQ(load_bar<uint32_t>(last, 2, 0x1000), 0x33U);
}

TEST_F(PciRootTest, ABarOverTheEcamIsNotReached) {
  place(1, 0x3000'0000, 0x3000'0000);
  EXPECT_EQ(load<uint32_t>(0x3000'0000 + config(1, 0)), 0x5678'1234U);
  place(1, 0x4000'0000, 0x4000'2000);
  store<uint32_t>(0x4000'0000, 1);
  EXPECT_EQ(load<uint32_t>(0x4000'0000), 1U);
}

TEST_F(PciRootTest, PinsAreWiredInTurn) {
  first.want_interrupt(true);
  EXPECT_TRUE(lines[1].level);
  last.want_interrupt(true);
  EXPECT_TRUE(lines[3].level);
  EXPECT_FALSE(lines[0].level);
  EXPECT_FALSE(lines[2].level);
}

TEST_F(PciRootTest, FunctionsFourApartShareALine) {
  root.pin(8).set(true);
  root.pin(4).set(true);
  EXPECT_EQ(lines[0].calls, 1);
  root.pin(8).set(false);
  EXPECT_TRUE(lines[0].level);
  root.pin(4).set(false);
  EXPECT_FALSE(lines[0].level);
}

/// The tree with the root's node in it, at "/pcie@30000000".
class PciTree {
 public:
  PciTree(PciRoot& root, const FdtSlot& slot) {
    FdtBuilder fdt;
    root.ecam().describe(fdt, slot);
    blob_ = fdt.finish();
    node_ = fdt_path_offset(blob_.data(), "/pcie@30000000");
  }
  bool has(const char* name) const { return fdt_getprop(blob_.data(), node_, name, nullptr) != nullptr; }
  std::string text(const char* name) const {
    return static_cast<const char*>(fdt_getprop(blob_.data(), node_, name, nullptr));
  }
  std::vector<uint32_t> cells(const char* name) const {
    int length = 0;
    const auto* const raw = static_cast<const fdt32_t*>(fdt_getprop(blob_.data(), node_, name, &length));
    std::vector<uint32_t> out;
    for (int i = 0; i < length / 4; ++i)
      out.push_back(fdt32_to_cpu(raw[i]));
    return out;
  }

 private:
  std::vector<std::byte> blob_;
  int node_ = -1;
};

TEST_F(PciRootTest, DescribesItselfForMessages) {
  const PciTree tree{
      root, {.window = kEcam, .interrupts = {32, 4, 33, 4, 34, 4, 35, 4}, .interrupt_parent = 7, .msi_parent = 9}};
  EXPECT_EQ(tree.text("compatible"), "pci-host-ecam-generic");
  EXPECT_EQ(tree.text("device_type"), "pci");
  EXPECT_EQ(tree.cells("reg"), (std::vector<uint32_t>{0, 0x3000'0000, 0, 0x10'0000}));
  EXPECT_EQ(tree.cells("bus-range"), (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(tree.cells("ranges"),
            (std::vector<uint32_t>{0x0200'0000, 0, 0x4000'0000, 0, 0x4000'0000, 0, 0x4000'0000,  //
                                   0x0300'0000, 0x100, 0, 0x100, 0, 16, 0}));
  EXPECT_EQ(tree.cells("msi-parent"), std::vector<uint32_t>{9});
  EXPECT_EQ(tree.cells("interrupt-map-mask"), (std::vector<uint32_t>{0x1800, 0, 0, 7}));
  const std::vector<uint32_t> map = tree.cells("interrupt-map");
  ASSERT_EQ(map.size(), 16U * 7);
  EXPECT_EQ(std::vector(map.begin(), map.begin() + 7), (std::vector<uint32_t>{0, 0, 0, 1, 7, 32, 4}));
  // Device 3, pin B: the line after that of its pin A, which is the last.
  EXPECT_EQ(std::vector(map.begin() + 13 * 7, map.begin() + 14 * 7),
            (std::vector<uint32_t>{0x1800, 0, 0, 2, 7, 32, 4}));
}

TEST_F(PciRootTest, DescribesItselfForAPlic) {
  const PciTree tree{root, {.window = kEcam, .interrupts = {32, 33, 34, 35}, .interrupt_parent = 7, .msi_parent = 0}};
  EXPECT_FALSE(tree.has("msi-parent"));
  const std::vector<uint32_t> map = tree.cells("interrupt-map");
  ASSERT_EQ(map.size(), 16U * 6);
  EXPECT_EQ(std::vector(map.begin() + 4 * 6, map.begin() + 5 * 6), (std::vector<uint32_t>{0x800, 0, 0, 1, 7, 33}));
}

}  // namespace
}  // namespace rvvmm::pci_root_test
