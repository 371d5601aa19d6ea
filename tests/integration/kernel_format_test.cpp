// Every kernel format boots the same little guest.
#include <gtest/gtest.h>

#include "kernel_files.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::kernel_format_test {
namespace {

class KernelFormat : public KvmTest {
 protected:
  std::string image() const { return read_file(environment().guest("hello_image.bin")); }

  ::testing::AssertionResult boots(const std::string& content) {
    const TemporaryFile file{content};
    VmProcess vm{{"--kernel", file.path(), "--mem", "64M"}};
    if (auto ended = vm.ends_with(0); !ended) return ended;
    if (vm.output().find("guest: pass") != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "no \"guest: pass\"\n" << vm.output() << vm.errors();
  }
};

TEST_F(KernelFormat, Image) {
  EXPECT_TRUE(boots(image()));
}
TEST_F(KernelFormat, ImageGz) {
  EXPECT_TRUE(boots(gzip(image())));
}
TEST_F(KernelFormat, ImageZstd) {
  EXPECT_TRUE(boots(zstd(image())));
}
TEST_F(KernelFormat, EfiZbootGzip) {
  EXPECT_TRUE(boots(zboot(gzip(image()), "gzip")));
}
TEST_F(KernelFormat, EfiZbootZstd) {
  EXPECT_TRUE(boots(zboot(zstd(image()), "zstd22")));
}
TEST_F(KernelFormat, Elf) {
  EXPECT_TRUE(boots(read_file(environment().guest("hello"))));
}

TEST_F(KernelFormat, HeaderlessBlobAndItIsSaid) {
  VmProcess vm{{"--kernel", environment().guest("hello.bin"), "--mem", "64M", "--log-level", "loader=info"}};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_NE(vm.output().find("guest: pass"), std::string::npos) << vm.output();
  EXPECT_NE(vm.errors().find("--kernel-format raw"), std::string::npos) << "nothing says that the file has no header";
}

TEST_F(KernelFormat, BlobThatIsSaidToBeOneBootsWithoutAWord) {
  VmProcess vm{{"--kernel", environment().guest("hello.bin"), "--kernel-format", "raw", "--mem", "64M"}};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.errors(), "");
}

}  // namespace
}  // namespace rvvmm::test::kernel_format_test
