// A tap interface of the host's kernel as a network device's backend.
#pragma once

#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "devices/net/net_backend.hpp"

namespace rvvmm {

/// Frames carry a virtio header both ways. So the kernel fills in checksums and cuts large segments as late as
/// possible, and not at all when a frame stays on this host.
class TapBackend final : public NetBackend {
 public:
  static constexpr uint16_t kMostPairs = 16;

  /// Opens the interface `name` with `pairs` queues (1 to kMostPairs). If it does not exist and we have the permission,
  /// it is created, and it disappears when rvvmm ends. Throws SetupError with the text that follows "--net ".
  static std::unique_ptr<TapBackend> open(const std::string& name, uint16_t pairs);
  /// A descriptor of a tap interface that rvvmm inherited; the backend closes it. Throws the same.
  static std::unique_ptr<TapBackend> inherited(int fd);

  /// The interface's name.
  const std::string& interface() const noexcept { return interface_; }

  uint64_t features() const noexcept override { return features_; }
  uint16_t mtu() const noexcept override { return mtu_; }
  uint16_t queue_pairs() const noexcept override { return static_cast<uint16_t>(queues_.size()); }
  int fd(uint16_t pair) const noexcept override { return queues_[pair].get(); }
  void start(uint64_t features) noexcept override;
  void use_pairs(uint16_t active) noexcept override;
  NetReceived receive(uint16_t pair, std::span<const iovec> buffers) noexcept override;
  NetIo send(uint16_t pair, std::span<const iovec> frame) noexcept override;
  int watch_fd() noexcept override;
  bool has_gone() noexcept override;
  std::string why() const override;

 private:
  /// All `queues` are attached, to the same interface. `option` is for errors.
  TapBackend(const std::string& option, std::string interface, std::vector<Fd> queues);

  std::string interface_;
  std::vector<Fd> queues_;
  uint64_t features_ = 0;
  uint16_t mtu_ = 0;
  uint16_t active_;
  Fd link_news_;
  int errno_ = 0;  // why it is gone
};

}  // namespace rvvmm
