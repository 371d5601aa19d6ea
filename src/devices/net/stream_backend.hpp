// Network frames over a stream socket, each after its length: the protocol of passt, and of QEMU's "stream" netdev.
#pragma once

#include <vector>

#include "base/fd.hpp"
#include "devices/net/net_backend.hpp"

namespace rvvmm {

/// A frame is 4 bytes of length, big-endian, and as many bytes. The wire carries no virtio header.
class StreamBackend : public NetBackend {
 public:
  /// The largest frame has an IP packet that, with its Ethernet header, just fits 65,535 bytes: passt closes the
  /// connection when a frame is longer.
  static constexpr size_t kLongestOnWire = 65535;
  static constexpr uint16_t kMtu = 65520;

  /// `socket`: a connected stream socket; it is made nonblocking.
  explicit StreamBackend(Fd socket);

  /// The peer unpacks the frames and ignores their checksums. The frames that it sends have crossed no wire.
  uint64_t features() const noexcept override { return kNetMtu | kNetCsum | kNetGuestCsum; }
  uint16_t mtu() const noexcept override { return kMtu; }
  int fd(uint16_t /*pair*/) const noexcept override { return socket_.get(); }
  void start(uint64_t features) noexcept override { trust_checksums_ = (features & kNetGuestCsum) != 0; }
  NetReceived receive(uint16_t pair, std::span<const iovec> buffers) noexcept override;
  NetIo send(uint16_t pair, std::span<const iovec> frame) noexcept override;
  bool flush(uint16_t pair) noexcept override;
  std::string why() const override { return std::string{why_}; }

 private:
  NetIo fill() noexcept;
  NetIo not_sent(int error) noexcept;
  NetIo gone(std::string_view why) noexcept;
  std::span<const std::byte> waiting() const noexcept { return std::span{in_}.subspan(in_begin_, in_end_ - in_begin_); }

  Fd socket_;
  bool trust_checksums_ = false;
  std::vector<std::byte> in_;  // read from the socket, not yet received by the device: [in_begin_, in_end_)
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  std::vector<std::byte> out_;  // the rest of a frame that was sent in part: [out_begin_, out_end_)
  size_t out_begin_ = 0;
  size_t out_end_ = 0;
  std::string_view why_;
};

}  // namespace rvvmm
