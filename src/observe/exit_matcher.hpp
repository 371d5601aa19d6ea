// Which exits somebody wants to see: "sbi:dbcn.*,mmio:uart.write if value==10,system".
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

/// A list of terms between commas, of which one has to hold. A term is KIND, KIND:NAME, either of them behind
/// " if CONDITION". KIND is one of name_of(ExitKind), or "all". NAME has parts between dots, in which * stands for any
/// letters: of mmio DEVICE, DEVICE.REGISTER, DEVICE.read, DEVICE.REGISTER.write; of sbi EXTENSION or
/// EXTENSION.FUNCTION; of csr and system one name. Where there is no name numbers stand: sbi:0x9000000.7. CONDITION is
/// FIELD OPERATOR NUMBER, several joined by &&; operators are ==, !=, <, <=, > and >=, fields those of the kind.
class ExitMatcher {
 public:
  /// `where`: the option. Throws SetupError (kUsage) "<where>: column N: <what is wrong>; <what would be right>".
  ExitMatcher(std::string where, std::string_view text);

  /// The devices of the machine: a term that names none of them, or no register of theirs, is a mistake. Throws
  /// SetupError as above.
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

/// Decimal, or hexadecimal behind 0x; nullopt: it is no number of 64 bits.
std::optional<uint64_t> parse_number(std::string_view text) noexcept;

/// `*` stands for any letters, also none.
bool glob_matches(std::string_view glob, std::string_view text) noexcept;

}  // namespace rvvmm
