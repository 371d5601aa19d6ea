// Register accesses of a guest, in one line each.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "devices/device.hpp"

namespace rvvmm {

/// The register's value; a refused access fails the test.
template <typename T>
T load_register(Device& device, uint64_t offset) {
  std::array<std::byte, sizeof(T)> raw{};
  EXPECT_EQ(device.read(offset, raw), IoStatus::kOk) << device.name() << " offset " << offset;
  T value{};
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

template <typename T>
IoStatus store_status(Device& device, uint64_t offset, T value) {
  std::array<std::byte, sizeof(T)> raw{};
  std::memcpy(raw.data(), &value, sizeof(T));
  return device.write(offset, raw);
}

template <typename T>
void store_register(Device& device, uint64_t offset, T value) {
  EXPECT_EQ(store_status(device, offset, value), IoStatus::kOk) << device.name() << " offset " << offset;
}

/// How the device answers a load of this width.
template <typename T>
IoStatus load_status(Device& device, uint64_t offset) {
  std::array<std::byte, sizeof(T)> raw{};
  return device.read(offset, raw);
}

}  // namespace rvvmm
