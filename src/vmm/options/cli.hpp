// The command line and the configuration file, turned into a Config.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "vmm/options/config.hpp"
#include "vmm/options/report_options.hpp"

namespace rvvmm {

/// Print this on stdout and end with status 0: --help, --completion.
struct PrintText {
  std::string text;
};

/// --version: probe the host, print version_text() of what was found and end with status 0.
struct PrintVersion {};

/// --list sbi: ask the host, print sbi_list_text() and end with status 0.
struct ListSbi {};

using ParseResult = std::variant<Config, PrintText, PrintVersion, ListSbi, ReportRequest>;

/// `args` come without the program's name. Reads the file of --config and opens no other file. Does not check whether
/// the files and sizes suit the host; the code that uses them does. Throws SetupError (kUsage) with one line that names
/// the option, or FILE:LINE and the key.
ParseResult parse_command_line(std::span<const char* const> args);

/// "rvvmm <version>", then `host_facts` (lines about KVM, may be empty). Each line ends with a newline.
std::string version_text(std::string_view host_facts);

}  // namespace rvvmm
