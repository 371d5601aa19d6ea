#include "kvm/binary_statistics.hpp"

#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "base/fd.hpp"

namespace rvvmm::binary_statistics_test {
namespace {

/// A file as KVM makes it: header, id, descriptors, data.
class StatisticsFile {
 public:
  static constexpr uint32_t kNameSize = 48;

  void add(std::string_view name, std::vector<uint64_t> values) {
    kvm_stats_desc about{};
    about.size = static_cast<uint16_t>(values.size());
    about.offset = static_cast<uint32_t>(data_.size() * sizeof(uint64_t));
    std::string descriptor(sizeof(about) + kNameSize, '\0');
    std::memcpy(descriptor.data(), &about, sizeof(about));
    name.copy(descriptor.data() + sizeof(about), kNameSize);
    descriptors_ += descriptor;
    data_.insert(data_.end(), values.begin(), values.end());
    ++header.num_desc;
  }

  std::vector<Statistic> read() {
    header.name_size = kNameSize;
    header.id_offset = sizeof(header);
    header.desc_offset = header.id_offset + kNameSize;
    header.data_offset = header.desc_offset + static_cast<uint32_t>(descriptors_.size());
    const Fd fd{::memfd_create("statistics", MFD_CLOEXEC)};
    put(fd.get(), &header, sizeof(header), 0);
    put(fd.get(), descriptors_.data(), descriptors_.size(), header.desc_offset);
    put(fd.get(), data_.data(), data_.size() * sizeof(uint64_t), header.data_offset);
    return read_statistics(fd.get());
  }

  kvm_stats_header header{};

 private:
  static void put(int fd, const void* from, size_t bytes, uint64_t at) {
    EXPECT_EQ(::pwrite(fd, from, bytes, static_cast<off_t>(at)), static_cast<ssize_t>(bytes));
  }

  std::string descriptors_;
  std::vector<uint64_t> data_;
};

TEST(BinaryStatistics, CountersAndHistogramsHaveTheirNames) {
  StatisticsFile file;
  file.add("exits", {5});
  file.add("halt_wait_hist", {1, 2, 3});
  EXPECT_EQ(file.read(), (std::vector<Statistic>{{"exits", {5}}, {"halt_wait_hist", {1, 2, 3}}}));
}

TEST(BinaryStatistics, ANameMayFillItsPlace) {
  StatisticsFile file;
  file.add(std::string(StatisticsFile::kNameSize, 'x'), {1});
  EXPECT_EQ(file.read().at(0).name, std::string(StatisticsFile::kNameSize, 'x'));
}

TEST(BinaryStatistics, WhatIsNoSuchFileHasNone) {
  EXPECT_TRUE(read_statistics(-1).empty());
  StatisticsFile file;
  file.header.num_desc = 7;  // and no descriptors
  EXPECT_TRUE(file.read().empty());
  file.header.num_desc = UINT32_MAX;
  EXPECT_TRUE(file.read().empty());
}

TEST(BinaryStatistics, MoreThanAnyKvmHasIsNone) {
  StatisticsFile file;
  file.add("long", std::vector<uint64_t>(1025, 1));
  file.add("longest", std::vector<uint64_t>(1024, 1));
  ASSERT_EQ(file.read().size(), 1U);
  EXPECT_EQ(file.read()[0].name, "longest");
  while (file.header.num_desc < 1024)
    file.add("one", {1});
  EXPECT_EQ(file.read().size(), 1023U);
  file.add("one", {1});
  EXPECT_TRUE(file.read().empty());
}

TEST(BinaryStatistics, AStatisticWithoutItsValuesIsLeftOut) {
  StatisticsFile file;
  file.add("empty", {});
  file.add("exits", {5});
  EXPECT_EQ(file.read(), (std::vector<Statistic>{{"exits", {5}}}));
}

}  // namespace
}  // namespace rvvmm::binary_statistics_test
