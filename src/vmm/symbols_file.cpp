#include "vmm/symbols_file.hpp"

#include <vector>

#include "vmm/input_file.hpp"

namespace rvvmm {

Symbols read_symbols(const std::string& path) {
  const InputFile file{"--symbols", path, "the System.map or the vmlinux of the guest's kernel"};
  std::vector<std::byte> content(file.size());
  file.read(0, content);
  return Symbols{content, path};
}

}  // namespace rvvmm
