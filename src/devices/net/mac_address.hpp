// Addresses of network devices: IEEE 802.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rvvmm {

using MacAddress = std::array<uint8_t, 6>;

/// A locally administered unicast address that is the same each time for the same `identity`: whatever tells this
/// device from all others that it may meet, such as the machine's id, the tap interface and the place among options.
MacAddress stable_mac(std::string_view identity) noexcept;

}  // namespace rvvmm
