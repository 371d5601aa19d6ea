#include "vmm/host/input_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::input_file_test {
namespace {

using ::rvvmm::testing::bad_input;
using ::rvvmm::testing::MemoryFile;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class InputFileInFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rvvmm-input-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::system(std::format("rm -rf {}", folder_).c_str()); }

  std::string at(std::string_view name) const { return std::format("{}/{}", folder_, name); }
  static std::string refusal(const std::string& path) {
    return bad_input([&] { InputFile{"--kernel", path, "a RISC-V kernel image"}; });
  }

  std::string folder_;
};

TEST_F(InputFileInFolder, MissingFileIsNamed) {
  EXPECT_EQ(refusal(at("none")), std::format("--kernel {}: no such file; give a RISC-V kernel image", at("none")));
}

TEST_F(InputFileInFolder, FileUsedAsAFolderIsNamed) {
  std::ofstream{at("file")} << "x";
  EXPECT_THAT(refusal(at("file/kernel")), HasSubstr("a part of the path is not a directory"));
}

TEST_F(InputFileInFolder, UnreadableFileIsNamed) {
  std::ofstream{at("secret")} << "x";
  ASSERT_EQ(::chmod(at("secret").c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
  // Root may read everything: somebody else tries, in a child.
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) ::_exit(2);
    EXPECT_EQ(refusal(at("secret")),
              std::format("--kernel {}: no permission to read it; give a RISC-V kernel image", at("secret")));
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(InputFileInFolder, EmptyFileIsRefused) {
  std::ofstream{at("empty")};
  EXPECT_EQ(refusal(at("empty")), std::format("--kernel {}: is empty; give a RISC-V kernel image", at("empty")));
}

TEST_F(InputFileInFolder, DirectoryIsRefused) {
  EXPECT_EQ(refusal(folder_), std::format("--kernel {}: is a directory; give a RISC-V kernel image", folder_));
}

TEST_F(InputFileInFolder, FifoWithoutWriterIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(refusal(at("fifo")),
            std::format("--kernel {}: is a FIFO that nobody has written to; give a RISC-V kernel image", at("fifo")));
}

TEST(InputFile, PipeIsReadToItsEndAndCanBeReadAgain) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd reader{ends[0]};
  Fd writer{ends[1]};
  const std::string content = pattern(1'000'000);
  std::thread slow([&] {
    for (size_t sent = 0; sent < content.size(); sent += 100'000)
      EXPECT_EQ(::write(writer.get(), content.data() + sent, 100'000), 100'000);
    writer.reset();
  });
  const InputFile file{"--kernel", std::format("/proc/self/fd/{}", reader.get()), "a kernel"};
  slow.join();
  ASSERT_EQ(file.size(), content.size());
  for (int boot = 0; boot < 2; ++boot) {
    std::string read(content.size(), '\0');
    file.read(0, std::as_writable_bytes(std::span{read}));
    EXPECT_TRUE(read == content);
  }
}

TEST_F(InputFileInFolder, SocketIsRefused) {
  const Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  at("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_THAT(refusal(at("socket")), HasSubstr("is a socket; give a RISC-V kernel image"));
}

TEST_F(InputFileInFolder, ReplacedPathStillReadsTheOldFile) {
  std::ofstream{at("kernel")} << "old";
  const InputFile file{"--kernel", at("kernel"), "a kernel"};
  std::ofstream{at("new")} << "new";
  ASSERT_EQ(::rename(at("new").c_str(), at("kernel").c_str()), 0);
  std::byte bytes[3];
  file.read(0, bytes);
  EXPECT_EQ(std::memcmp(bytes, "old", 3), 0);
}

TEST(InputFile, CharacterDeviceIsRefused) {
  EXPECT_EQ(bad_input([] { InputFile("--kernel", "/dev/zero", "a RISC-V kernel image"); }),
            "--kernel /dev/zero: is a character device; give a RISC-V kernel image");
}

TEST(InputFile, ReadsFromTheMiddle) {
  const MemoryFile content{"0123456789"};
  const InputFile file{"--initrd", content.path(), "an initrd"};
  std::byte bytes[4];
  file.read(6, bytes);
  EXPECT_EQ(file.size(), 10U);
  EXPECT_EQ(std::memcmp(bytes, "6789", 4), 0);
}

TEST(InputFile, ReadBehindTheEndIsAnErrorThatNamesTheFile) {
  const MemoryFile content{"0123456789"};
  const InputFile file{"--initrd", content.path(), "an initrd"};
  std::byte bytes[4];
  EXPECT_THAT(bad_input([&] { file.read(7, bytes); }),
              StartsWith(std::format("--initrd {}: ends at byte 10", content.path())));
}

TEST(InputFile, FileThatWasEmptiedSinceIsAnError) {
  const MemoryFile content{"x"};
  const InputFile file{"--initrd", content.path(), "an initrd"};
  ASSERT_EQ(::ftruncate(content.fd(), 0), 0);
  EXPECT_THAT(bad_input([&] { file.size(); }), HasSubstr("is empty"));
}

TEST(InputFile, ControlCharactersOfThePathDoNotReachTheTerminal) {
  EXPECT_THAT(bad_input([] { InputFile("--dtb", "/no\n\x1b[2J", "a tree"); }), StartsWith("--dtb /no??[2J: no such"));
}

}  // namespace
}  // namespace rvvmm::input_file_test
