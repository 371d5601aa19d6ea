#include "vmm/console/console_place.hpp"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output_file.hpp"
#include "vmm/console/pty_console.hpp"
#include "vmm/console/socket_console.hpp"
#include "vmm/console/stdin_reader.hpp"

namespace rvvmm {
namespace {

class StandardConsole final : public ConsolePlace {
 public:
  int terminal_fd() const noexcept override { return STDIN_FILENO; }
  int output_fd() const noexcept override { return STDOUT_FILENO; }
  std::unique_ptr<ConsoleInput> take_input(const Parts& parts) override {
    return std::make_unique<StdinReader>(STDIN_FILENO, parts);
  }
  std::optional<ConsoleSize> size() const noexcept override {
    const auto of_output = terminal_size(STDOUT_FILENO);
    return of_output ? of_output : terminal_size(STDIN_FILENO);
  }
};

class FileConsole final : public ConsolePlace {
 public:
  // If the file is a FIFO, a reader must exist at start. Later writes wait for the reader.
  explicit FileConsole(const std::string& path) : file_("--console: file", path, OutputFile::Start::kAtEnd) {}
  int output_fd() const noexcept override { return file_.fd(); }

 private:
  OutputFile file_;
};

class NullConsole final : public ConsolePlace {
 public:
  int output_fd() const noexcept override { return -1; }
  ConsoleHub::Reader reader() const noexcept override { return ConsoleHub::Reader::kNever; }
};

}  // namespace

std::unique_ptr<ConsolePlace> open_console_place(const ConsoleChoice& choice) {
  switch (choice.where) {
    case ConsoleWhere::kPty: return std::make_unique<PtyConsole>();
    case ConsoleWhere::kSocket: return std::make_unique<SocketConsole>(choice.path);
    case ConsoleWhere::kFile: return std::make_unique<FileConsole>(choice.path);
    case ConsoleWhere::kNull: return std::make_unique<NullConsole>();
    case ConsoleWhere::kTerminal: break;
  }
  return std::make_unique<StandardConsole>();
}

bool go_to_the_same_place(int one, int other) noexcept {
  // Compares the terminals: each name of a terminal has a different inode.
  unsigned int first_terminal = 0;
  unsigned int second_terminal = 0;
  if (::ioctl(one, TIOCGDEV, &first_terminal) == 0 && ::ioctl(other, TIOCGDEV, &second_terminal) == 0)
    return first_terminal == second_terminal;
  struct stat first{};
  struct stat second{};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

std::optional<ConsoleSize> terminal_size(int fd) noexcept {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0) return std::nullopt;
  return ConsoleSize{.columns = size.ws_col, .rows = size.ws_row};
}

}  // namespace rvvmm
