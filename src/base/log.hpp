// Logs by module and level over spdlog, which only log.cpp includes. A line below its module's level costs one
// load and one branch: it is not formatted.
#pragma once

#include <atomic>
#include <cstdint>
#include <format>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace rvvmm::log {

enum class Module : uint8_t { kVmm, kKvm, kSbi, kDevices, kLoader, kGuest, kCount };
enum class Level : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };

/// "vmm", "kvm", "sbi", "devices", "loader", "guest" (what guests log by a hypercall).
std::string_view name_of(Module module) noexcept;
/// "trace", "debug", "info", "warn", "error", "off".
std::string_view name_of(Level level) noexcept;
std::optional<Module> module_named(std::string_view name) noexcept;
std::optional<Level> level_named(std::string_view name) noexcept;

/// Warn for all modules until this is called. Before threads start.
void set_level(Module module, Level level) noexcept;
/// Lines go to stderr until this is called; then to the end of the file. Throws SetupError naming the file.
void write_to_file(std::string_view path);
/// Says what of the log and of stderr has been lost since the last line there, if there is room for that now.
void say_lost() noexcept;
/// Removes the file of write_to_file() if that made it and no line has gone into it: a start that fails for some other
/// reason leaves nothing behind. For main, before it ends the process.
void remove_unused_file() noexcept;

namespace detail {
extern std::atomic<Level> levels[static_cast<size_t>(Module::kCount)];
bool write(Module module, Level level, std::string_view line) noexcept;
/// How often it has happened in this process.
std::atomic<uint64_t>& counter_of(std::string_view what, std::string_view who) noexcept;
}  // namespace detail

/// For callers who gather what they log.
inline bool enabled(Module module, Level level) noexcept {
  return level >= detail::levels[static_cast<size_t>(module)].load(std::memory_order_relaxed);
}

/// Any thread. Never throws, and waits for nobody (LineOutput): a line that cannot be formatted or written is lost, and
/// false then.
template <typename... Args>
bool line(Module module, Level level, std::format_string<const Args&...> format, const Args&... args) noexcept {
  if (!enabled(module, level)) return true;
  try {
    return detail::write(module, level, std::format(format, args...));
  } catch (...) {
    return detail::write(module, level, format.get());
  }
}

/// The same for a line that is made of more than values, by `make`, which allocates and may throw.
template <typename Make>
void made_line(Module module, Level level, const Make& make) noexcept {
  if (!enabled(module, level)) return;
  try {
    detail::write(module, level, make());
  } catch (...) {
    detail::write(module, level, "a line was lost: no memory for it");
  }
}

/// Allows the first `kBurst` calls and then every 2^n-th, so that a guest cannot flood the log. The count is the
/// process's, by name: objects of one name share it, also one after the other, and so a guest gains nothing by a reset
/// of a device or of the machine. Any thread.
class RateLimit {
 public:
  /// `what` is limited; `who`: where several count alone, such as devices of one kind, the one of them. Both are ours,
  /// never the guest's, and outlive this.
  explicit constexpr RateLimit(std::string_view what, std::string_view who = {}) noexcept : what_(what), who_(who) {}

  /// True if this occurrence may be logged.
  bool allow() noexcept {
    const uint64_t seen = counter().fetch_add(1, std::memory_order_relaxed) + 1;
    return seen <= kBurst || (seen & (seen - 1)) == 0;
  }
  uint64_t count() noexcept { return counter().load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kBurst = 4;

  // Looked up at the first occurrence: most runs have none, and a start does not pay for it.
  std::atomic<uint64_t>& counter() noexcept {
    std::atomic<uint64_t>* const known = counter_.load(std::memory_order_acquire);
    return known != nullptr ? *known : look_up();
  }
  // Apart, so that a counter that is known costs no more than the counting.
  [[gnu::cold, gnu::noinline]] std::atomic<uint64_t>& look_up() noexcept {
    std::atomic<uint64_t>& counter = detail::counter_of(what_, who_);
    counter_.store(&counter, std::memory_order_release);
    return counter;
  }

  std::string_view what_;
  std::string_view who_;
  std::atomic<std::atomic<uint64_t>*> counter_ = nullptr;
};

}  // namespace rvvmm::log
