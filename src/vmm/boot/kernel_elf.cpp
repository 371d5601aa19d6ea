#include "vmm/boot/kernel_elf.hpp"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <format>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/size_text.hpp"

namespace rvvmm {
namespace {

// A kernel has a few program headers. A table of thousands means a damaged file.
constexpr uint32_t kMostProgramHeaders = 512;
// Debug sections follow the segments of an unstripped kernel. In a compressed file they are read for the checksum only.
constexpr uint64_t kMostBehindSegments = 1_GiB;

std::string machine_text(uint16_t machine) {
  switch (machine) {
    case EM_386: return "32-bit x86";
    case EM_X86_64: return "x86-64";
    case EM_ARM: return "32-bit Arm";
    case EM_AARCH64: return "arm64";
    case EM_LOONGARCH: return "LoongArch";
    case EM_MIPS: return "MIPS";
    case EM_PPC64: return "64-bit PowerPC";
    case EM_S390: return "s390";
    default: return std::format("machine {}", machine);
  }
}

Elf64_Ehdr checked_header(const KernelContent& content) {
  const auto head = content.head();
  if (head.size() < sizeof(Elf64_Ehdr)) throw content.error("is cut short: an ELF header has 64 bytes");
  Elf64_Ehdr header;
  std::memcpy(&header, head.data(), sizeof(header));
  const bool big_endian = header.e_ident[EI_DATA] == ELFDATA2MSB;
  const uint16_t machine = big_endian ? std::byteswap(header.e_machine) : header.e_machine;
  if (machine != EM_RISCV) {
    throw content.error(std::format("is an ELF file for {}; rvvmm runs RISC-V kernels", machine_text(machine)));
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64) {
    throw content.error("is a 32-bit ELF file; rvvmm runs 64-bit RISC-V kernels");
  }
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
    throw content.error("is a big-endian ELF file; rvvmm runs little-endian RISC-V kernels");
  }
  switch (header.e_type) {
    case ET_EXEC:
    case ET_DYN: break;
    case ET_REL: throw content.error("is an ELF object file; give a linked kernel");
    case ET_CORE: throw content.error("is an ELF core dump; give a kernel");
    default: throw content.error(std::format("is an ELF file of type {}; give an executable one", header.e_type));
  }
  if (header.e_phnum == 0) throw content.error("is an ELF file without program headers: there is nothing to load");
  if (header.e_phnum > kMostProgramHeaders) {
    throw content.error(std::format("is an ELF file with {} program headers: it is damaged", header.e_phnum));
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr)) {
    throw content.error(std::format("is an ELF file with program headers of {} bytes instead of {}: it is damaged",
                                    header.e_phentsize, sizeof(Elf64_Phdr)));
  }
  return header;
}

/// True if [offset, offset + size) can be inside the content, as far as its size is known before reading.
bool may_hold(const KernelContent& content, uint64_t offset, uint64_t size) noexcept {
  const uint64_t whole = content.size().value_or(kLargestRam);
  return offset <= whole && size <= whole - offset;
}

void check_segment(const KernelContent& content, const Elf64_Phdr& segment) {
  const auto damaged = [&](std::string_view what) {
    return content.error(std::format("ELF segment at {:#x} {}: the file is damaged", segment.p_paddr, what));
  };
  if (segment.p_filesz > segment.p_memsz) throw damaged("has more bytes in the file than in memory");
  if (segment.p_memsz > kLargestRam) throw damaged("is larger than any machine");
  if (segment.p_memsz > UINT64_MAX - std::max(segment.p_paddr, segment.p_vaddr)) {
    throw damaged("runs past the end of the address space");
  }
  if (!may_hold(content, segment.p_offset, segment.p_filesz)) throw damaged("lies outside the file");
}

/// The segments that take up memory, sorted by physical address. They do not overlap.
std::vector<Elf64_Phdr> load_segments(KernelContent& content, const Elf64_Ehdr& header) {
  std::vector<Elf64_Phdr> table(header.e_phnum);
  const auto bytes = std::as_writable_bytes(std::span{table});
  if (!may_hold(content, header.e_phoff, bytes.size()) || content.read(header.e_phoff, bytes) != bytes.size()) {
    throw content.error("ELF program headers lie outside the file: it is cut short or damaged");
  }
  std::erase_if(table, [](const Elf64_Phdr& entry) { return entry.p_type != PT_LOAD || entry.p_memsz == 0; });
  if (table.empty()) throw content.error("is an ELF file without segments to load");
  for (const Elf64_Phdr& segment : table)
    check_segment(content, segment);
  std::ranges::sort(table, {}, &Elf64_Phdr::p_paddr);
  for (size_t i = 1; i < table.size(); ++i) {
    if (table[i].p_paddr - table[i - 1].p_paddr < table[i - 1].p_memsz) {
      throw content.error(std::format("ELF segments at {:#x} and {:#x} overlap: the file is damaged",
                                      table[i - 1].p_paddr, table[i].p_paddr));
    }
  }
  return table;
}

