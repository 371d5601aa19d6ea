#include "base/log.hpp"

#include <poll.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/output_file.hpp"

namespace rvvmm::log {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Module::kCount)> kModuleNames{"vmm",     "kvm",    "sbi",
                                                                                         "devices", "loader", "guest"};
constexpr std::array<std::string_view, 6> kLevelNames{"trace", "debug", "info", "warn", "error", "off"};
constexpr const char* kPattern = "[%H:%M:%S.%e] %^%l%$ %v";

// Made at the first line: most runs write none, and start-up pays for nothing that it does not use.
std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("rvvmm", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    // A terminal may be in raw mode for the guest, where a line feed alone does not return to the first column.
    const char* const end_of_line = ::isatty(STDERR_FILENO) == 1 ? "\r\n" : "\n";
    made->set_formatter(
        std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::local, end_of_line));
    return made;
  }();
  return instance;
}

/// The file of write_to_file(), held for its end.
std::optional<OutputFile>& log_file() {
  static std::optional<OutputFile> file;
  return file;
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

void write(Module module, Level level, std::string_view line) noexcept {
  try {
    logger()->log(spdlog_level(level), "{}: {}", name_of(module), line);
  } catch (...) {
    return;  // nowhere is left to say it
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
  // Opened here first, because spdlog would make folders that are missing: a typing mistake is not to leave any.
  const std::string name{path};
  log_file().emplace("--log-file", name, OutputFile::Start::kAtEnd);
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(name);
    auto made = std::make_shared<spdlog::logger>("rvvmm", std::move(sink));
    made->set_level(spdlog::level::trace);
    made->set_pattern("[%Y-%m-%d %H:%M:%S.%e] %l %v");
    made->flush_on(spdlog::level::trace);  // a crash must not eat the lines that explain it
    logger() = std::move(made);
  } catch (const spdlog::spdlog_ex& problem) {
    throw SetupError{ExitStatus::kUsage, std::format("--log-file {}: {}", path, problem.what())};
  }
}

bool has_room() noexcept {
  pollfd sink{.fd = log_file() ? log_file()->fd() : STDERR_FILENO, .events = POLLOUT, .revents = 0};
  return ::poll(&sink, 1, 0) == 1 && (sink.revents & POLLOUT) != 0;
}

void remove_unused_file() noexcept {
  if (log_file()) log_file()->remove_if_unused();
}

}  // namespace rvvmm::log
