#include "base/printable.hpp"

namespace rvvmm {
namespace {

bool is_control(std::string_view text, size_t at) noexcept {
  const auto byte_at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char byte = byte_at(at);
  if (byte < ' ' || byte == 0x7f) return true;
  const bool begins_two = byte == 0xc2 && at + 1 < text.size();
  return begins_two && byte_at(at + 1) >= 0x80 && byte_at(at + 1) < 0xa0;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown{text};
  for (size_t at = 0; at < text.size(); ++at) {
    if (is_control(text, at)) shown[at] = '?';
  }
  return shown;
}

}  // namespace rvvmm