/// The range of all segments in RAM. They move together, so the distances between them stay the same.
GpaRange place(const KernelContent& content, const std::vector<Elf64_Phdr>& segments, const BootRoom& room) {
  const GpaRange ram = room.memory.range();
  const Gpa linked{segments.front().p_paddr};
  const uint64_t size = segments.back().p_paddr + segments.back().p_memsz - linked.value;
  if (size > kLargestRam) {
    throw content.error(std::format("ELF segments lie {:#x} bytes apart: the file is damaged", size));
  }
  GpaRange range{.base = linked, .size = size};
  if (!ram.contains(linked, 1)) {
    // The offset in the page stays the same, because small alignments in the kernel depend on it.
    range.base = ram.base + kDefaultTextOffset + linked.value % 4_KiB;
    if (!ram.contains(range.base, range.size)) throw room.too_small_for_kernel(range, true);
    const bool surprising = linked >= ram.base && linked - ram.base <= kLargestRam;
    log::line(log::Module::kLoader, surprising ? room.odd_file : log::Level::kInfo,
              "ELF kernel linked for {:#x}, which is not RAM: loaded at {:#x}", linked.value, range.base.value);
  }
  if (!ram.contains(range.base, range.size)) throw room.too_small_for_kernel(range, true);
  return range;
}

/// e_entry is a virtual address if the kernel is linked for its own page tables, else a physical address.
Gpa entry_point(const KernelContent& content, const Elf64_Ehdr& header, const std::vector<Elf64_Phdr>& segments,
                Gpa base) {
  for (const auto address : {&Elf64_Phdr::p_vaddr, &Elf64_Phdr::p_paddr}) {
    for (const Elf64_Phdr& segment : segments) {
      const GpaRange named{.base = Gpa{segment.*address}, .size = segment.p_memsz};
      if (!named.contains(Gpa{header.e_entry}, 1)) continue;
      const Gpa entry = base + (segment.p_paddr - segments.front().p_paddr) + (header.e_entry - segment.*address);
      if (entry.value % kInstructionAlignment == 0) return entry;
      throw content.error(
          std::format("ELF entry point {:#x} is odd; instructions have even addresses: the file is "
                      "damaged",
                      header.e_entry));
    }
  }
  throw content.error(std::format("ELF entry point {:#x} is not in any segment: the file is damaged", header.e_entry));
}

}  // namespace

bool is_elf(std::span<const std::byte> head) noexcept {
  return head.size() >= SELFMAG && std::memcmp(head.data(), ELFMAG, SELFMAG) == 0;
}

LoadedKernel load_elf(KernelContent& content, const BootRoom& room) {
  const Elf64_Ehdr header = checked_header(content);
  std::vector<Elf64_Phdr> segments = load_segments(content, header);
  const GpaRange range = place(content, segments, room);
  const uint64_t linked = segments.front().p_paddr;
  const Gpa entry = entry_point(content, header, segments, range.base);

  // Compressed content can be read only once, in the file's order.
  std::ranges::sort(segments, {}, &Elf64_Phdr::p_offset);
  for (const Elf64_Phdr& segment : segments) {
    const Gpa at = range.base + (segment.p_paddr - linked);
    const auto memory = room.memory.slice(at, segment.p_memsz);
    if (!memory) throw room.too_small_for_kernel(range, true);
    const auto from_file = memory->first(segment.p_filesz);
    if (content.read(segment.p_offset, from_file) != from_file.size()) {
      throw content.error("is cut short: an ELF segment ends outside the file");
    }
    content.clear(memory->subspan(segment.p_filesz));
  }
  if (!content.drain(kMostBehindSegments)) {
    throw content.error(std::format("more than {} follow the ELF segments in the compressed file; strip it",
                                    size_text(kMostBehindSegments)));
  }
  return {.entry = entry, .range = range};
}

}  // namespace rvvmm
