#include "vmm/boot/kernel_image.hpp"

#include <algorithm>
#include <cstring>
#include <format>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "base/size_text.hpp"
#include "vmm/boot/kernel_content.hpp"
#include "vmm/boot/kernel_elf.hpp"

namespace rvvmm {
namespace {

using Bytes = std::span<const std::byte>;

/// Documentation/arch/riscv/boot-image-header.rst, all little endian.
struct ImageHeader {
  uint32_t code0;
  uint32_t code1;
  uint64_t text_offset;
  uint64_t image_size;
  uint64_t flags;
  uint32_t version;
  uint32_t res1;
  uint64_t res2;
  uint64_t magic;
  uint32_t magic2;
  uint32_t res3;
};
static_assert(sizeof(ImageHeader) == 64);

constexpr uint64_t kFlagBigEndian = 1;
// Documentation/arch/riscv/boot.rst, "Kernel location": the alignment of 64-bit kernels.
constexpr uint64_t kLinuxAlignment = 2_MiB;
constexpr size_t kMagicAt = offsetof(ImageHeader, magic);
constexpr size_t kMagic2At = offsetof(ImageHeader, magic2);

/// drivers/firmware/efi/libstub/zboot-header.S.
struct ZbootHeader {
  uint32_t mz;
  uint32_t zimg;
  uint32_t payload_offset;
  uint32_t payload_size;
  uint64_t reserved;
  char compression[32];
};
static_assert(sizeof(ZbootHeader) == 56);

using namespace std::string_view_literals;

bool has_at(Bytes head, size_t offset, std::string_view magic) noexcept {
  if (offset > head.size() || magic.size() > head.size() - offset) return false;
  return std::memcmp(head.data() + offset, magic.data(), magic.size()) == 0;
}

struct ForeignFormat {
  size_t offset;
  std::string_view magic;
  std::string_view what;  ///< the whole error message
};

constexpr std::string_view kHdrS = "HdrS";
constexpr ForeignFormat kForeignFormats[] = {
    {kMagic2At, "ARM\x64"sv, "is a kernel Image for arm64; rvvmm runs RISC-V kernels"},
    {0x202, kHdrS, "is a bzImage for x86; rvvmm runs RISC-V kernels"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "is compressed by xz, which rvvmm does not read; decompress it and give the result"},
    {0, "\x04\x22\x4d\x18"sv, "is compressed by lz4, which rvvmm does not read; decompress it and give the result"},
    {0, "\x02\x21\x4c\x18"sv, "is compressed by lz4, which rvvmm does not read; decompress it and give the result"},
    {0, "BZh"sv, "is compressed by bzip2, which rvvmm does not read; decompress it and give the result"},
    {0, "\x5d\0\0"sv, "is compressed by lzma, which rvvmm does not read; decompress it and give the result"},
    {0, "\x89LZO"sv, "is compressed by lzop, which rvvmm does not read; decompress it and give the result"},
    {0, "\x27\x05\x19\x56"sv, "is a U-Boot uImage; give the kernel that it was made from"},
    {0, "\xd0\x0d\xfe\xed"sv, "is a device tree or FIT image; give a RISC-V kernel image"},
    {0, "070701"sv, "is a cpio archive, as an initramfs is; give a RISC-V kernel image"},
};

bool is_image(Bytes head) noexcept {
  return head.size() >= sizeof(ImageHeader) &&
         (has_at(head, kMagic2At, "RSC\x05"sv) || has_at(head, kMagicAt, "RISCV\0\0\0"sv));
}

bool is_zboot(Bytes head) noexcept {
  return has_at(head, 0, "MZ"sv) && has_at(head, 4, "zimg"sv);
}

std::optional<Compression> compression_of(Bytes head) noexcept {
  if (has_at(head, 0, "\x1f\x8b"sv)) return Compression::kGzip;
  if (has_at(head, 0, "\x28\xb5\x2f\xfd"sv)) return Compression::kZstd;
  return std::nullopt;
}

bool is_portable_executable(Bytes head) noexcept {
  if (!has_at(head, 0, "MZ"sv) || head.size() < 0x40) return false;
  uint32_t header_at = 0;
  std::memcpy(&header_at, head.data() + 0x3c, sizeof(header_at));
  return has_at(head, header_at, "PE\0\0"sv);
}

/// Copies all content to `at` and returns its size. Throws if RAM is too small. `is_whole`: the header states all RAM
/// that the kernel uses.
uint64_t read_all(KernelContent& content, const BootRoom& room, Gpa at, bool is_whole) {
  const GpaRange ram = room.memory.range();
  const uint64_t known = content.size().value_or(1);
  if (!ram.contains(at, known)) throw room.too_small_for_kernel({.base = at, .size = known}, is_whole);
  const uint64_t available = ram.size - (at - ram.base);
  const auto memory = room.memory.slice(at, std::min(available, content.size().value_or(available)));
  const uint64_t size = content.read(0, *memory);
  std::byte one_more[1];
  if (!content.size() && size == available && content.read(size, one_more) != 0) {
    throw content.error(
        std::format("decompresses to more than the {} of RAM from {:#x}; give more --mem, or a sound file",
                    size_text(available), at.value));
  }
  return size;
}

LoadedKernel load_image(KernelContent& content, const BootRoom& room) {
  ImageHeader header;
  std::memcpy(&header, content.head().data(), sizeof(header));
  if ((header.flags & kFlagBigEndian) != 0) {
    throw content.error("is a big-endian kernel Image; rvvmm runs little-endian RISC-V kernels");
  }
  if (header.text_offset > kLargestRam || header.image_size > kLargestRam) {
    throw content.error(std::format("Image header asks for {:#x} bytes at offset {:#x}: the file is damaged",
                                    header.image_size, header.text_offset));
  }
  if (header.text_offset % kInstructionAlignment != 0) {
    throw content.error(
        std::format("Image header asks for offset {:#x}, which is odd; instructions have even "
                    "addresses: the file is damaged",
                    header.text_offset));
  }
  if (header.text_offset % kLinuxAlignment != 0) {
    log::line(log::Module::kLoader, room.odd_file,
              "kernel Image header asks for offset {:#x}, which is not a multiple of 2 MiB: Linux silently stops there",
              header.text_offset);
  }
  if (const uint32_t major = header.version >> 16; major != 0) {
    log::line(log::Module::kLoader, room.odd_file, "kernel Image header is version {}.{}, 0.2 is known: going on",
              major, header.version & 0xffff);
  }
  // RAM starts at a multiple of 2 MiB, so the kernel gets the offset from such a multiple that text_offset asks for.
  const GpaRange ram = room.memory.range();
  const Gpa at = ram.base + header.text_offset;
  const uint64_t needed = std::max(header.image_size, content.size().value_or(1));
  const bool is_whole = header.image_size != 0;
  if (!ram.contains(at, needed)) throw room.too_small_for_kernel({.base = at, .size = needed}, is_whole);
  const uint64_t in_file = read_all(content, room, at, is_whole);
  return {.entry = at, .range = {.base = at, .size = std::max(header.image_size, in_file)}, .range_is_whole = is_whole};
}

LoadedKernel load_blob(KernelContent& content, const BootRoom& room) {
  const Gpa at = room.memory.range().base + kDefaultTextOffset;
  const uint64_t size = read_all(content, room, at, false);
  if (size == 0) throw content.error("decompresses to nothing; give a RISC-V kernel image");
  return {.entry = at, .range = {.base = at, .size = size}, .range_is_whole = false};
}

/// Loads content that is plain or already decompressed.
LoadedKernel load_content(KernelContent& content, const BootRoom& room) {
  const Bytes head = content.head();
  if (is_image(head)) return load_image(content, room);
  if (is_elf(head)) return load_elf(content, room);
  for (const ForeignFormat& format : kForeignFormats) {
    if (has_at(head, format.offset, format.magic)) throw content.error(format.what);
  }
  if (is_portable_executable(head)) {
    throw content.error("is an EFI program without a RISC-V Image header; give a RISC-V kernel image");
  }
  const LoadedKernel blob = load_blob(content, room);
  log::line(log::Module::kLoader, room.odd_file, "{}",
            content
                .error(std::format("no known kernel format, loaded as it is at {:#x}; --kernel-format raw says that "
                                   "this is intended",
                                   blob.entry.value))
                .what());
  return blob;
}

LoadedKernel load_compressed(const InputFile& file, FilePart part, Compression compression, const BootRoom& room) {
  KernelContent content{file, part, compression};
  if (compression_of(content.head()) || is_zboot(content.head())) {
    throw file.error("is compressed more than once; decompress it and give the result");
  }
  return load_content(content, room);
}

LoadedKernel load_zboot(const InputFile& file, Bytes head, uint64_t file_size, const BootRoom& room) {
  if (head.size() < sizeof(ZbootHeader)) throw file.error("is cut short: an EFI zboot header has 64 bytes");
  ZbootHeader header;
  std::memcpy(&header, head.data(), sizeof(header));
  const FilePart payload{.offset = header.payload_offset, .size = header.payload_size};
  if (payload.size == 0 || payload.offset > file_size || payload.size > file_size - payload.offset) {
    throw file.error(
        std::format("EFI zboot payload of {} bytes at {} lies outside the file: it is cut short or damaged",
                    payload.size, payload.offset));
  }
  std::string name{header.compression, ::strnlen(header.compression, sizeof(header.compression))};
  if (name == "gzip") return load_compressed(file, payload, Compression::kGzip, room);
  if (name == "zstd" || name == "zstd22") return load_compressed(file, payload, Compression::kZstd, room);
  std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
  throw file.error(std::format("is an EFI zboot image compressed by \"{}\"; rvvmm reads gzip and zstd", name));
}

}  // namespace

LoadedKernel load_kernel(const InputFile& file, const BootRoom& room) {
  const FilePart whole{.offset = 0, .size = file.size()};
  KernelContent content{file, whole, Compression::kNone};
  const Bytes head = content.head();
  if (is_zboot(head)) return load_zboot(file, head, whole.size, room);
  if (const auto compression = compression_of(head)) return load_compressed(file, whole, *compression, room);
  return load_content(content, room);
}

LoadedKernel load_raw_kernel(const InputFile& file, const BootRoom& room) {
  KernelContent content{file, {.offset = 0, .size = file.size()}, Compression::kNone};
  return load_blob(content, room);
}

}  // namespace rvvmm
