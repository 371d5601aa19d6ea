// Runs a VMM and says what it cost, so that no shell's start-up blurs the figures. Prints NAME VALUE lines.
//
//   measure run -- CMD...               CPU time (user + system, children too) and elapsed time to the end
//   measure until TEXT... -- CMD...     elapsed time until each text was on stdout, in turn, and to the end
//   measure watch PROMPT MIB -- CMD...  at a shell prompt: memory beside MIB of guest RAM, threads, exits of KVM, and
//                                       10 s of idling
//   measure console PROMPT BYTES -- CMD...          at a shell prompt: the price of so many bytes on its console
//   measure load PROMPT NAME=COMMAND... -- CMD...   at a shell prompt: what each command took, which is one of load.c
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kIdleSeconds = 10;
constexpr int kRestSeconds = 2;
constexpr int64_t kLimitNs = 30'000'000'000;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "measure: %s\n", what.c_str());
  std::exit(1);
}

int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void print(const std::string& name, int64_t value) {
  std::printf("%s %lld\n", name.c_str(), static_cast<long long>(value));
}

// A running VMM with pipes at its console.
struct Child {
  pid_t pid = -1;
  int in = -1;
  int out = -1;
  int64_t started_ns = 0;
  std::string seen = {};
};

// `console` false: stdin and stdout are /dev/null.
Child start(char** arguments, bool console) {
  std::array<int, 2> in{-1, -1};
  std::array<int, 2> out{-1, -1};
  if (console && (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)) die("pipe");
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  Child child{.in = in[1], .out = out[0], .started_ns = now_ns()};
  child.pid = vfork();
  if (child.pid == 0) {
    // Where nothing comes of it, it is not to run beside what is measured next.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(console ? in[0] : null, STDIN_FILENO);
    dup2(console ? out[1] : null, STDOUT_FILENO);
    execvp(arguments[0], arguments);
    _exit(127);
  }
  if (child.pid < 0) die("vfork");
  close(null);
  if (console) {
    close(in[0]);
    close(out[1]);
  }
  return child;
}

// Reads on until `text` has come, or the end; returns what stood before it.
std::string text_before(Child& child, std::string_view text) {
  std::array<char, 16384> bytes;
  size_t from = 0;
  while (true) {
    const size_t at = child.seen.find(text, from);
    if (at != std::string::npos) {
      std::string before = child.seen.substr(0, at);
      child.seen.erase(0, at + text.size());
      return before;
    }
    from = child.seen.size() - std::min(child.seen.size(), text.size());
    pollfd ready{.fd = child.out, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(kLimitNs / 1'000'000)) <= 0) die("nothing came before: " + std::string{text});
    const ssize_t count = read(child.out, bytes.data(), bytes.size());
    if (count <= 0) die("it ended before: " + std::string{text} + "; it said: " + child.seen);
    child.seen.append(bytes.data(), static_cast<size_t>(count));
  }
}

// Returns when it had come.
int64_t wait_for(Child& child, std::string_view text) {
  text_before(child, text);
  return now_ns();
}

int64_t nanoseconds(const timeval& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_usec * 1'000;
}

// Waits for the end and prints the whole cost.
void finish(const Child& child) {
  int status = 0;
  rusage usage{};
  // Some VMMs stop for ever at what they do not know: that is a row without figures.
  pollfd ended{.fd = static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)), .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, static_cast<int>(kLimitNs / 1'000'000)) <= 0) kill(child.pid, SIGKILL);
  if (wait4(child.pid, &status, 0, &usage) != child.pid) die("wait4");
  print("elapsed_ns", now_ns() - child.started_ns);
  print("cpu_ns", nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime));
  print("status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void each_entry(const std::string& path, const std::function<void(const std::string&)>& use) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') use(entry->d_name);
  }
  closedir(directory);
}

int64_t number_in(const std::string& path) {
  std::ifstream file{path};
  int64_t value = 0;
  file >> value;
  return value;
}

struct Usage {
  int64_t cpu_ns = 0;
  int64_t switches = 0;
  int64_t threads = 0;
};

Usage usage_of(pid_t pid) {
  Usage usage;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  each_entry(tasks, [&](const std::string& task) {
    ++usage.threads;
    usage.cpu_ns += number_in(tasks + "/" + task + "/schedstat");
    std::ifstream status{tasks + "/" + task + "/status"};
    for (std::string line; std::getline(status, line);) {
      if (line.find("ctxt_switches:") != std::string::npos) {
        usage.switches += std::atoll(line.c_str() + line.find(':') + 1);
      }
    }
  });
  return usage;
}

// KVM's own counters of this VM, in debugfs: <pid>-<fd of the VM>.
int64_t kvm_counter(pid_t pid, const std::string& name) {
  const std::string root = "/sys/kernel/debug/kvm";
  int64_t sum = 0;
  each_entry(root, [&](const std::string& entry) {
    if (entry.starts_with(std::to_string(pid) + "-")) sum += number_in(root + "/" + entry + "/" + name);
  });
  return sum;
}

