// The device tree that the guest gets: made from the machine (build_fdt), or the user's own file, amended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/fdt_builder.hpp"
#include "base/hypervisor.hpp"
#include "devices/device.hpp"
#include "vmm/host/input_file.hpp"

namespace rvvmm {

/// The largest tree that Linux maps at boot (Documentation/arch/riscv/boot.rst), and the largest --dtb takes.
inline constexpr uint64_t kLargestDtb = 2_MiB;

/// What is left free behind a tree, as far as kLargestDtb goes: firmware edits the tree where it lies, as U-Boot does,
/// which takes 12 KiB before it hands it on.
inline constexpr uint64_t kDtbRoom = 64_KiB;

struct DeviceTree {
  std::vector<std::byte> bytes;  ///< without the free room, in which anything may stand
  uint64_t size = 0;             ///< with it: the totalsize in its header
};

/// Bytes of an APLIC's window as KVM has it.
inline constexpr uint64_t kAplicSize = 16_KiB;

/// The in-kernel AIA as set_up_aia() made it.
struct FdtAia {
  AiaLayout layout;
  AiaProperties properties;
};

/// A PLIC describes itself: given the harts' "riscv,cpu-intc" phandles, by hart, and the phandle it must carry.
/// Called with /soc open.
struct FdtPlic {
  std::function<void(FdtBuilder& fdt, std::span<const uint32_t> hart_intcs, uint32_t own_phandle)> describe;
};

struct FdtDevice {
  const Device* device = nullptr;
  GpaRange window;
  std::optional<Gsi> gsi;  ///< none: the device has no interrupt
  uint32_t inputs = 1;     ///< how many it has, from gsi on
};

struct FdtInputs {
  uint32_t harts = 1;
  const CpuDescription& cpu;
  GpaRange ram;
  std::string_view bootargs;
  std::optional<GpaRange> initrd;
  std::variant<FdtAia, FdtPlic> irqchip;
  std::span<const FdtDevice> devices;  ///< in the order of their nodes
  std::string_view stdout_path;        ///< "/soc/serial@10000000"; empty: no console in the tree
};

/// The whole tree, with fresh random seeds. Throws SetupError where memory or the host's randomness ends, and
/// (kUsage, with the most harts that would do) where it is larger than kLargestDtb.
DeviceTree build_fdt(const FdtInputs& inputs);

/// What the machine adds to the user's own tree.
struct UserDtbInputs {
  std::optional<GpaRange> initrd;  ///< set in /chosen when given, else removed from it
  std::string_view bootargs;       ///< set in /chosen unless empty
};

/// The file of --dtb, checked and amended, with fresh random seeds in its /chosen; every other node and property stays
/// as it is, and free room where it has more than kDtbRoom. Throws SetupError(kBadInput) when it is no whole,
/// well-formed device tree of at most kLargestDtb.
DeviceTree load_user_dtb(const InputFile& file, const UserDtbInputs& inputs);

/// What the kernel of a guest with `harts` harts will find odd about its tree, in a line each: a command line that is
/// longer than some kernels take, and, of a tree that is the user's own, harts that are others than the machine's.
/// `user_dtb`: its file; null: the tree is ours, and its command line is `append`.
std::vector<std::string> oddities_of(const DeviceTree& tree, std::string_view append, const InputFile* user_dtb,
                                     uint32_t harts);

/// Writes the tree for --dump-dtb, its free room as zeroes. Throws SetupError naming the option and the file, of which
/// no part is left then.
void dump_dtb(const std::string& path, const DeviceTree& tree);

}  // namespace rvvmm
