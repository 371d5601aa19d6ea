// Any file as --kernel: refused with a line, or loaded into ranges that lie in RAM.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <format>
#include <vector>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "fuzz/steps.hpp"
#include "vmm/boot/boot_images.hpp"

namespace {

using namespace rvvmm;

constexpr uint64_t kRam = 16_MiB;
constexpr uint64_t kDtbSize = 5000;

void load(const GuestMemory& memory, const BootImages& images) {
  const BootLayout layout = images.load(memory);
  const GpaRange initrd = layout.initrd.value();
  require(memory.range().contains(layout.kernel.base, layout.kernel.size));
  require(memory.range().contains(initrd.base, initrd.size));
  require(layout.kernel.contains(layout.entry, 1));
  require(!layout.kernel.overlaps(initrd));
  const GpaRange tree{
      .base = place_dtb(memory, layout, {.bytes = std::vector<std::byte>(kDtbSize), .size = 2 * kDtbSize}),
      .size = 2 * kDtbSize};
  require(memory.range().contains(tree.base, tree.size));
  require(!tree.overlaps(layout.kernel) && !tree.overlaps(initrd));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const GuestMemory memory{Gpa{0x8000'0000}, kRam};
  log::set_level(log::Module::kLoader, log::Level::kOff);
  const Fd file{::memfd_create("kernel", MFD_CLOEXEC)};
  require(::write(file.get(), data, size) == static_cast<ssize_t>(size));
  Config config;
  config.kernel = std::format("/proc/self/fd/{}", file.get());
  config.initrds = {config.kernel, config.kernel};
  try {
    load(memory, BootImages{config});
  } catch (const SetupError& error) {
    require(error.status() == ExitStatus::kBadInput);
  }
  return 0;
}
