#include "base/guest_memory.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <format>
#include <fstream>
#include <string>
#include <system_error>

#include "base/error.hpp"
#include "base/memory_limit.hpp"
#include "base/size_text.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kAlignment = 2_MiB;

/// log2 of the page size of the requested hugetlb pool; 0 if no pool is requested.
unsigned page_shift(HugePages pages) noexcept {
  switch (pages) {
    case HugePages::k2MiB: return 21;
    case HugePages::k1GiB: return 30;
    case HugePages::kTransparent:
    case HugePages::kOff: break;
  }
  return 0;
}

std::string option_text(uint64_t size) {
  return "--mem " + mem_text(size);
}

/// A value that the kernel reports about a hugetlb pool; nullopt if the pool does not exist.
std::optional<uint64_t> pool_fact(unsigned shift, const char* name) {
  std::ifstream file{std::format("/sys/kernel/mm/hugepages/hugepages-{}kB/{}", (uint64_t{1} << shift) / 1_KiB, name)};
  uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

SetupError pool_is_too_small(uint64_t size, unsigned shift, int error) {
  const uint64_t page = uint64_t{1} << shift;
  const std::string where = std::format("{},hugepages={}", option_text(size), mem_text(page));
  const auto free = pool_fact(shift, "free_hugepages");
  if (!free) {
    return {ExitStatus::kHostUnsupported,
            std::format("{}: this host has no pool of such pages; give another page size, or thp", where)};
  }
  const uint64_t needed = size / page;
  const uint64_t left = *free - std::min(*free, pool_fact(shift, "resv_hugepages").value_or(0));
  if (error != ENOMEM || left >= needed) return SetupError::from_errno(ExitStatus::kInternal, where, error);
  const std::string more =
      shift == 21 ? std::format("make it larger with sysctl vm.nr_hugepages={}", needed)
                  : std::format("make it larger by /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages", page / 1_KiB);
  return {ExitStatus::kHostUnsupported,
          std::format("{}: needs {} pages of the host's pool, which has {} left; {}", where, needed, left, more)};
}

Fd make_file(uint64_t size, unsigned shift) {
  const unsigned pool = shift == 0 ? 0 : MFD_HUGETLB | shift << MFD_HUGE_SHIFT;
  Fd file{::memfd_create("rvvmm-ram", MFD_CLOEXEC | pool)};
  if (!file && shift != 0) throw pool_is_too_small(size, shift, errno);
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, option_text(size) + ",shared", errno);
  }
  return file;
}

Mapping map_ram(uint64_t size, unsigned shift, int file) {
  if (shift == 0) {
    return file < 0 ? Mapping::anonymous(size, kAlignment, option_text(size))
                    : Mapping::aligned_shared(file, size, kAlignment, option_text(size));
  }
  Mapping mapping = Mapping::huge_pages(size, shift, file);
  if (mapping.bytes().empty()) throw pool_is_too_small(size, shift, errno);
  return mapping;
}

void advise(std::span<std::byte> ram, const RamOptions& options) {
  // This is advice only: a kernel without transparent huge pages refuses, and the guest still works.
  if (options.huge_pages == HugePages::kTransparent) ::madvise(ram.data(), ram.size(), MADV_HUGEPAGE);
  if (options.huge_pages == HugePages::kOff) ::madvise(ram.data(), ram.size(), MADV_NOHUGEPAGE);
  if (options.merge && ::madvise(ram.data(), ram.size(), MADV_MERGEABLE) != 0) {
    throw SetupError{ExitStatus::kHostUnsupported,
                     option_text(ram.size()) + ",merge: the kernel of this host does not merge pages; leave it out"};
  }
}

void check_cgroup(const std::string& where, uint64_t size, uint64_t host_swap) {
  constexpr uint64_t kWeNeedOurselves = 4_MiB;
  const auto limit = memory_limit(host_swap);
  if (!limit || (limit->bytes > kWeNeedOurselves && size <= limit->bytes - kWeNeedOurselves)) return;
  throw SetupError{ExitStatus::kUsage, std::format("{}: the memory cgroup allows {} MiB ({}); give less, or raise that "
                                                   "limit",
                                                   where, limit->bytes / 1_MiB, limit->file)};
}

void prefault(std::span<std::byte> ram, unsigned shift) {
  const std::string where = option_text(ram.size()) + ",prefault";
  // If we asked for more memory than exists, the OOM killer would kill processes, and rvvmm among the first.
  struct sysinfo host{};
  ::sysinfo(&host);
  const uint64_t all = uint64_t{host.totalram} * host.mem_unit;
  if (ram.size() > all) {
    throw SetupError{ExitStatus::kUsage, std::format("{}: this host has {} MiB; give less", where, all / 1_MiB)};
  }
  // The same within a memory cgroup. Pages of a hugetlb pool do not count there.
  if (shift == 0) check_cgroup(where, ram.size(), uint64_t{host.totalswap} * host.mem_unit);
  if (::madvise(ram.data(), ram.size(), MADV_POPULATE_WRITE) != 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, where, errno);
  }
}

}  // namespace

GuestMemory::GuestMemory(Gpa base, uint64_t size, const RamOptions& options)
    : range_{.base = base, .size = size},
      file_(options.shared ? make_file(size, page_shift(options.huge_pages)) : Fd{}),
      mapping_(map_ram(size, page_shift(options.huge_pages), file_.get())),
      keeps_pages_(options.prefault || page_shift(options.huge_pages) != 0) {
  advise(bytes(), options);
  if (options.prefault) prefault(bytes(), page_shift(options.huge_pages));
}

void GuestMemory::discard() const noexcept {
  // If a page is returned to the pool, another process may take it before we need it again.
  if (keeps_pages_) {
    std::ranges::fill(bytes(), std::byte{0});
  } else if (file_) {
    // Every process that maps the file sees zeroes too.
    ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes().size()));
  } else {
    ::madvise(bytes().data(), bytes().size(), MADV_DONTNEED);
  }
}

}  // namespace rvvmm
