#include "observe/exit_matcher.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <iterator>
#include <ranges>
#include <utility>

#include "base/error.hpp"
#include "base/printable.hpp"
#include "base/sbi_registry.hpp"
#include "base/suggest.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kAll = "all";
constexpr std::array<std::string_view, 3> kSystemNames{"shutdown", "reset", "crash"};
constexpr std::array<std::string_view, 2> kDirections{"read", "write"};

SetupError wrong(const std::string& where, size_t column, const std::string& what) {
  return SetupError{ExitStatus::kUsage, std::format("{}: column {}: {}", where, column, what)};
}

std::string advice(std::string_view typed, std::span<const std::string_view> known) {
  const std::string_view nearest = nearest_name(typed, known);
  if (!nearest.empty()) return std::format("; did you mean {}?", nearest);
  std::string names;
  for (const std::string_view name : known)
    names += std::format("{}{}", names.empty() ? "" : ", ", name);
  return std::format("; give {}", names);
}

std::string quoted(std::string_view text) {
  constexpr size_t kMostShown = 60;
  return std::format("\"{}{}\"", printable(text.substr(0, kMostShown)), text.size() > kMostShown ? "..." : "");
}

/// Calls use(part, offset) for each part between separators.
template <typename Use>
void for_each_between(std::string_view text, std::string_view separator, Use use) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    use(text.substr(begin, end - begin), begin);
    begin = end + separator.size();
  }
}

/// `text` without spaces at its ends. Advances `column` by the removed leading spaces.
std::string_view trimmed(std::string_view text, size_t& column) noexcept {
  const size_t first = std::min(text.find_first_not_of(' '), text.size());
  column += first;
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::vector<std::string_view> kind_names() {
  std::vector<std::string_view> names;
  names.reserve(kExitKinds + 1);
  for (size_t kind = 0; kind < kExitKinds; ++kind)
    names.push_back(name_of(static_cast<ExitKind>(kind)));
  names.push_back(kAll);
  return names;
}

std::span<const std::string_view> fields_of(std::optional<ExitKind> kind) noexcept {
  static constexpr std::array<std::string_view, 3> kMmio{"address", "value", "width"};
  static constexpr std::array<std::string_view, 10> kSbi{"a0", "a1",  "a2",  "a3",    "a4",
                                                         "a5", "eid", "fid", "error", "value"};
  static constexpr std::array<std::string_view, 4> kCsr{"number", "old", "new", "mask"};
  static constexpr std::array<std::string_view, 2> kSystem{"type", "reason"};
  if (!kind) return {};
  switch (*kind) {
    case ExitKind::kMmio: return kMmio;
    case ExitKind::kSbi: return kSbi;
    case ExitKind::kCsr: return kCsr;
    case ExitKind::kSystemEvent: return kSystem;
    default: return {};
  }
}

uint64_t field_of(const ExitRecord& exit, std::string_view field) noexcept {
  switch (exit.kind) {
    case ExitKind::kMmio:
      return field == "address" ? exit.mmio.at : field == "value" ? exit.mmio.value : exit.mmio.width;
    case ExitKind::kSbi:
      if (field == "eid") return exit.sbi.eid;
      if (field == "fid") return exit.sbi.fid;
      if (field == "error") return static_cast<uint64_t>(exit.sbi.error);
      if (field == "value") return exit.sbi.value;
      return exit.sbi.args[static_cast<size_t>(field[1] - '0')];
    case ExitKind::kCsr:
      if (field == "number") return exit.csr.number;
      if (field == "old") return exit.csr.old_value;
      return field == "new" ? exit.csr.new_value : exit.csr.write_mask;
    case ExitKind::kSystemEvent: return field == "type" ? exit.system.type : exit.system.reason;
    default: return 0;
  }
}

/// Whether the user's text `written` matches `name` or equals `number`.
bool names_it(const std::string& written, std::string_view name, uint64_t number) noexcept {
  return glob_matches(written, name) || parse_number(written) == number;
}

}  // namespace

