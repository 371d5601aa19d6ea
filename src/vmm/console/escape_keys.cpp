#include "vmm/console/escape_keys.hpp"

namespace rvvmm {
namespace {

constexpr std::byte kPrefix{0x01};  // Ctrl-A

}  // namespace

EscapeKeys::Step EscapeKeys::feed(std::byte in) noexcept {
  if (!after_prefix_) {
    if (in != kPrefix) return {.pass = in};
    after_prefix_ = true;
    return {.pass = std::nullopt};
  }
  after_prefix_ = false;
  switch (static_cast<char>(in)) {
    case 'x': return {.pass = std::nullopt, .action = Action::kQuit};
    case 'p': return {.pass = std::nullopt, .action = Action::kPause};
    case 'h': return {.pass = std::nullopt, .action = Action::kHelp};
    case 'a':
    case static_cast<char>(kPrefix): return {.pass = kPrefix};
    default: return {.pass = std::nullopt};
  }
}

std::string_view EscapeKeys::help() noexcept {
  return "\n"
         "Ctrl-A x       quit rvvmm\n"
         "Ctrl-A p       pause the machine, or let it go on\n"
         "Ctrl-A h       this help\n"
         "Ctrl-A Ctrl-A  send Ctrl-A to the guest (so does Ctrl-A a)\n"
         "All other keys, Ctrl-C too, go to the guest.\n";
}

}  // namespace rvvmm
