// A virtio device that does nothing but remember what its transport asked of it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/log.hpp"
#include "devices/virtio/virtio_control.hpp"

namespace rvvmm {

/// Two queues, of 8 and 4 descriptors, two features, and a configuration of eight bytes that can be written. One
/// thread.
class FakeVirtioDevice final : public VirtioDevice {
 public:
  static constexpr uint64_t kFeatures = 1ULL << 5 | 1ULL << 50;
  /// With those of the transports.
  static constexpr uint64_t kOffered = kFeatures | kVirtioIndirectDescriptors | kVirtioEventIdx | kVirtioVersion1;

  /// What earlier tests have logged of it counts for nothing.
  FakeVirtioDevice() { log::detail::counter_of("broken by its driver", "fake0") = 0; }

  std::string_view name() const noexcept override { return "fake0"; }
  VirtioId id() const noexcept override { return VirtioId::kBlock; }
  uint64_t features() const noexcept override { return kFeatures; }
  std::span<const uint16_t> queue_sizes() const noexcept override { return sizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override {
    read_config_bytes(config, offset, out);
  }
  void write_config(uint64_t offset, std::span<const std::byte> in) noexcept override {
    for (size_t i = 0; i < in.size() && offset + i < config.size(); ++i)
      config[offset + i] = in[i];
  }
  std::span<const int> doorbells() const noexcept override { return doorbell_numbers; }
  std::span<const int> calls() const noexcept override { return call_numbers; }
  bool served_on_hart(uint16_t queue) const noexcept override { return queue == served_on_hart_queue; }
  void serve_on_hart(uint16_t /*queue*/) noexcept override { ++served_on_hart_times; }
  void start(VirtioSession given) noexcept override {
    session = std::move(given);
    ++starts;
  }
  void give_up_requests() noexcept override { requests_given_up = session.has_value(); }
  void stop() noexcept override {
    if (!session) return;
    ++stops;
    for (size_t i = 0; i < stopped.size(); ++i)
      stopped[i] = session->queues[i] ? session->queues[i]->state() : VirtqueueState{};
    session.reset();
  }
  VirtqueueState stopped_at(uint16_t queue) const noexcept override { return stopped[queue]; }

  void hold() noexcept override { held = true; }
  bool is_quiet() const noexcept override { return !has_request_in_hand; }
  void go_on() noexcept override { held = false; }

  void reset() noexcept override { ++resets; }

  /// How often the driver kicked the queue since the last call.
  uint64_t kicks(size_t queue) {
    uint64_t count = 0;
    return ::read(doorbell_numbers[queue], &count, sizeof count) == sizeof count ? count : 0;
  }

  std::array<uint16_t, 2> sizes{8, 4};
  std::array<std::byte, 8> config{};
  std::optional<VirtioSession> session;
  std::optional<uint16_t> served_on_hart_queue;
  int served_on_hart_times = 0;
  bool held = false;
  bool has_request_in_hand = false;
  bool requests_given_up = false;  ///< before it was stopped
  int starts = 0;
  int stops = 0;
  int resets = 0;
  std::array<VirtqueueState, 2> stopped{};
  std::vector<int> call_numbers;  ///< set before it has a transport

 private:
  std::array<Fd, 2> owned{Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}, Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}};
  std::array<int, 2> doorbell_numbers{owned[0].get(), owned[1].get()};
};

}  // namespace rvvmm
