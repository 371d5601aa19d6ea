// Writes to a disk what can be checked after everything that wrote it was killed, and checks it: a Linux program for
// guests, and for hosts.
//
//   disk-records write DISK WRITER SEQUENCE    records behind SEQUENCE, for ever; WRITER is 0 or 1
//   disk-records check DISK WRITER SEQUENCE    all records up to SEQUENCE are on the disk, and whole
//   disk-records write-files FOLDER SEQUENCE   files behind SEQUENCE, for ever
//   disk-records check-files FOLDER SEQUENCE   the last of the files up to SEQUENCE are there, and all files are whole
//
// A record or file is told of by a line "durable NAME SEQUENCE" as soon as fdatasync(2) or fsync(2) has returned.
// Status 0, 1 (what was told of is not there, with a line that says what), or 2 (something cannot be done).
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr uint64_t kBlock = 4096;
// A record is a block in each quarter of its writer's half of the disk, so that a flush has several writes before it.
constexpr uint64_t kBlocks = 4;
constexpr uint64_t kSlots = 1024;
constexpr uint64_t kQuarter = kSlots * kBlock;
constexpr uint64_t kHalf = kBlocks * kQuarter;
constexpr uint64_t kLongestFile = 16384;
/// So many files stay; older ones are removed.
constexpr uint64_t kFiles = 512;
/// So many are checked. The others may be gone: of the lines that tell of files, as many can be lost with the guest as
/// the buffer of its terminal holds, 4 KiB of them.
constexpr uint64_t kFilesChecked = 128;

using Block = std::array<uint64_t, kBlock / sizeof(uint64_t)>;
alignas(kBlock) std::array<Block, kBlocks> record;
alignas(kBlock) Block found;
std::array<uint64_t, kLongestFile / sizeof(uint64_t)> content;
std::array<char, kLongestFile + 1> read_back;

