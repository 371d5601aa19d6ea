#include "vmm/boot/fdt_image.hpp"

#include <libfdt.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/output_file.hpp"

namespace rvvmm {
namespace {

// RISC-V Privileged Specification 20240326, 9.1.3: the bit of the supervisor external interrupt in sip.
constexpr uint32_t kSupervisorExternal = 9;
// irq.h of the device tree bindings: a level-triggered, active-high input.
constexpr uint32_t kLevelHigh = 4;
constexpr uint64_t kImsicPage = 4_KiB;
constexpr size_t kRngSeedBytes = 64;
constexpr uint32_t kTreeVersion = 17;  // Devicetree Specification 0.4, 5.2
/// COMMAND_LINE_SIZE of Linux 6.12 on RISC-V, with the zero at its end (arch/riscv/include/uapi/asm/setup.h).
constexpr size_t kShortestCommandLine = 1024;

/// The seeds in /chosen, for the guest's random numbers and its KASLR. They are different at each boot.
class Seeds {
 public:
  Seeds() {
    std::span<std::byte> rest{bytes_};
    while (!rest.empty()) {
      const ssize_t got = ::getrandom(rest.data(), rest.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw SetupError::from_errno(ExitStatus::kInternal, "getrandom for the guest's seeds", errno);
      rest = rest.subspan(static_cast<size_t>(got));
    }
  }
  std::span<const std::byte> rng() const { return std::span{bytes_}.first(kRngSeedBytes); }
  std::span<const std::byte> kaslr() const { return std::span{bytes_}.subspan(kRngSeedBytes); }

 private:
  std::array<std::byte, kRngSeedBytes + sizeof(uint64_t)> bytes_;
};

/// ISA extensions in the two forms that kernels read: one string, and a list.
struct IsaText {
  std::string string;
  std::vector<std::string_view> list;
};

IsaText isa_text(const CpuDescription& cpu, bool with_aia) {
  // KVM gives a guest neither the hypervisor extension nor machine mode, even if the host has them.
  const auto hidden = [&](std::string_view name) {
    return name.empty() || name == "h" || name == "smaia" || (name == "ssaia" && !with_aia);
  };
  IsaText isa{.string = "rv64", .list = {}};
  for (const std::string_view name : cpu.isa_extensions) {
    if (hidden(name) || name.size() != 1) continue;
    isa.string += name;
    isa.list.push_back(name);
  }
  for (const std::string_view name : cpu.isa_extensions) {
    if (hidden(name) || name.size() == 1) continue;
    (isa.string += '_') += name;
    isa.list.push_back(name);
  }
  return isa;
}

/// satp.MODE, RISC-V Privileged Specification 20240326, 10.1.11.
std::string_view mmu_type(uint64_t satp_mode) noexcept {
  switch (satp_mode) {
    case 10: return "riscv,sv57";
    case 9: return "riscv,sv48";
    case 8: return "riscv,sv39";
    default: return {};
  }
}

class FdtImage {
 public:
  explicit FdtImage(const FdtInputs& inputs)
      : inputs_(inputs), aia_(std::get_if<FdtAia>(&inputs.irqchip)), irqchip_(fdt_.new_phandle()) {}

  /// /chosen comes first, because a kernel looks for it first.
  std::vector<std::byte> build() && {
    fdt_.u32("#address-cells", 2);
    fdt_.u32("#size-cells", 2);
    fdt_.strings("compatible", {"rvvmm,virt", "linux,dummy-virt"});
    fdt_.string("model", "rvvmm,virt");
    chosen();
    aliases();
    memory();
    cpus();
    soc();
    beside_soc();
    return fdt_.finish();
  }

 private:
  void chosen() {
    const auto scope = fdt_.node("chosen");
    if (!inputs_.bootargs.empty()) fdt_.string("bootargs", inputs_.bootargs);
    if (!inputs_.stdout_path.empty()) fdt_.string("stdout-path", inputs_.stdout_path);
    if (inputs_.initrd) {
      fdt_.u64("linux,initrd-start", inputs_.initrd->base.value);
      fdt_.u64("linux,initrd-end", inputs_.initrd->end().value);
    }
    const Seeds seeds;
    fdt_.bytes("rng-seed", seeds.rng());
    fdt_.bytes("kaslr-seed", seeds.kaslr());
  }

  void aliases() {
    if (inputs_.stdout_path.empty()) return;
    const auto scope = fdt_.node("aliases");
    fdt_.string("serial0", inputs_.stdout_path);
  }

  void memory() {
    const auto scope = fdt_.node("memory", inputs_.ram.base.value);
    fdt_.string("device_type", "memory");
    fdt_.reg({inputs_.ram});
  }

