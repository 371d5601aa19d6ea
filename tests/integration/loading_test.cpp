// What is loaded for a guest, as it finds it in its RAM.
#include <gtest/gtest.h>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::loading_test {
namespace {

class Loading : public KvmTest {};

TEST_F(Loading, ADeviceTreeHasRoomToBeEditedWhereItLies) {
  const TemporaryFile initrd{std::string(100'000, 'i')};
  const TemporaryFile tree;
  std::vector<std::string> options{"--kernel", environment().guest("dtb_edit"), "--initrd", initrd.path()};
  VmProcess dump{[&] {
    auto with_dump = options;
    with_dump.insert(with_dump.end(), {"--dump-dtb", tree.path()});
    return with_dump;
  }()};
  ASSERT_TRUE(dump.ends_with(0));
  // With 4 MiB the initrd lies right behind the tree.
  for (const char* mem : {"64M", "4M"}) {
    options.insert(options.end(), {"--mem", mem});
    VmProcess made{options};
    EXPECT_TRUE(made.ends_with(0)) << mem;
    options.insert(options.end(), {"--dtb", tree.path()});
    VmProcess given{options};
    EXPECT_TRUE(given.ends_with(0)) << mem;
    options.resize(4);
  }
}

}  // namespace
}  // namespace rvvmm::test::loading_test
