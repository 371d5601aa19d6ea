// The guest's device tree: made for the machine (build_fdt), or the user's file with changes (load_user_dtb).
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

/// The largest tree that Linux maps at boot (Documentation/arch/riscv/boot.rst), and the largest that --dtb takes.
inline constexpr uint64_t kLargestDtb = 2_MiB;

/// Free room behind a tree, as long as the total stays within kLargestDtb. Firmware such as U-Boot edits the tree in
/// place; U-Boot adds 12 KiB before it passes the tree on.
inline constexpr uint64_t kDtbRoom = 64_KiB;

struct DeviceTree {
  std::vector<std::byte> bytes;  ///< without the free room, whose content does not matter
  uint64_t size = 0;             ///< with the free room: totalsize in the header
};

/// Size of KVM's APLIC window.
inline constexpr uint64_t kAplicSize = 16_KiB;

/// The in-kernel AIA as set_up_aia() made it.
struct FdtAia {
  AiaLayout layout;
  AiaProperties properties;
};

/// A PLIC writes its own node. It gets the "riscv,cpu-intc" phandles, indexed by hart, and the phandle for its node.
/// Called while the /soc node is open.
struct FdtPlic {
  std::function<void(FdtBuilder& fdt, std::span<const uint32_t> hart_intcs, uint32_t own_phandle)> describe;
};

struct FdtDevice {
  const Device* device = nullptr;
  GpaRange window;
  std::optional<Gsi> gsi;  ///< none: the device has no interrupt
  uint32_t inputs = 1;     ///< number of interrupt inputs, the first one is gsi
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

/// The whole tree, with fresh random seeds. Throws SetupError if memory or the host's random source fails. Throws
/// SetupError (kUsage), with the largest possible number of harts, if the tree is larger than kLargestDtb.
DeviceTree build_fdt(const FdtInputs& inputs);

/// What the machine adds to the user's own tree.
struct UserDtbInputs {
  std::optional<GpaRange> initrd;  ///< set in /chosen when given, else removed from it
  std::string_view bootargs;       ///< set in /chosen unless empty
};

/// Checks the file of --dtb and changes its /chosen, also with fresh random seeds. Every other node and property stays
/// unchanged. So does its free room, if that is more than kDtbRoom. Throws SetupError(kBadInput) if the file is not a
/// whole, well-formed device tree of at most kLargestDtb.
DeviceTree load_user_dtb(const InputFile& file, const UserDtbInputs& inputs);

/// The problems that a kernel may have with this tree, one line each: a command line that is too long for some kernels,
/// and, in a user's tree, a missing /cpus or a number of harts that differs from `harts`. `user_dtb`: the user's file;
/// null: build_fdt() made the tree, with the command line `append`.
std::vector<std::string> oddities_of(const DeviceTree& tree, std::string_view append, const InputFile* user_dtb,
                                     uint32_t harts);

/// Writes the tree for --dump-dtb, with zeros for its free room. Throws SetupError that names the option and the file,
/// and leaves no partial file.
void dump_dtb(const std::string& path, const DeviceTree& tree);

}  // namespace rvvmm
