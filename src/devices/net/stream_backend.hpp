// Network frames over a stream socket, each behind its length: the protocol of passt, and of QEMU's "stream" netdev.
#pragma once

#include <vector>

#include "base/fd.hpp"
#include "devices/net/net_backend.hpp"

namespace rvvmm {

/// A frame is 4 bytes of length, big-endian, and as many bytes. There is no virtio header on the wire.
class StreamBackend : public NetBackend {
 public:
  /// The largest frame is one with an IP packet that just fits 65,535 bytes with its Ethernet header: passt hangs up
  /// on a longer one.
  static constexpr size_t kLongestOnWire = 65535;
  static constexpr uint16_t kMtu = 65520;

  /// `socket`: a connected stream socket; made nonblocking.
  explicit StreamBackend(Fd socket);

  /// The peer takes what frames carry out again and looks at no checksum, and what it sends has crossed no wire.
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
  std::vector<std::byte> in_;  // what was read and not yet received: [in_begin_, in_end_)
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  std::vector<std::byte> out_;  // the rest of a frame that went out in part: [out_begin_, out_end_)
  size_t out_begin_ = 0;
  size_t out_end_ = 0;
  std::string_view why_;
};

}  // namespace rvvmm