std::optional<uint64_t> parse_number(std::string_view text) noexcept {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool glob_matches(std::string_view glob, std::string_view text) noexcept {
  size_t star = std::string_view::npos;  // the last * that was passed; `taken`: the text up to which it matches
  size_t taken = 0;
  size_t g = 0;
  size_t t = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

ExitMatcher::ExitMatcher(std::string where, std::string_view text) : where_(std::move(where)) {
  for_each_between(text, ",", [&](std::string_view part, size_t at) { terms_.push_back(parse_term(part, at + 1)); });
}

ExitMatcher::Term ExitMatcher::parse_term(std::string_view text, size_t column) const {
  text = trimmed(text, column);
  if (text.empty()) throw wrong(where_, column, "names no exit; give a list like sbi:dbcn.*,mmio:uart,system");
  constexpr std::string_view kIf = " if ";
  const size_t condition = std::min(text.find(kIf), text.size());
  const std::string_view what = text.substr(0, condition);
  const size_t colon = std::min(what.find(':'), what.size());
  const std::string_view kind = what.substr(0, colon);
  Term term;
  term.kind = exit_kind_named(kind);
  if (!term.kind && kind != kAll)
    throw wrong(where_, column, std::format("{} is not a kind of exit{}", quoted(kind), advice(kind, kind_names())));
  if (colon < what.size()) parse_names(term, what.substr(colon + 1), column + colon + 1);
  if (condition == text.size()) return term;
  const size_t begin = condition + kIf.size();
  for_each_between(text.substr(begin), "&&", [&](std::string_view part, size_t at) {
    term.conditions.push_back(parse_condition(term, part, column + begin + at));
  });
  return term;
}

void ExitMatcher::parse_names(Term& term, std::string_view text, size_t column) const {
  for_each_between(text, ".", [&](std::string_view name, size_t at) {
    if (name.empty()) throw wrong(where_, column + at, "a name is missing; * stands for all");
    term.names.emplace_back(name);
  });
  term.names_column = column;
  constexpr std::array<size_t, kExitKinds> kMostParts{3, 2, 1, 1, 0, 0};
  const size_t most = term.kind ? kMostParts[static_cast<size_t>(*term.kind)] : 0;
  if (term.names.size() > most) {
    throw wrong(
        where_, column,
        std::format("{} has {} parts between dots; at most {} are allowed", quoted(text), term.names.size(), most));
  }
  if (term.kind == ExitKind::kMmio) check_mmio(term);
  if (term.kind == ExitKind::kSbi) check_sbi(term);
  if (term.kind == ExitKind::kCsr) check_single(term, known_csr_names(), "CSR");
  if (term.kind == ExitKind::kSystemEvent) check_single(term, kSystemNames, "system event");
}

void ExitMatcher::check_mmio(const Term& term) const {
  if (term.names.size() < 3 || std::ranges::contains(kDirections, term.names[2])) return;
  throw wrong(where_, term.names_column + term.names[0].size() + term.names[1].size() + 2,
              std::format("{} is neither a load nor a store; give read or write", quoted(term.names[2])));
}

void ExitMatcher::check_sbi(const Term& term) const {
  const std::string& extension = term.names.front();
  if (parse_number(extension)) return;
  std::vector<std::string_view> extensions;
  std::vector<std::string_view> functions;
  bool known = false;
  for (const SbiExtensionInfo* const named : kSbiExtensions) {
    if (!std::ranges::contains(extensions, named->name)) extensions.push_back(named->name);
    if (!glob_matches(extension, named->name)) continue;
    known = true;
    for (const SbiFunction& function : named->functions)
      functions.push_back(function.name);
  }
  if (!known) {
    throw wrong(where_, term.names_column,
                std::format("{} is not an SBI extension{}", quoted(extension), advice(extension, extensions)));
  }
  if (term.names.size() < 2 || parse_number(term.names[1])) return;
  const auto is_it = [&](std::string_view name) { return glob_matches(term.names[1], name); };
  if (!std::ranges::any_of(functions, is_it)) {
    throw wrong(where_, term.names_column + extension.size() + 1,
                std::format("{} is not a function of {}{}", quoted(term.names[1]), quoted(extension),
                            advice(term.names[1], functions)));
  }
}

void ExitMatcher::check_single(const Term& term, std::span<const std::string_view> known, std::string_view what) const {
  const std::string& name = term.names.front();
  const auto is_it = [&](std::string_view candidate) { return glob_matches(name, candidate); };
  if (parse_number(name) || std::ranges::any_of(known, is_it)) return;
  throw wrong(where_, term.names_column, std::format("{} is not a {}{}", quoted(name), what, advice(name, known)));
}

void ExitMatcher::check_devices(const DeviceNames& devices) const {
  const std::vector<std::string> names = devices.device_names();
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (const Term& term : terms_) {
    if (term.kind != ExitKind::kMmio || term.names.empty()) continue;
    const std::string& name = term.names.front();
    const auto is_it = [&](std::string_view device) { return glob_matches(name, device); };
    if (!std::ranges::any_of(known, is_it)) {
      throw wrong(where_, term.names_column,
                  std::format("{} is not a device of this machine{}", quoted(name), advice(name, known)));
    }
    if (term.names.size() > 1) check_register(term, devices);
  }
}

void ExitMatcher::check_register(const Term& term, const DeviceNames& devices) const {
  const std::string& name = term.names[1];
  std::vector<std::string> registers;
  for (const std::string& device : devices.device_names()) {
    if (!glob_matches(term.names.front(), device)) continue;
    std::ranges::move(devices.register_names(device), std::back_inserter(registers));
  }
  std::vector<std::string_view> known(registers.begin(), registers.end());
  if (term.names.size() == 2) known.insert(known.end(), kDirections.begin(), kDirections.end());
  const auto is_it = [&](std::string_view candidate) { return glob_matches(name, candidate); };
  // The name of an unnamed register is empty.
  if (parse_number(name) || glob_matches(name, "") || std::ranges::any_of(known, is_it)) return;
  throw wrong(where_, term.names_column + term.names.front().size() + 1,
              std::format("{} is not a register of {}{}", quoted(name), quoted(term.names.front()),
                          known.empty() ? "; give its offset, or *" : advice(name, known)));
}

ExitMatcher::Condition ExitMatcher::parse_condition(const Term& term, std::string_view text, size_t column) const {
  using enum Operator;
  // Longer operators first, because "<=" begins with "<".
  static constexpr std::array<std::pair<std::string_view, Operator>, 6> kOperators{{{"==", kEqual},
                                                                                    {"!=", kNotEqual},
                                                                                    {"<=", kLessOrEqual},
                                                                                    {">=", kGreaterOrEqual},
                                                                                    {"<", kLess},
                                                                                    {">", kGreater}}};
  text = trimmed(text, column);
  const size_t name_end = std::min(text.find_first_of("=!<> "), text.size());
  const std::string_view field = text.substr(0, name_end);
  const auto fields = fields_of(term.kind);
  if (fields.empty()) throw wrong(where_, column, "these exits have nothing to compare; leave out \"if\"");
  if (!std::ranges::contains(fields, field))
    throw wrong(where_, column,
                std::format("{} is not a field of these exits{}", quoted(field), advice(field, fields)));
  size_t at = column + name_end;
  std::string_view rest = trimmed(text.substr(name_end), at);
  const auto* const op = std::ranges::find_if(kOperators, [&](const auto& row) { return rest.starts_with(row.first); });
  if (op == kOperators.end()) throw wrong(where_, at, "an operator is missing; give ==, !=, <, <=, > or >=");
  at += op->first.size();
  rest = trimmed(rest.substr(op->first.size()), at);
  const auto value = parse_number(rest);
  if (!value) throw wrong(where_, at, std::format("{} is not a number; give one like 10 or 0x4000", quoted(rest)));
  return {.field = std::string{field}, .op = op->second, .value = *value};
}

bool ExitMatcher::holds(const Condition& condition, const ExitRecord& exit) {
  const uint64_t field = field_of(exit, condition.field);
  switch (condition.op) {
    case Operator::kEqual: return field == condition.value;
    case Operator::kNotEqual: return field != condition.value;
    case Operator::kLess: return field < condition.value;
    case Operator::kLessOrEqual: return field <= condition.value;
    case Operator::kGreater: return field > condition.value;
    case Operator::kGreaterOrEqual: return field >= condition.value;
  }
  return false;
}

bool ExitMatcher::names_match(const Term& term, const ExitRecord& exit, const DeviceNames& devices) {
  const auto& names = term.names;
  switch (exit.kind) {
    case ExitKind::kMmio: {
      const auto place = devices.place_of(Gpa{exit.mmio.at}, exit.mmio.is_write);
      if (!place || !glob_matches(names[0], place->device)) return false;
      const std::string_view direction = exit.mmio.is_write ? "write" : "read";
      if (names.size() == 1) return true;
      if (names.size() == 2 && names[1] == direction) return true;
      return names_it(names[1], place->reg, place->offset) && (names.size() == 2 || names[2] == direction);
    }
    case ExitKind::kSbi: {
      const std::string full = sbi_name(exit.sbi.eid, exit.sbi.fid);
      const size_t dot = full.find('.');
      if (!names_it(names[0], std::string_view{full}.substr(0, dot), exit.sbi.eid)) return false;
      return names.size() == 1 || names_it(names[1], std::string_view{full}.substr(dot + 1), exit.sbi.fid);
    }
    case ExitKind::kCsr: return names_it(names[0], csr_name(exit.csr.number), exit.csr.number);
    case ExitKind::kSystemEvent: return names_it(names[0], system_event_name(exit.system.type), exit.system.type);
    default: return false;
  }
}

bool ExitMatcher::matches(const Term& term, const ExitRecord& exit, const DeviceNames& devices) {
  if (term.kind && *term.kind != exit.kind) return false;
  if (!term.names.empty() && !names_match(term, exit, devices)) return false;
  return std::ranges::all_of(term.conditions, [&](const Condition& condition) { return holds(condition, exit); });
}

bool ExitMatcher::matches(const ExitRecord& exit, const DeviceNames& devices) const {
  return std::ranges::any_of(terms_, [&](const Term& term) { return matches(term, exit, devices); });
}

}  // namespace rvvmm
