#include "devices/block/block_queue.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <format>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"
#include "base/thread_signals.hpp"
#include "base/types.hpp"

namespace rvvmm {
namespace {

/// A long batch is reported in parts, so that the guest works on one part while we do the next.
constexpr uint64_t kMostBytesUntold = 256_KiB;
/// No request is begun while so many bytes are being moved: a stop has to wait for all of them. No device needs more to
/// be busy.
constexpr uint64_t kMostBytesInHand = 64_MiB;

/// Gives up the CPU once. Returns how long others had it.
std::chrono::nanoseconds let_others_run() noexcept {
  const auto start = std::chrono::steady_clock::now();
  ::sched_yield();
  return std::chrono::steady_clock::now() - start;
}

}  // namespace

BlockQueue::BlockQueue(DiskImage& image, std::string_view device_name, Options options)
    : image_(image), device_name_(device_name), options_(std::move(options)), doorbell_(::eventfd(0, EFD_CLOEXEC)) {
  if (!doorbell_) throw SetupError::from_errno(ExitStatus::kInternal, "eventfd for a virtqueue", errno);
  static_assert(kSize == BlockRequest::kLongestChain);
  free_.reserve(kSize);
  requests_.reserve(kSize);
  rooms_ = std::make_unique_for_overwrite<iovec[]>(kSize * BlockRequest::kRoom);  // untouched, it costs nothing
  try {
    const AsynchronousSignalsBlocked blocked;
    thread_ = std::jthread{[this] { main(); }};
  } catch (const std::system_error& problem) {
    throw SetupError::from_errno(ExitStatus::kInternal, "a thread for a disk", problem.code().value());
  }
}

BlockQueue::~BlockQueue() {
  request_stop();
  wait_stopped();
  want_rest(kEnding);
}

void BlockQueue::ring_doorbell() const noexcept {
  add_one(doorbell_.get());
}

void BlockQueue::start(Virtqueue queue, const BlockRules& rules, VirtioDriverSide& driver) noexcept {
  queue_ = queue;
  rules_ = &rules;
  driver_ = &driver;
  given_up_ = false;
  gives_up_requests_.store(false, std::memory_order_relaxed);
  allow(kStopped);  // and look: requests may be there already
}

void BlockQueue::want_rest(Rest why) noexcept {
  const LockGuard lock{mu_};
  rest_wanted_.fetch_or(why, std::memory_order_release);
  ring_doorbell();
}

void BlockQueue::allow(Rest why) noexcept {
  const LockGuard lock{mu_};
  rest_wanted_.fetch_and(static_cast<uint8_t>(~why), std::memory_order_release);
  ring_doorbell();
}

void BlockQueue::wait_stopped() noexcept {
  {
    const LockGuard lock{mu_};
    rest_has_begun_.wait(mu_, [this]() REQUIRES(mu_) { return at_rest_; });
  }
  if (queue_) stopped_at_ = queue_->state();
  queue_.reset();
}

bool BlockQueue::is_at_rest() const noexcept {
  const LockGuard lock{mu_};
  return at_rest_;
}

// Steps in flight move guest memory until they end, even if their requests are no longer wanted. And a request cannot
// be put back into the queue once others that were taken after it have been answered. So a rest begins when no request
// is in hand.
uint8_t BlockQueue::begin_or_end_rest() noexcept {
  const LockGuard lock{mu_};
  const uint8_t wanted = rest_wanted_.load(std::memory_order_relaxed);
  if (!at_rest_ && wanted != 0) interrupt_if_wanted();
  at_rest_ = wanted != 0;
  if (at_rest_) rest_has_begun_.notify_all();
  return wanted;
}

void BlockQueue::main() noexcept {
  ::pthread_setname_np(::pthread_self(), options_.thread_name.c_str());
  io_ = make_disk_io(image_, doorbell_.get(), options_.engine);
  bool more = false;
  bool rests = true;
  for (;;) {
    for (const DiskIo::Completion& completion : io_->collect(!more))
      on_completion(completion);
    const bool slept = !std::exchange(more, false);
    if (in_hand_ == 0 && (rests || !may_run())) {
      const uint8_t wanted = begin_or_end_rest();
      if ((wanted & kEnding) != 0) break;
      rests = wanted != 0;
    }
    if (!rests && may_run()) more = serve(slept);
  }
  io_.reset();
}

bool BlockQueue::serve(bool slept) noexcept {
  if (given_up_) return false;
  queue_->decline_kicks();
  std::optional<std::chrono::nanoseconds> waited;
  if (slept && gathering_.is_due()) waited = let_others_run();
  end_.reset();
  uint32_t taken = 0;
  while (may_run() && !given_up_ && may_take_more()) {
    uint16_t tag = 0;
    BlockRequest& request = next_request(tag);
    if (!queue_->pop(request.chain())) {
      free_.push_back(tag);
      break;
    }
    begin(request, tag);
    ++taken;
  }
  note_round(taken, waited);
  interrupt_if_wanted();
  if (!queue_->broken().empty()) give_up(queue_->broken());
  if (given_up_) return false;
  // Requests in hand make room when they end, and no kick is needed until then.
  return may_take_more() && queue_->ask_for_kick();
}

// Only for images in memory: a wait costs them nothing, but a disk has nothing to do until its requests are begun.
void BlockQueue::note_round(uint32_t taken, std::optional<std::chrono::nanoseconds> waited) noexcept {
  if (!image_.in_memory()) return;
  if (waited) {
    gathering_.took_after(taken, *waited);
  } else {
    gathering_.took(taken);
  }
}

bool BlockQueue::may_take_more() const noexcept {
  return in_hand_ < kSize && bytes_in_hand_ < kMostBytesInHand;
}

BlockRequest& BlockQueue::next_request(uint16_t& tag) noexcept {
  if (free_.empty()) {
    tag = static_cast<uint16_t>(requests_.size());
    iovec* const room = rooms_.get() + tag * BlockRequest::kRoom;
    return requests_.emplace_back(std::span<iovec, BlockRequest::kRoom>{room, BlockRequest::kRoom});
  }
  tag = free_.back();
  free_.pop_back();
  return requests_[tag];
}

void BlockQueue::begin(BlockRequest& request, uint16_t tag) noexcept {
  if (!request.begin(image_, *rules_)) {
    free_.push_back(tag);
    queue_->undo_pop();  // a stop finds the request where it was
    return give_up("a request has no header, or no room for a status");
  }
  if (request.writes_up_to() > 0) {
    if (!end_) end_ = image_.size_now();
    if (request.writes_up_to() > *end_) request.refuse_shorter();
  }
  ++in_hand_;
  bytes_in_hand_ += request.moved_bytes();
  carry_on(request, tag);
}

void BlockQueue::carry_on(BlockRequest& request, uint16_t tag) noexcept {
  while (const auto step = request.next_step()) {
    const auto result = io_->begin(*step, tag);
    if (!result) return;
    end_step(request, *result);
  }
  complete(request, tag);
}

void BlockQueue::end_step(BlockRequest& request, int64_t result) noexcept {
  request.step_ended(result);
  if (gives_up_requests_.load(std::memory_order_acquire)) [[unlikely]]
    request.give_up();
}

void BlockQueue::on_completion(const DiskIo::Completion& completion) noexcept {
  BlockRequest& request = requests_[completion.tag];
  end_step(request, completion.result);
  carry_on(request, completion.tag);
}

void BlockQueue::complete(BlockRequest& request, uint16_t tag) noexcept {
  if (request.host_error() != 0 && error_lines_.allow()) [[unlikely]]
    log::made_line(log::Module::kDevices, log::Level::kWarn, [&] { return what_failed(request); });
  queue_->push(request.chain(), request.finish());
  bytes_untold_ += request.moved_bytes();
  bytes_in_hand_ -= request.moved_bytes();
  --in_hand_;
  free_.push_back(tag);
  if (bytes_untold_ >= kMostBytesUntold) interrupt_if_wanted();
}

void BlockQueue::interrupt_if_wanted() noexcept {
  bytes_untold_ = 0;
  if (queue_->wants_interrupt()) driver_->interrupt_queue(options_.index);
}

std::string BlockQueue::what_failed(const BlockRequest& request) const {
  const int error = request.host_error();
  const std::string why =
      error == BlockRequest::kShorter ? "the image has become shorter" : std::generic_category().message(error);
  const BlockRequest::Part& part = request.last_part();
  const std::string what = part.length > 0
                               ? std::format("{} of {} bytes at {}", request.name(), part.length, part.offset)
                           : request.name() == "flush" ? "flush"
                                                       : "flush behind a write";
  return std::format("{}: {}: {} failed: {}; the guest is told so", device_name_, image_.printable_path(), what, why);
}

void BlockQueue::give_up(std::string_view why) noexcept {
  given_up_ = true;
  driver_->needs_reset(why);
}

}  // namespace rvvmm
