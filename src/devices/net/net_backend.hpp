// Where a network device's frames go to and come from.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rvvmm {

/// Feature bits of a network device: virtio 1.2, 5.1.3.
enum VirtioNetFeature : uint64_t {
  kNetCsum = 1ULL << 0,       ///< device takes frames whose checksum is not filled in
  kNetGuestCsum = 1ULL << 1,  ///< driver does
  kNetMtu = 1ULL << 3,
  kNetMac = 1ULL << 5,
  kNetGuestTso4 = 1ULL << 7,  ///< driver takes TCP segments larger than the MTU
  kNetGuestTso6 = 1ULL << 8,
  kNetGuestEcn = 1ULL << 9,
  kNetHostTso4 = 1ULL << 11,  ///< device does
  kNetHostTso6 = 1ULL << 12,
  kNetHostEcn = 1ULL << 13,
  kNetMergeBuffers = 1ULL << 15,
  kNetStatus = 1ULL << 16,
  kNetControlQueue = 1ULL << 17,
  kNetMultiQueue = 1ULL << 22,
  kNetGuestUso4 = 1ULL << 54,  ///< the same for UDP
  kNetGuestUso6 = 1ULL << 55,
  kNetHostUso = 1ULL << 56,
};

/// struct virtio_net_hdr, in front of each frame: virtio 1.2, 5.1.6. `num_buffers` is for the device to fill in.
struct VirtioNetHeader {
  static constexpr uint8_t kDataValid = 2;  ///< of `flags`: the checksum need not be looked at

  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;
  uint16_t num_buffers = 0;
};
static_assert(sizeof(VirtioNetHeader) == 12);
/// Bytes before each frame.
inline constexpr size_t kNetHeader = sizeof(VirtioNetHeader);

/// Without its virtio header: an IP packet of 64 KiB (a large segment), and room for what is in front of it.
inline constexpr size_t kLongestFrame = 65536 + 64;
inline constexpr size_t kShortestFrame = 14;  ///< an Ethernet header

enum class NetIo : uint8_t {
  kDone,
  kLater,    ///< no frame to receive, or no room for one to be sent: wait for the descriptor
  kRefused,  ///< that frame cannot be sent
  kGone,     ///< no frame will ever come or go again; why() tells
};

struct NetReceived {
  NetIo io = NetIo::kLater;
  size_t bytes = 0;  ///< of kDone: header and frame
};

/// One thread at a time. Nothing here blocks.
class NetBackend {
 public:
  virtual ~NetBackend() = default;

  /// Of the features above, what it can do or tell.
  virtual uint64_t features() const noexcept = 0;
  /// With kNetMtu: the largest IP packet.
  virtual uint16_t mtu() const noexcept = 0;
  virtual uint16_t queue_pairs() const noexcept { return 1; }
  /// Nonblocking; readable when there may be a frame for that pair, writable when send() may have room again.
  virtual int fd(uint16_t pair) const noexcept = 0;

  /// The driver is ready and has accepted `features`.
  virtual void start(uint64_t features) noexcept = 0;
  /// Frames are from now on received on the first `active` pairs.
  virtual void use_pairs(uint16_t /*active*/) noexcept {}

  /// The next frame, its virtio header in front, into `buffers`, which have room for the longest one.
  virtual NetReceived receive(uint16_t pair, std::span<const iovec> buffers) noexcept = 0;
  /// `frame` begins with a virtio header, has kShortestFrame to kLongestFrame bytes behind it, and is hostile.
  virtual NetIo send(uint16_t pair, std::span<const iovec> frame) noexcept = 0;
  /// Goes on with what send() has accepted and not yet written. True if some is left: call it when fd() is writable.
  virtual bool flush(uint16_t /*pair*/) noexcept { return false; }

  // For who leaves frames to vhost-net, and so hears of nothing:

  /// Readable when the backend may be gone; -1 where it cannot tell. Opened when it is asked for, by one thread.
  virtual int watch_fd() noexcept { return -1; }
  /// When that is readable: whether no frame will ever come or go again.
  virtual bool has_gone() noexcept { return false; }

  /// Of kGone: what is gone and why, for one line of the log.
  virtual std::string why() const = 0;
};

}  // namespace rvvmm
