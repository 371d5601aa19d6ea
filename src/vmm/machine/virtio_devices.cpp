#include "vmm/machine/virtio_devices.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <format>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/printable.hpp"
#include "devices/net/passt.hpp"
#include "devices/net/tap_backend.hpp"
#include "devices/rng/virtio_rng.hpp"

namespace rvvmm {

namespace {

/// Identifies this VM, so that its MAC addresses stay the same: the host's machine ID and the path of the first disk,
/// or of the kernel if there is no disk.
std::string identity_of(const Config& config) {
  const std::string& file = config.disks.empty() ? config.kernel : config.disks.front().image.path;
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(file, ignored);
  std::string machine;
  std::getline(std::ifstream{"/etc/machine-id"}, machine);
  return machine + ' ' + (absolute.empty() ? file : absolute.lexically_normal().string());
}

struct OpenNet {
  std::unique_ptr<NetBackend> backend;
  std::string interface{};  ///< of a tap
  std::vector<std::unique_ptr<VhostNet>> vhost{};
};

/// One for each pair of queues. Empty with vhost=off, or if vhost was not given and the host has no vhost-net for us.
std::vector<std::unique_ptr<VhostNet>> open_vhost(const NetChoice& choice, const TapBackend& tap) {
  std::vector<std::unique_ptr<VhostNet>> vhost;
  if (choice.vhost == false) return vhost;
  try {
    for (uint16_t pair = 0; pair < tap.queue_pairs(); ++pair)
      vhost.push_back(VhostNet::open());
  } catch (const SetupError& problem) {
    if (choice.vhost == true) {
      const std::string option =
          choice.kind == NetChoice::Kind::kTap ? "tap=" + choice.tap : std::format("fd={}", choice.fd);
      throw SetupError{problem.status(),
                       std::format("{},vhost=on: {}; vhost=off does not need it", option, problem.what())};
    }
    log::line(log::Module::kVmm, log::Level::kInfo, "tap {}: {}; rvvmm moves its frames", tap.interface(),
              problem.what());
    vhost.clear();
  }
  return vhost;
}

OpenNet open_net(const NetChoice& choice) {
  if (choice.kind == NetChoice::Kind::kUser) return {.backend = Passt::launch({.forwards = choice.forwards})};
  auto tap = choice.kind == NetChoice::Kind::kTap ? TapBackend::open(choice.tap, choice.queues)
                                                  : TapBackend::inherited(choice.fd);
  std::string interface = tap->interface();
  auto vhost = open_vhost(choice, *tap);
  return {.backend = std::move(tap), .interface = std::move(interface), .vhost = std::move(vhost)};
}

std::unique_ptr<VirtioNet> make_net(const Config& config, unsigned number) {
  const NetChoice& choice = config.nets[number];
  OpenNet net;
  try {
    net = open_net(choice);
  } catch (const SetupError& problem) {
    throw SetupError{problem.status(), std::format("--net {}", problem.what())};
  }
  const MacAddress mac =
      choice.mac ? *choice.mac : stable_mac(std::format("{} {} {}", identity_of(config), net.interface, number));
  auto body = std::make_unique<VirtioNet>(
      VirtioNetOptions{.number = number, .mac = mac, .backend = std::move(net.backend), .vhost = std::move(net.vhost)});
  body->launch();
  return body;
}

bool is_same_file(const std::string& one, const std::string& other) noexcept {
  struct stat first{};
  struct stat second{};
  if (::stat(one.c_str(), &first) != 0 || ::stat(other.c_str(), &second) != 0) return false;
  // A block device may have several nodes.
  if (S_ISBLK(first.st_mode) && S_ISBLK(second.st_mode)) return first.st_rdev == second.st_rdev;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// The indices of the first two elements for which `clash` is true, if there are any.
template <typename T, typename Clash>
std::optional<std::pair<size_t, size_t>> find_clash(const std::vector<T>& all, Clash clash) {
  for (size_t second = 1; second < all.size(); ++second) {
    for (size_t first = 0; first < second; ++first) {
      if (clash(all[first], all[second])) return std::pair{first, second};
    }
  }
  return std::nullopt;
}

/// The lock on an image belongs to an open file description, so an image that is opened twice would look like an image
/// of two virtual machines.
void refuse_same_image_twice(const std::vector<VirtioBlock::Options>& disks) {
  const auto clash = find_clash(disks, [](const VirtioBlock::Options& one, const VirtioBlock::Options& other) {
    return !(one.image.read_only && other.image.read_only) && is_same_file(one.image.path, other.image.path);
  });
  if (!clash) return;
  throw SetupError{ExitStatus::kUsage,
                   std::format("--disk {}: is given twice, as disk {} and disk {}; give each its "
                               "own image, or ,ro to both",
                               printable(disks[clash->second].image.path), clash->first, clash->second)};
}

/// A guest that writes to such a disk would change the file that its next reset loads.
void refuse_boot_file_as_disk(const Config& config) {
  const auto check = [&config](std::string_view option, const std::string& file) {
    for (const VirtioBlock::Options& disk : config.disks) {
      if (disk.image.read_only || !is_same_file(disk.image.path, file)) continue;
      throw SetupError{ExitStatus::kUsage,
                       std::format("--disk {}: is the file of {} too; give the disk an image of its "
                                   "own, or ,ro",
                                   printable(disk.image.path), option)};
    }
  };
  check("--kernel", config.kernel);
  for (const std::string& initrd : config.initrds)
    check("--initrd", initrd);
  if (config.dtb) check("--dtb", *config.dtb);
}

void refuse_same_descriptor_twice(const std::vector<NetChoice>& nets) {
  const auto clash = find_clash(nets, [](const NetChoice& one, const NetChoice& other) {
    return one.kind == NetChoice::Kind::kTapDescriptor && other.kind == one.kind && one.fd == other.fd;
  });
  if (!clash) return;
  throw SetupError{ExitStatus::kUsage, std::format("--net fd={}: is given twice; give each network device a tap of "
                                                   "its own",
                                                   nets[clash->second].fd)};
}

}  // namespace

uint32_t VirtioDevices::descriptors(const Config& config) noexcept {
  uint32_t count = 0;
  for (const VirtioBlock::Options& disk : config.disks)
    count += VirtioBlock::descriptors(disk);
  for (const NetChoice& net : config.nets)
    count += VirtioNet::descriptors(net.queues, net.kind != NetChoice::Kind::kUser && net.vhost != false);
  return count;
}

// THE list: a new device is made here.
VirtioDevices::VirtioDevices(const Config& config) {
  refuse_same_image_twice(config.disks);
  refuse_boot_file_as_disk(config);
  refuse_same_descriptor_twice(config.nets);
  for (unsigned number = 0; number < config.disks.size(); ++number)
    own(std::make_unique<VirtioBlock>(number, config.disks[number]));
  for (unsigned number = 0; number < config.nets.size(); ++number)
    own(make_net(config, number));
  if (config.rng) own_and_serve(std::make_unique<VirtioRng>());
  if (config.power_key) power_key_ = &own_and_serve(std::make_unique<VirtioInput>());
}

void VirtioDevices::add_console(const VirtioConsole::Options& options) {
  console_ = &own_and_serve(std::make_unique<VirtioConsole>(options));
}

template <typename Body>
Body& VirtioDevices::own(std::unique_ptr<Body> body) {
  Body& added = *body;
  all_.push_back(&added);
  owned_.push_back(std::move(body));
  return added;
}

template <typename Body>
Body& VirtioDevices::own_and_serve(std::unique_ptr<Body> body) {
  served_.push_back(body.get());
  return own(std::move(body));
}

std::list<EventLoop::Watch> VirtioDevices::watch_doorbells(EventLoop& loop) {
  std::list<EventLoop::Watch> watches;
  for (ServedVirtioDevice* const device : served_) {
    for (uint16_t queue = 0; queue < device->doorbells().size(); ++queue)
      watches.emplace_back(loop, device->doorbells()[queue], [device, queue] { device->on_doorbell(queue); });
  }
  return watches;
}

}  // namespace rvvmm
