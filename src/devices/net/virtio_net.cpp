#include "devices/net/virtio_net.hpp"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <format>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"
#include "base/thread_signals.hpp"
#include "devices/net/virtio_net_parts.hpp"

namespace rvvmm {

using namespace virtio_net_parts;

namespace {

/// struct virtio_net_config: virtio 1.2, 5.1.4.
struct Config {
  MacAddress mac;
  uint16_t status;
  uint16_t max_virtqueue_pairs;
  uint16_t mtu;
};
static_assert(sizeof(Config) == 12);
constexpr uint16_t kLinkUp = 1;

/// A tap holds 1000 (txqueuelen), passt's socket some hundreds.
constexpr unsigned kMostStaleFrames = 2000;

// Control commands: virtio 1.2, 5.1.6.5.
constexpr uint8_t kClassMultiQueue = 4;
constexpr uint8_t kSetPairs = 0;
constexpr std::byte kAck{0};
constexpr std::byte kError{1};

uint64_t offered_features(const NetBackend& backend) noexcept {
  uint64_t features = backend.features() | kNetMac | kNetStatus | kNetMergeBuffers;
  if (backend.queue_pairs() > 1) features |= kNetControlQueue | kNetMultiQueue;
  return features;
}

// Receive and transmit queue of each pair, then the control queue: virtio 1.2, 5.1.2.
std::vector<uint16_t> sizes_of_queues(const NetBackend& backend) {
  const uint16_t pairs = backend.queue_pairs();
  std::vector<uint16_t> sizes(size_t{pairs} * 2, VirtioNet::kQueueSize);
  if (pairs > 1) sizes.push_back(VirtioNet::kQueueSize);
  return sizes;
}

}  // namespace

// The memory that the guest can fill is set aside here; it costs nothing until it is touched.
VirtioNet::Receiver::Receiver()
    : rooms(std::make_unique_for_overwrite<iovec[]>(kMostChains * kQueueSize)), overflow(kNetHeader + kLongestFrame) {
  chains.reserve(kMostChains);
  for (size_t chain = 0; chain < kMostChains; ++chain)
    chains.emplace_back(std::span{rooms.get() + chain * kQueueSize, kQueueSize});
}

VirtioNet::VirtioNet(VirtioNetOptions options)
    : ServedVirtioDevice(sizes_of_queues(*options.backend)),
      name_(std::format("net{}", options.number)),
      mac_(options.mac),
      backend_(std::move(options.backend)),
      features_(offered_features(*backend_)),
      vhost_(std::move(options.vhost)),
      events_(::epoll_create1(EPOLL_CLOEXEC)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      in_kernel_(!vhost_.empty()),
      receivers_(backend_->queue_pairs()) {
  if (!events_ || !stop_) throw SetupError::from_errno(ExitStatus::kInternal, name_ + ": epoll and eventfd", errno);
  for (uint16_t index = 0; in_kernel_ && index < queue_sizes().size(); ++index)
    calls_.push_back(index / 2U < vhost_.size() ? vhost_[index / 2]->call_fd(side_of(index)) : -1);
  if (!watch(stop_.get(), tag(Source::kStop, 0), EPOLLIN) || !(in_kernel_ ? watch_vhost() : watch_frames())) {
    throw SetupError::from_errno(ExitStatus::kInternal, name_ + ": epoll_ctl", errno);
  }
}

VirtioNet::~VirtioNet() {
  stopping_.store(true);
  add_one(stop_.get());
}

bool VirtioNet::watch(int fd, uint64_t tag, uint32_t events) noexcept {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  return ::epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST;
}

bool VirtioNet::watch_frames() noexcept {
  bool all = true;
  for (size_t index = 0; index < doorbells().size(); ++index)
    all &= watch(doorbells()[index], tag(Source::kDoorbell, static_cast<uint16_t>(index)), EPOLLIN);
  for (uint16_t pair = 0; pair < backend_->queue_pairs(); ++pair)
    all &= watch_backend(pair, EPOLLIN, EPOLL_CTL_ADD);
  return all;
}

// The backend's descriptors are edge-triggered. After one event, we read when there are buffers. So the watch need not
// change while there are none.
bool VirtioNet::watch_backend(uint16_t pair, uint32_t events, int operation) noexcept {
  epoll_event event{.events = events | EPOLLET, .data = {.u64 = tag(Source::kBackend, pair)}};
  return ::epoll_ctl(events_.get(), operation, backend_->fd(pair), &event) == 0;
}

void VirtioNet::read_config(uint64_t offset, std::span<std::byte> out) noexcept {
  const Config config{.mac = mac_,
                      .status = link_up_.load(std::memory_order_acquire) ? kLinkUp : uint16_t{0},
                      .max_virtqueue_pairs = backend_->queue_pairs(),
                      .mtu = backend_->mtu()};
  read_config_bytes(std::as_bytes(std::span{&config, 1}), offset, out);
}

void VirtioNet::launch() {
  const AsynchronousSignalsBlocked for_the_thread;
  try {
    thread_ = std::jthread([this] { run(); });
  } catch (const std::system_error& problem) {
    throw SetupError{ExitStatus::kInternal, std::format("{}: cannot start its thread: {}", name_, problem.what())};
  }
}

void VirtioNet::run() noexcept {
  ::pthread_setname_np(::pthread_self(), ("io-" + name_).substr(0, 15).c_str());
  while (!stopping_.load(std::memory_order_relaxed))
    serve_events(-1);
}

void VirtioNet::serve_events(int timeout_ms) noexcept {
  std::array<epoll_event, 16> events;
  const int count = ::epoll_wait(events_.get(), events.data(), events.size(), timeout_ms);
  for (const epoll_event& event : std::span{events}.first(static_cast<size_t>(std::max(count, 0)))) {
    const auto number = static_cast<uint16_t>(event.data.u64);
    switch (static_cast<Source>(event.data.u64 >> 32)) {
      case Source::kStop: return;
      case Source::kDoorbell: on_doorbell(number); break;
      case Source::kBackend: on_backend(number, event.events); break;
      case Source::kCall: on_call(number); break;
      case Source::kVhostError: on_vhost_error(number); break;
      case Source::kBackendNews: on_backend_news(); break;
    }
  }
}

void VirtioNet::on_backend(uint16_t pair, uint32_t events) noexcept {
  const LockGuard lock{mu_};
  if ((events & EPOLLOUT) != 0) {
    if (backend_->flush(pair)) return wait_for_room(pair);
    watch_backend(pair, EPOLLIN, EPOLL_CTL_MOD);
    serve_all(transmit_queue(pair));
  }
  serve_all(receive_queue(pair));
}

void VirtioNet::wait_for_room(uint16_t pair) noexcept {
  watch_backend(pair, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

void VirtioNet::on_start() noexcept {
  backend_->start(driver_features());
  backend_->use_pairs(state_.active_pairs);
  drop_stale_frames();
  if (in_kernel_) start_vhost();
}

void VirtioNet::on_stop() noexcept {
  if (in_kernel_) stop_vhost();
  for (size_t pair = 0; pair < receivers_.size(); ++pair) {
    Receiver& receiver = receivers_[pair];
    if (Virtqueue* const rx = queue(receive_queue(static_cast<uint16_t>(pair))); rx != nullptr) {
      rx->undo_pop(static_cast<uint16_t>(receiver.count));
    }
    receiver.first = receiver.count = 0;
    receiver.bytes = 0;
    if (std::exchange(receiver.frame, 0) > 0) ++counters_.receive_drops;
  }
}

bool VirtioNet::serve(uint16_t index, Virtqueue& queue) noexcept {
  if (index == control_queue()) return serve_control(index, queue);
  if (in_kernel_) return false;  // a doorbell that rang for a previous driver
  const auto pair = static_cast<uint16_t>(index / 2);
  // Not in use, or not yet: obey() has the pair served once it is in use.
  if (pair >= state_.active_pairs) return false;
  return is_transmit(index) ? transmit_all(pair, queue) : receive_all(pair, queue);
}

// Receiving ------------------------------------------------------------------------------------------------------

bool VirtioNet::receive_all(uint16_t pair, Virtqueue& queue) noexcept {
  const uint16_t index = receive_queue(pair);
  auto progress = Progress::kNoFrame;
  uint16_t left = link_up_.load(std::memory_order_relaxed) ? queue.size() : uint16_t{0};
  const bool may_serve = left > 0;
  for (; left > 0; --left) {
    progress = receive_frame(pair, receivers_[pair], queue);
    if (progress != Progress::kFrame) break;
  }
  interrupt_if_wanted(index);
  if (progress == Progress::kNoBuffer) return true;
  // While there are buffers, we need no kick for more of them.
  queue.decline_kicks();
  if (may_serve && left == 0) ring(index);
  return false;
}

VirtioNet::Progress VirtioNet::receive_frame(uint16_t pair, Receiver& receiver, Virtqueue& queue) noexcept {
  if (receiver.frame == 0) {
    top_up(receiver, queue, std::max(receiver.expected, kNetHeader + kShortestFrame));
    if (receiver.count == 0) return Progress::kNoBuffer;
    const auto received = backend_->receive(pair, pieces_of(receiver));
    if (received.io == NetIo::kGone) lose_link();
    if (received.io != NetIo::kDone) return Progress::kNoFrame;
    if (received.bytes < kNetHeader + kShortestFrame || received.bytes > kNetHeader + kLongestFrame) {
      drop_received(received.bytes);
      return Progress::kFrame;
    }
    receiver.frame = received.bytes;
    // Frames of similar size come in a row: keep room for the largest recent frame, and a bit less after each frame.
    receiver.expected = std::max(received.bytes, receiver.expected - receiver.expected / 8);
  }
  return deliver(receiver, queue);
}

size_t VirtioNet::chains_per_frame() noexcept {
  return (driver_features() & kNetMergeBuffers) != 0 ? kMostChains : 1;
}

// Pops buffers until those in hand have room for `wanted` bytes.
void VirtioNet::top_up(Receiver& receiver, Virtqueue& queue, uint64_t wanted) noexcept {
  const size_t most = chains_per_frame();
  for (uint16_t left = queue.size(); left > 0 && receiver.bytes < wanted && receiver.count < most; --left) {
    DescriptorChain& chain = receiver.chains[(receiver.first + receiver.count) % kMostChains];
    if (!queue.pop(chain)) return;
    ++receiver.count;
    receiver.bytes += chain.writable_bytes();
    give_back_short_ones(receiver, queue);
  }
}

// A frame cannot begin in a buffer without room for a header; a driver must not offer such a buffer (5.1.6.3.1). Behind
// another buffer it is used like any other: buffers in hand go back in order, otherwise undo_pop() would not find them.
void VirtioNet::give_back_short_ones(Receiver& receiver, Virtqueue& queue) noexcept {
  while (receiver.count > 0 && receiver.chains[receiver.first].writable_bytes() < kNetHeader) {
    const DescriptorChain& chain = receiver.chains[receiver.first];
    queue.push(chain, 0);
    receiver.bytes -= chain.writable_bytes();
    receiver.first = (receiver.first + 1) % kMostChains;
    --receiver.count;
  }
}

// The buffers in hand, then our own: together they have room for a frame of any length.
std::span<const iovec> VirtioNet::pieces_of(Receiver& receiver) noexcept {
  size_t used = 0;
  receiver.presented = 0;
  for (size_t i = 0; i < receiver.count && used < kMostPieces; ++i) {
    const DescriptorChain& chain = receiver.chains[(receiver.first + i) % kMostChains];
    for (const iovec& piece : chain.writable().first(std::min(chain.writable().size(), kMostPieces - used))) {
      pieces_[used++] = piece;
      receiver.presented += piece.iov_len;
    }
    // After a chain that did not fit, the loop ends: the next chain would leave a gap.
  }
  pieces_[used++] = {.iov_base = receiver.overflow.data(), .iov_len = receiver.overflow.size()};
  return std::span{pieces_}.first(used);
}

VirtioNet::Progress VirtioNet::deliver(Receiver& receiver, Virtqueue& queue) noexcept {
  top_up(receiver, queue, receiver.frame);
  if (receiver.bytes < receiver.frame) {
    if (receiver.count < chains_per_frame()) return Progress::kNoBuffer;
    drop_received(std::exchange(receiver.frame, 0));
    return Progress::kFrame;
  }
  const size_t frame = std::exchange(receiver.frame, 0);
  uint16_t used = 0;
  for (size_t at = 0; at < frame; ++used) {
    const DescriptorChain& chain = receiver.chains[(receiver.first + used) % kMostChains];
    const auto bytes = static_cast<size_t>(std::min<uint64_t>(chain.writable_bytes(), frame - at));
    const size_t from = std::max(at, receiver.presented);  // the first byte that is not in place yet
    if (from < at + bytes) {
      const auto rest = std::span{receiver.overflow}.subspan(from - receiver.presented, at + bytes - from);
      copy_to_buffers(chain.writable(), from - at, rest);
    }
    queue.push_unseen(chain, static_cast<uint32_t>(bytes));
    receiver.bytes -= chain.writable_bytes();
    at += bytes;
  }
  copy_to_buffers(receiver.chains[receiver.first].writable(), offsetof(VirtioNetHeader, num_buffers),
                  std::as_bytes(std::span{&used, 1}));
  queue.show_pushed();
  receiver.first = (receiver.first + used) % kMostChains;
  receiver.count -= used;
  give_back_short_ones(receiver, queue);
  ++counters_.received;
  return Progress::kFrame;
}

void VirtioNet::drop_received(size_t bytes) noexcept {
  ++counters_.receive_drops;
  if (!drop_lines_.allow()) return;
  log::line(log::Module::kDevices, log::Level::kInfo,
            "{}: a frame of {} bytes, header included, does not fit the driver's buffers", name_, bytes);
}

// Frames that came before this driver, or for an earlier one, are not for it. At most as many are dropped as a queue of
// the host's kernel holds: new frames may come all the time meanwhile.
void VirtioNet::drop_stale_frames() noexcept {
  for (uint16_t pair = 0; pair < state_.active_pairs; ++pair) {
    Receiver& receiver = receivers_[pair];
    if (!std::exchange(receiver.is_stale, false) || !link_up_.load(std::memory_order_relaxed)) continue;
    const iovec room{.iov_base = receiver.overflow.data(), .iov_len = receiver.overflow.size()};
    for (unsigned left = kMostStaleFrames; left > 0; --left) {
      const NetIo io = backend_->receive(pair, {&room, 1}).io;
      if (io == NetIo::kGone) lose_link();
      if (io != NetIo::kDone) break;
      ++counters_.receive_drops;
    }
  }
}

// Transmitting ---------------------------------------------------------------------------------------------------

bool VirtioNet::transmit_all(uint16_t pair, Virtqueue& queue) noexcept {
  queue.decline_kicks();
  bool wait = false;
  for (uint16_t left = queue.size(); left > 0 && queue.pop(chain_); --left) {
    const NetIo io = transmit(pair, chain_);
    if (io == NetIo::kLater) {
      queue.undo_pop();
      wait = true;
      break;
    }
    if (io == NetIo::kGone) lose_link();
    ++(io == NetIo::kDone ? counters_.sent : counters_.transmit_drops);
    queue.push(chain_, 0);
  }
  interrupt_if_wanted(transmit_queue(pair));
  if (wait || backend_->flush(pair)) wait_for_room(pair);
  return !wait;
}

NetIo VirtioNet::transmit(uint16_t pair, const DescriptorChain& chain) noexcept {
  if (!link_up_.load(std::memory_order_relaxed)) return NetIo::kRefused;
  const uint64_t bytes = chain.readable_bytes();
  NetIo io = NetIo::kRefused;
  if (bytes >= kNetHeader + kShortestFrame && bytes <= kNetHeader + kLongestFrame)
    io = backend_->send(pair, chain.readable());
  if (io == NetIo::kRefused && drop_lines_.allow()) {
    log::line(log::Module::kDevices, log::Level::kInfo, "{}: a frame of {} bytes, header included, is not sent", name_,
              bytes);
  }
  return io;
}

// Control --------------------------------------------------------------------------------------------------------

std::optional<uint16_t> VirtioNet::control_queue() noexcept {
  if ((driver_features() & kNetControlQueue) == 0) return std::nullopt;
  return receive_queue((driver_features() & kNetMultiQueue) != 0 ? backend_->queue_pairs() : uint16_t{1});
}

bool VirtioNet::serve_control(uint16_t index, Virtqueue& queue) noexcept {
  for (uint16_t left = queue.size(); left > 0 && queue.pop(chain_); --left) {
    const std::byte answer = obey(chain_.readable()) ? kAck : kError;
    queue.push(chain_, static_cast<uint32_t>(copy_to_buffers(chain_.writable(), 0, {&answer, 1})));
  }
  interrupt_if_wanted(index);
  return true;
}

// The only command: how many pairs of queues are in use (5.1.6.5.5).
bool VirtioNet::obey(std::span<const iovec> command) noexcept {
  struct {
    uint8_t what;
    uint8_t which;
    uint16_t pairs;
  } in;
  if (copy_from_buffers(command, 0, std::as_writable_bytes(std::span{&in, 1})) != sizeof in) return false;
  if (in.what != kClassMultiQueue || in.which != kSetPairs || (driver_features() & kNetMultiQueue) == 0) return false;
  if (in.pairs < 1 || in.pairs > backend_->queue_pairs()) return false;
  state_.active_pairs = in.pairs;
  if (in_kernel_) stop_vhost(in.pairs);
  backend_->use_pairs(in.pairs);
  drop_stale_frames();
  if (in_kernel_) start_vhost();
  for (uint16_t pair = 0; pair < in.pairs; ++pair) {
    ring(receive_queue(pair));
    ring(transmit_queue(pair));
  }
  return true;
}

// ----------------------------------------------------------------------------------------------------------------

void VirtioNet::lose_link() noexcept {
  if (!link_up_.exchange(false, std::memory_order_acq_rel)) return;
  log::made_line(log::Module::kDevices, log::Level::kWarn,
                 [this] { return std::format("{}: {}; its link is down", name_, backend_->why()); });
  config_changed();
}

VirtioNetCounters VirtioNet::counters() const noexcept {
  const LockGuard lock{mu_};
  return counters_;
}

VirtioNetState VirtioNet::state() const noexcept {
  const LockGuard lock{mu_};
  return state_;
}

void VirtioNet::reset() noexcept {
  restore({});
  const LockGuard lock{mu_};
  for (Receiver& receiver : receivers_)
    receiver.is_stale = true;
}

void VirtioNet::restore(const VirtioNetState& state) noexcept {
  const LockGuard lock{mu_};
  state_.active_pairs = std::clamp<uint16_t>(state.active_pairs, 1, static_cast<uint16_t>(receivers_.size()));
}

}  // namespace rvvmm
