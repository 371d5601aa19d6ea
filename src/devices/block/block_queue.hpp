// One queue of a virtio block device and the thread that serves it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"
#include "devices/block/block_request.hpp"
#include "devices/block/disk_io.hpp"
#include "devices/block/gathering.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {

/// The queue's thread rests while the queue is stopped or held. One thread at a time starts and stops the queue;
/// another one may hold it and let it go on meanwhile.
class BlockQueue {
 public:
  /// 254 segments of data (a Linux guest asks for no more), a header and a status.
  static constexpr uint16_t kSize = 256;

  struct Options {
    std::string thread_name;  ///< at most 15 characters
    uint16_t index = 0;
    DiskEngine engine = DiskEngine::kAuto;
  };

  /// Starts the thread. Throws SetupError if the host has no descriptor or thread left. `image` outlives it, and so
  /// does `device_name`, which is for the log.
  BlockQueue(DiskImage& image, std::string_view device_name, Options options);
  ~BlockQueue();
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;

  int doorbell() const noexcept { return doorbell_.get(); }

  /// Only for a stopped queue. `rules` and `driver` stay valid until wait_stopped() returns.
  void start(Virtqueue queue, const BlockRules& rules, VirtioDriverSide& driver) noexcept;
  /// Until the next start(), only the step under way of each request in hand is finished. The rest of the request is
  /// answered with an I/O error.
  void give_up_requests() noexcept { gives_up_requests_.store(true, std::memory_order_release); }
  /// No new request is begun; those in hand are finished and given back.
  void request_stop() noexcept { want_rest(kStopped); }
  /// After request_stop(); until start().
  void wait_stopped() noexcept;
  /// Where the queue stood when it was stopped.
  const VirtqueueState& stopped_at() const noexcept { return stopped_at_; }

  /// Like request_stop(), but go_on() lets the queue continue where it stands.
  void hold() noexcept { want_rest(kHeld); }
  /// No request is in hand, and none will be begun until start() and go_on() allow it.
  bool is_at_rest() const noexcept;
  void go_on() noexcept { allow(kHeld); }

 private:
  /// Why the queue's thread is to rest: a set of these.
  enum Rest : uint8_t { kStopped = 1, kHeld = 2, kEnding = 4 };

  void want_rest(Rest why) noexcept;
  void allow(Rest why) noexcept;
  void main() noexcept;
  void ring_doorbell() const noexcept;
  /// True if there is more to do at once. `slept`: whether the thread slept before this call.
  bool serve(bool slept) noexcept;
  void note_round(uint32_t taken, std::optional<std::chrono::nanoseconds> waited) noexcept;
  BlockRequest& next_request(uint16_t& tag) noexcept;
  void begin(BlockRequest& request, uint16_t tag) noexcept;
  void carry_on(BlockRequest& request, uint16_t tag) noexcept;
  void end_step(BlockRequest& request, int64_t result) noexcept;
  void on_completion(const DiskIo::Completion& completion) noexcept;
  void complete(BlockRequest& request, uint16_t tag) noexcept;
  bool may_take_more() const noexcept;
  /// Returns why the thread is to rest; 0: it is not.
  uint8_t begin_or_end_rest() noexcept;
  void interrupt_if_wanted() noexcept;
  std::string what_failed(const BlockRequest& request) const;
  void give_up(std::string_view why) noexcept;
  bool may_run() const noexcept { return rest_wanted_.load(std::memory_order_acquire) == 0; }

  DiskImage& image_;
  const std::string_view device_name_;
  const Options options_;
  Fd doorbell_;
  std::atomic<bool> gives_up_requests_ = false;

  mutable Mutex mu_;
  std::condition_variable_any rest_has_begun_;
  std::atomic<uint8_t> rest_wanted_ = kStopped;  // written under mu_; the thread looks at it before each request
  bool at_rest_ GUARDED_BY(mu_) = true;          // written by the thread

  // These belong to the one who stopped the queue while it is at rest, else to the thread.
  std::optional<Virtqueue> queue_;
  const BlockRules* rules_ = nullptr;
  VirtioDriverSide* driver_ = nullptr;
  VirtqueueState stopped_at_;
  bool given_up_ = false;

  // These belong to the thread.
  std::unique_ptr<DiskIo> io_;
  // One for each request that can be in hand at once. All are set aside when the queue is made: a request's place is
  // its tag, and nothing moves.
  std::unique_ptr<iovec[]> rooms_;
  std::vector<BlockRequest> requests_;  // as many as were ever in hand at once
  std::vector<uint16_t> free_;
  uint16_t in_hand_ = 0;
  uint64_t bytes_in_hand_ = 0;
  Gathering gathering_;
  std::optional<uint64_t> end_;  // of the image, asked for once a batch
  uint64_t bytes_untold_ = 0;    // done since the last interrupt
  log::RateLimit error_lines_{"disk errors", device_name_};

  std::jthread thread_;
};

}  // namespace rvvmm
