#include "devices/virtio/virtqueue.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

namespace rvvmm {
namespace {

// Offsets within the rings: virtio 1.2, 2.7.6 and 2.7.8. Both begin with flags and an index, 16 bits each. After its
// entries each has one more index, for VIRTIO_F_EVENT_IDX.
constexpr size_t kFlags = 0;
constexpr size_t kIndex = 2;
constexpr size_t kEntries = 4;
constexpr size_t kAvailableEntry = 2;
constexpr size_t kUsedEntry = 8;
constexpr size_t kDescriptorSize = 16;
constexpr size_t kEvent = 2;

enum DescriptorFlag : uint16_t { kNext = 1, kWrite = 2, kIndirect = 4 };
constexpr uint16_t kNoInterrupt = 1;  // of the available ring's flags
constexpr uint16_t kNoNotify = 1;     // of the used ring's

/// "A driver MUST NOT create a descriptor chain longer than 2^32 bytes" (2.7.5.2), and a used length has 32 bits.
constexpr uint64_t kLongestChain = UINT32_MAX;

// Guest memory that is loaded or stored once and whole, whatever the guest writes meanwhile. It takes one instruction:
// a memcpy() of unknown alignment goes byte by byte on a RISC-V without fast misaligned access. `at` is aligned:
// create() has checked the rings.
template <typename T>
std::atomic_ref<T> shared(std::byte* at) noexcept {
  return std::atomic_ref{*reinterpret_cast<T*>(at)};
}
std::atomic_ref<uint16_t> word(std::byte* at) noexcept {
  return shared<uint16_t>(at);
}

}  // namespace

struct Virtqueue::Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;

  static Descriptor load(std::byte* at) noexcept {
    std::array<uint64_t, 2> halves;
    // An indirect table may have any alignment.
    if (reinterpret_cast<uintptr_t>(at) % sizeof(uint64_t) == 0) [[likely]] {
      halves = {shared<uint64_t>(at).load(std::memory_order_relaxed),
                shared<uint64_t>(at + sizeof(uint64_t)).load(std::memory_order_relaxed)};
    } else {
      std::memcpy(halves.data(), at, sizeof halves);
    }
    return {.address = halves[0],
            .length = static_cast<uint32_t>(halves[1]),
            .flags = static_cast<uint16_t>(halves[1] >> 32),
            .next = static_cast<uint16_t>(halves[1] >> 48)};
  }
};

struct Virtqueue::Table {
  std::byte* entries;
  uint32_t count;
};

// Not cleared: most chains are short, and memory that no chain has filled is never touched.
DescriptorChain::DescriptorChain()
    : own_(std::make_unique_for_overwrite<iovec[]>(Virtqueue::kLargestSize)),
      room_(own_.get(), Virtqueue::kLargestSize) {}

// Whole buffers are skipped, then the rest is copied piece by piece.
size_t copy_from_buffers(std::span<const iovec> buffers, uint64_t skip, std::span<std::byte> out) noexcept {
  size_t copied = 0;
  for (const iovec& buffer : buffers) {
    if (copied == out.size()) break;
    if (skip >= buffer.iov_len) {
      skip -= buffer.iov_len;
      continue;
    }
    const size_t piece = std::min(buffer.iov_len - skip, out.size() - copied);
    std::memcpy(out.data() + copied, static_cast<const std::byte*>(buffer.iov_base) + skip, piece);
    copied += piece;
    skip = 0;
  }
  return copied;
}

size_t copy_to_buffers(std::span<const iovec> buffers, uint64_t skip, std::span<const std::byte> in) noexcept {
  size_t copied = 0;
  for (const iovec& buffer : buffers) {
    if (copied == in.size()) break;
    if (skip >= buffer.iov_len) {
      skip -= buffer.iov_len;
      continue;
    }
    const size_t piece = std::min(buffer.iov_len - skip, in.size() - copied);
    std::memcpy(static_cast<std::byte*>(buffer.iov_base) + skip, in.data() + copied, piece);
    copied += piece;
    skip = 0;
  }
  return copied;
}

