// A vector with inline storage. It does not allocate, so paths that a guest drives may use it.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <type_traits>

namespace rvvmm {

/// Holds up to `kMost` items; adding more is a bug in the caller. Its functions behave like those of std::vector.
template <typename T, size_t kMost>
  requires std::is_trivially_copyable_v<T>
class InplaceVector {
 public:
  static constexpr size_t capacity() noexcept { return kMost; }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == kMost; }

  T& push_back(const T& item) noexcept {
    assert(!full());
    return items_[size_++] = item;
  }
  T& emplace_back() noexcept { return push_back(T{}); }
  /// New items are T{}.
  void resize(size_t size) noexcept {
    assert(size <= kMost);
    while (size_ < size)
      emplace_back();
    size_ = size;
  }
  void clear() noexcept { size_ = 0; }

  T& operator[](size_t index) noexcept { return items_[index]; }
  const T& operator[](size_t index) const noexcept { return items_[index]; }
  T& back() noexcept { return items_[size_ - 1]; }
  const T& back() const noexcept { return items_[size_ - 1]; }
  T* data() noexcept { return items_.data(); }
  const T* data() const noexcept { return items_.data(); }
  T* begin() noexcept { return data(); }
  const T* begin() const noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  const T* end() const noexcept { return data() + size_; }

 private:
  std::array<T, kMost> items_{};
  size_t size_ = 0;
};

}  // namespace rvvmm
