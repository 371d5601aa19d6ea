// A callable with inline storage. It does not allocate, so paths that a guest drives may use it.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace rvvmm {

template <typename Signature, size_t kBytes>
class InplaceFunction;

/// Like std::function, for lambdas that capture at most `kBytes` of plain data: references, pointers, numbers.
template <typename Result, typename... Args, size_t kBytes>
class InplaceFunction<Result(Args...), kBytes> {
 public:
  InplaceFunction() noexcept = default;  ///< an empty function; do not call it

  template <typename Function>
    requires(!std::is_same_v<std::remove_cvref_t<Function>, InplaceFunction> &&
             std::is_invocable_r_v<Result, const Function&, Args...> && std::is_trivially_copyable_v<Function> &&
             sizeof(Function) <= kBytes && alignof(Function) <= alignof(std::max_align_t))
  InplaceFunction(const Function& function) noexcept  // implicit, so that a lambda can be passed directly
      : call_([](const std::byte* at, Args... args) -> Result {
          return (*std::launder(reinterpret_cast<const Function*>(at)))(std::forward<Args>(args)...);
        }) {
    std::memcpy(bytes_.data(), &function, sizeof function);
  }

  Result operator()(Args... args) const { return call_(bytes_.data(), std::forward<Args>(args)...); }

 private:
  alignas(std::max_align_t) std::array<std::byte, kBytes> bytes_{};
  Result (*call_)(const std::byte*, Args...) = nullptr;
};

}  // namespace rvvmm
