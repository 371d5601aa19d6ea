#include "vmm/watch/symbols_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::symbols_file_test {
namespace {

using testing::bad_input;
using testing::MemoryFile;

TEST(SymbolsFile, IsReadAsAWhole) {
  const MemoryFile map{"80200000 T _start\n"};
  EXPECT_EQ(read_symbols(map.path()).name_of(0x80200004), "_start+0x4");
}

TEST(SymbolsFile, MoreThan2GiBAreRefused) {
  const MemoryFile large{"80200000 T _start\n"};
  ASSERT_EQ(::ftruncate(large.fd(), (off_t{2} << 30) + 1), 0);
  EXPECT_EQ(bad_input([&] { read_symbols(large.path()); }),
            "--symbols " + large.path() + ": is too large; give the System.map of the guest's kernel");
}

}  // namespace
}  // namespace rvvmm::symbols_file_test
