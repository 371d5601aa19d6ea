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
  kRepeatedValue,  ///< the same, as often as one likes
};

struct SuboptionSpec {
  std::string_view name;
  SuboptionKind kind = SuboptionKind::kFlag;
};

struct Suboption {
  std::string name;
  std::string value;  ///< of a flag: empty
  std::string where;  ///< how messages name it: "--disk: serial"
};

class Suboptions {
 public:
  /// Takes `text` apart at its commas; two of them in a row are one that belongs to the value. `with_head`: what comes
  /// first, unless it is a known suboption, is head(). Throws SetupError (kUsage), which names `where` and the part,
  /// for what is not in `known`, has a value it should not have or lacks one, or comes twice.
  Suboptions(const std::string& where, std::string_view text, std::span<const SuboptionSpec> known, bool with_head);

  /// Empty where none was given.
  const std::string& head() const noexcept { return head_; }
  /// In the order in which they were written.
  std::span<const Suboption> all() const noexcept { return all_; }
  /// nullptr if it was not given; the first if it may come more than once.
  const Suboption* find(std::string_view name) const noexcept;

 private:
  std::string head_;
  std::vector<Suboption> all_;
};

}  // namespace rvvmm
