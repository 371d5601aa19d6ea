// A filter for exits, parsed from text: "sbi:dbcn.*,mmio:uart.write if value==10,system".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/exit_record.hpp"
#include "observe/exit_names.hpp"

namespace rvvmm {

/// A comma-separated list of terms. An exit matches if one term matches. A term is KIND or KIND:NAME, optionally
/// followed by " if CONDITION". KIND is one of name_of(ExitKind), or "all". NAME has parts separated by dots; * stands
/// for any letters. For mmio: DEVICE, DEVICE.REGISTER, DEVICE.read, DEVICE.REGISTER.write. For sbi: EXTENSION or
/// EXTENSION.FUNCTION. For csr and system: one name. A number may replace a name: sbi:0x9000000.7. CONDITION is FIELD
/// OPERATOR NUMBER; && joins several. Operators are ==, !=, <, <=, > and >=. The fields depend on the kind.
class ExitMatcher {
 public:
  /// `where`: the option's name. Throws SetupError (kUsage) "<where>: column N: <what is wrong>; <what would be
  /// right>".
  ExitMatcher(std::string where, std::string_view text);

  /// Checks the terms against the machine's devices. Throws SetupError as above if a term names an unknown device or
  /// register.
  void check_devices(const DeviceNames& devices) const;

  bool matches(const ExitRecord& exit, const DeviceNames& devices) const;

 private:
  enum class Operator : uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
  struct Condition {
    std::string field;
    Operator op = Operator::kEqual;
    uint64_t value = 0;
  };
  struct Term {
    std::optional<ExitKind> kind = {};  ///< nullopt: all
    std::vector<std::string> names = {};
    size_t names_column = 0;  ///< from 1
    std::vector<Condition> conditions = {};
  };

  Term parse_term(std::string_view text, size_t column) const;
  void parse_names(Term& term, std::string_view text, size_t column) const;
  void check_mmio(const Term& term) const;
  void check_sbi(const Term& term) const;
  void check_single(const Term& term, std::span<const std::string_view> known, std::string_view what) const;
  void check_register(const Term& term, const DeviceNames& devices) const;
  Condition parse_condition(const Term& term, std::string_view text, size_t column) const;
  static bool holds(const Condition& condition, const ExitRecord& exit);
  static bool names_match(const Term& term, const ExitRecord& exit, const DeviceNames& devices);
  static bool matches(const Term& term, const ExitRecord& exit, const DeviceNames& devices);

  std::string where_;
  std::vector<Term> terms_;
};

/// Decimal, or hexadecimal with 0x; nullopt if the text is not a 64-bit number.
std::optional<uint64_t> parse_number(std::string_view text) noexcept;

/// `*` stands for any letters, including none.
bool glob_matches(std::string_view glob, std::string_view text) noexcept;

}  // namespace rvvmm
