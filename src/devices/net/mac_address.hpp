// MAC addresses of network devices: IEEE 802.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rvvmm {

using MacAddress = std::array<uint8_t, 6>;

/// A locally administered unicast address, always the same for the same `identity`. `identity` tells this device from
/// all others that it may meet: for example the machine's id, the tap interface and the position among the options.
MacAddress stable_mac(std::string_view identity) noexcept;

}  // namespace rvvmm
