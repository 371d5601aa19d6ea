// Any file as --dtb: refused with a line, or a tree that libfdt finds whole and that says what the machine knows.
#include <libfdt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>
#include <vector>

#include "base/fd.hpp"
#include "fuzz/steps.hpp"
#include "vmm/boot/fdt_image.hpp"

namespace {

using namespace rvvmm;

void check(const DeviceTree& tree) {
  std::vector<std::byte> dtb = tree.bytes;
  require(dtb.size() <= tree.size && tree.size <= kLargestDtb && fdt_totalsize(dtb.data()) == tree.size);
  require(tree.size == kLargestDtb || tree.size - dtb.size() >= kDtbRoom);
  dtb.resize(tree.size);
  require(fdt_check_full(dtb.data(), dtb.size()) == 0);
  const int chosen = fdt_path_offset(dtb.data(), "/chosen");
  int size = 0;
  const void* bootargs = fdt_getprop(dtb.data(), chosen, "bootargs", &size);
  require(bootargs != nullptr && size == 6 && std::memcmp(bootargs, "quiet", 6) == 0);
  require(fdt_getprop(dtb.data(), chosen, "linux,initrd-end", &size) != nullptr && size == 8);
  require(fdt_getprop(dtb.data(), chosen, "rng-seed", &size) != nullptr && size == 64);
  require(fdt_getprop(dtb.data(), chosen, "kaslr-seed", &size) != nullptr && size == 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Fd made{::memfd_create("dtb", MFD_CLOEXEC)};
  require(::write(made.get(), data, size) == static_cast<ssize_t>(size));
  try {
    const InputFile file{"--dtb", std::format("/proc/self/fd/{}", made.get()), "a device tree"};
    const DeviceTree tree =
        load_user_dtb(file, {.initrd = GpaRange{.base = Gpa{0x8800'0000}, .size = 4096}, .bootargs = "quiet"});
    check(tree);
    oddities_of(tree, "quiet", &file, 1);
  } catch (const SetupError& error) {
    require(error.status() == ExitStatus::kBadInput);
  }
  return 0;
}
