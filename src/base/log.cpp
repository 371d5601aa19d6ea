#include "base/log.hpp"

#include <spdlog/pattern_formatter.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <new>
#include <string>

#include "base/error.hpp"
#include "base/line_output.hpp"
#include "base/mutex.hpp"
#include "base/output_file.hpp"

namespace rvvmm::log {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Module::kCount)> kModuleNames{"vmm",     "kvm",    "sbi",
                                                                                         "devices", "loader", "guest"};
constexpr std::array<std::string_view, 6> kLevelNames{"trace", "debug", "info", "warn", "error", "off"};
constexpr const char* kPattern = "[%H:%M:%S.%e] %l %v";
constexpr const char* kFilePattern = "[%Y-%m-%d %H:%M:%S.%e] %l %v";

/// The file of write_to_file().
struct LogFile {
  explicit LogFile(const std::string& path) : file("--log-file", path, OutputFile::Start::kAtEnd), lines(file.fd()) {}
  OutputFile file;
  LineOutput lines;
  std::atomic<bool> failed = false;
};

std::optional<LogFile>& log_file() {
  static std::optional<LogFile> file;
  return file;
}

/// Created at the first line: most runs write no line, so start-up does not pay for it.
struct Formatter {
  Mutex mu;
  spdlog::pattern_formatter pattern GUARDED_BY(mu){log_file() ? kFilePattern : kPattern};
};

Formatter& formatter() {
  static Formatter instance;
  return instance;
}

void say_that_file_failed(int error) {
  const SetupError problem = log_file()->file.error(ExitStatus::kInternal, error);
  standard_error().write(std::format("rvvmm: {}; lines are lost\n", problem.what()));
}

spdlog::level::level_enum spdlog_level(Level level) noexcept {
  switch (level) {
    case Level::kTrace: return spdlog::level::trace;
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
    case Level::kOff: return spdlog::level::off;
  }
  return spdlog::level::off;
}

template <typename Enum, size_t N>
std::optional<Enum> find_name(const std::array<std::string_view, N>& names, std::string_view name) noexcept {
  const auto at = std::ranges::find(names, name);
  if (at == names.end()) return std::nullopt;
  return static_cast<Enum>(at - names.begin());
}

}  // namespace

namespace detail {

std::atomic<Level> levels[] = {Level::kWarn, Level::kWarn, Level::kWarn, Level::kWarn, Level::kWarn, Level::kWarn};

bool write(Module module, Level level, std::string_view line) noexcept {
  try {
    const std::string text = std::format("{}: {}", name_of(module), line);
    spdlog::memory_buf_t shown;
    {
      Formatter& format = formatter();
      const LockGuard lock{format.mu};
      format.pattern.format(spdlog::details::log_msg{"rvvmm", spdlog_level(level), text}, shown);
    }
    const std::string_view whole{shown.data(), shown.size()};
    if (!log_file()) return standard_error().write(whole) == 0;
    const int error = log_file()->lines.write(whole);
    if (error != 0 && !log_file()->failed.exchange(true)) say_that_file_failed(error);
    return error == 0;
  } catch (...) {
    return false;  // no place is left to report it
  }
}

std::atomic<uint64_t>& counter_of(std::string_view what, std::string_view who) noexcept {
  static constinit std::atomic<uint64_t> all_others = 0;
  static Mutex mu;
  static std::map<std::string, std::atomic<uint64_t>> counters;
  try {
    std::string name = std::format("{}\n{}", what, who);
    const LockGuard lock{mu};
    return counters[std::move(name)];
  } catch (const std::bad_alloc&) {
    return all_others;
  }
}

}  // namespace detail

std::string_view name_of(Module module) noexcept {
  return kModuleNames[static_cast<size_t>(module)];
}
std::string_view name_of(Level level) noexcept {
  return kLevelNames[static_cast<size_t>(level)];
}

std::optional<Module> module_named(std::string_view name) noexcept {
  return find_name<Module>(kModuleNames, name);
}
std::optional<Level> level_named(std::string_view name) noexcept {
  return find_name<Level>(kLevelNames, name);
}

void set_level(Module module, Level level) noexcept {
  detail::levels[static_cast<size_t>(module)].store(level, std::memory_order_relaxed);
}

void write_to_file(std::string_view path) {
  log_file().emplace(std::string{path});
}

void say_lost() noexcept {
  if (log_file()) log_file()->lines.say_lost();
  standard_error().say_lost();
}

void remove_unused_file() noexcept {
  if (log_file()) log_file()->file.remove_if_unused();
}

}  // namespace rvvmm::log