[[noreturn]] void cannot(const char* what) {
  std::printf("disk-records: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

/// The finalizer of SplitMix64: each bit of the result depends on all of `value`.
uint64_t mixed(uint64_t value) {
  value += 0x9E37'79B9'7F4A'7C15;
  value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9;
  value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EB;
  return value ^ (value >> 31);
}

void fill(Block& block, uint64_t writer, uint64_t part, uint64_t sequence) {
  block[0] = sequence;
  for (uint64_t i = 1; i < block.size(); ++i)
    block[i] = mixed(sequence << 16 ^ writer << 14 ^ part << 12 ^ i);
}

uint64_t place_of(uint64_t writer, uint64_t part, uint64_t sequence) {
  return writer * kHalf + part * kQuarter + sequence % kSlots * kBlock;
}

/// In one write(2), so that lines of several processes do not mix.
void tell(const char* name, uint64_t sequence) {
  std::array<char, 64> line;
  const int length = std::snprintf(line.data(), line.size(), "durable %s %llu\n", name, 0ULL + sequence);
  if (write(STDOUT_FILENO, line.data(), static_cast<size_t>(length)) != length) cannot("stdout");
}

// One writer leaves the order of its writes to the guest's page cache, the other waits for each.
[[noreturn]] void write_records(const char* disk, uint64_t writer, uint64_t sequence) {
  const int fd = open(disk, writer == 0 ? O_WRONLY : O_WRONLY | O_DIRECT);
  if (fd < 0) cannot(disk);
  while (true) {
    ++sequence;
    for (uint64_t part = 0; part < kBlocks; ++part) {
      fill(record[part], writer, part, sequence);
      const auto at = static_cast<off_t>(place_of(writer, part, sequence));
      if (pwrite(fd, record[part].data(), kBlock, at) != ssize_t{kBlock}) cannot(disk);
    }
    if (fdatasync(fd) != 0) cannot(disk);
    tell(writer == 0 ? "cached" : "direct", sequence);
  }
}

int check_record(int fd, uint64_t writer, uint64_t sequence, uint64_t& newer) {
  for (uint64_t part = 0; part < kBlocks; ++part) {
    const uint64_t at = place_of(writer, part, sequence);
    if (pread(fd, found.data(), kBlock, static_cast<off_t>(at)) != ssize_t{kBlock}) cannot("pread");
    const uint64_t there = found[0];
    fill(record[part], writer, part, there);
    const bool whole = there != 0 && there % kSlots == sequence % kSlots && found == record[part];
    if (there > sequence) ++newer;
    if (whole && there >= sequence) continue;
    std::printf("disk-records: byte %llu, part %llu of record %llu: %s record %llu\n", 0ULL + at, 0ULL + part,
                0ULL + sequence, whole ? "has the older" : "is not whole; it says that it is of", 0ULL + there);
    return 1;
  }
  return 0;
}

int check_records(const char* disk, uint64_t writer, uint64_t sequence) {
  const int fd = open(disk, O_RDONLY);
  if (fd < 0) cannot(disk);
  const uint64_t first = sequence > kSlots ? sequence - kSlots + 1 : 1;
  uint64_t newer = 0;
  int status = 0;
  for (uint64_t each = first; each <= sequence; ++each)
    status |= check_record(fd, writer, each, newer);
  std::printf("disk-records: %llu records checked, %llu blocks of later ones\n", 0ULL + sequence + 1 - first,
              0ULL + newer);
  return status;
}

/// Bytes of file `sequence`, which are in `content` then.
size_t make_content(uint64_t sequence) {
  for (uint64_t i = 0; i < content.size(); ++i)
    content[i] = mixed(sequence << 16 ^ i);
  return 1 + mixed(sequence) % kLongestFile;
}

std::array<char, 24> file_name(uint64_t sequence) {
  std::array<char, 24> name;
  std::snprintf(name.data(), name.size(), "%llu", 0ULL + sequence);
  return name;
}

// As programs do it that do not want to lose anything: a new file, fsync, rename, fsync of the folder.
[[noreturn]] void write_files(const char* folder, uint64_t sequence) {
  const int directory = open(folder, O_RDONLY | O_DIRECTORY);
  if (directory < 0) cannot(folder);
  while (true) {
    ++sequence;
    const size_t size = make_content(sequence);
    const int fd = openat(directory, "new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, content.data(), size) != static_cast<ssize_t>(size) || fsync(fd) != 0 || close(fd) != 0)
      cannot("new");
    if (renameat(directory, "new", directory, file_name(sequence).data()) != 0) cannot("rename");
    if (fsync(directory) != 0) cannot(folder);
    tell("file", sequence);
    if (sequence > kFiles) unlinkat(directory, file_name(sequence - kFiles).data(), 0);
  }
}

int check_file(int directory, const char* name, uint64_t sequence) {
  const size_t size = make_content(sequence);
  const int fd = openat(directory, name, O_RDONLY);
  const ssize_t got = fd < 0 ? -1 : read(fd, read_back.data(), read_back.size());
  if (fd >= 0) close(fd);
  if (got == static_cast<ssize_t>(size) && std::memcmp(read_back.data(), content.data(), size) == 0) return 0;
  std::printf("disk-records: file %s: %s; %lld bytes of %zu\n", name, got < 0 ? "is not there" : "has other content",
              0LL + got, size);
  return 1;
}

int check_files(const char* folder, uint64_t sequence) {
  DIR* const entries = opendir(folder);
  if (entries == nullptr) cannot(folder);
  int status = 0;
  for (uint64_t each = sequence > kFilesChecked ? sequence - kFilesChecked + 1 : 1; each <= sequence; ++each)
    status |= check_file(dirfd(entries), file_name(each).data(), each);
  unsigned files = 0;
  while (const dirent* const entry = readdir(entries)) {
    char* end = nullptr;
    const uint64_t number = std::strtoull(entry->d_name, &end, 10);
    if (number == 0 || *end != '\0') continue;
    status |= check_file(dirfd(entries), entry->d_name, number);
    ++files;
  }
  closedir(entries);
  std::printf("disk-records: %u files checked\n", files);
  return status;
}

int usage() {
  std::puts("disk-records: see the beginning of disk_records.cpp");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) return usage();
  const std::string_view verb = words[1];
  const uint64_t sequence = std::strtoull(words[count - 1], nullptr, 10);
  if (count == 4 && verb == "write-files") write_files(words[2], sequence);
  if (count == 4 && verb == "check-files") return check_files(words[2], sequence);
  if (count != 5) return usage();
  const uint64_t writer = std::strtoull(words[3], nullptr, 10);
  if (writer > 1) return usage();
  if (verb == "write") write_records(words[2], writer, sequence);
  if (verb == "check") return check_records(words[2], writer, sequence);
  return usage();
}
