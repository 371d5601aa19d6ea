// A mutex that clang's thread-safety analysis follows.
#pragma once

#include <mutex>

#if defined(__clang__)
#define RVVMM_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define RVVMM_THREAD_ATTRIBUTE(x)
#endif

// The only macros of the house: the analysis has no other notation.
#define CAPABILITY(x) RVVMM_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY RVVMM_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) RVVMM_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES(...) RVVMM_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) RVVMM_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) RVVMM_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))

namespace rvvmm {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() noexcept ACQUIRE() { mutex_.lock(); }
  void unlock() noexcept RELEASE() { mutex_.unlock(); }
  /// For std::condition_variable, whose waits the analysis cannot follow.
  std::mutex& native() noexcept { return mutex_; }

 private:
  std::mutex mutex_;
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
