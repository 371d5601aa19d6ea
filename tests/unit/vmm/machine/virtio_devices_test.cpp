#include "vmm/machine/virtio_devices.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/error.hpp"
#include "fakes/temporary_image.hpp"

namespace rvvmm::virtio_devices_test {
namespace {

/// What is wrong with the devices of `config`; empty if nothing is.
std::string problem(const Config& config) {
  try {
    const VirtioDevices devices{config};
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    return error.what();
  }
  return {};
}

TEST(VirtioDevices, OneImageIsOneDisks) {
  const TemporaryImage file{4096};
  const std::string detour = "/tmp/../tmp/" + file.path().substr(std::string{"/tmp/"}.size());
  Config config;
  config.disks.resize(2);
  config.disks[0].image.path = file.path();
  config.disks[1].image.path = detour;
  const std::string twice =
      "--disk " + detour + ": is given twice, as disk 0 and disk 1; give each its own image, or ,ro to both";
  EXPECT_EQ(problem(config), twice);
  config.disks[0].image.read_only = true;
  EXPECT_EQ(problem(config), twice);
  config.disks[1].image.read_only = true;
  EXPECT_EQ(problem(config), "");
}

TEST(VirtioDevices, WhatIsBootedIsNoDiskToWriteTo) {
  const TemporaryImage file{4096};
  const TemporaryImage other{4096};
  Config config;
  config.disks.resize(1);
  config.disks[0].image.path = file.path();
  const auto refusal = [&](const char* option) {
    return "--disk " + file.path() + ": is the file of " + option + " too; give the disk an image of its own, or ,ro";
  };
  config.kernel = file.path();
  EXPECT_EQ(problem(config), refusal("--kernel"));
  config.disks[0].image.read_only = true;
  EXPECT_EQ(problem(config), "");
  config.disks[0].image.read_only = false;
  config.kernel = other.path();
  EXPECT_EQ(problem(config), "");
  config.initrds = {other.path(), file.path()};
  EXPECT_EQ(problem(config), refusal("--initrd"));
  config.initrds.clear();
  config.dtb = file.path();
  EXPECT_EQ(problem(config), refusal("--dtb"));
}

TEST(VirtioDevices, OneDescriptorIsOneNetworkDevices) {
  Config config;
  config.nets.assign(2, {.kind = NetChoice::Kind::kTapDescriptor, .tap = {}, .fd = 1000});
  config.nets[1].fd = 1001;
  EXPECT_EQ(problem(config), "--net fd=1000: it is not an open descriptor of a tap interface");
  config.nets[1].fd = 1000;
  EXPECT_EQ(problem(config), "--net fd=1000: is given twice; give each network device a tap of its own");
}

TEST(VirtioDevices, EachQueueCountsAmongTheDescriptors) {
  Config config;
  EXPECT_EQ(VirtioDevices::descriptors(config), 0U);
  config.disks.resize(2);
  config.disks[1].queues = 16;
  EXPECT_EQ(VirtioDevices::descriptors(config), 3U + 33U);
  config.nets.resize(1);
  config.nets[0].queues = 4;
  EXPECT_EQ(VirtioDevices::descriptors(config), 3U + 33U + 17U);
  config.nets[0].kind = NetChoice::Kind::kTap;
  EXPECT_EQ(VirtioDevices::descriptors(config), 3U + 33U + 17U + 21U);
  config.nets[0].vhost = false;
  EXPECT_EQ(VirtioDevices::descriptors(config), 3U + 33U + 17U);
}

}  // namespace
}  // namespace rvvmm::virtio_devices_test