  void cpus() {
    const auto scope = fdt_.node("cpus");
    fdt_.u32("#address-cells", 1);
    fdt_.u32("#size-cells", 0);
    fdt_.u32("timebase-frequency", static_cast<uint32_t>(inputs_.cpu.timebase_hz));
    const IsaText isa = isa_text(inputs_.cpu, aia_ != nullptr);
    std::vector<uint32_t> cpu_phandles;
    for (uint32_t hart = 0; hart < inputs_.harts; ++hart) {
      cpu_phandles.push_back(fdt_.new_phandle());
      cpu(hart, cpu_phandles.back(), isa);
    }
    cpu_map(cpu_phandles);
  }

  void cpu(uint32_t hart, uint32_t phandle, const IsaText& isa) {
    const auto scope = fdt_.node("cpu", hart);
    fdt_.string("device_type", "cpu");
    fdt_.string("compatible", "riscv");
    fdt_.u32("reg", hart);
    fdt_.string("status", "okay");
    if (const auto mmu = mmu_type(inputs_.cpu.satp_mode); !mmu.empty()) fdt_.string("mmu-type", mmu);
    fdt_.string("riscv,isa", isa.string);
    fdt_.string("riscv,isa-base", "rv64i");
    fdt_.strings("riscv,isa-extensions", isa.list);
    block_size("riscv,cbom-block-size", inputs_.cpu.cbom_block_size);
    block_size("riscv,cboz-block-size", inputs_.cpu.cboz_block_size);
    block_size("riscv,cbop-block-size", inputs_.cpu.cbop_block_size);
    fdt_.u32("phandle", phandle);
    hart_intcs_.push_back(fdt_.new_phandle());
    const auto intc = fdt_.node("interrupt-controller");
    fdt_.string("compatible", "riscv,cpu-intc");
    fdt_.u32("#address-cells", 0);
    fdt_.u32("#interrupt-cells", 1);
    fdt_.empty("interrupt-controller");
    fdt_.u32("phandle", hart_intcs_.back());
  }

  void block_size(std::string_view name, uint64_t bytes) {
    if (bytes != 0) fdt_.u32(name, static_cast<uint32_t>(bytes));
  }

  void cpu_map(std::span<const uint32_t> cpu_phandles) {
    const auto scope = fdt_.node("cpu-map");
    const auto cluster = fdt_.node("cluster0");
    for (size_t i = 0; i < cpu_phandles.size(); ++i) {
      const auto core = fdt_.node(std::format("core{}", i));
      fdt_.u32("cpu", cpu_phandles[i]);
    }
  }

  void soc() {
    const auto scope = fdt_.node("soc");
    fdt_.string("compatible", "simple-bus");
    fdt_.u32("#address-cells", 2);
    fdt_.u32("#size-cells", 2);
    fdt_.empty("ranges");
    fdt_.u32("interrupt-parent", irqchip_);
    if (aia_ != nullptr) {
      imsic_ = fdt_.new_phandle();
      imsics();
      aplic();
    } else {
      std::get<FdtPlic>(inputs_.irqchip).describe(fdt_, hart_intcs_, irqchip_);
    }
    for (const FdtDevice& device : inputs_.devices) {
      slots_.push_back({.window = device.window,
                        .interrupts = interrupt_cells(device),
                        .interrupt_parent = irqchip_,
                        .msi_parent = imsic_,
                        .own_phandle = fdt_.new_phandle()});
      device.device->describe(fdt_, slots_.back());
    }
  }

  void beside_soc() {
    for (size_t i = 0; i < slots_.size(); ++i)
      inputs_.devices[i].device->describe_beside_bus(fdt_, slots_[i]);
  }

  std::vector<uint32_t> interrupt_cells(const FdtDevice& device) const {
    std::vector<uint32_t> cells;
    if (!device.gsi) return cells;
    for (uint32_t input = 0; input < device.inputs; ++input) {
      cells.push_back(device.gsi->value + input);
      if (aia_ != nullptr) cells.push_back(kLevelHigh);
    }
    return cells;
  }

  /// riscv,imsics.yaml. The index bits are left out: Linux uses as many as the number of harts needs, and KVM is
  /// configured with the same number.
  void imsics() {
    const Gpa base = aia_->layout.imsic_base;
    const auto scope = fdt_.node("interrupt-controller", base.value);
    fdt_.string("compatible", "riscv,imsics");
    fdt_.reg({{.base = base, .size = inputs_.harts * kImsicPage}});
    std::vector<uint32_t> parents;
    for (const uint32_t intc : hart_intcs_)
      parents.insert(parents.end(), {intc, kSupervisorExternal});
    fdt_.cells("interrupts-extended", parents);
    fdt_.u32("#address-cells", 0);
    fdt_.u32("#interrupt-cells", 0);
    fdt_.u32("#msi-cells", 0);
    fdt_.empty("interrupt-controller");
    fdt_.empty("msi-controller");
    fdt_.u32("riscv,num-ids", aia_->properties.ids);
    fdt_.u32("phandle", imsic_);
  }

