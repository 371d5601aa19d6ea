// Takes the place of the C++ library's operator new in the unit tests, so that a test can have it fail.
#include "fakes/no_memory.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> is_refused = false;
std::atomic<size_t> refusals_of_now = 0;

void* allocate(size_t size, size_t alignment) {
  if (is_refused.load(std::memory_order_relaxed)) {
    refusals_of_now.fetch_add(1, std::memory_order_relaxed);
    throw std::bad_alloc{};
  }
  void* at = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    at = std::malloc(size > 0 ? size : 1);
  } else {
    at = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  if (at == nullptr) throw std::bad_alloc{};
  return at;
}

}  // namespace

namespace rvvmm {

NoMemory::NoMemory() noexcept {
  refusals_of_now.store(0);
  is_refused.store(true);
}
NoMemory::~NoMemory() {
  is_refused.store(false);
}
size_t NoMemory::refusals() const noexcept {
  return refusals_of_now.load();
}

}  // namespace rvvmm

// The forms for arrays and without exceptions are written here too: those of sanitizers would not call these.
void* operator new(size_t size) {
  return allocate(size, 1);
}
void* operator new[](size_t size) {
  return allocate(size, 1);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  try {
    return allocate(size, 1);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete[](void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, size_t /*size*/) noexcept {
  std::free(at);
}
void operator delete[](void* at, size_t /*size*/) noexcept {
  std::free(at);
}
void operator delete(void* at, std::align_val_t /*alignment*/) noexcept {
  std::free(at);
}
void operator delete[](void* at, std::align_val_t /*alignment*/) noexcept {
  std::free(at);
}
void operator delete(void* at, size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  std::free(at);
}
void operator delete[](void* at, size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  std::free(at);
}
void operator delete(void* at, const std::nothrow_t& /*tag*/) noexcept {
  std::free(at);
}
void operator delete[](void* at, const std::nothrow_t& /*tag*/) noexcept {
  std::free(at);
}
