// Logs by module and level with spdlog, which only log.cpp includes. A line below its module's level is not formatted
// and costs one load and one branch.
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

/// The default level is warn for all modules. Call before threads start.
void set_level(Module module, Level level) noexcept;
/// Lines go to stderr until this is called; then to the end of the file. Throws SetupError naming the file.
void write_to_file(std::string_view path);
/// Reports how many lines of the log and of stderr were dropped since the last written line, if there is room for the
/// report.
void say_lost() noexcept;
/// Removes the file of write_to_file() if write_to_file() created it and it has no line, so that a failed start leaves
/// no empty file. Main calls this before it ends the process.
void remove_unused_file() noexcept;

namespace detail {
extern std::atomic<Level> levels[static_cast<size_t>(Module::kCount)];
bool write(Module module, Level level, std::string_view line) noexcept;
/// How often the event has happened in this process.
std::atomic<uint64_t>& counter_of(std::string_view what, std::string_view who) noexcept;
}  // namespace detail

/// For callers that do extra work for a log line.
inline bool enabled(Module module, Level level) noexcept {
  return level >= detail::levels[static_cast<size_t>(module)].load(std::memory_order_relaxed);
}

/// Any thread. Never throws and never waits for a reader (LineOutput). False if the line could not be formatted or
/// written; it is then lost.
template <typename... Args>
bool line(Module module, Level level, std::format_string<const Args&...> format, const Args&... args) noexcept {
  if (!enabled(module, level)) return true;
  try {
    return detail::write(module, level, std::format(format, args...));
  } catch (...) {
    return detail::write(module, level, format.get());
  }
}

/// The same for a line that `make` builds. `make` may allocate and throw.
template <typename Make>
void made_line(Module module, Level level, const Make& make) noexcept {
  if (!enabled(module, level)) return;
  try {
    detail::write(module, level, make());
  } catch (...) {
    detail::write(module, level, "a line was lost: no memory for it");
  }
}

/// Allows the first `kBurst` calls and then every 2^n-th, so that a guest cannot flood the log. The process keeps the
/// count by name: objects with the same name share it, also if they exist one after the other. So a reset of a device
/// or of the machine does not restart the count. Any thread.
class RateLimit {
 public:
  /// `what` names the limited event. `who` names the object, if several objects count separately, such as devices of
  /// one kind. Both must come from rvvmm, never from the guest, and outlive this object.
  explicit constexpr RateLimit(std::string_view what, std::string_view who = {}) noexcept : what_(what), who_(who) {}

  /// True if this occurrence may be logged.
  bool allow() noexcept {
    const uint64_t seen = counter().fetch_add(1, std::memory_order_relaxed) + 1;
    return seen <= kBurst || (seen & (seen - 1)) == 0;
  }
  uint64_t count() noexcept { return counter().load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kBurst = 4;

  // Looked up at the first occurrence: most runs have none, so start-up does not pay for it.
  std::atomic<uint64_t>& counter() noexcept {
    std::atomic<uint64_t>* const known = counter_.load(std::memory_order_acquire);
    return known != nullptr ? *known : look_up();
  }
  // A separate function, so that a known counter costs no more than the counting.
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
