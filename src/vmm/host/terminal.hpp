// Raw mode of the user's terminal, given back whatever happens.
#pragma once

#include <termios.h>

namespace rvvmm {

/// Opens /dev/null in place of standard descriptors that are closed, so that no file of ours becomes the guest's
/// console. In main, before anything is opened.
void open_missing_standard_fds() noexcept;

/// Puts the terminal behind a descriptor into raw mode, and gives it back at the latest when it is destroyed. If it is
/// not a terminal, every method does nothing. One at a time in a process; the main thread only, but for
/// restore_in_crash().
///
/// Every key, Ctrl-C too, goes to the guest as a byte. Output post-processing is off as well: programs in the
/// guest drive the screen and a bare line feed must stay one. Our own lines on a terminal end in "\r\n" instead.
///
/// Signals that end the process and that nobody else handles, in a crash (SIGSEGV, SIGABRT, hence std::terminate too)
/// or from outside (SIGALRM, limits), give the terminal back first and then do what they did before; an
/// overflow of the main thread's stack too. SIGKILL, and an overflow of another thread's stack, cannot be helped: `stty
/// sane` then.
class Terminal {
 public:
  /// Leaves it as it is: before enter_raw() those signals are to be blocked that nobody serves yet, and that would end
  /// us with the terminal raw.
  explicit Terminal(int fd) noexcept;
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_terminal() const noexcept { return is_terminal_; }
  /// False while another job has the terminal: neither its mode nor its input is ours then.
  bool in_foreground() const noexcept;
  /// Raw mode unless we are in the background of the terminal; also after somebody else changed it (SIGCONT).
  void enter_raw() noexcept;
  /// Back to what it was; enter_raw() may follow.
  void restore() noexcept;
  /// While it is given back for longer, enter_raw() does nothing; it is raw again afterwards.
  void set_given_back(bool given_back) noexcept;

  /// Gives the terminal back from a signal handler. Any thread; async-signal-safe; nothing without a Terminal.
  static void restore_in_crash() noexcept;

 private:
  int fd_;
  bool is_terminal_;
  bool given_back_ = false;
};

}  // namespace rvvmm
