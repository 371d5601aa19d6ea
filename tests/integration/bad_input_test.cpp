// What a user can get wrong: one line on stderr that names it, a documented status, and nothing left behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "host_tap.hpp"
#include "kernel_files.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::bad_input_test {
namespace {

constexpr int kUsage = 64;
constexpr int kBadInput = 65;
constexpr int kHostUnsupported = 69;
constexpr int kInternal = 70;

// What is done to a process before it becomes rvvmm; a step that fails ends it with a status that no test expects.
void require(bool done) {
  if (!done) _exit(126);
}
void own_mounts() {
  require(unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
}
void hide_devices() {
  own_mounts();
  require(mount("none", "/dev", "tmpfs", 0, nullptr) == 0);
}
// Root may open everything until it lacks the capability for that.
void take_permission_away() {
  hide_devices();
  require(mknod("/dev/kvm", S_IFCHR, makedev(10, 232)) == 0 && prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == 0);
}
void put_null_in_place_of_kvm() {
  own_mounts();
  require(mount("/dev/null", "/dev/kvm", nullptr, MS_BIND, nullptr) == 0);
}

void make_devices_without_vhost() {
  hide_devices();
  require(mknod("/dev/kvm", S_IFCHR | 0600, makedev(10, 232)) == 0 && mkdir("/dev/net", 0700) == 0 &&
          mknod("/dev/net/tun", S_IFCHR | 0600, makedev(10, 200)) == 0);
}
void put_null_in_place_of_vhost() {
  make_devices_without_vhost();
  require(mknod("/dev/vhost-net", S_IFCHR | 0600, makedev(1, 3)) == 0);
}

void allow_300_files() {
  const rlimit limit{.rlim_cur = 300, .rlim_max = 300};
  require(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
void allow_32_files() {
  const rlimit limit{.rlim_cur = 32, .rlim_max = 32};
  require(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
// Room for the guest's RAM, and for the stacks of some tens of threads.
void allow_500_mib() {
  const rlimit limit{.rlim_cur = 500 << 20, .rlim_max = 500 << 20};
  require(setrlimit(RLIMIT_AS, &limit) == 0);
}

class BadInput : public KvmTest {
 protected:
  /// One line that has `words`, and `status`.
  void expect_refused(const std::vector<std::string>& arguments, int status, const std::vector<std::string>& words,
                      void (*prepare)() = nullptr) {
    VmProcess vm{arguments, Console::kNullInput, prepare};
    EXPECT_TRUE(vm.ends_with(status));
    EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
    for (const std::string& word : words) {
      EXPECT_NE(vm.errors().find(word), std::string::npos) << '"' << word << "\" is not in: " << vm.errors();
    }
    EXPECT_EQ(vm.output(), "");
  }

  void expect_kernel_refused(const std::string& content, const std::vector<std::string>& words = {}) {
    const TemporaryFile file{content};
    std::vector<std::string> all{file.path()};
    all.insert(all.end(), words.begin(), words.end());
    expect_refused({"--kernel", file.path(), "--mem", "64M"}, kBadInput, all);
  }

  std::string hello() const { return environment().guest("hello"); }
  std::string image() const { return read_file(environment().guest("hello_image.bin")); }
  std::string elf() const { return read_file(hello()); }
};

TEST_F(BadInput, NoKernel) {
  expect_refused({}, kUsage, {"--kernel"});
}
TEST_F(BadInput, UnknownOptionSuggestsTheNearest) {
  expect_refused({"--kernal", hello()}, kUsage, {"--kernal", "--kernel"});
}
TEST_F(BadInput, UnknownConfigKeySuggestsTheNearest) {
  const TemporaryFile config{"kernel=" + hello() + "\nsmpp=2\n"};
  expect_refused({"--config", config.path()}, kUsage, {"smpp", "smp"});
}
TEST_F(BadInput, MissingConfig) {
  expect_refused({"--config", "/nonexistent"}, kUsage, {"/nonexistent"});
}

TEST_F(BadInput, WrongNumbers) {
  for (const char* smp : {"0", "-1", "1000000000", "two", ""}) {
    expect_refused({"--kernel", hello(), "--smp", smp}, kUsage, {"smp"});
  }
  for (const char* mem : {"0", "-1", "65537K", "64Q", "99999999999G", ""}) {
    expect_refused({"--kernel", hello(), "--mem", mem}, kUsage, {"mem"});
  }
  expect_refused({"--kernel", hello(), "--irqchip", "gic"}, kUsage, {"irqchip", "gic"});
  expect_refused({"--kernel", hello(), "--log-level", "kvm=loud"}, kUsage, {"log-level", "loud"});
  expect_refused({"--kernel", hello(), "--log-level", "pci=debug"}, kUsage, {"log-level", "pci"});
  expect_refused({"--kernel", hello(), "--cpu-affinity", "0,x"}, kUsage, {"cpu-affinity"});
}

TEST_F(BadInput, SbiExtensionsThatAreNone) {
  expect_refused({"--kernel", hello(), "--sbi", "dbnc=off"}, kUsage, {"--sbi: \"dbnc\"", "did you mean dbcn?"});
  expect_refused({"--kernel", hello(), "--sbi", "dbcn"}, kUsage, {"--sbi: \"dbcn\"", "dbcn=on or dbcn=off"});
  expect_refused({"--kernel", hello(), "--sbi", "dbcn=off,dbcn=off"}, kUsage, {"--sbi: dbcn given twice"});
  expect_refused({"--list", "pci"}, kUsage, {"--list: \"pci\"", "give sbi"});
  const TemporaryFile config{"kernel=" + hello() + "\nsbi=sat=off\n"};
  expect_refused({"--config", config.path()}, kUsage, {":2: sbi: \"sat\"", "did you mean sta?"});
}

TEST_F(BadInput, SbiExtensionsThatTheHostLacks) {
  if (environment().host_kernel.empty()) GTEST_SKIP() << "nobody said what this host has";
  // The emulated hosts have no Sscofpmf, and their kernels no CONFIG_RISCV_SBI_V01.
  expect_refused({"--kernel", hello(), "--sbi", "pmu=on"}, kHostUnsupported,
                 {"--sbi pmu=on: KVM of this host does not"});
  expect_refused({"--kernel", hello(), "--sbi", "legacy=on"}, kHostUnsupported, {"--sbi legacy=on: ", "do not find"});
}

TEST_F(BadInput, MemorySmallerThanTheKernel) {
  expect_refused({"--kernel", hello(), "--mem", "2M"}, kBadInput, {"--mem 2M"});
}

TEST_F(BadInput, TheLeastMemoryIsAdvisedAndDoes) {
  VmProcess refused{{"--kernel", hello(), "--mem", "1M"}, Console::kNullInput};
  EXPECT_TRUE(refused.ends_with(kBadInput));
  const std::string line = refused.errors();
  const size_t advice = line.rfind("--mem ");
  ASSERT_NE(advice, std::string::npos) << line;
  const std::string least = line.substr(advice + 6, line.find('\n') - advice - 6);
  EXPECT_TRUE(least.ends_with('K')) << line;
  VmProcess vm{{"--kernel", hello(), "--mem", least}, Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(0)) << least;
  expect_refused({"--kernel", hello(), "--mem", std::to_string(std::stoul(least) - 4) + "K"}, kBadInput, {"--mem"});
}

TEST_F(BadInput, MoreMemoryThanTheHostCanMap) {
  expect_refused({"--kernel", hello(), "--mem", "16777215T"}, kUsage, {"--mem 16777215T: "});
  // What the line advises is taken. A host whose address space is smaller refuses to map, and advises nothing.
  VmProcess refused{{"--kernel", hello(), "--mem", "200T"}, Console::kNullInput};
  EXPECT_TRUE(refused.ends_with(kUsage));
  const std::string line = refused.errors();
  EXPECT_TRUE(line.starts_with("rvvmm: --mem 200T: ")) << line;
  const size_t advice = line.rfind("--mem ");
  if (advice == line.find("--mem ")) {
    EXPECT_EQ(environment().host_kernel, "") << "the emulated hosts map as much as KVM takes: " << line;
    return;
  }
  std::string most = line.substr(advice + 6);
  most.pop_back();
  VmProcess largest{{"--kernel", hello(), "--mem", most}, Console::kNullInput};
  EXPECT_TRUE(largest.ends_with(0)) << most;
}

TEST_F(BadInput, MoreHartsThanTheHostHasRoomFor) {
  expect_refused({"--kernel", hello(), "--smp", "512"}, kUsage,
                 {"--smp 512: needs ", "this host allows 300 (ulimit -Hn); give at most --smp 2"}, allow_300_files);
  expect_refused({"--kernel", hello(), "--mem", "64M", "--smp", "128"}, kInternal,
                 {"--smp 128: this host has room for ", "ulimit -v"}, allow_500_mib);
  // Said before KVM has made them all, which takes it seconds.
  expect_refused({"--kernel", hello(), "--irqchip", "aia", "--smp", "1000"}, kUsage,
                 {"--smp 1000: an in-kernel AIA has room for 999 harts; give at most --smp 999, or --irqchip plic"});
}

/// A cgroup of the host that allows 64 MiB of memory and no swap. Needs root.
class SmallCgroup {
 public:
  SmallCgroup() {
    const std::string root = kRoot;
    if (access((root + "/cgroup.controllers").c_str(), F_OK) != 0) mount("none", kRoot, "cgroup2", 0, nullptr);
    write_to(root + "/cgroup.subtree_control", "+memory");
    mkdir(kFolder, 0755);
    exists_ = write_to(kFolder + std::string{"/memory.max"}, "67108864");
    write_to(kFolder + std::string{"/memory.swap.max"}, "0");
  }
  ~SmallCgroup() { rmdir(kFolder); }
  SmallCgroup(const SmallCgroup&) = delete;
  SmallCgroup& operator=(const SmallCgroup&) = delete;

  explicit operator bool() const noexcept { return exists_; }
  /// The calling process becomes one of it.
  static void enter() { require(write_to(kFolder + std::string{"/cgroup.procs"}, "0")); }

 private:
  static constexpr const char* kRoot = "/sys/fs/cgroup";
  static constexpr const char* kFolder = "/sys/fs/cgroup/rvvmm-test";

  static bool write_to(const std::string& file, std::string_view text) {
    const Fd fd{open(file.c_str(), O_WRONLY | O_CLOEXEC)};
    return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  bool exists_ = false;
};

TEST_F(BadInput, MoreMemoryAtOnceThanACgroupAllows) {
  const SmallCgroup cgroup;
  if (!cgroup) GTEST_SKIP() << "no cgroup can be made here";
  expect_refused({"--kernel", hello(), "--mem", "128M,prefault"}, kUsage,
                 {"--mem 128M,prefault: the memory cgroup allows 64 MiB (/sys/fs/cgroup/rvvmm-test/memory.max); give "
                  "less, or raise that limit"},
                 SmallCgroup::enter);
}

TEST_F(BadInput, TooFewDescriptorsForAnything) {
  expect_refused({"--kernel", hello(), "--smp", "4"}, kUsage,
                 {"even one hart without disks and networks needs ", "this host allows 32 (ulimit -Hn); raise that"},
                 allow_32_files);
}

TEST_F(BadInput, FilesThatAreNone) {
  expect_refused({"--kernel", "/nonexistent"}, kBadInput, {"/nonexistent"});
  expect_refused({"--kernel", "/tmp"}, kBadInput, {"/tmp", "directory"});
  expect_refused({"--kernel", "/dev/zero"}, kBadInput, {"/dev/zero"});
  expect_refused({"--kernel", "/dev/null"}, kBadInput, {"/dev/null"});
  expect_kernel_refused("", {"empty"});
  const TemporaryFile fifo;
  unlink(fifo.path().c_str());
  ASSERT_EQ(mkfifo(fifo.path().c_str(), 0600), 0);
  expect_refused({"--kernel", fifo.path()}, kBadInput, {fifo.path()});
  expect_refused({"--kernel", hello(), "--initrd", "/nonexistent"}, kBadInput, {"/nonexistent"});
  expect_refused({"--kernel", hello(), "--dtb", hello()}, kBadInput, {hello()});
  expect_refused({"--kernel", hello(), "--dump-dtb", "/nonexistent/file"}, kUsage, {"/nonexistent/file"});
  expect_refused({"--kernel", hello(), "--log-file", "/dev/null/file"}, kUsage, {"/dev/null/file"});
}

TEST_F(BadInput, InitrdLargerThanMemory) {
  const TemporaryFile initrd;
  ASSERT_EQ(truncate(initrd.path().c_str(), 100 << 20), 0);
  expect_refused({"--kernel", hello(), "--initrd", initrd.path(), "--mem", "64M"}, kBadInput, {"initrd", "--mem"});
}

TEST_F(BadInput, OtherArchitectures) {
  expect_kernel_refused(x86_kernel(), {"x86"});
  expect_kernel_refused(arm64_kernel(), {"arm64"});
  expect_kernel_refused(patched(image(), 0x18, little_endian(1, 8)), {"big"});
  expect_kernel_refused(patched(elf(), 0x12, little_endian(62, 2)), {"x86"});
}

TEST_F(BadInput, HeaderFieldsThatOverflow) {
  expect_kernel_refused(patched(image(), 0x10, little_endian(~uint64_t{0}, 8)));
  expect_kernel_refused(patched(image(), 0x08, little_endian(~uint64_t{0} - 4095, 8)));
  // Nothing overflows here: it is the memory that is too small.
  const TemporaryFile large{patched(image(), 0x10, little_endian(uint64_t{1} << 32, 8))};
  expect_refused({"--kernel", large.path(), "--mem", "64M"}, kBadInput, {"--mem", "kernel"});
}

TEST_F(BadInput, PlacesThatNoKernelCanRunAt) {
  expect_kernel_refused(patched(image(), 0x08, little_endian(0x200001, 8)), {"offset 0x200001", "odd"});
  expect_kernel_refused(patched(elf(), 0x18, little_endian(0x80200001, 8)), {"entry point 0x80200001", "odd"});
}

TEST_F(BadInput, AbsurdElfProgramHeaders) {
  // Fields of the ELF header: e_phoff 0x20, e_phnum 0x38; of the first program header at 64: p_offset 8,
  // p_paddr 24, p_filesz 32, p_memsz 40 (ELF-64, ch. 3 and 5).
  expect_kernel_refused(patched(elf(), 0x20, little_endian(~uint64_t{0} - 8, 8)));
  expect_kernel_refused(patched(elf(), 0x38, little_endian(0, 2)));
  expect_kernel_refused(patched(elf(), 64 + 8, little_endian(~uint64_t{0} - 8, 8)));
  expect_kernel_refused(patched(elf(), 64 + 32, little_endian(uint64_t{1} << 62, 8)));
  expect_kernel_refused(patched(elf(), 64 + 40, little_endian(~uint64_t{0}, 8)));
  expect_kernel_refused(elf().substr(0, 100));
}

TEST_F(BadInput, BrokenCompression) {
  const std::string gz = gzip(image());
  const std::string zst = zstd(image());
  expect_kernel_refused(gz.substr(0, gz.size() / 2));
  expect_kernel_refused(zst.substr(0, zst.size() / 2));
  expect_kernel_refused(patched(gz, gz.size() / 2, std::string(64, '\xff')));
  expect_kernel_refused(patched(gz, gz.size() - 8, std::string(8, '\0')));
  expect_kernel_refused(zboot(gz.substr(0, gz.size() - 20), "gzip"));
  expect_kernel_refused(zboot(gz, "lzma"), {"lzma"});
  expect_kernel_refused(patched(zboot(gz, "gzip"), 12, little_endian(0xffffffff, 4)));
}

TEST_F(BadInput, DecompressionBombs) {
  const std::string zeroes(64 << 20, '\0');
  expect_kernel_refused(gzip(patched(zeroes, 0, image())));
  expect_kernel_refused(zstd(zeroes));
  expect_kernel_refused(gzip(gzip(image())));
}

TEST_F(BadInput, HostWithoutUsableKvm) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can take /dev/kvm away";
  // This host has the H extension, or the test would not run.
  expect_refused({"--kernel", hello()}, kHostUnsupported,
                 {"/dev/kvm: No such file or directory; load the module (modprobe kvm)\n"}, hide_devices);
  expect_refused({"--list", "sbi"}, kHostUnsupported, {"/dev/kvm: No such file or directory; "}, hide_devices);
  expect_refused({"--kernel", hello()}, kHostUnsupported, {"/dev/kvm: Permission denied; ", "group kvm"},
                 take_permission_away);
  expect_refused({"--kernel", hello()}, kHostUnsupported, {"/dev/kvm: is not KVM's device; "},
                 put_null_in_place_of_kvm);
}

TEST_F(BadInput, HostWithoutUsableVhost) {
  if (!HostTap::possible()) GTEST_SKIP() << "no tap interfaces for us";
  const HostTap tap{"rvbad0", "10.9.8.1"};
  expect_refused({"--kernel", hello(), "--net", "tap=rvbad0,vhost=on"}, kHostUnsupported,
                 {"rvvmm: --net tap=rvbad0,vhost=on: cannot open /dev/vhost-net: No such file or directory "
                  "(is the kernel module vhost_net loaded?); vhost=off does not need it\n"},
                 make_devices_without_vhost);
  expect_refused({"--kernel", hello(), "--net", "tap=rvbad0,vhost=on"}, kHostUnsupported,
                 {"vhost-net refuses VHOST_SET_OWNER: Inappropriate ioctl for device; vhost=off does not need it\n"},
                 put_null_in_place_of_vhost);
  expect_refused({"--kernel", hello(), "--net", "tap=rvbad0,vhost=maybe"}, kUsage,
                 {"--net: vhost: \"maybe\" is neither on nor off\n"});
  expect_refused({"--kernel", hello(), "--net", "user,vhost=on"}, kUsage,
                 {"--net: vhost: only with tap=NAME or fd=N\n"});
  // Nobody has insisted: the guest runs.
  VmProcess vm{{"--kernel", hello(), "--log-level", "vmm=info", "--net", "tap=rvbad0"},
               Console::kNullInput,
               make_devices_without_vhost};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_NE(vm.errors().find("tap rvbad0: cannot open /dev/vhost-net: "), std::string::npos) << vm.errors();
  EXPECT_NE(vm.errors().find("; rvvmm moves its frames\n"), std::string::npos) << vm.errors();
}

TEST_F(BadInput, HelpAndVersionAreNoErrors) {
  VmProcess help{{"--help"}, Console::kNullInput};
  EXPECT_TRUE(help.ends_with(0));
  EXPECT_NE(help.output().find("--kernel"), std::string::npos);
  EXPECT_EQ(help.errors(), "");
  VmProcess version{{"--version"}, Console::kNullInput};
  EXPECT_TRUE(version.ends_with(0));
  EXPECT_TRUE(std::regex_match(version.output(), std::regex{"rvvmm [0-9.]+\n"
                                                            "KVM API 12 on Linux [^ ]+ \\(riscv64\\)\n"
                                                            "vCPUs: [1-9][0-9]* recommended, [1-9][0-9]* at most\n"
                                                            "in-kernel AIA: (yes|no)\n"}))
      << version.output();
  EXPECT_EQ(version.errors(), "");
}

TEST_F(BadInput, VersionOnAHostWithoutKvmIsNoError) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can take /dev/kvm away";
  VmProcess version{{"--version"}, Console::kNullInput, hide_devices};
  EXPECT_TRUE(version.ends_with(0));
  EXPECT_TRUE(std::regex_match(version.output(), std::regex{"rvvmm [0-9.]+\n/dev/kvm: No such file or directory.*\n"}))
      << version.output();
}

TEST_F(BadInput, AFailedStartLeavesNoEmptyLog) {
  const TemporaryFile name;
  std::filesystem::remove(name.path());
  expect_refused({"--kernel", "/nonexistent", "--log-file", name.path()}, kBadInput, {"/nonexistent"});
  EXPECT_FALSE(std::filesystem::exists(name.path()));
  // What was there before stays.
  const TemporaryFile earlier;
  expect_refused({"--kernel", "/nonexistent", "--log-file", earlier.path()}, kBadInput, {"/nonexistent"});
  EXPECT_TRUE(std::filesystem::exists(earlier.path()));
}

}  // namespace
}  // namespace rvvmm::test::bad_input_test
