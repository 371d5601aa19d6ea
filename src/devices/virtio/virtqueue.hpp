// A split virtqueue as the device sees it: virtio 1.2, 2.7.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/guest_memory.hpp"

namespace rvvmm {

/// The buffers of one request, in our own address space. All of them are guest memory, which the guest may write
/// meanwhile: what is checked is a copy. The user keeps a chain and fills it again and again. Its memory is set aside
/// when it is made, since the guest decides when a chain is filled, and how far.
class DescriptorChain {
 public:
  /// With room for the longest chain of any queue.
  DescriptorChain();
  /// With room for `room.size()` buffers, in memory of the user: at least as many as the longest chain of its queue has
  /// (Virtqueue::Options::longest_chain).
  explicit DescriptorChain(std::span<iovec> room) noexcept : room_(room) {}

  /// What the device reads, in order.
  std::span<const iovec> readable() const noexcept { return room_.first(readable_); }
  /// What the device may write, in order.
  std::span<const iovec> writable() const noexcept { return room_.subspan(readable_, count_ - readable_); }
  uint64_t readable_bytes() const noexcept { return readable_bytes_; }
  uint64_t writable_bytes() const noexcept { return writable_bytes_; }

 private:
  friend class Virtqueue;
  uint16_t head_ = 0;
  size_t count_ = 0;     // buffers, from the beginning of room_ on
  size_t readable_ = 0;  // so many of them; the writable ones follow
  uint64_t readable_bytes_ = 0;
  uint64_t writable_bytes_ = 0;
  std::unique_ptr<iovec[]> own_;
  std::span<iovec> room_;
};

/// Copies bytes [skip, skip + out.size()) of `buffers` to `out`; returns how many of them there were.
size_t copy_from_buffers(std::span<const iovec> buffers, uint64_t skip, std::span<std::byte> out) noexcept;
/// Copies `in` to `buffers`, from byte `skip` on; returns how many bytes had room.
size_t copy_to_buffers(std::span<const iovec> buffers, uint64_t skip, std::span<const std::byte> in) noexcept;

/// Where the driver put a queue, as it told the transport.
struct VirtqueueLayout {
  uint16_t size = 0;  ///< descriptors; a power of two
  Gpa descriptors{};  ///< 16 bytes each; aligned to 16
  Gpa driver_area{};  ///< the available ring; aligned to 2
  Gpa device_area{};  ///< the used ring; aligned to 4

  friend bool operator==(const VirtqueueLayout&, const VirtqueueLayout&) = default;
};

/// The indices from which a queue continues: its whole state beyond guest memory.
struct VirtqueueState {
  uint16_t next_available = 0;
  uint16_t next_used = 0;

  friend bool operator==(const VirtqueueState&, const VirtqueueState&) = default;
};

/// One thread at a time. A queue that its driver has broken stays broken: it gives no chain any more, and says why.
class Virtqueue {
 public:
  static constexpr uint16_t kLargestSize = 1024;

  struct Options {
    bool indirect = false;   ///< VIRTIO_F_INDIRECT_DESC was negotiated
    bool event_idx = false;  ///< VIRTIO_F_EVENT_IDX was
    /// Most buffers of a chain: the queue's size as the device offers it. A driver that has made the queue smaller, as
    /// Linux does where memory is scarce, still sends requests of that length in indirect tables; 2.7.5.3.1 forbids
    /// only chains longer than "the Queue Size of the device". At least the queue's own size.
    uint16_t longest_chain = 0;
  };

  /// nullopt, and the reason in `why`, unless all of the queue is in RAM and aligned, and its size is valid. `memory`
  /// outlives the queue.
  static std::optional<Virtqueue> create(const GuestMemory& memory, const VirtqueueLayout& layout, Options options,
                                         std::string_view& why);

  /// Takes the next request into `chain`; false if there is none, or if the queue is broken.
  bool pop(DescriptorChain& chain) noexcept;
  /// Gives the last `count` chains that were popped back: the next pop() returns the first of them again. Only while
  /// none of them has been pushed.
  void undo_pop(uint16_t count = 1) noexcept {
    state_.next_available = static_cast<uint16_t>(state_.next_available - count);
  }
  /// A request is done: `written` bytes were written to its writable buffers, from the first on.
  void push(const DescriptorChain& chain, uint32_t written) noexcept {
    push_unseen(chain, written);
    show_pushed();
  }
  /// The same, but the driver sees it only after show_pushed(): for a network frame in several requests, which must
  /// appear together (virtio 1.2, 5.1.6.4).
  void push_unseen(const DescriptorChain& chain, uint32_t written) noexcept;
  void show_pushed() noexcept;
  /// After one or several push(): whether the driver wants an interrupt for them. Call it once for all of them.
  bool wants_interrupt() noexcept;

  /// Asks the driver for a kick at the next request. True if a request has come meanwhile: it has no kick, so pop() it.
  bool ask_for_kick() noexcept;
  /// Tells the driver that no kick is needed for now. A hint.
  void decline_kicks() noexcept;

  /// Why the queue is broken; empty while it is not.
  std::string_view broken() const noexcept { return broken_; }

  uint16_t size() const noexcept { return size_; }

  // For a server in the kernel that works with the queue in our place: all that it needs, and how to continue after it.

  /// The start of each ring, in our own address space.
  struct Rings {
    const void* descriptors;
    const void* available;
    const void* used;
  };
  Rings rings() const noexcept { return {.descriptors = descriptors_, .available = available_, .used = used_}; }
  const GuestMemory& memory() const noexcept { return *memory_; }
  /// The next available request is this one. The used index is the one that the driver has been shown.
  void take_back(uint16_t next_available) noexcept;
  const VirtqueueState& state() const noexcept { return state_; }
  void set_state(const VirtqueueState& state) noexcept {
    state_ = state;
    signalled_used_ = state.next_used;
  }

 private:
  struct Descriptor;
  struct Table;

  Virtqueue(const GuestMemory& memory, const VirtqueueLayout& layout, Options options) noexcept;

  bool collect(uint16_t head, DescriptorChain& chain) noexcept;
  bool add_buffer(const Descriptor& descriptor, DescriptorChain& chain) noexcept;
  std::optional<Table> indirect_table(const Descriptor& descriptor) noexcept;
  bool fail(std::string_view why) noexcept;
  uint16_t available_index() const noexcept;

  const GuestMemory* memory_;
  std::byte* descriptors_;
  std::byte* available_;
  std::byte* used_;
  uint16_t size_;
  uint16_t longest_chain_;
  Options options_;
  VirtqueueState state_;
  uint16_t signalled_used_ = 0;  // next_used when wants_interrupt() was asked last
  std::string_view broken_;
};

}  // namespace rvvmm
