// The guest's console between harts and the host: output through a thread that gathers it, input through a ring.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/console.hpp"
#include "base/mutex.hpp"
#include "base/types.hpp"
#include "vmm/console/console_tail.hpp"

namespace rvvmm {

/// Harts call write() and read(); the main thread everything else. `mu_` guards the output, `input_mu_` the input;
/// neither is held while the host is written to or anybody is called, but for the two notifiers of output and
/// who listens to it.
class ConsoleHub final : public ConsoleSink, public PatientConsoleSink, public ConsoleSource {
 public:
  static constexpr size_t kOutputCapacity = 16_KiB;
  static constexpr size_t kInputCapacity = 4_KiB;
  /// Longest time a byte waits for company before it goes out.
  static constexpr std::chrono::milliseconds kGatherTime{2};
  /// How long flush() waits for a reader who does not read.
  static constexpr std::chrono::seconds kFlushLimit{2};

  /// Who reads the output.
  enum class Reader : uint8_t {
    kStays,         ///< after an error of write(2) there is none any more, which is logged
    kComesAndGoes,  ///< a hang-up or an error of write(2) costs what was to be written: the next write may find another
                    ///< reader
    kNever,         ///< output is dropped at once
  };

  /// Guest output goes to `output_fd`, which stays the caller's and keeps its flags; kNever needs none.
  explicit ConsoleHub(int output_fd, Reader reader = Reader::kStays) noexcept
      : output_fd_(output_fd), reader_(reader) {}
  /// flush() and stop().
  ~ConsoleHub() override;
  ConsoleHub(const ConsoleHub&) = delete;
  ConsoleHub& operator=(const ConsoleHub&) = delete;

  /// kKickSignal becomes the output thread's own, to be blocked in all
  /// others. That thread, "io-console", starts with the first byte: a guest without output does without it.
  /// `on_first_output` is called then, by the hart that writes, and has the main thread call launch(); without it the
  /// hart does so. Where the host has no thread for it, output is dropped, and `on_no_thread` is called under `mu_`, so
  /// only to notify somebody. Neither may throw.
  void start(std::function<void()> on_first_output = {}, std::function<void()> on_no_thread = {}) noexcept;
  /// Starts the thread if output waits for it.
  void launch() noexcept;

  /// Why output was dropped for want of a thread; nullopt: it was not. Any thread.
  std::optional<std::string> no_thread();

  /// Who hears of input; replaces earlier ones. The thread that calls queue_input().
  void set_listeners(std::vector<ConsoleListener*> listeners) { listeners_ = std::move(listeners); }

  /// Waits until everything written so far is out; false if the reader did not take it within kFlushLimit, counted
  /// from limit_waits() where that was called. A reader who took nothing since the last such wait gets no other.
  bool flush() noexcept;

  /// While the machine stops: writers wait for room no longer than kFlushLimit from this call, then their bytes are
  /// dropped, so that a reader who does not read cannot keep a hart from ending.
  void limit_waits(bool limited) noexcept;

  /// Writers that wait for room return, their bytes and the ones not yet out are dropped; so is all that is written
  /// later. Ends the thread even if it is stuck in a write.
  void stop() noexcept;

  /// Up to kOutputCapacity bytes go out in one write(2) with nothing between them, small writes with those of the
  /// next kGatherTime. No newline ends the gathering: each line would pay for waking the thread and a write(2) of its
  /// own.
  void write(std::span<const std::byte> bytes) noexcept override;

  /// Here what one write() would take is taken whole or not at all, like there. on_output_room is called once there is
  /// room for what was not.
  size_t try_write(std::span<const std::byte> bytes) noexcept override;

  size_t read(std::span<std::byte> out) noexcept override;

  /// Queues input for the guest and tells the listeners; returns how many bytes fitted. If `bytes` filled the ring,
  /// on_input_room is called once the guest has read half of it.
  size_t queue_input(std::span<const std::byte> bytes) noexcept;

  /// Free bytes in the input ring; can only grow until the next queue_input().
  size_t input_room() const noexcept { return kInputCapacity - input_count_.load(std::memory_order_acquire); }

  /// The last of what was written, whether somebody has read it or not; up to ConsoleTail::kCapacity bytes of any
  /// value.
  /// Of what kNever drops only where somebody listens to it.
  std::string last_output();

  /// A writer waits for room, or somebody who was refused does.
  bool writer_waits() noexcept;

