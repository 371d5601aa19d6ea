#include "kvm/host_errors.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace rvvmm::host_errors_test {
namespace {

using enum HypervisorExtension;

TEST(HypervisorExtension, IsAmongTheSingleLetters) {
  EXPECT_EQ(hypervisor_extension("processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64imafdch_zicbom_sstc\nmmu\t\t: sv57\n"),
            kPresent);
  EXPECT_EQ(hypervisor_extension("isa\t\t: rv64imafdch"), kPresent);
  EXPECT_EQ(hypervisor_extension("isa : rv64imafdcsuh\n"), kPresent);
}

TEST(HypervisorExtension, OtherNamesWithAnHAreNotIt) {
  EXPECT_EQ(hypervisor_extension("isa\t\t: rv64imafdc_zihintpause_zfh_shcounterenw\n"), kAbsent);
  EXPECT_EQ(hypervisor_extension("isa\t\t: rv64imafdczfh\n"), kAbsent);
  EXPECT_EQ(hypervisor_extension("isa\t\t: rv64imafdcxthead\n"), kAbsent);
}

TEST(HypervisorExtension, EveryHartMustHaveIt) {
  EXPECT_EQ(hypervisor_extension("hart isa\t: rv64imafdch\n\nhart isa\t: rv64imafdch_sstc\n"), kPresent);
  EXPECT_EQ(hypervisor_extension("hart isa\t: rv64imafdch\n\nhart isa\t: rv64imafdc_zfh\n"), kAbsent);
  EXPECT_EQ(hypervisor_extension("isa\t\t: rv64imafdc\nhart isa\t: rv64imafdch\n"), kAbsent);
}

TEST(HypervisorExtension, IsUnknownWhereNothingSays) {
  for (const char* text : {"", "\n", ":", "isa", "isa:", "isa\t\t: \n", "processor\t: 0\nuarch : h\n",
                           "model name\t: isa: rv64h\n", "misa\t: rv64imafdch\n"}) {
    EXPECT_EQ(hypervisor_extension(text), kUnknown) << text;
  }
}

std::string line_for(int errno_value, HypervisorExtension extension = kUnknown) {
  const SetupError error = cannot_open_kvm("/dev/kvm", errno_value, extension);
  EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
  return error.what();
}

TEST(CannotOpenKvm, AbsentDeviceIsTheModuleOrTheCpu) {
  EXPECT_EQ(line_for(ENOENT, kPresent), "/dev/kvm: No such file or directory; load the module (modprobe kvm)");
  EXPECT_EQ(
      line_for(ENOENT, kAbsent),
      "/dev/kvm: No such file or directory; KVM needs CPUs with the H extension, and this host's CPUs do not have it");
  EXPECT_EQ(
      line_for(ENOENT, kUnknown),
      "/dev/kvm: No such file or directory; load the module (modprobe kvm); that needs a CPU with the H extension");
  // A device file that somebody made by hand.
  EXPECT_EQ(line_for(ENODEV, kPresent), "/dev/kvm: No such device; load the module (modprobe kvm)");
  EXPECT_EQ(line_for(ENXIO, kPresent), "/dev/kvm: No such device or address; load the module (modprobe kvm)");
}

TEST(CannotOpenKvm, PermissionIsTheFilesOrTheContainers) {
  EXPECT_EQ(line_for(EACCES, kAbsent), "/dev/kvm: Permission denied; run as a user of the group kvm, or as root");
  EXPECT_EQ(line_for(EPERM),
            "/dev/kvm: Operation not permitted; the container or service that rvvmm runs in must allow this device");
}

TEST(CannotOpenKvm, OtherErrorsKeepTheirText) {
  EXPECT_EQ(line_for(EISDIR), "/dev/kvm: Is a directory; is KVM usable here?");
}

TEST(KvmApi, WrongVersionSaysWhichWouldBeRight) {
  const SetupError error = wrong_kvm_api("/dev/kvm", 13);
  EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
  EXPECT_STREQ(error.what(), "/dev/kvm: has API version 13; rvvmm needs 12, which Linux 6.12 has");
}

TEST(KvmRegisters, MissingOneSaysWhichLinuxHasIt) {
  const SetupError error = register_is_missing("the ISA extensions of a vCPU", ENOENT);
  EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
  EXPECT_STREQ(error.what(),
               "KVM of this host does not give the ISA extensions of a vCPU; rvvmm needs Linux 6.12 or newer: No such "
               "file or directory");
}

TEST(RefusedSbiSwitch, SaysWhatWasChosenAndWhereToLook) {
  const SetupError absent = sbi_switch_is_refused("mpxy", true, ENOENT);
  EXPECT_EQ(absent.status(), ExitStatus::kHostUnsupported);
  EXPECT_STREQ(absent.what(),
               "--sbi mpxy=on: KVM of this host does not have it; leave it out, and see rvvmm --list sbi");
  EXPECT_STREQ(sbi_switch_is_refused("time", false, EBUSY).what(),
               "--sbi time=off: KVM refuses it: Device or resource busy");
}

std::string ram_line(uint64_t size, int gpa_bits) {
  const SetupError error = ram_is_refused({.base = Gpa{0x8000'0000}, .size = size}, gpa_bits);
  EXPECT_EQ(error.status(), ExitStatus::kUsage);
  return error.what();
}

TEST(RefusedRam, SmallerOfTheTwoLimitsIsNamed) {
  const char* const pages = "KVM takes at most 2147483647 pages of RAM; give at most --mem 8589934588K";
  EXPECT_EQ(ram_line(200 * 1024_GiB, 59), std::string{"--mem 200T: "} + pages);
  EXPECT_EQ(ram_line(8 * 1024_GiB, 50), std::string{"--mem 8T: "} + pages);
  EXPECT_EQ(ram_line(3 * 1024_GiB, 41),
            "--mem 3T: guest-physical addresses have 41 bits on this host, and RAM begins at 0x80000000; give at most "
            "--mem 2046G");
}

TEST(RefusedRam, WithinTheLimitsNoReasonIsInvented) {
  EXPECT_EQ(ram_line(2046_GiB, 41), "--mem 2046G: KVM refuses it here; give less");
  EXPECT_EQ(ram_line(64_MiB, -1), "--mem 64M: KVM refuses it here; give less");
  EXPECT_EQ(ram_line(8 * 1024_GiB, 0),
            "--mem 8T: KVM takes at most 2147483647 pages of RAM; give at most --mem "
            "8589934588K");
}

}  // namespace
}  // namespace rvvmm::host_errors_test
