#include "vmm/options/config_file.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "vmm/host/input_file.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

SetupError wrong_line(const std::string& path, size_t line, std::string_view what) {
  return SetupError{ExitStatus::kUsage, std::format("{}:{}: {}", shortened(path), line, what)};
}

std::string read_whole(const std::string& path) {
  try {
    const InputFile file{"--config", path, "a file of \"key = value\" lines"};
    const uint64_t size = file.size();
    if (size > kMaxConfigFile) throw file.error(std::format("is larger than {} KiB", kMaxConfigFile / 1_KiB));
    std::string text(size, '\0');
    file.read(0, std::as_writable_bytes(std::span{text}));
    return text;
  } catch (const SetupError& problem) {
    throw SetupError{ExitStatus::kUsage, problem.what()};  // kBadInput is only for the guest's files
  }
}

Setting parse_line(std::string_view line, const std::string& path, size_t number) {
  const size_t equals = std::min(line.find('='), line.size());
  const std::string_view key = trimmed(line.substr(0, equals));
  const OptionSpec* spec = find_option(key);
  if (spec == nullptr) {
    throw wrong_line(path, number, std::format("{}: unknown key{}", in_quotes(key), suggestion(key, "", true)));
  }
  if (!spec->in_file) throw wrong_line(path, number, std::format("{}: only on the command line, as --{}", key, key));
  if (equals == line.size())
    throw wrong_line(path, number, std::format("{}: has no value; write {} = VALUE", key, key));
  std::string where = std::format("{}:{}: {}", shortened(path), number, key);
  return {.spec = spec, .value = std::string{trimmed(line.substr(equals + 1))}, .where = std::move(where)};
}

// A very long line or a NUL byte shows that the file is not a configuration.
void refuse_binary(std::string_view line, const std::string& path, size_t number) {
  if (line.size() > kMaxConfigLine) {
    throw wrong_line(path, number, std::format("longer than {} bytes", kMaxConfigLine));
  }
  if (line.contains('\0')) throw wrong_line(path, number, "holds a NUL byte; a configuration is text");
}

// Some editors write a byte order mark, U+FEFF, at the start. It shows how the text is encoded.
std::string_view without_mark(std::string_view text, const std::string& path) {
  constexpr std::string_view kUtf8 = "\xef\xbb\xbf";
  constexpr std::array<std::string_view, 2> kUtf16{"\xff\xfe", "\xfe\xff"};
  for (const std::string_view mark : kUtf16) {
    if (text.starts_with(mark)) throw wrong_line(path, 1, "is UTF-16; save it as UTF-8");
  }
  if (text.starts_with(kUtf8)) text.remove_prefix(kUtf8.size());
  return text;
}

}  // namespace

std::vector<Setting> read_config_file(const std::string& path) {
  const std::string whole = read_whole(path);
  std::vector<Setting> settings;
  std::array<size_t, static_cast<size_t>(OptionId::kCount)> seen{};  // line number; 0: not seen yet
  size_t number = 0;
  for (std::string_view rest = without_mark(whole, path); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view raw = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    refuse_binary(raw, path, number);
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.starts_with('#')) continue;
    Setting setting = parse_line(line, path, number);
    size_t& before = seen[static_cast<size_t>(setting.spec->id)];
    if (before != 0 && !setting.spec->repeatable) {
      throw wrong_line(path, number, std::format("{}: given twice, first in line {}", setting.spec->name, before));
    }
    before = number;
    settings.push_back(std::move(setting));
  }
  return settings;
}

}  // namespace rvvmm
