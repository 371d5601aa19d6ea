#include "vmm/options/mem_option.hpp"

#include <array>
#include <format>

#include "base/error.hpp"
#include "base/size_text.hpp"
#include "vmm/options/option_values.hpp"
#include "vmm/options/suboptions.hpp"

namespace rvvmm {
namespace {

constexpr std::array<SuboptionSpec, 5> kKnown{{{.name = "size", .kind = SuboptionKind::kValue},
                                               {.name = "hugepages", .kind = SuboptionKind::kValue},
                                               {.name = "shared"},
                                               {.name = "prefault"},
                                               {.name = "merge"}}};

HugePages parse_huge_pages(const Suboption& option) {
  if (option.value == "thp") return HugePages::kTransparent;
  if (option.value == "off") return HugePages::kOff;
  if (option.value == "2M") return HugePages::k2MiB;
  if (option.value == "1G") return HugePages::k1GiB;
  throw wrong_value(option.where, option.value, "is not a kind of huge pages; give 2M, 1G, thp or off");
}

uint64_t parse_bytes(const std::string& where, const Suboptions& options) {
  const Suboption* const size = options.find("size");
  if (size == nullptr && options.head().empty()) throw usage(where + ": has no size; give one, for example size=1G");
  if (size == nullptr) return parse_size(where, options.head());
  if (!options.head().empty())
    throw usage(std::format("{}: given twice, also as {}", size->where, in_quotes(options.head())));
  return parse_size(size->where, size->value);
}

/// Refuses combinations that contradict each other or would have no effect.
void check(const std::string& where, const MemOption& mem) {
  const bool pool = mem.ram.huge_pages == HugePages::k2MiB || mem.ram.huge_pages == HugePages::k1GiB;
  const uint64_t page = mem.ram.huge_pages == HugePages::k1GiB ? 1_GiB : 2_MiB;
  if (pool && mem.bytes % page != 0) {
    throw usage(std::format("{}: {} is not a multiple of huge pages of {}; give {}", where, mem_text(mem.bytes),
                            mem_text(page), mem_text(align_up(mem.bytes, page))));
  }
  if (mem.ram.merge && (pool || mem.ram.shared)) {
    throw usage(std::format("{}: merge: the host merges private pages of the usual sizes only; leave out {}", where,
                            mem.ram.shared ? "shared" : "hugepages"));
  }
}

}  // namespace

MemOption parse_mem(const std::string& where, std::string_view text) {
  if (text.find_first_of(",=") == std::string_view::npos) return {.bytes = parse_size(where, text), .ram = {}};
  // "hugepges=2M" is a misspelt suboption, not a size.
  const bool with_head = !text.substr(0, text.find(',')).contains('=');
  const Suboptions options{where, text, kKnown, with_head};
  MemOption mem{.bytes = parse_bytes(where, options), .ram = {}};
  if (const Suboption* const pages = options.find("hugepages")) mem.ram.huge_pages = parse_huge_pages(*pages);
  mem.ram.shared = options.find("shared") != nullptr;
  mem.ram.prefault = options.find("prefault") != nullptr;
  mem.ram.merge = options.find("merge") != nullptr;
  check(where, mem);
  return mem;
}

}  // namespace rvvmm
