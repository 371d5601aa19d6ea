// Any guest memory, rings anywhere in it, written between any two calls: only RAM is ever handed out, chains keep to
// the queue's size, and what was given back is in the used ring.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "devices/virtio/virtqueue.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 16_KiB;

struct Header {
  uint8_t options;
  uint8_t size;
  uint16_t rings[3];
  uint16_t index;  // where the queue goes on from
} __attribute__((packed));

struct Step {
  uint8_t action;
  uint8_t number;
  uint16_t flags;
  uint16_t next;
  uint32_t length;
  uint64_t address;
} __attribute__((packed));

class Guest {
 public:
  Guest(const GuestMemory& memory, const Header& header) : memory_(memory) {
    layout_.size = static_cast<uint16_t>(header.size < 0xF0 ? 1U << header.size % 11 : header.size);
    layout_.descriptors = place_of(header.rings[0], 16, header);
    layout_.driver_area = place_of(header.rings[1], 2, header);
    layout_.device_area = place_of(header.rings[2], 4, header);
    std::string_view why;
    queue_ = Virtqueue::create(memory, layout_,
                               {.indirect = (header.options & 1) != 0, .event_idx = (header.options & 2) != 0}, why);
    require(queue_.has_value() == why.empty());
    if (!queue_) return;
    queue_->set_state({.next_available = header.index, .next_used = header.index});
    memory_.store(layout_.driver_area + 2, uint16_t{header.index});
  }

  bool has_queue() const { return queue_.has_value(); }

  void run(const Step& step) {
    switch (step.action % 12) {
      case 0: memory_.store(kRam + step.address % kRamSize, uint32_t{step.length}); break;
      case 1:
      case 2: write_descriptor(layout_.descriptors + step.number % layout_.size * 16U, step); break;
      case 3: write_descriptor(kRam + align_down(step.length % kRamSize, 16), step); break;
      case 4:
      case 5: offer(step.next); break;
      case 6:
      case 7: pop(); break;
      case 8: push(step); break;
      case 9: undo(); break;
      case 10: notify(step); break;
      default: drain(); break;
    }
  }

 private:
  // Mostly aligned and within RAM, or nothing else would ever be reached.
  static Gpa place_of(uint16_t at, uint64_t alignment, const Header& header) {
    const uint64_t exact = (header.options & 0x80) != 0 ? 1 : alignment;
    return kRam + align_down((header.options & 0x40) != 0 ? at : at % kRamSize, exact);
  }

  void write_descriptor(Gpa at, const Step& step) const {
    const bool anywhere = (step.action & 0x80) != 0;
    const uint64_t address = anywhere ? step.address : kRam.value + step.address % kRamSize;
    const uint32_t length = anywhere ? step.length : step.length % 0x800;
    const auto flags = static_cast<uint16_t>(anywhere ? step.flags : step.flags % 8);
    const auto next = static_cast<uint16_t>(anywhere ? step.next : step.next % (layout_.size + 1U));
    memory_.store(at, address);
    memory_.store(at + 8, length);
    memory_.store(at + 12, flags);
    memory_.store(at + 14, next);
  }

  void offer(uint16_t head) const {
    const auto index = memory_.load<uint16_t>(layout_.driver_area + 2).value_or(0);
    memory_.store(layout_.driver_area + 4 + index % layout_.size * 2U,
                  static_cast<uint16_t>(head % (layout_.size + 1U)));
    memory_.store(layout_.driver_area + 2, static_cast<uint16_t>(index + 1));
  }

  bool pop() {
    const VirtqueueState before = queue_->state();
    DescriptorChain chain;
    if (!queue_->pop(chain)) {
      require(queue_->state() == before);
      undone_ = true;
      return false;
    }
    require(queue_->broken().empty());
    require(queue_->state().next_available == static_cast<uint16_t>(before.next_available + 1));
    require(chain.readable().size() + chain.writable().size() <= queue_->size());
    require(bytes_in_ram(chain.readable()) == chain.readable_bytes());
    require(bytes_in_ram(chain.writable()) == chain.writable_bytes());
    in_hand_.push_back(std::move(chain));
    undone_ = false;
    return true;
  }

  uint64_t bytes_in_ram(std::span<const iovec> buffers) const {
    const std::byte* const begin = memory_.bytes().data();
    uint64_t total = 0;
    for (const iovec& buffer : buffers) {
      const auto* const at = static_cast<const std::byte*>(buffer.iov_base);
      require(at >= begin && at <= begin + kRamSize);
      require(buffer.iov_len <= static_cast<size_t>(begin + kRamSize - at));
      total += buffer.iov_len;
    }
    return total;
  }

  // The oldest or the newest one.
  void push(const Step& step) {
    if (in_hand_.empty()) return;
    const bool oldest = (step.number & 1) != 0;
    const DescriptorChain chain = std::move(oldest ? in_hand_.front() : in_hand_.back());
    oldest ? in_hand_.pop_front() : in_hand_.pop_back();
    const uint16_t before = queue_->state().next_used;
    std::array<std::byte, 64> data{};
    copy_from_buffers(chain.readable(), step.address % 0x1000, data);
    const size_t written = copy_to_buffers(chain.writable(), step.length % 0x1000, data);
    require(written <= chain.writable_bytes());
    queue_->push(chain, static_cast<uint32_t>(written));
    require(memory_.load<uint16_t>(layout_.device_area + 2) == static_cast<uint16_t>(before + 1));
    undone_ = true;
  }

  void undo() {
    if (undone_ || in_hand_.empty()) return;
    in_hand_.pop_back();
    queue_->undo_pop();
    undone_ = true;
  }

  void notify(const Step& step) {
    switch (step.number % 3) {
      case 0: queue_->wants_interrupt(); break;
      case 1: queue_->decline_kicks(); break;
      default: require(!queue_->ask_for_kick() || queue_->broken().empty());
    }
  }

  // Nobody makes more available meanwhile, so that this ends.
  void drain() {
    uint32_t popped = 0;
    while (pop())
      require(++popped <= queue_->size());
    in_hand_.clear();
  }

  const GuestMemory& memory_;
  VirtqueueLayout layout_;
  std::optional<Virtqueue> queue_;
  std::deque<DescriptorChain> in_hand_;
  bool undone_ = true;  // the last pop() is not the last thing that was done
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const GuestMemory memory{kRam, kRamSize};
  Header header;
  if (size < sizeof header) return -1;
  std::memcpy(&header, data, sizeof header);
  clear(memory.bytes());
  Guest guest{memory, header};
  if (!guest.has_queue()) return 0;
  for_each_step<Step>(std::span{data, size}.subspan(sizeof header), [&](const Step& step) { guest.run(step); });
  return 0;
}