  /// riscv,aplic.yaml. KVM's APLIC delivers by MSI only.
  void aplic() {
    const Gpa base = aia_->layout.aplic_base;
    const auto scope = fdt_.node("interrupt-controller", base.value);
    fdt_.string("compatible", "riscv,aplic");
    fdt_.reg({{.base = base, .size = kAplicSize}});
    fdt_.u32("#address-cells", 0);
    fdt_.u32("#interrupt-cells", 2);
    fdt_.empty("interrupt-controller");
    fdt_.u32("msi-parent", imsic_);
    fdt_.u32("riscv,num-sources", aia_->layout.sources);
    fdt_.u32("phandle", irqchip_);
  }

  const FdtInputs& inputs_;
  const FdtAia* aia_;  // null: the machine has a PLIC
  FdtBuilder fdt_;
  uint32_t irqchip_;
  uint32_t imsic_ = 0;  // 0 if the machine has a PLIC
  std::vector<uint32_t> hart_intcs_;
  std::vector<FdtSlot> slots_;  // of the devices
};

SetupError too_large(const FdtInputs& inputs, size_t size) {
  FdtInputs one_hart = inputs;
  one_hart.harts = 1;
  const size_t with_one = FdtImage{one_hart}.build().size();
  if (with_one > kLargestDtb) {
    return {ExitStatus::kUsage, "--append: is too long; a guest kernel maps a device tree of at most 2 MiB"};
  }
  // Nodes of harts with low numbers have shorter names, so the size per hart is rounded up.
  constexpr size_t kNames = 16;
  const size_t each = (size - with_one) / (inputs.harts - 1) + kNames;
  return {ExitStatus::kUsage,
          std::format("--smp {}: makes a device tree of {} KiB, and a guest kernel maps at most 2 MiB; give at most "
                      "--smp {}",
                      inputs.harts, size / 1_KiB, 1 + (kLargestDtb - with_one) / each)};
}

/// `bytes` are a whole tree of at most kLargestDtb bytes; its header has the right size. The result takes at least
/// `at_least` bytes of RAM.
DeviceTree with_room(std::vector<std::byte> bytes, uint64_t at_least = 0) {
  const uint64_t size = std::min(std::max(bytes.size() + kDtbRoom, at_least), kLargestDtb);
  fdt_set_totalsize(bytes.data(), static_cast<uint32_t>(size));
  return {.bytes = std::move(bytes), .size = size};
}

/// Throws libfdt's error, if `error` is one, for rvvmm's edit of the user's tree.
void amend(const InputFile& file, int error) {
  if (error < 0) throw file.error(std::format("its /chosen cannot be set: {}", fdt_strerror(error)));
}

void set_property(const InputFile& file, void* dtb, int node, const char* name, std::span<const std::byte> value) {
  amend(file, fdt_setprop(dtb, node, name, value.data(), static_cast<int>(value.size())));
}

void remove_property(const InputFile& file, void* dtb, int node, const char* name) {
  const int error = fdt_delprop(dtb, node, name);
  if (error != -FDT_ERR_NOTFOUND) amend(file, error);
}

void set_chosen(const InputFile& file, void* dtb, const UserDtbInputs& inputs) {
  int chosen = fdt_path_offset(dtb, "/chosen");
  if (chosen == -FDT_ERR_NOTFOUND) chosen = fdt_add_subnode(dtb, 0, "chosen");
  amend(file, chosen);
  if (!inputs.bootargs.empty()) {
    const std::string text{inputs.bootargs};
    amend(file, fdt_setprop(dtb, chosen, "bootargs", text.c_str(), static_cast<int>(text.size() + 1)));
  }
  // A tree from --dump-dtb or from a running machine contains the initrd and seeds of that machine.
  if (inputs.initrd) {
    amend(file, fdt_setprop_u64(dtb, chosen, "linux,initrd-start", inputs.initrd->base.value));
    amend(file, fdt_setprop_u64(dtb, chosen, "linux,initrd-end", inputs.initrd->end().value));
  } else {
    remove_property(file, dtb, chosen, "linux,initrd-start");
    remove_property(file, dtb, chosen, "linux,initrd-end");
  }
  const Seeds seeds;
  set_property(file, dtb, chosen, "rng-seed", seeds.rng());
  set_property(file, dtb, chosen, "kaslr-seed", seeds.kaslr());
}

/// The nodes of harts that a kernel may use (Devicetree Specification 0.4, 3.8 and 2.3.4).
uint32_t usable_cpus(const void* dtb, int cpus) {
  const auto is = [dtb](int node, const char* name, std::string_view value) {
    int size = 0;
    const void* const found = fdt_getprop(dtb, node, name, &size);
    return found != nullptr && std::string_view{static_cast<const char*>(found), static_cast<size_t>(size)} == value;
  };
  uint32_t count = 0;
  for (int node = fdt_first_subnode(dtb, cpus); node >= 0; node = fdt_next_subnode(dtb, node)) {
    using namespace std::string_view_literals;
    if (is(node, "device_type", "cpu\0"sv) && !is(node, "status", "disabled\0"sv)) ++count;
  }
  return count;
}

}  // namespace

DeviceTree build_fdt(const FdtInputs& inputs) {
  std::vector<std::byte> tree = FdtImage{inputs}.build();
  if (tree.size() > kLargestDtb) throw too_large(inputs, tree.size());
  return with_room(std::move(tree));
}

DeviceTree load_user_dtb(const InputFile& file, const UserDtbInputs& inputs) {
  const uint64_t size = file.size();
  if (size > kLargestDtb) throw file.error("is larger than 2 MiB, the most that a guest kernel maps");
  std::vector<std::byte> original(size);
  file.read(0, original);
  if (size < sizeof(fdt_header) || fdt_magic(original.data()) != FDT_MAGIC) {
    throw file.error("is not a flattened device tree; give a .dtb, such as dtc makes from source");
  }
  const uint32_t said = fdt_totalsize(original.data());
  if (said > size) {
    throw file.error(std::format("is cut short: its header says {} bytes, the file has {}", said, size));
  }
  if (const int error = fdt_check_full(original.data(), size); error != 0) {
    throw file.error(std::format("is a damaged device tree: {}", fdt_strerror(error)));
  }
  // libfdt writes a tree of version 17, so the additions of a newer version would be lost.
  if (const uint32_t version = fdt_version(original.data()); version > kTreeVersion) {
    throw file.error(std::format("is a device tree of version {}; {} is the newest known", version, kTreeVersion));
  }
  // Room for a node, five properties and their names.
  constexpr size_t kSlack = 512;
  std::vector<std::byte> amended(size + kSlack + inputs.bootargs.size());
  amend(file, fdt_open_into(original.data(), amended.data(), static_cast<int>(amended.size())));
  set_chosen(file, amended.data(), inputs);
  amend(file, fdt_pack(amended.data()));
  amended.resize(fdt_totalsize(amended.data()));
  if (amended.size() > kLargestDtb) {
    throw file.error("is larger than 2 MiB together with what rvvmm adds to its /chosen");
  }
  return with_room(std::move(amended), said);
}

std::vector<std::string> oddities_of(const DeviceTree& tree, std::string_view append, const InputFile* user_dtb,
                                     uint32_t harts) {
  std::vector<std::string> lines;
  const void* const dtb = tree.bytes.data();
  size_t bytes = append.size();
  if (user_dtb != nullptr) {
    int size = 0;
    const bool has_any = fdt_getprop(dtb, fdt_path_offset(dtb, "/chosen"), "bootargs", &size) != nullptr && size > 0;
    bytes = has_any ? static_cast<size_t>(size) - 1 : 0;
  }
  if (bytes >= kShortestCommandLine) {
    lines.push_back(
        std::format("--append{}: the guest's command line has {} bytes; Linux takes the first {} or 2047 "
                    "of them, by version, and silently drops the rest",
                    user_dtb == nullptr ? "" : ", or bootargs of --dtb", bytes, kShortestCommandLine - 1));
  }
  if (user_dtb == nullptr) return lines;
  const auto say = [&](const std::string& what) { lines.emplace_back(user_dtb->error(what).what()); };
  const int cpus = fdt_path_offset(dtb, "/cpus");
  if (cpus < 0) {
    say("has no /cpus: Linux does not boot with it");
  } else if (const uint32_t described = usable_cpus(dtb, cpus); described != harts) {
    say(std::format("describes {} harts, and --smp {} makes {}", described, harts, harts));
  }
  return lines;
}

void dump_dtb(const std::string& path, const DeviceTree& tree) {
  OutputFile file{"--dump-dtb", path, OutputFile::Start::kEmptied};
  std::vector<std::byte> whole = tree.bytes;
  whole.resize(tree.size);
  file.write_whole(whole, OutputFile::kNever);
}

}  // namespace rvvmm
