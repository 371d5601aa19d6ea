// Writes a flattened device tree (Devicetree Specification 0.4, ch. 5) by scopes, over libfdt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "base/range.hpp"

namespace rvvmm {

/// Sequential writer: properties of a node come before its children, as the format wants. Grows by itself;
/// throws SetupError only where libfdt reports a bug of ours or memory ends.
class FdtBuilder {
 public:
  /// An open node; closed at the end of its scope.
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

  /// A number for a "phandle" property that is not used yet; from 1.
  uint32_t new_phandle() noexcept { return ++last_phandle_; }

  /// Closes the root and returns the blob, exactly its totalsize.
  std::vector<std::byte> finish();

 private:
  void property(std::string_view name, std::span<const std::byte> value);
  void end_node() noexcept;
  template <typename Step>
  void write(Step step);

  std::vector<std::byte> blob_;
  uint32_t last_phandle_ = 0;
};

/// Where the board put a device, for the device's own description of itself.
struct FdtSlot {
  GpaRange window;
  /// The cells of an "interrupts" property in the form of this board's controller; empty without interrupt.
  std::vector<uint32_t> interrupts;
  /// Phandles, for a bus that passes on the interrupts of others: the controller's, and that of where messages go (0:
  /// nowhere).
  uint32_t interrupt_parent = 0;
  uint32_t msi_parent = 0;
  /// For a device that other nodes refer to, its own.
  uint32_t own_phandle = 0;
};

}  // namespace rvvmm
