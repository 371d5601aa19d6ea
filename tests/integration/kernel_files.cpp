// Makes kernel files of every format from one Image.
#include "kernel_files.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <stdexcept>

namespace rvvmm::test {

std::string gzip(std::string_view content) {
  z_stream stream{};
  // 16 more than the window's size asks for gzip's header (zlib.h, deflateInit2).
  if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib");
  std::string input{content};
  std::string output(deflateBound(&stream, input.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("zlib");
  output.resize(stream.total_out);
  deflateEnd(&stream);
  return output;
}

std::string zstd(std::string_view content) {
  std::string output(ZSTD_compressBound(content.size()), '\0');
  const size_t size = ZSTD_compress(output.data(), output.size(), content.data(), content.size(), 3);
  if (ZSTD_isError(size) != 0) throw std::runtime_error("zstd");
  output.resize(size);
  return output;
}

std::string little_endian(uint64_t value, size_t width) {
  std::string bytes;
  for (size_t i = 0; i < width; ++i)
    bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

std::string patched(std::string content, size_t offset, std::string_view bytes) {
  content.resize(std::max(content.size(), offset + bytes.size()), '\0');
  return content.replace(offset, bytes.size(), bytes);
}

std::string zboot(std::string_view payload, std::string_view compression) {
  constexpr size_t kHeaderSize = 0x200;
  std::string image(kHeaderSize, '\0');
  image = patched(image, 0, std::string_view{"MZ\0\0zimg", 8});
  image = patched(image, 8, little_endian(kHeaderSize, 4));
  image = patched(image, 12, little_endian(payload.size(), 4));
  image = patched(image, 24, compression);
  image = patched(image, 0x38, "RSC\x05");
  image = patched(image, 0x3c, little_endian(0x40, 4));
  return image + std::string{payload};
}

std::string x86_kernel() {
  std::string image(8192, '\0');
  image = patched(image, 0x1fe, "\x55\xaa");
  return patched(image, 0x202, "HdrS");
}

std::string arm64_kernel() {
  return patched(std::string(8192, '\0'), 0x38, "ARM\x64");
}

}  // namespace rvvmm::test