// Sums of smaps in KiB, guest RAM (the mappings as large as it) apart.
void print_memory(pid_t pid, int64_t ram_kib) {
  std::ifstream smaps{"/proc/" + std::to_string(pid) + "/smaps"};
  bool is_ram = false;
  int64_t rss = 0;
  int64_t pss = 0;
  int64_t own = 0;
  int64_t ram = 0;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words{line};
    std::string key;
    int64_t value = 0;
    words >> key >> value;
    if (key == "Size:") is_ram = value >= ram_kib && value <= ram_kib + 8192;
    if (key == "Rss:") (is_ram ? ram : rss) += value;
    if (is_ram) continue;
    if (key == "Pss:") pss += value;
    if (key == "Private_Clean:" || key == "Private_Dirty:") own += value;
  }
  print("rss_kib", rss);
  print("pss_kib", pss);
  print("private_kib", own);
  print("guest_ram_kib", ram);
}

void type(const Child& child, const std::string& text) {
  if (write(child.in, text.data(), text.size()) != static_cast<ssize_t>(text.size())) die("cannot type");
}

void watch(Child& child, const std::string& prompt, int64_t ram_kib) {
  wait_for(child, prompt);
  for (const char* name : {"exits", "mmio_exit_user", "mmio_exit_kernel"}) {
    print(std::string{"boot_"} + name, kvm_counter(child.pid, name));
  }
  sleep(kRestSeconds);
  print_memory(child.pid, ram_kib);
  const Usage before = usage_of(child.pid);
  const int64_t exits_before = kvm_counter(child.pid, "exits");
  sleep(kIdleSeconds);
  const Usage after = usage_of(child.pid);
  print("threads", after.threads);
  print("idle_cpu_ns", after.cpu_ns - before.cpu_ns);
  print("idle_switches", after.switches - before.switches);
  print("idle_exits", kvm_counter(child.pid, "exits") - exits_before);
}

void measure_console(Child& child, const std::string& prompt, int64_t bytes) {
  wait_for(child, prompt);
  sleep(kRestSeconds);
  // The text is made first, so that only its way to the console is measured.
  type(child, "yes 0123456789abcdef0123456789abcde | head -c " + std::to_string(bytes) + " >/text; echo go\"\"es\n");
  wait_for(child, "goes");
  wait_for(child, prompt);
  const int64_t cpu = usage_of(child.pid).cpu_ns;
  const int64_t elapsed = now_ns();
  type(child, "cat /text; echo do\"\"ne\n");
  wait_for(child, "done");
  print("console_elapsed_ns_per_byte", (now_ns() - elapsed) / bytes);
  print("console_cpu_ns_per_byte", (usage_of(child.pid).cpu_ns - cpu) / bytes);
}

struct Counters {
  int64_t exits;  // of MMIO, to user space
  int64_t kicks;  // of MMIO, answered in the kernel
  int64_t switches;
};

Counters counters_of(pid_t pid) {
  return {kvm_counter(pid, "mmio_exit_user"), kvm_counter(pid, "mmio_exit_kernel"), usage_of(pid).switches};
}

// The guest keeps the time, which is that of the host; only the counters have to be asked for here.
void measure_loads(Child& child, const std::string& prompt, std::span<const std::string> loads) {
  wait_for(child, prompt);
  sleep(kRestSeconds);
  for (const std::string& load : loads) {
    const std::string name = load.substr(0, load.find('='));
    type(child, load.substr(name.size() + 1) + "\n");
    wait_for(child, "load: go");
    const Counters before = counters_of(child.pid);
    wait_for(child, "load: done ");
    const std::string result = text_before(child, "\n");
    const Counters after = counters_of(child.pid);
    std::istringstream words{result};
    int64_t count = 0;
    int64_t ns = 0;
    if (!(words >> count >> ns)) die("a load said: " + result);
    print(name + ".count", count);
    print(name + ".ns", ns);
    print(name + ".exits", after.exits - before.exits);
    print(name + ".kicks", after.kicks - before.kicks);
    print(name + ".switches", after.switches - before.switches);
    wait_for(child, prompt);
  }
}

// False if `mode` is none of those that want a shell.
bool at_shell(std::string_view mode, std::span<const std::string> words, Child& child) {
  if (mode == "watch" && words.size() == 2) {
    watch(child, words[0], std::atoll(words[1].c_str()) * 1024);
  } else if (mode == "console" && words.size() == 2) {
    measure_console(child, words[0], std::atoll(words[1].c_str()));
  } else if (mode == "load" && words.size() >= 2) {
    measure_loads(child, words[0], words.subspan(1));
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int command = 2;
  while (command < argc && std::string_view{argv[command]} != "--")
    ++command;
  if (argc < 2 || command + 1 >= argc) die("usage: see the source's first lines");
  const std::string_view mode = argv[1];
  const std::vector<std::string> words(argv + 2, argv + command);
  char** arguments = argv + command + 1;
  Child child = start(arguments, mode != "run");
  if (at_shell(mode, words, child)) {
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    return 0;
  }
  for (const std::string& text : words)
    print("until_ns", wait_for(child, text) - child.started_ns);
  finish(child);
  return 0;
}
