// What is loaded for a guest, as it finds it in its RAM.
#include <gtest/gtest.h>

#include <csignal>
#include <format>

#include "kernel_files.hpp"
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

TEST_F(Loading, WhatIsOddIsSaidOnceAndRefusesNothing) {
  const TemporaryFile tree;
  VmProcess dump{{"--kernel", environment().guest("hello"), "--smp", "2", "--dump-dtb", tree.path()}};
  ASSERT_TRUE(dump.ends_with(0));
  const std::string append(1024, 'x');
  VmProcess vm{{"--kernel", environment().guest("reboot"), "--dtb", tree.path(), "--append", append}};
  for (const char key : {'c', 'o'}) {
    ASSERT_TRUE(vm.expect("guest: booted"));
    ASSERT_TRUE(vm.send({&key, 1}));
  }
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.error_lines(), 2U) << vm.errors();
  EXPECT_NE(vm.errors().find("the guest's command line has 1024 bytes; "), std::string::npos) << vm.errors();
  EXPECT_NE(vm.errors().find(": describes 2 harts, and --smp 1 makes 1\n"), std::string::npos) << vm.errors();
}

// As a shell's <(zcat ...) gives them: each can be read once, and the guest resets itself.
TEST_F(Loading, FilesFromPipesOutliveAReset) {
  const std::string script = std::format("exec '{}' --mem 64M --kernel <(cat '{}') --initrd <(echo initrd)",
                                         environment().rvvmm, environment().guest("reboot"));
  VmProcess vm{"/usr/bin/bash", {"-c", script}, Console::kPipe};
  ASSERT_TRUE(vm.expect("guest: booted")) << vm.errors();
  ASSERT_TRUE(vm.send("c"));
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0)) << vm.errors();
}

TEST_F(Loading, APipeWithoutEndIsRefused) {
  const std::string script =
      std::format("exec '{}' --kernel '{}' --dtb <(cat /dev/zero)", environment().rvvmm, environment().guest("hello"));
  VmProcess vm{"/usr/bin/bash", {"-c", script}, Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(65));
  EXPECT_NE(vm.errors().find("is a pipe with more than 2 MiB in it; give a file\n"), std::string::npos) << vm.errors();
}

constexpr const char* kLoads = "debug devices: uart at ";  // the last line before files are loaded

/// A kernel that takes seconds to decompress, and is too large for RAM then.
class SlowLoading : public Loading {
 protected:
  /// Members of gzip(1), the same again and again, which takes less time to make.
  std::string bomb() const {
    const std::string zeroes(8 << 20, '\0');
    std::string content = gzip(patched(zeroes, 0, read_file(environment().guest("hello_image.bin"))));
    const std::string more = gzip(zeroes);
    for (int i = 0; i < 127; ++i)
      content += more;
    return content;
  }
  std::vector<std::string> options() const {
    return {"--kernel", kernel_.path(), "--mem", "700M", "--log-level", "devices=debug,vmm=info"};
  }
  const TemporaryFile kernel_{bomb()};
};

TEST_F(SlowLoading, EndsByTheFirstSignal) {
  for (const int number : {SIGTERM, SIGINT}) {
    VmProcess vm{options(), Console::kNullInput};
    ASSERT_TRUE(vm.says(kLoads));
    vm.signal(number);
    EXPECT_TRUE(vm.ends_with(128 + number)) << vm.errors();
    EXPECT_TRUE(vm.says(std::format("info vmm: signal {}: stopping\n", number)));
  }
}

TEST_F(SlowLoading, EndsByTheKey) {
  VmProcess vm{options(), Console::kPty};
  ASSERT_TRUE(vm.says(kLoads));
  ASSERT_TRUE(vm.send("\x01x"));
  EXPECT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_NE(vm.terminal_attributes().c_lflag & ICANON, 0U);
}

}  // namespace
}  // namespace rvvmm::test::loading_test
