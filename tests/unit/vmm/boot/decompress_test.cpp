#include "vmm/boot/decompress.hpp"

#include <gmock/gmock.h>

#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::decompress_test {
namespace {

using namespace rvvmm::testing;
using ::testing::EndsWith;
using ::testing::HasSubstr;

struct Codec {
  const char* name;
  Compression compression;
  std::string (*compress)(std::string_view);
};

std::string plain(std::string_view content) {
  return std::string{content};
}

/// All that the stream holds, read `step` bytes at a time.
std::string contents(std::string_view file_content, Compression compression, size_t step) {
  const MemoryFile content{file_content};
  const InputFile file{"--kernel", content.path(), "a kernel"};
  const auto stream = open_stream(file, {.offset = 0, .size = file.size()}, compression);
  std::string out;
  for (;;) {
    std::string part(step, '\0');
    const size_t got = stream->read(std::as_writable_bytes(std::span{part}));
    out.append(part, 0, got);
    if (got < step) return out;
  }
}

class AnyStream : public ::testing::TestWithParam<Codec> {};
class CompressedStream : public ::testing::TestWithParam<Codec> {
 protected:
  static std::string refusal(std::string_view content) {
    return bad_input([&] { contents(content, GetParam().compression, 4096); });
  }
};

constexpr Codec kPlain{"plain", Compression::kNone, plain};
constexpr Codec kGzip{"gzip", Compression::kGzip, gzip};
constexpr Codec kZstd{"zstd", Compression::kZstd, zstd};
const auto kCodecName = [](const auto& info) { return std::string{info.param.name}; };
INSTANTIATE_TEST_SUITE_P(All, AnyStream, ::testing::Values(kPlain, kGzip, kZstd), kCodecName);
INSTANTIATE_TEST_SUITE_P(All, CompressedStream, ::testing::Values(kGzip, kZstd), kCodecName);

TEST_P(AnyStream, GivesBackTheContentInWhateverPieces) {
  const std::string content = pattern(700'000);
  const std::string file = GetParam().compress(content);
  for (const size_t step : {size_t{1} << 20, size_t{700'000}, size_t{4096}, size_t{999}}) {
    EXPECT_EQ(contents(file, GetParam().compression, step), content) << step;
  }
}

// A few bytes can stand for terabytes, so what counts is what comes out.
TEST_P(AnyStream, LooksOftenWhetherToGoOn) {
  static constexpr size_t kSize = 32_MiB;
  const MemoryFile made{GetParam().compress(std::string(kSize, '\0'))};
  InputFile file{"--kernel", made.path(), "a kernel"};
  size_t looks = 0;
  file.set_checkpoint([&looks] { ++looks; });
  const auto read_all = [&file] {
    std::string out(kSize, 'x');
    const auto stream = open_stream(file, {.offset = 0, .size = file.size()}, GetParam().compression);
    EXPECT_EQ(stream->read(std::as_writable_bytes(std::span{out})), kSize);
  };
  read_all();
  EXPECT_GE(looks, kSize / InputFile::kCheckpointBytes);
  struct Enough {};
  file.set_checkpoint([] { throw Enough{}; });
  EXPECT_THROW(read_all(), Enough);
  const auto skip_all = [&file] {
    open_stream(file, {.offset = 0, .size = file.size()}, GetParam().compression)->seek(kSize);
  };
  if (GetParam().compression != Compression::kNone) {
    EXPECT_THROW(skip_all(), Enough);
  }
}

TEST_P(AnyStream, SeekSkipsForward) {
  const std::string content = pattern(300'000);
  const MemoryFile made{GetParam().compress(content)};
  const InputFile file{"--kernel", made.path(), "a kernel"};
  const auto stream = open_stream(file, {.offset = 0, .size = file.size()}, GetParam().compression);
  std::string part(5, '\0');
  ASSERT_TRUE(stream->seek(200'000));
  EXPECT_EQ(stream->read(std::as_writable_bytes(std::span{part})), 5U);
  EXPECT_EQ(part, content.substr(200'000, 5));
}

TEST_P(AnyStream, PartOfAFileEndsWhereThePartEnds) {
  const std::string inner = GetParam().compress("content");
  const MemoryFile made{"before" + inner + "behind"};
  const InputFile file{"--kernel", made.path(), "a kernel"};
  const auto stream = open_stream(file, {.offset = 6, .size = inner.size()}, GetParam().compression);
  std::string part(100, '\0');
  EXPECT_EQ(stream->read(std::as_writable_bytes(std::span{part})), 7U);
  EXPECT_EQ(part.substr(0, 7), "content");
}

TEST_P(CompressedStream, DoesNotSeekBack) {
  const MemoryFile made{GetParam().compress("content")};
  const InputFile file{"--kernel", made.path(), "a kernel"};
  const auto stream = open_stream(file, {.offset = 0, .size = file.size()}, GetParam().compression);
  EXPECT_TRUE(stream->seek(3));
  EXPECT_TRUE(stream->seek(3));
  EXPECT_FALSE(stream->seek(2));
}

TEST_P(CompressedStream, PartsOneBehindTheOtherAreOneContent) {
  const auto compress = GetParam().compress;
  EXPECT_EQ(contents(compress("one ") + compress("two"), GetParam().compression, 64), "one two");
}

TEST_P(CompressedStream, EveryCutIsAnError) {
  const std::string whole = GetParam().compress(pattern(300));
  for (size_t size = 4; size < whole.size(); ++size) {
    EXPECT_THAT(refusal(whole.substr(0, size)), HasSubstr("cut short")) << size;
  }
}

TEST_P(CompressedStream, CutInALongStreamIsAnError) {
  const std::string whole = GetParam().compress(pattern(900'000));
  EXPECT_THAT(refusal(whole.substr(0, 600'000)),
              EndsWith(std::format("its {} stream is cut short: the file is not whole", GetParam().name)));
}

TEST_P(CompressedStream, EveryDamagedByteOfTheChecksumIsAnError) {
  const std::string whole = GetParam().compress(pattern(300));
  std::string damaged = whole;
  const size_t at = GetParam().compression == Compression::kGzip ? whole.size() - 6 : whole.size() - 2;
  damaged[at] = static_cast<char>(damaged[at] ^ 1);
  EXPECT_THAT(refusal(damaged), HasSubstr(std::format("its {} stream is corrupt (", GetParam().name)));
}

TEST_P(CompressedStream, GarbageBehindTheEndIsAnError) {
  const std::string whole = GetParam().compress("content");
  EXPECT_THAT(refusal(whole + "!"), HasSubstr(std::format("1 bytes follow the end of its {} stream", GetParam().name)));
  EXPECT_THAT(refusal(whole + std::string(5000, '\0') + "!"), HasSubstr("bytes follow the end"));
}

// A frame of one block, "code", and a window of 2^(10 + exponent) bytes: RFC 8878, 3.1.1.
TEST(ZstdStream, WindowsUpTo128MiBAreTaken) {
  const auto frame = [](int exponent) {
    return std::string{"\x28\xb5\x2f\xfd\0", 5} + static_cast<char>(exponent << 3) + std::string{"\x21\0\0code", 7};
  };
  EXPECT_EQ(contents(frame(17), Compression::kZstd, 4096), "code");
  EXPECT_THAT(bad_input([&] { contents(frame(18), Compression::kZstd, 4096); }),
              HasSubstr("its zstd stream is corrupt (Frame requires too much memory"));
}

TEST(GzipStream, ZerosBehindTheEndArePadding) {
  EXPECT_EQ(contents(gzip("content") + std::string(1, '\0'), Compression::kGzip, 64), "content");
  EXPECT_EQ(contents(gzip("content") + std::string(600'000, '\0'), Compression::kGzip, 64), "content");
}

}  // namespace
}  // namespace rvvmm::decompress_test