  /// Called with all that is written, under `mu_` and before the host gets it; must not throw. Before harts start.
  void set_on_output(std::function<void(std::span<const std::byte>)> on_output) { on_output_ = std::move(on_output); }

  /// Called under `mu_`, so only to notify somebody; must not throw. Before start().
  void set_on_output_room(std::function<void()> on_room) { on_output_room_ = std::move(on_room); }

  /// Called by the hart that emptied half of a ring that was full; must not throw. Before harts start.
  void set_on_input_room(std::function<void()> on_room) { on_input_room_ = std::move(on_room); }

 private:
  enum class ThreadState : uint8_t { kNotStarted, kAskedFor, kAsleep, kGathering, kWriting, kFinished };

  /// For `wanted` bytes, kOutputCapacity at most; false: there is none and the wait is over.
  bool wait_for_space(size_t wanted) noexcept REQUIRES(mu_);
  void append(std::span<const std::byte> bytes) noexcept REQUIRES(mu_);
  void drop(std::span<const std::byte> bytes) noexcept;
  void tell_of_room() noexcept REQUIRES(mu_);
  void ask_for_thread() noexcept REQUIRES(mu_);
  void launch_if_asked_for() noexcept REQUIRES(mu_);
  void do_without_thread(int error) noexcept REQUIRES(mu_);
  void output_loop() noexcept;
  /// Returns how many bytes were left when the hub was stopped.
  size_t write_out(std::span<const std::byte> bytes) noexcept;
  void tell_what_is_lost() noexcept;
  bool wait_writable() noexcept;
  /// False: there is none now.
  bool wait_for_reader() noexcept;

  // Output. The hart fills one buffer while the thread writes the other.
  const int output_fd_;
  const Reader reader_;
  Mutex mu_;
  std::condition_variable_any work_;   // for the thread
  std::condition_variable_any space_;  // for harts that wait for room, and for flush() and stop()
  std::array<std::array<std::byte, kOutputCapacity>, 2> buffers_ GUARDED_BY(mu_);  // the one that is written is not
  // What is small lies behind what is large, on few pages: a start touches no more of them.
  ConsoleTail tail_ GUARDED_BY(mu_);            // without what is in the harts' buffer
  size_t filling_ GUARDED_BY(mu_) = 0;          // index of the harts' buffer
  size_t filled_ GUARDED_BY(mu_) = 0;           // bytes in it
  uint64_t batches_taken_ GUARDED_BY(mu_) = 0;  // by the thread, from the harts' buffer
  uint64_t batches_out_ GUARDED_BY(mu_) = 0;
  std::optional<uint64_t> flush_failed_at_ GUARDED_BY(mu_);  // batches_out_ when a flush() waited in vain
  uint64_t lost_ GUARDED_BY(mu_) = 0;                        // bytes that a reader who stays did not take
  uint32_t flushers_ GUARDED_BY(mu_) = 0;
  uint32_t waiting_writers_ GUARDED_BY(mu_) = 0;
  bool room_wanted_ GUARDED_BY(mu_) = false;  // since a try_write() that found too little
  std::optional<std::chrono::steady_clock::time_point> give_up_at_ GUARDED_BY(mu_);  // of writers that wait for room
  ThreadState state_ GUARDED_BY(mu_) = ThreadState::kFinished;                       // until start()
  std::atomic<bool> stopping_ = false;  // set under mu_, read without it between writes
  bool reader_gone_ = false;            // the thread's own
  std::function<void()> on_first_output_ GUARDED_BY(mu_);
  std::function<void()> on_no_thread_ GUARDED_BY(mu_);
  int no_thread_ GUARDED_BY(mu_) = 0;  // errno
  std::function<void()> on_output_room_;
  std::function<void(std::span<const std::byte>)> on_output_;
  std::jthread thread_;

  // Input.
  Mutex input_mu_;
  std::array<std::byte, kInputCapacity> ring_ GUARDED_BY(input_mu_);
  size_t ring_head_ GUARDED_BY(input_mu_) = 0;  // next byte to read
  std::atomic<size_t> input_count_ = 0;         // written under input_mu_
  bool input_was_full_ GUARDED_BY(input_mu_) = false;
  std::vector<ConsoleListener*> listeners_;
  std::function<void()> on_input_room_;
};

}  // namespace rvvmm