std::optional<Virtqueue> Virtqueue::create(const GuestMemory& memory, const VirtqueueLayout& layout, Options options,
                                           std::string_view& why) {
  const uint64_t size = layout.size;
  if (size == 0 || (size & (size - 1)) != 0 || size > kLargestSize) {
    why = "its size is not a power of two up to 1024";
    return std::nullopt;
  }
  if (layout.descriptors.value % 16 != 0 || layout.driver_area.value % 2 != 0 || layout.device_area.value % 4 != 0) {
    why = "a ring is not aligned";
    return std::nullopt;
  }
  if (!memory.slice(layout.descriptors, size * kDescriptorSize) ||
      !memory.slice(layout.driver_area, kEntries + size * kAvailableEntry + kEvent) ||
      !memory.slice(layout.device_area, kEntries + size * kUsedEntry + kEvent)) {
    why = "a ring is not in RAM";
    return std::nullopt;
  }
  return Virtqueue{memory, layout, options};
}

Virtqueue::Virtqueue(const GuestMemory& memory, const VirtqueueLayout& layout, Options options) noexcept
    : memory_(&memory),
      descriptors_(memory.slice(layout.descriptors, 0)->data()),
      available_(memory.slice(layout.driver_area, 0)->data()),
      used_(memory.slice(layout.device_area, 0)->data()),
      size_(layout.size),
      longest_chain_(std::max(layout.size, options.longest_chain)),
      options_(options) {}

uint16_t Virtqueue::available_index() const noexcept {
  return word(available_ + kIndex).load(std::memory_order_acquire);
}

// Only the device may write the used index. A guest that writes it anyway confuses only itself.
void Virtqueue::take_back(uint16_t next_available) noexcept {
  set_state({.next_available = next_available, .next_used = word(used_ + kIndex).load(std::memory_order_acquire)});
}

bool Virtqueue::fail(std::string_view why) noexcept {
  broken_ = why;
  return false;
}

bool Virtqueue::pop(DescriptorChain& chain) noexcept {
  if (!broken_.empty()) [[unlikely]]
    return false;
  const auto waiting = static_cast<uint16_t>(available_index() - state_.next_available);
  if (waiting == 0) return false;
  if (waiting > size_) [[unlikely]]
    return fail("more requests are available than it has room for");
  const size_t slot = state_.next_available & (size_ - 1U);
  const auto head = word(available_ + kEntries + slot * kAvailableEntry).load(std::memory_order_relaxed);
  if (!collect(head, chain)) [[unlikely]]
    return false;
  ++state_.next_available;
  return true;
}

bool Virtqueue::collect(uint16_t head, DescriptorChain& chain) noexcept {
  chain.head_ = head;
  chain.count_ = chain.readable_ = 0;
  chain.readable_bytes_ = chain.writable_bytes_ = 0;
  Table table{.entries = descriptors_, .count = size_};
  bool in_indirect = false;
  uint32_t index = head;
  // This ends: each round adds a buffer, up to a limit, except for one round, which continues in an indirect table.
  for (;;) {
    if (index >= table.count) [[unlikely]]
      return fail("a descriptor's number is beyond its table");
    const auto descriptor = Descriptor::load(table.entries + index * kDescriptorSize);
    if ((descriptor.flags & kIndirect) != 0) {
      if (in_indirect) [[unlikely]]
        return fail("an indirect table holds an indirect descriptor");
      if ((descriptor.flags & kNext) != 0) [[unlikely]]
        return fail("a descriptor is indirect and has a next one");
      const auto indirect = indirect_table(descriptor);
      if (!indirect) [[unlikely]]
        return false;
      table = *indirect;
      in_indirect = true;
      index = 0;
      continue;
    }
    if (!add_buffer(descriptor, chain)) [[unlikely]]
      return false;
    if ((descriptor.flags & kNext) == 0) return true;
    index = descriptor.next;
  }
}

