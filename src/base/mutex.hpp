// A mutex that clang's thread-safety analysis can check.
#pragma once

#include <atomic>

#if defined(__clang__)
#define RVVMM_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define RVVMM_THREAD_ATTRIBUTE(x)
#endif

// The only macros of the project: the analysis has no other notation.
#define CAPABILITY(x) RVVMM_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY RVVMM_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) RVVMM_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) RVVMM_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) RVVMM_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) RVVMM_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))

namespace rvvmm {

/// An exit would need twice as many instructions with std::mutex in the usual case, where no other thread holds it.
/// This mutex is one word (0 free, 1 held, 2 held and another thread may wait) and calls the kernel only to sleep and
/// to wake.
class CAPABILITY("mutex") Mutex {
 public:
  void lock() noexcept ACQUIRE() {
    int free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed)) [[unlikely]] {
      wait_and_lock();
    }
  }
  void unlock() noexcept RELEASE() {
    if (word_.exchange(0, std::memory_order_release) == 2) [[unlikely]]
      word_.notify_one();
  }

 private:
  void wait_and_lock() noexcept {
    while (word_.exchange(2, std::memory_order_acquire) != 0)
      word_.wait(2, std::memory_order_relaxed);
  }

  std::atomic<int> word_ = 0;
};

class SCOPED_CAPABILITY LockGuard {
 public:
  explicit LockGuard(Mutex& mutex) noexcept ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~LockGuard() RELEASE() { mutex_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace rvvmm
