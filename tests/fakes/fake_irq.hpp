// Ends of interrupt wires that remember what was done to them.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "base/irq.hpp"

namespace rvvmm {

/// An input of an interrupt controller. Any thread.
class FakeIrqLine final : public IrqLine {
 public:
  void set(bool asserted) noexcept override {
    calls.fetch_add(1, std::memory_order_relaxed);
    level.store(asserted, std::memory_order_release);
  }

  void assert_again() noexcept override { repeats.fetch_add(1, std::memory_order_relaxed); }

  std::atomic<bool> level = false;
  std::atomic<int> calls = 0;
  std::atomic<int> repeats = 0;
};

/// Where messages go. One thread.
class FakeMsiSink final : public MsiSink {
 public:
  void signal_msi(const MsiMessage& message) noexcept override { messages.push_back(message); }
  bool connect_msi(int eventfd, const MsiMessage& message) noexcept override {
    ++connects;
    if (refuses) return false;
    connected[eventfd] = message;
    return true;
  }
  void disconnect_msi(int eventfd) noexcept override { wrong_disconnects += connected.erase(eventfd) == 1 ? 0 : 1; }

  std::vector<MsiMessage> messages;
  std::map<int, MsiMessage> connected;  ///< by eventfd
  bool refuses = false;
  int connects = 0;
  int wrong_disconnects = 0;
};

/// A hart's interrupt pin. Any thread.
class FakeHartPin final : public HartIrqPin {
 public:
  void set_external_interrupt(bool asserted) noexcept override {
    calls.fetch_add(1, std::memory_order_relaxed);
    level.store(asserted, std::memory_order_release);
  }

  std::atomic<bool> level = false;
  std::atomic<int> calls = 0;
};

}  // namespace rvvmm
