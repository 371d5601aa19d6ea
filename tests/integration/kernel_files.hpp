// Kernel files made at test time from the bare-metal guests: compressed, wrapped, and broken ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rvvmm::test {

std::string gzip(std::string_view content);
std::string zstd(std::string_view content);
/// An EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S) around a compressed Image.
std::string zboot(std::string_view payload, std::string_view compression);
/// `content` with `bytes` at `offset`.
std::string patched(std::string content, size_t offset, std::string_view bytes);
/// A little-endian number of `width` bytes.
std::string little_endian(uint64_t value, size_t width);
/// A file that has nothing but another architecture's kernel magic: x86 bzImage, arm64 Image.
std::string x86_kernel();
std::string arm64_kernel();

}  // namespace rvvmm::test
