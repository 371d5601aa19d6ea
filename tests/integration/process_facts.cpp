// Parses /proc/<pid>/{stat,fd,task}.
#include "process_facts.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace rvvmm::test {
namespace {

std::string proc(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// User and system time in a file of the form of /proc/<pid>/stat.
uint64_t ticks_in(const std::string& file) {
  std::string line;
  std::getline(std::ifstream{file}, line);
  // Fields are counted from behind the name, which may hold anything; 12 and 13 are utime and stime (proc(5)).
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields{line.substr(name_end + 1)};
  std::string skipped;
  for (int field = 0; field < 11; ++field)
    fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return user + system;
}

size_t entries_of(const std::string& folder) {
  const std::filesystem::directory_iterator entries{folder};
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

uint64_t cpu_ticks(pid_t pid) {
  return ticks_in(proc(pid, "stat"));
}

uint64_t main_thread_ticks(pid_t pid) {
  return ticks_in(proc(pid, "task/" + std::to_string(pid) + "/stat"));
}

size_t open_descriptors(pid_t pid) {
  return entries_of(proc(pid, "fd"));
}

size_t open_vms(pid_t pid) {
  const std::filesystem::directory_iterator entries{proc(pid, "fd")};
  return static_cast<size_t>(std::count_if(begin(entries), end(entries), [](const auto& entry) {
    std::error_code gone;
    return std::filesystem::read_symlink(entry.path(), gone) == "anon_inode:kvm-vm";
  }));
}

size_t thread_count(pid_t pid) {
  return entries_of(proc(pid, "task"));
}

pid_t thread_named(pid_t pid, std::string_view wanted) {
  for (const auto& task : std::filesystem::directory_iterator{proc(pid, "task")}) {
    std::string name;
    std::getline(std::ifstream{task.path() / "comm"}, name);
    if (name == wanted) return std::stoi(task.path().filename());
  }
  return 0;
}

std::map<std::string, std::string> thread_cpus(pid_t pid) {
  std::map<std::string, std::string> threads;
  for (const auto& task : std::filesystem::directory_iterator{proc(pid, "task")}) {
    std::string name;
    std::getline(std::ifstream{task.path() / "comm"}, name);
    std::ifstream status{task.path() / "status"};
    for (std::string line; std::getline(status, line);) {
      const std::string key = "Cpus_allowed_list:\t";
      if (line.starts_with(key)) threads[name] = line.substr(key.size());
    }
  }
  return threads;
}

bool counts_write_calls() {
  return std::filesystem::exists("/proc/self/io");
}

uint64_t write_calls(pid_t pid, std::string_view thread) {
  std::ifstream io{proc(pid, "task/" + std::to_string(thread_named(pid, thread)) + "/io")};
  uint64_t count = 0;
  for (std::string key; io >> key >> count;) {
    if (key == "syscw:") return count;
  }
  return 0;
}

std::optional<uint64_t> sleeps(pid_t pid, std::string_view thread) {
  std::ifstream status{proc(pid, "task/" + std::to_string(thread_named(pid, thread)) + "/status")};
  const std::string_view key = "voluntary_ctxt_switches:\t";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size()));
  }
  return std::nullopt;
}

std::optional<uint64_t> kvm_counter(pid_t pid, const std::string& name) {
  std::optional<uint64_t> sum;
  std::error_code none;
  for (const auto& vm : std::filesystem::directory_iterator{"/sys/kernel/debug/kvm", none}) {
    // One folder for each VM: <pid>-<descriptor>.
    if (!vm.path().filename().string().starts_with(std::to_string(pid) + "-")) continue;
    uint64_t value = 0;
    if (std::ifstream{vm.path() / name} >> value) sum = sum.value_or(0) + value;
  }
  return sum;
}

}  // namespace rvvmm::test
