// Lists in the argument of one option: "disk.img,ro,serial=abc".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rvvmm {

enum class SuboptionKind : uint8_t {
  kFlag,           ///< "ro"
  kValue,          ///< "serial=abc"
  kRepeatedValue,  ///< the same, any number of times
};

struct SuboptionSpec {
  std::string_view name;
  SuboptionKind kind = SuboptionKind::kFlag;
};

struct Suboption {
  std::string name;
  std::string value;  ///< empty for a flag
  std::string where;  ///< how messages name it: "--disk: serial"
};

class Suboptions {
 public:
  /// Splits `text` at its commas; two commas in a row are one comma of the value. `with_head`: the first part becomes
  /// head(), unless it is a known suboption. Throws SetupError (kUsage), which names `where` and the part, if a
  /// suboption is not in `known`, has an unexpected value, lacks its value, or occurs twice.
  Suboptions(const std::string& where, std::string_view text, std::span<const SuboptionSpec> known, bool with_head);

  /// Empty if none was given.
  const std::string& head() const noexcept { return head_; }
  /// In the order in which they were written.
  std::span<const Suboption> all() const noexcept { return all_; }
  /// nullptr if it was not given; the first one if it was given more than once.
  const Suboption* find(std::string_view name) const noexcept;

 private:
  std::string head_;
  std::vector<Suboption> all_;
};

}  // namespace rvvmm
