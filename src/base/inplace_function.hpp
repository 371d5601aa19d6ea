// Something to call that carries what it needs with it: it allocates nothing, for paths that a guest drives.
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

/// As std::function, for lambdas whose captures are plain data of `kBytes` at most: references, pointers, numbers.
template <typename Result, typename... Args, size_t kBytes>
class InplaceFunction<Result(Args...), kBytes> {
 public:
  InplaceFunction() noexcept = default;  ///< not to be called

  template <typename Function>
    requires(!std::is_same_v<std::remove_cvref_t<Function>, InplaceFunction> &&
             std::is_invocable_r_v<Result, const Function&, Args...> && std::is_trivially_copyable_v<Function> &&
             sizeof(Function) <= kBytes && alignof(Function) <= alignof(std::max_align_t))
  InplaceFunction(const Function& function) noexcept  // implicit: a lambda is given where one is wanted
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
