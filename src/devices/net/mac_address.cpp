#include "devices/net/mac_address.hpp"

#include <cstddef>

namespace rvvmm {

MacAddress stable_mac(std::string_view identity) noexcept {
  // FNV-1a, 64 bits: the hash need not be hard to reverse.
  uint64_t hash = 0xCBF2'9CE4'8422'2325;
  for (const char c : identity)
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100'0000'01B3;
  hash ^= hash >> 48;  // an address has 48 bits
  MacAddress mac{};
  for (size_t i = 0; i < mac.size(); ++i)
    mac[i] = static_cast<uint8_t>(hash >> (8 * i));
  mac[0] = static_cast<uint8_t>((mac[0] & 0xFC) | 0x02);  // not a group address, and not a vendor's
  return mac;
}

}  // namespace rvvmm