std::optional<Virtqueue::Table> Virtqueue::indirect_table(const Descriptor& descriptor) noexcept {
  if (!options_.indirect) {
    fail("a descriptor is indirect, which was not negotiated");
    return std::nullopt;
  }
  const auto bytes = memory_->slice(Gpa{descriptor.address}, descriptor.length);
  if (!bytes || descriptor.length == 0 || descriptor.length % kDescriptorSize != 0) {
    fail("an indirect table is not in RAM, or is not made of descriptors");
    return std::nullopt;
  }
  return Table{.entries = bytes->data(), .count = static_cast<uint32_t>(descriptor.length / kDescriptorSize)};
}

bool Virtqueue::add_buffer(const Descriptor& descriptor, DescriptorChain& chain) noexcept {
  const auto bytes = memory_->slice(Gpa{descriptor.address}, descriptor.length);
  if (!bytes) [[unlikely]]
    return fail("a buffer is not in RAM");
  if (chain.count_ == longest_chain_ || chain.count_ == chain.room_.size()) [[unlikely]]
    return fail("a chain is longer than the queue, or loops");
  if (chain.readable_bytes_ + chain.writable_bytes_ + descriptor.length > kLongestChain) [[unlikely]]
    return fail("a chain has more than 2^32-1 bytes");
  if ((descriptor.flags & kWrite) != 0) {
    chain.writable_bytes_ += descriptor.length;
  } else {
    if (chain.count_ != chain.readable_) [[unlikely]]
      return fail("a readable buffer follows a writable one");
    chain.readable_bytes_ += descriptor.length;
    ++chain.readable_;
  }
  chain.room_[chain.count_++] = {.iov_base = bytes->data(), .iov_len = bytes->size()};
  return true;
}

void Virtqueue::push_unseen(const DescriptorChain& chain, uint32_t written) noexcept {
  std::byte* const entry = used_ + kEntries + (state_.next_used & (size_ - 1U)) * kUsedEntry;
  shared<uint32_t>(entry).store(chain.head_, std::memory_order_relaxed);
  shared<uint32_t>(entry + sizeof(uint32_t)).store(written, std::memory_order_relaxed);
  ++state_.next_used;
}

void Virtqueue::show_pushed() noexcept {
  word(used_ + kIndex).store(state_.next_used, std::memory_order_release);
}

// 2.7.10: with event indices an interrupt is wanted when the used index passes the one that the driver named.
bool Virtqueue::wants_interrupt() noexcept {
  // The driver writes what it wants and then reads the used index. We have written that index, and now read what it
  // wants.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t before = std::exchange(signalled_used_, state_.next_used);
  if (before == state_.next_used) return false;
  if (!options_.event_idx) {
    return (word(available_ + kFlags).load(std::memory_order_relaxed) & kNoInterrupt) == 0;
  }
  const uint16_t event = word(available_ + kEntries + size_ * kAvailableEntry).load(std::memory_order_relaxed);
  return static_cast<uint16_t>(state_.next_used - event - 1) < static_cast<uint16_t>(state_.next_used - before);
}

bool Virtqueue::ask_for_kick() noexcept {
  if (options_.event_idx) {
    word(used_ + kEntries + size_ * kUsedEntry).store(state_.next_available, std::memory_order_relaxed);
  } else {
    word(used_ + kFlags).store(0, std::memory_order_relaxed);
  }
  // The driver makes a request available and then reads this. We have written it, and now look for requests.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return broken_.empty() && available_index() != state_.next_available;
}

// With event indices, the index that was named last stays behind the requests, which has the same effect.
void Virtqueue::decline_kicks() noexcept {
  if (!options_.event_idx) word(used_ + kFlags).store(kNoNotify, std::memory_order_relaxed);
}

}  // namespace rvvmm
