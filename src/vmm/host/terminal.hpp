// Raw mode of the user's terminal, restored however rvvmm ends.
#pragma once

#include <termios.h>

namespace rvvmm {

/// Opens /dev/null in place of closed standard descriptors, so that no file of rvvmm becomes the guest's console.
/// Called in main before any file is opened.
void open_missing_standard_fds() noexcept;

/// Puts the terminal behind a descriptor into raw mode, and restores the previous mode, at the latest in the
/// destructor. If the descriptor is not a terminal, every method does nothing. A process has one Terminal at a time.
/// The main thread only, except restore_in_crash().
///
/// In raw mode every key, also Ctrl-C, goes to the guest as a byte. Output post-processing is off as well: programs in
/// the guest control the screen, and a bare line feed must not change. rvvmm's own lines on a terminal end in "\r\n".
///
/// Some signals end the process and are not handled elsewhere: in a crash (SIGSEGV, SIGABRT, and so std::terminate) or
/// from outside (SIGALRM, limits). They restore the terminal first and then have their usual effect. An overflow of the
/// main thread's stack does the same. After SIGKILL or an overflow of another thread's stack the terminal stays raw:
/// use `stty sane`.
class Terminal {
 public:
  /// Does not change the mode. Before enter_raw(), the caller must block the signals that Signals will serve: without a
  /// handler they would end the process with the terminal raw.
  explicit Terminal(int fd) noexcept;
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool is_terminal() const noexcept { return is_terminal_; }
  /// False while another job has the terminal. rvvmm must not change its mode or read its input then.
  bool in_foreground() const noexcept;
  /// Sets raw mode, unless rvvmm is in the background. Also for use after another program changed the mode (SIGCONT).
  void enter_raw() noexcept;
  /// Restores the previous mode; enter_raw() may follow.
  void restore() noexcept;
  /// True: restores the mode, and enter_raw() does nothing from then on. False: sets raw mode again.
  void set_given_back(bool given_back) noexcept;

  /// Restores the mode in a signal handler. Any thread; async-signal-safe. Does nothing without a Terminal.
  static void restore_in_crash() noexcept;

 private:
  int fd_;
  bool is_terminal_;
  bool given_back_ = false;
};

}  // namespace rvvmm
