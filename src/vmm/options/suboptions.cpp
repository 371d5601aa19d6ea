#include "vmm/options/suboptions.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

// Splits `text` at single commas. Two commas in a row become one comma of the value.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      parts.back() += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += ',';
      ++i;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

std::string suboption_names(std::span<const SuboptionSpec> known) {
  std::string names;
  for (const SuboptionSpec& spec : known)
    names += std::format("{}{}{}", names.empty() ? "" : ", ", spec.name, spec.kind == SuboptionKind::kFlag ? "" : "=");
  return names;
}

SetupError unknown(const std::string& where, const std::string& part, std::string_view name,
                   std::span<const SuboptionSpec> known) {
  std::vector<std::string_view> names;
  for (const SuboptionSpec& spec : known)
    names.push_back(spec.name);
  const std::string_view nearest = nearest_name(name, names);
  const std::string advice =
      nearest.empty() ? std::format("; give {}", suboption_names(known)) : std::format("; did you mean {}?", nearest);
  return SetupError{ExitStatus::kUsage, std::format("{}: {}: unknown suboption{}", where, in_quotes(part), advice)};
}

}  // namespace

Suboptions::Suboptions(const std::string& where, std::string_view text, std::span<const SuboptionSpec> known,
                       bool with_head) {
  const std::vector<std::string> parts = split(text);
  for (const std::string& part : parts) {
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = std::string_view{part}.substr(0, equals);
    const auto* const spec = std::ranges::find(known, name, &SuboptionSpec::name).base();
    if (spec == known.data() + known.size()) {
      if (with_head && &part == &parts.front()) {
        head_ = part;
        continue;
      }
      throw unknown(where, part, name, known);
    }
    Suboption option{.name = std::string{name}, .value = {}, .where = std::format("{}: {}", where, name)};
    const bool has_value = equals < part.size();
    if (has_value) option.value = part.substr(equals + 1);
    if (spec->kind == SuboptionKind::kFlag && has_value) {
      throw SetupError{ExitStatus::kUsage, std::format("{}: takes no value", option.where)};
    }
    if (spec->kind != SuboptionKind::kFlag && option.value.empty()) {
      throw SetupError{ExitStatus::kUsage, std::format("{}: has no value; write {}=VALUE", option.where, name)};
    }
    if (spec->kind != SuboptionKind::kRepeatedValue && find(name) != nullptr) {
      throw SetupError{ExitStatus::kUsage, std::format("{}: given twice", option.where)};
    }
    all_.push_back(std::move(option));
  }
}

const Suboption* Suboptions::find(std::string_view name) const noexcept {
  const auto at = std::ranges::find(all_, name, &Suboption::name);
  return at == all_.end() ? nullptr : &*at;
}

}  // namespace rvvmm
