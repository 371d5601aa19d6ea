// The backend of a network device: it sends and receives frames.
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
  kNetCsum = 1ULL << 0,       ///< device accepts frames whose checksum is not filled in
  kNetGuestCsum = 1ULL << 1,  ///< driver accepts them
  kNetMtu = 1ULL << 3,
  kNetMac = 1ULL << 5,
  kNetGuestTso4 = 1ULL << 7,  ///< driver accepts TCP segments larger than the MTU
  kNetGuestTso6 = 1ULL << 8,
  kNetGuestEcn = 1ULL << 9,
  kNetHostTso4 = 1ULL << 11,  ///< device accepts them
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

/// struct virtio_net_hdr, in front of each frame: virtio 1.2, 5.1.6. The device fills in `num_buffers`.
struct VirtioNetHeader {
  static constexpr uint8_t kDataValid = 2;  ///< in `flags`: the checksum need not be checked

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

/// Without its virtio header: an IP packet of 64 KiB (a large segment), and room for the headers in front of it.
inline constexpr size_t kLongestFrame = 65536 + 64;
inline constexpr size_t kShortestFrame = 14;  ///< an Ethernet header

enum class NetIo : uint8_t {
  kDone,
  kLater,    ///< no frame to receive, or no room to send one: wait for the descriptor
  kRefused,  ///< this frame cannot be sent
  kGone,     ///< no frame comes or goes any more; why() says why
};

struct NetReceived {
  NetIo io = NetIo::kLater;
  size_t bytes = 0;  ///< for kDone: header and frame
};

/// Used by one thread at a time. No call blocks.
class NetBackend {
 public:
  virtual ~NetBackend() = default;

  /// The features above that the backend supports; kNetMtu: it knows the MTU.
  virtual uint64_t features() const noexcept = 0;
  /// With kNetMtu: the largest IP packet.
  virtual uint16_t mtu() const noexcept = 0;
  virtual uint16_t queue_pairs() const noexcept { return 1; }
  /// Nonblocking; readable when that pair may have a frame, writable when send() may have room again.
  virtual int fd(uint16_t pair) const noexcept = 0;

  /// The driver is ready and has accepted `features`.
  virtual void start(uint64_t features) noexcept = 0;
  /// From now on frames are received on the first `active` pairs only.
  virtual void use_pairs(uint16_t /*active*/) noexcept {}

  /// Reads the next frame, its virtio header first, into `buffers`, which have room for the longest frame.
  virtual NetReceived receive(uint16_t pair, std::span<const iovec> buffers) noexcept = 0;
  /// `frame` is a virtio header and kShortestFrame to kLongestFrame bytes after it. Its content is not trusted.
  virtual NetIo send(uint16_t pair, std::span<const iovec> frame) noexcept = 0;
  /// Sends the rest of what send() has accepted. True if some is still left: call it again when fd() is writable.
  virtual bool flush(uint16_t /*pair*/) noexcept { return false; }

  // For a device that leaves its frames to vhost-net, and so does not see the backend fail:

  /// Readable when the backend may be gone; -1 if it cannot tell. Opened by the first call; one thread.
  virtual int watch_fd() noexcept { return -1; }
  /// Call it when watch_fd() is readable. True if no frame comes or goes any more.
  virtual bool has_gone() noexcept { return false; }

  /// After kGone: what is gone and why, for one line of the log.
  virtual std::string why() const = 0;
};

}  // namespace rvvmm
