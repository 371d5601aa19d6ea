// The guest's console between harts and the host. A thread gathers and writes the output; a ring holds the input.
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

/// Harts call write() and read(); the main thread calls all other functions. `mu_` guards the output, `input_mu_` the
/// input. Neither is held during a write to the host. The callbacks on_first_output, on_no_thread, on_output and
/// on_output_room run under `mu_`; all other callbacks run without a lock.
class ConsoleHub final : public ConsoleSink, public PatientConsoleSink, public ConsoleSource {
 public:
  static constexpr size_t kOutputCapacity = 16_KiB;
  static constexpr size_t kInputCapacity = 4_KiB;
  /// Longest time that a byte waits for more bytes before it is written out.
  static constexpr std::chrono::milliseconds kGatherTime{2};
  /// How long flush() waits for a reader that does not read.
  static constexpr std::chrono::seconds kFlushLimit{2};

  /// Who reads the output.
  enum class Reader : uint8_t {
    kStays,         ///< an error of write(2) means that the reader has gone; this is logged
    kComesAndGoes,  ///< after a hang-up or an error of write(2) the current output is lost; another reader may come
    kNever,         ///< output is dropped immediately
  };

  /// Guest output goes to `output_fd`. The caller keeps it, and its flags do not change. kNever does not use it.
  explicit ConsoleHub(int output_fd, Reader reader = Reader::kStays) noexcept
      : output_fd_(output_fd), reader_(reader) {}
  /// flush() and stop().
  ~ConsoleHub() override;
  ConsoleHub(const ConsoleHub&) = delete;
  ConsoleHub& operator=(const ConsoleHub&) = delete;

  /// The output thread "io-console" unblocks kKickSignal; all other threads must block it. The thread starts with the
  /// first byte of output, so a guest without output does not need it. The hart that writes this byte calls
  /// `on_first_output`, which must make the main thread call launch(); without `on_first_output` the hart starts the
  /// thread. If the host refuses the thread, output is dropped and `on_no_thread` is called. Both callbacks run under
  /// `mu_`, so they may only notify another thread. They must not throw.
  void start(std::function<void()> on_first_output = {}, std::function<void()> on_no_thread = {}) noexcept;
  /// Starts the thread if output is waiting for it.
  void launch() noexcept;

  /// Why the host refused the output thread; nullopt: it did not. Any thread.
  std::optional<std::string> no_thread();

  /// Sets the listeners for input; replaces earlier ones. Only on the thread that calls queue_input().
  void set_listeners(std::vector<ConsoleListener*> listeners) { listeners_ = std::move(listeners); }

  /// Waits until everything written so far is out. Returns false if the reader did not take it within kFlushLimit,
  /// counted from limit_waits() if that was called. If the reader took nothing since the last failed wait, flush() does
  /// not wait again.
  bool flush() noexcept;

  /// Used while the machine stops: from this call on, writers wait for room for at most kFlushLimit, then their bytes
  /// are dropped. So a reader that does not read cannot prevent a hart from ending.
  void limit_waits(bool limited) noexcept;

  /// While the machine is paused, no writer waits for room: what does not fit is kept, and goes out before all later
  /// output. The listeners hear of input when the pause ends.
  void set_paused(bool paused) noexcept;

  /// Ends the thread, even if it is blocked in a write. Writers that wait for room return. Their bytes, the bytes not
  /// yet written out and all later output are dropped.
  void stop() noexcept;

  /// Up to kOutputCapacity bytes go out in one write(2), with no other bytes between them. A small write goes out
  /// together with the output of the next kGatherTime. A newline does not end the gathering, because each line would
  /// then cost a wake-up of the thread and a separate write(2).
  void write(std::span<const std::byte> bytes) noexcept override;

  /// Like write(), but does not wait: each part of up to kOutputCapacity bytes is taken whole or not at all. If a part
  /// was not taken, on_output_room is called when there is room again.
  size_t try_write(std::span<const std::byte> bytes) noexcept override;

  size_t read(std::span<std::byte> out) noexcept override;

  /// Queues input for the guest and tells the listeners; returns how many bytes fitted. If `bytes` filled the ring,
  /// on_input_room is called once the guest has read half of it.
  size_t queue_input(std::span<const std::byte> bytes) noexcept;

