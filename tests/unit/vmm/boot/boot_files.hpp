// Files and kernels for the loader's tests, made in memory.
#pragma once

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/guest_memory.hpp"
#include "pattern.hpp"
#include "vmm/host/input_file.hpp"
#include "vmm/machine/board.hpp"

namespace rvvmm::testing {

/// A file without a name in any directory, that its path opens all the same.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : fd_(::memfd_create("test", MFD_CLOEXEC)) {
    EXPECT_EQ(::write(fd_.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  std::string path() const { return std::format("/proc/self/fd/{}", fd_.get()); }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

/// The line of the SetupError that `action` throws; a test failure if it throws none, or not for bad input.
template <typename Action>
std::string bad_input(Action action) {
  try {
    action();
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    EXPECT_EQ(std::string_view{error.what()}.find('\n'), std::string_view::npos);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

inline std::string gzip(std::string_view content) {
  z_stream zlib{};
  EXPECT_EQ(deflateInit2(&zlib, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&zlib, content.size()) + 32, '\0');
  std::string in{content};
  zlib.next_in = reinterpret_cast<Bytef*>(in.data());
  zlib.avail_in = static_cast<uInt>(in.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&zlib, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - zlib.avail_out);
  deflateEnd(&zlib);
  return out;
}

inline std::string zstd(std::string_view content) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress2(context, out.data(), out.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return out;
}

template <typename T>
void put(std::string& content, size_t offset, T value) {
  if (content.size() < offset + sizeof(T)) content.resize(offset + sizeof(T));
  std::memcpy(content.data() + offset, &value, sizeof(T));
}

struct ImageFields {
  uint64_t text_offset = 0x20'0000;
  uint64_t image_size = 0;
  uint64_t flags = 0;
};

/// A RISC-V Image of `size` bytes, header included.
inline std::string image(size_t size, ImageFields fields = {}) {
  std::string out = pattern(size);
  std::memset(out.data(), 0, 64);
  put(out, 0x08, fields.text_offset);
  put(out, 0x10, fields.image_size);
  put(out, 0x18, fields.flags);
  put(out, 0x20, uint32_t{2});
  std::memcpy(out.data() + 0x30, "RISCV\0\0\0RSC\x05", 12);
  return out;
}

struct Segment {
  uint64_t paddr = 0;
  std::string content;
  uint64_t bss = 0;
  uint64_t vaddr = 0;
};

/// An ELF64 RISC-V executable with these segments, one behind the other in the file from byte 0x1000.
inline std::string elf(const std::vector<Segment>& segments, uint64_t entry) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_RISCV;
  header.e_entry = entry;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(segments.size());
  std::string out(0x1000, '\0');
  put(out, 0, header);
  for (size_t i = 0; i < segments.size(); ++i) {
    Elf64_Phdr entry_header{};
    entry_header.p_type = PT_LOAD;
    entry_header.p_offset = out.size();
    entry_header.p_paddr = segments[i].paddr;
    entry_header.p_vaddr = segments[i].vaddr != 0 ? segments[i].vaddr : segments[i].paddr;
    entry_header.p_filesz = segments[i].content.size();
    entry_header.p_memsz = segments[i].content.size() + segments[i].bss;
    out += segments[i].content;
    put(out, sizeof(header) + i * sizeof(Elf64_Phdr), entry_header);
  }
  return out;
}

/// An EFI zboot file around a payload that is already compressed.
inline std::string zboot(std::string_view payload, std::string_view compression) {
  std::string out(0x1000, '\0');
  std::memcpy(out.data(), "MZ\0\0zimg", 8);
  put(out, 8, uint32_t{0x1000});
  put(out, 12, static_cast<uint32_t>(payload.size()));
  std::memcpy(out.data() + 24, compression.data(), compression.size());
  return out.append(payload);
}

inline std::string text_at(const GuestMemory& memory, Gpa at, uint64_t size) {
  const auto bytes = memory.slice(at, size);
  if (!bytes) return "<not in RAM>";
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

}  // namespace rvvmm::testing
