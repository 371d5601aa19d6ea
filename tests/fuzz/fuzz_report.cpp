// Any file as that of `rvvmm report`, and any text as --trace: refused with one line, or drawn. The first byte says
// which.
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "fuzz/steps.hpp"
#include "observe/exit_matcher.hpp"
#include "observe/flight_report.hpp"
#include "observe/profile_html.hpp"
#include "observe/profile_json.hpp"
#include "observe/profile_text.hpp"
#include "observe/symbols.hpp"

namespace {

using namespace rvvmm;

class OneDevice final : public DeviceNames {
 public:
  std::vector<std::string> device_names() const override { return {"uart"}; }
  std::vector<std::string> register_names(std::string_view /*device*/) const override { return {"lsr", "thr"}; }
  std::optional<RegisterPlace> place_of(Gpa at, bool /*is_write*/) const override {
    return RegisterPlace{.device = "uart", .reg = "lsr", .offset = at.value};
  }
};

void require_one_line(std::string_view message) {
  constexpr size_t kLongest = 1000;
  require(message.size() < kLongest && message.find_first_of("\n\r\x1b") == std::string_view::npos);
}

/// Nothing of what a file holds drives the reader's terminal.
void require_plain(std::string_view text) {
  require(text.find_first_of("\r\x1b") == std::string_view::npos);
}

void draw_profile(std::string_view text) {
  const ExitProfile profile = profile_from_json(text, "f");
  require_plain(profile_to_text(profile));
  require_plain(comparison_to_text(profile, {}));
  const std::string page = profile_to_html(profile, profile);
  require_plain(page);
  require(page.find("<script") == std::string::npos);
  require(profile_from_json(profile_to_json(profile), "f").harts.size() == profile.harts.size());
}

void match(std::string_view text) {
  const OneDevice devices;
  const ExitMatcher matcher{"--trace", text};
  ExitRecord exit;
  for (const ExitKind kind :
       {ExitKind::kMmio, ExitKind::kSbi, ExitKind::kCsr, ExitKind::kSystemEvent, ExitKind::kInterrupted}) {
    exit = {};
    exit.kind = kind;
    exit.sbi = {.eid = 0x4442'434E, .fid = 2, .args = {1, 2, 3, 4, 5, 6}, .error = -3, .value = 7};
    if (kind == ExitKind::kMmio) exit.mmio = {.at = 0x1000'0005, .value = 1, .width = 1, .is_write = true};
    if (kind == ExitKind::kCsr) exit.csr = {.number = 0x15, .new_value = 1, .write_mask = 2, .old_value = 3};
    if (kind == ExitKind::kSystemEvent) exit.system = {.type = 1, .reason = 1};
    matcher.matches(exit, devices);
  }
  matcher.check_devices(devices);
}

void use(uint8_t what, std::string_view text) {
  switch (what % 4) {
    case 0: return draw_profile(text);
    case 1: return require_plain(exit_log_to_text(text, "f"));
    case 2: return match(text);
    default: Symbols{std::as_bytes(std::span{text}), "f"}.name_of(0x8020'0000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    use(*data, {reinterpret_cast<const char*>(data) + 1, size - 1});
  } catch (const SetupError& error) {
    require(error.status() == ExitStatus::kBadInput || error.status() == ExitStatus::kUsage);
    require_one_line(error.what());
  }
  return 0;
}
