#include "kvm/binary_statistics.hpp"

#include <linux/kvm.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <span>
#include <utility>

namespace rvvmm {
namespace {

// Sixteen times what KVM has so far. A file that claims more is not from KVM.
constexpr uint32_t kMostDescriptors = 1024;
constexpr uint32_t kMostNameBytes = 256;
constexpr uint16_t kMostValues = 1024;

bool read_at(int fd, void* to, size_t bytes, uint64_t offset) noexcept {
  return ::pread(fd, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

std::optional<Statistic> read_one(int fd, const kvm_stats_header& header, std::span<const std::byte> descriptor) {
  kvm_stats_desc about{};
  std::memcpy(&about, descriptor.data(), sizeof(about));
  if (about.size == 0 || about.size > kMostValues) return std::nullopt;
  const auto* const name = reinterpret_cast<const char*>(descriptor.data() + sizeof(about));
  Statistic statistic{.name = std::string(name, ::strnlen(name, header.name_size)),
                      .values = std::vector<uint64_t>(about.size)};
  const uint64_t at = uint64_t{header.data_offset} + about.offset;
  if (!read_at(fd, statistic.values.data(), statistic.values.size() * sizeof(uint64_t), at)) return std::nullopt;
  return statistic;
}

}  // namespace

std::vector<Statistic> read_statistics(int stats_fd) {
  kvm_stats_header header{};
  if (!read_at(stats_fd, &header, sizeof(header), 0)) return {};
  if (header.num_desc > kMostDescriptors || header.name_size > kMostNameBytes) return {};
  const size_t stride = sizeof(kvm_stats_desc) + header.name_size;
  std::vector<std::byte> descriptors(stride * header.num_desc);
  if (!read_at(stats_fd, descriptors.data(), descriptors.size(), header.desc_offset)) return {};
  std::vector<Statistic> statistics;
  for (uint32_t i = 0; i < header.num_desc; ++i) {
    if (auto one = read_one(stats_fd, header, std::span{descriptors}.subspan(i * stride, stride)))
      statistics.push_back(std::move(*one));
  }
  return statistics;
}

}  // namespace rvvmm