  /// Free bytes in the input ring. The number can only grow until the next queue_input().
  size_t input_room() const noexcept { return kInputCapacity - input_count_.load(std::memory_order_acquire); }

  /// The last output, whether a reader has read it or not: up to ConsoleTail::kCapacity bytes of any value. With
  /// kNever, dropped output is kept only if on_output is set.
  std::string last_output();

  /// True if a writer waits for room, also if try_write() refused it.
  bool writer_waits() noexcept;

  /// `on_output` is called with all output, under `mu_` and before the host gets it; it must not throw. Set it before
  /// harts start.
  void set_on_output(std::function<void(std::span<const std::byte>)> on_output) { on_output_ = std::move(on_output); }

  /// `on_room` is called under `mu_`, so it may only notify another thread; it must not throw. Set it before start().
  void set_on_output_room(std::function<void()> on_room) { on_output_room_ = std::move(on_room); }

  /// The hart that empties half of a full ring calls `on_room`; it must not throw. Set it before harts start.
  void set_on_input_room(std::function<void()> on_room) { on_input_room_ = std::move(on_room); }

 private:
  enum class ThreadState : uint8_t { kNotStarted, kAskedFor, kAsleep, kGathering, kWriting, kFinished };

  /// Waits for room for `wanted` bytes, at most kOutputCapacity. False: there is not enough room, because the wait has
  /// timed out, the machine is paused, or the hub is stopped.
  bool wait_for_space(size_t wanted) noexcept REQUIRES(mu_);
  void append(std::span<const std::byte> bytes) noexcept REQUIRES(mu_);
  /// All that write() may have to do: wait for room, tell a listener, drop.
  void write_in_parts(std::span<const std::byte> bytes) noexcept REQUIRES(mu_);
  void keep(std::span<const std::byte> bytes) noexcept REQUIRES(mu_);
  void refill() noexcept REQUIRES(mu_);
  void tell_listeners() noexcept;
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
  /// False: there is no reader now.
  bool wait_for_reader() noexcept;

  // Output. The hart fills one buffer while the thread writes the other.
  const int output_fd_;
  const Reader reader_;
  Mutex mu_;
  std::condition_variable_any work_;   // for the thread
  std::condition_variable_any space_;  // for harts that wait for room, and for flush() and stop()
  std::array<std::array<std::byte, kOutputCapacity>, 2> buffers_ GUARDED_BY(mu_);  // except the one being written
  // Small members follow the large ones on a few pages, so that a start touches few pages.
  ConsoleTail tail_ GUARDED_BY(mu_);             // without the bytes in the harts' buffer
  size_t filling_ GUARDED_BY(mu_) = 0;           // index of the harts' buffer
  size_t filled_ GUARDED_BY(mu_) = 0;            // bytes in it
  std::vector<std::byte> kept_ GUARDED_BY(mu_);  // follows the harts' buffer, which is full unless this is empty
  uint64_t batches_taken_ GUARDED_BY(mu_) = 0;   // by the thread, from the harts' buffer
  uint64_t batches_out_ GUARDED_BY(mu_) = 0;
  std::optional<uint64_t> flush_failed_at_ GUARDED_BY(mu_);  // batches_out_ at the last flush() that timed out
  uint64_t lost_ GUARDED_BY(mu_) = 0;                        // bytes that a kStays reader did not take
  uint32_t flushers_ GUARDED_BY(mu_) = 0;
  uint32_t waiting_writers_ GUARDED_BY(mu_) = 0;
  bool paused_ GUARDED_BY(mu_) = false;
  bool room_wanted_ GUARDED_BY(mu_) = false;  // a try_write() has found too little room
  std::optional<std::chrono::steady_clock::time_point> give_up_at_ GUARDED_BY(mu_);  // for writers that wait for room
  ThreadState state_ GUARDED_BY(mu_) = ThreadState::kFinished;                       // until start()
  std::atomic<bool> stopping_ = false;  // set under mu_, read without it between writes
  bool reader_gone_ = false;            // used by the thread only
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
  bool listeners_wait_ = false;  // until the pause ends
  std::function<void()> on_input_room_;
};

}  // namespace rvvmm
