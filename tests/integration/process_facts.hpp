// What /proc says about a running process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace rvvmm::test {

/// User and system time of all threads, in ticks of sysconf(_SC_CLK_TCK).
uint64_t cpu_ticks(pid_t pid);
/// The same of the main thread alone, which waits for input, signals and timers.
uint64_t main_thread_ticks(pid_t pid);
/// Open descriptors.
size_t open_descriptors(pid_t pid);
/// Descriptors that are VMs of KVM.
size_t open_vms(pid_t pid);
/// Threads, also those that have not given themselves a name yet.
size_t thread_count(pid_t pid);
/// The thread of that name; 0 where there is none.
pid_t thread_named(pid_t pid, std::string_view wanted);
/// Names of the threads, each with its Cpus_allowed_list.
std::map<std::string, std::string> thread_cpus(pid_t pid);
/// Whether this kernel counts what write_calls() says: CONFIG_TASK_IO_ACCOUNTING.
bool counts_write_calls();
/// System calls of write(2)'s kind made by the thread of that name so far; 0 where there is none.
uint64_t write_calls(pid_t pid, std::string_view thread);
/// How often the thread of that name went to sleep by itself; nothing where there is none.
std::optional<uint64_t> sleeps(pid_t pid, std::string_view thread);
/// One of KVM's own counters, summed over the process's VMs; nothing where debugfs is not mounted, or not for us.
std::optional<uint64_t> kvm_counter(pid_t pid, const std::string& name);

}  // namespace rvvmm::test
