// Accesses of a guest to a PCI function, in one line each.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "devices/pci/pci_function.hpp"

namespace rvvmm {

template <typename T>
T load_config(PciFunction& function, uint64_t offset) {
  std::array<std::byte, sizeof(T)> raw{};
  function.read_config(offset, raw);
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

template <typename T>
void store_config(PciFunction& function, uint64_t offset, T value) {
  std::array<std::byte, sizeof(T)> raw{};
  std::memcpy(raw.data(), &value, sizeof(T));
  function.write_config(offset, raw);
}

/// A refused access fails the test.
template <typename T>
T load_bar(PciFunction& function, uint8_t bar, uint64_t offset) {
  std::array<std::byte, sizeof(T)> raw{};
  EXPECT_EQ(function.read_bar(bar, offset, raw), IoStatus::kOk) << "BAR " << int{bar} << " offset " << offset;
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

template <typename T>
void store_bar(PciFunction& function, uint8_t bar, uint64_t offset, T value) {
  std::array<std::byte, sizeof(T)> raw{};
  std::memcpy(raw.data(), &value, sizeof(T));
  EXPECT_EQ(function.write_bar(bar, offset, raw), IoStatus::kOk) << "BAR " << int{bar} << " offset " << offset;
}

}  // namespace rvvmm
