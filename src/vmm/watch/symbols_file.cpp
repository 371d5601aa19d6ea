#include "vmm/watch/symbols_file.hpp"

#include <vector>

#include "vmm/host/input_file.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kLargestElf = 2UL << 30;  // bytes; a vmlinux with all debug information has about half of that

}  // namespace

Symbols read_symbols(const std::string& path) {
  const InputFile file{"--symbols", path, "the System.map or the vmlinux of the guest's kernel"};
  const uint64_t size = file.size();
  if (size > kLargestElf) throw file.error("is too large; give the System.map of the guest's kernel");
  std::vector<std::byte> content(size);
  file.read(0, content);
  return Symbols{content, path};
}

}  // namespace rvvmm
