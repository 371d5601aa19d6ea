// Parses the command line, opens KVM and runs the VM. No other file of vmm names KVM's classes.
#include <malloc.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <variant>

#include "base/errno_signals.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "kvm/riscv64/kvm_system.hpp"
#include "vmm/commands/report_command.hpp"
#include "vmm/commands/sbi_list.hpp"
#include "vmm/host/terminal.hpp"
#include "vmm/options/cli.hpp"
#include "vmm/vm.hpp"

namespace {

using namespace rvvmm;

int print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return 0;
  const int error = errno;
  // The reader has closed the pipe and needs no more output: no message, and the status that SIGPIPE would give.
  if (error == EPIPE) return static_cast<int>(ExitStatus::kSignalBase) + SIGPIPE;
  throw SetupError::from_errno(ExitStatus::kInternal, "stdout: cannot be written", error);
}

int print_version() {
  std::string host_facts;
  try {
    host_facts = KvmSystem{}.describe_host();
  } catch (const SetupError& problem) {
    host_facts = std::string{problem.what()} + "\n";
  }
  return print(version_text(host_facts));
}

int print_sbi_list() {
  KvmSystem kvm;
  return print(sbi_list_text(survey_sbi(kvm)));
}

int run(const Config& config) {
  for (const auto& [module, level] : config.log_levels)
    log::set_level(module, level);
  if (config.log_file) log::write_to_file(*config.log_file);
  BootTimeline timeline{config.boot_timeline};
  KvmSystem kvm;
  Vm vm{config, kvm, timeline};
  if (config.dump_dtb) {
    vm.dump_device_tree(*config.dump_dtb);
    return 0;
  }
  return vm.run();
}

int fail(const char* line, ExitStatus status) {
  std::fprintf(stderr, "rvvmm: %s\n", line);
  log::remove_unused_file();
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  handle_errno_signals(SIG_IGN);
  open_missing_standard_fds();
  // Hart threads hardly allocate, so an arena for each thread would only cost start-up time and memory.
  ::mallopt(M_ARENA_MAX, 1);
  try {
    const auto parsed = parse_command_line(std::span<const char* const>{argv + 1, static_cast<size_t>(argc - 1)});
    if (const auto* const text = std::get_if<PrintText>(&parsed)) return print(text->text);
    if (const auto* const report = std::get_if<ReportRequest>(&parsed)) return print(run_report(*report));
    if (std::holds_alternative<PrintVersion>(parsed)) return print_version();
    if (std::holds_alternative<ListSbi>(parsed)) return print_sbi_list();
    return run(std::get<Config>(parsed));
  } catch (const SetupError& problem) {
    return fail(problem.what(), problem.status());
  } catch (const std::exception& problem) {
    return fail(problem.what(), ExitStatus::kInternal);
  }
}
