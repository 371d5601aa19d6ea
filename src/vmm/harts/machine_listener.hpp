// What a running machine reports to the loop that owns it.
#pragma once

#include <string>

#include "base/vcpu_io.hpp"

namespace rvvmm {

/// Called on hart threads. The first report that ends the machine wins; later reports are dropped.
class MachineListener {
 public:
  virtual ~MachineListener() = default;
  virtual void on_system_event(HartId hart, const SystemEvent& event) noexcept = 0;
  /// `report`: one line that names the exit, then registers; empty if there was no memory for it.
  virtual void on_vcpu_fault(HartId hart, std::string report) noexcept = 0;
  /// A hart that was told to pause rests now (VcpuThread::rests). Must only notify another thread.
  virtual void on_hart_rests() noexcept = 0;
};

}  // namespace rvvmm
