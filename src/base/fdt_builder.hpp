// Writes a flattened device tree (Devicetree Specification 0.4, ch. 5) with libfdt. A C++ scope is a node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "base/range.hpp"

namespace rvvmm {

/// Sequential writer: the properties of a node come before its children, as the format requires. The buffer grows as
/// needed. Throws SetupError only if libfdt reports a bug in rvvmm or the tree gets too large.
class FdtBuilder {
 public:
  /// An open node. Its destructor closes it.
  class Node {
   public:
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

   private:
    friend class FdtBuilder;
    explicit Node(FdtBuilder& fdt) noexcept : fdt_(fdt) {}
    FdtBuilder& fdt_;
  };

  /// Starts the tree; the root node is open.
  FdtBuilder();

  [[nodiscard]] Node node(std::string_view name);
  /// "name@<address in hex>".
  [[nodiscard]] Node node(std::string_view name, uint64_t unit_address);

  void empty(std::string_view name);
  void u32(std::string_view name, uint32_t value);
  void u64(std::string_view name, uint64_t value);
  void cells(std::string_view name, std::span<const uint32_t> values);
  void cells(std::string_view name, std::initializer_list<uint32_t> values);
  void string(std::string_view name, std::string_view value);
  void strings(std::string_view name, std::initializer_list<std::string_view> values);
  void strings(std::string_view name, std::span<const std::string_view> values);
  void bytes(std::string_view name, std::span<const std::byte> value);
  /// "reg" for #address-cells = #size-cells = 2.
  void reg(std::initializer_list<GpaRange> ranges);

  /// An unused number for a "phandle" property; starts at 1.
  uint32_t new_phandle() noexcept { return ++last_phandle_; }

  /// Closes the root node and returns the blob, cut to its totalsize.
  std::vector<std::byte> finish();

 private:
  void property(std::string_view name, std::span<const std::byte> value);
  void end_node() noexcept;
  template <typename Step>
  void write(Step step);

  std::vector<std::byte> blob_;
  uint32_t last_phandle_ = 0;
};

/// Where the board placed a device. The device uses it to write its own node.
struct FdtSlot {
  GpaRange window;
  /// The cells of an "interrupts" property, in the format of this board's interrupt controller. Empty if the device has
  /// no interrupt.
  std::vector<uint32_t> interrupts;
  /// Phandles for a bus that forwards interrupts of other devices: of the interrupt controller, and of the MSI
  /// controller (0: none).
  uint32_t interrupt_parent = 0;
  uint32_t msi_parent = 0;
  /// The device's own phandle, if other nodes refer to it.
  uint32_t own_phandle = 0;
};

}  // namespace rvvmm
