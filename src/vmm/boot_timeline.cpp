#include "vmm/boot_timeline.hpp"

#include <cstring>
#include <format>

#include "base/log.hpp"

namespace rvvmm {
namespace {

/// As the content of a JSON string (RFC 8259, 7): pure ASCII, whatever the guest wrote.
std::string json_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte >= ' ' && byte < 0x7f) {
      out += c;
    } else {
      out += std::format("\\u{:04x}", byte);
    }
  }
  return out;
}

}  // namespace

BootTimeline::BootTimeline(const std::optional<std::string>& path) {
  if (path) file_.emplace("--boot-timeline", *path, OutputFile::Start::kEmptied);
}

BootTimeline::~BootTimeline() {
  if (file_) file_->remove_if_unused();
}

double BootTimeline::milliseconds() const noexcept {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
}

// A disk that is full ends the recording, not the guest.
bool BootTimeline::write(const std::string& line) noexcept {
  const int error = file_->write(line);
  if (error == 0) return true;
  log::line(log::Module::kVmm, log::Level::kWarn, "--boot-timeline: cannot be written any more: {}",
            std::strerror(error));
  file_.reset();
  return false;
}

void BootTimeline::record(std::string_view event) noexcept {
  const LockGuard lock{mu_};
  if (file_) write(std::format("{{\"ms\": {:.3f}, \"event\": \"{}\"}}\n", milliseconds(), event));
}

bool BootTimeline::mark(HartId hart, std::string_view name) noexcept {
  const LockGuard lock{mu_};
  if (!file_ || marks_ == kMostMarks) return false;
  ++marks_;
  return write(std::format("{{\"ms\": {:.3f}, \"event\": \"mark\", \"hart\": {}, \"name\": \"{}\"}}\n", milliseconds(),
                           hart.value, json_text(name)));
}

}  // namespace rvvmm
