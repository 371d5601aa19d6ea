// A network device's backend in memory: frames that tests put in, and those that the device sent.
#pragma once

#include <sys/eventfd.h>

#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/eventfd.hpp"
#include "base/fd.hpp"
#include "devices/net/net_backend.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {

/// Frames are bytes behind a virtio header, of which 0xEE are the header's that is received.
class FakeNetBackend final : public NetBackend {
 public:
  explicit FakeNetBackend(uint16_t pairs = 1) : incoming(pairs), sent(pairs) {
    for (uint16_t pair = 0; pair < pairs; ++pair)
      fds_.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  /// A frame comes in, and the descriptor tells.
  void put(uint16_t pair, std::string frame) {
    incoming[pair].push_back(std::move(frame));
    signal(pair);
  }
  void signal(uint16_t pair) { add_one(fds_[pair].get()); }

  /// What has_gone() is asked about is there to be read.
  void tell_news() const { add_one(news_.get()); }
  void tell_that_it_is_gone() {
    is_gone = true;
    tell_news();
  }

  uint64_t features() const noexcept override { return kNetCsum | kNetMtu; }
  uint16_t mtu() const noexcept override { return 9000; }
  uint16_t queue_pairs() const noexcept override { return static_cast<uint16_t>(fds_.size()); }
  int fd(uint16_t pair) const noexcept override { return fds_[pair].get(); }
  void start(uint64_t features) noexcept override { started_with = features; }
  void use_pairs(uint16_t active) noexcept override { active_pairs = active; }

  NetReceived receive(uint16_t pair, std::span<const iovec> buffers) noexcept override {
    if (is_gone) return {.io = NetIo::kGone};
    ++receives;
    if (incoming[pair].empty()) return {.io = NetIo::kLater};
    const std::string frame = std::string(sizeof(VirtioNetHeader), '\xEE') + incoming[pair].front();
    incoming[pair].pop_front();
    return {.io = NetIo::kDone, .bytes = copy_to_buffers(buffers, 0, std::as_bytes(std::span{frame}))};
  }
  NetIo send(uint16_t pair, std::span<const iovec> frame) noexcept override {
    if (is_gone) return NetIo::kGone;
    if (!has_room) return NetIo::kLater;
    if (refuses) return NetIo::kRefused;
    std::string bytes(sizeof(VirtioNetHeader) + kLongestFrame, '\0');
    bytes.resize(copy_from_buffers(frame, 0, std::as_writable_bytes(std::span{bytes})));
    sent[pair].push_back(std::move(bytes));
    return NetIo::kDone;
  }
  int watch_fd() noexcept override { return news_.get(); }
  bool has_gone() noexcept override {
    take_count(news_.get());
    return is_gone;
  }
  std::string why() const override { return "the fake is gone"; }

  std::vector<std::deque<std::string>> incoming;
  std::vector<std::vector<std::string>> sent;
  uint64_t started_with = 0;
  uint16_t active_pairs = 0;
  int receives = 0;
  bool has_room = true;
  bool refuses = false;
  bool is_gone = false;

 private:
  std::vector<Fd> fds_;
  Fd news_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

}  // namespace rvvmm
