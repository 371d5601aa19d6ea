#include "vmm/watch/boot_timeline.hpp"

#include <rvvmm/hypercall.h>

#include <array>
#include <cstring>
#include <format>

#include "base/log.hpp"

namespace rvvmm {
namespace {

/// Buffer for a line. It avoids an allocation, because a hart makes a mark in the middle of an exit.
using Line = std::array<char, 512>;
constexpr size_t kEscaped = 6;
static_assert(kEscaped * RVVMM_MARK_MAX_BYTES + 100 < Line{}.size(), "a line of the longest name fits");

/// Writes `text` as the content of a JSON string (RFC 8259, 7), in ASCII even if the guest wrote other bytes.
char* put_json(char* out, std::string_view text) noexcept {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out++ = '\\';
      *out++ = c;
    } else if (byte >= ' ' && byte < 0x7f) {
      *out++ = c;
    } else {
      out = std::format_to(out, "\\u{:04x}", byte);
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

// A full disk ends the recording, not the guest.
bool BootTimeline::write(std::string_view line) noexcept {
  const int error = file_->write(line);
  if (error == 0) return true;
  log::line(log::Module::kVmm, log::Level::kWarn, "--boot-timeline: cannot be written any more: {}",
            std::strerror(error));
  failed_ = true;
  return false;
}

bool BootTimeline::may_write() noexcept {
  return file_ && !failed_ && lines_ < kMostLines;
}

void BootTimeline::record(std::string_view event) noexcept {
  const LockGuard lock{mu_};
  if (may_write()) record_locked(event);
}

void BootTimeline::record_end() noexcept {
  const LockGuard lock{mu_};
  if (file_ && !failed_) record_locked("end");
}

void BootTimeline::record_locked(std::string_view event) noexcept {
  ++lines_;
  Line line;
  const auto made =
      std::format_to_n(line.data(), line.size(), "{{\"ms\": {:.3f}, \"event\": \"{}\"}}\n", milliseconds(), event);
  write({line.data(), made.out});
}

bool BootTimeline::mark(HartId hart, std::string_view name) noexcept {
  const LockGuard lock{mu_};
  if (!may_write()) return false;
  ++lines_;
  Line line;
  char* end = std::format_to(line.data(), "{{\"ms\": {:.3f}, \"event\": \"mark\", \"hart\": {}, \"name\": \"",
                             milliseconds(), hart.value);
  end = put_json(end, name.substr(0, RVVMM_MARK_MAX_BYTES));
  end = std::format_to(end, "\"}}\n");
  return write({line.data(), end});
}

}  // namespace rvvmm
