#include "base/printable.hpp"

#include <algorithm>

namespace rvvmm {
namespace {

unsigned char byte_at(std::span<const char> text, size_t at) noexcept {
  return static_cast<unsigned char>(text[at]);
}

// Length of the UTF-8 sequence that begins with `lead`; 0 if no sequence begins with it (Unicode 15, table 3-7).
size_t length_by(unsigned char lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// Length of the character at the beginning of `text`; 0 if it is not valid UTF-8 or is a control character.
size_t shown_length(std::span<const char> text) noexcept {
  const unsigned char lead = byte_at(text, 0);
  const size_t length = length_by(lead);
  if (lead < ' ' || lead == 0x7f || length == 0 || length > text.size()) return 0;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  if (!std::ranges::all_of(text.subspan(1, length - 1), continues)) return 0;
  const bool second_controls = lead == 0xc2 && byte_at(text, 1) < 0xa0;  // U+0080 to U+009F
  return second_controls ? 0 : length;
}

}  // namespace

void make_printable(std::span<char> text) noexcept {
  while (!text.empty()) {
    const size_t shown = shown_length(text);
    if (shown == 0) text[0] = '?';
    text = text.subspan(std::max<size_t>(shown, 1));
  }
}

std::string printable(std::string_view text) {
  std::string shown{text};
  make_printable(shown);
  return shown;
}

}  // namespace rvvmm
