#include "base/fdt_builder.hpp"

#include <libfdt.h>

#include <array>
#include <bit>
#include <cstring>
#include <format>
#include <string>

#include "base/error.hpp"

namespace rvvmm {
namespace {

constexpr size_t kFirstSize = 16384;
constexpr size_t kLargestSize = 64UL << 20;

void append_be32(std::vector<std::byte>& out, uint32_t value) {
  const auto raw = std::bit_cast<std::array<std::byte, 4>>(std::byteswap(value));
  out.insert(out.end(), raw.begin(), raw.end());
}

void append_be64(std::vector<std::byte>& out, uint64_t value) {
  append_be32(out, static_cast<uint32_t>(value >> 32));
  append_be32(out, static_cast<uint32_t>(value));
}

void check(int error) {
  if (error < 0) {
    throw SetupError{ExitStatus::kInternal, std::format("device tree: libfdt says {}", fdt_strerror(error))};
  }
}

}  // namespace

FdtBuilder::FdtBuilder() : blob_(kFirstSize) {
  // Without name deduplication the tree is about a kilobyte larger. Searching for existing names would take longer than
  // all other work on a small tree.
  check(fdt_create_with_flags(blob_.data(), static_cast<int>(blob_.size()), FDT_CREATE_FLAG_NO_NAME_DEDUP));
  check(fdt_finish_reservemap(blob_.data()));
  check(fdt_begin_node(blob_.data(), ""));
}

template <typename Step>
void FdtBuilder::write(Step step) {
  for (;;) {
    const int error = step();
    if (error != -FDT_ERR_NOSPACE || blob_.size() >= kLargestSize) {
      check(error);
      return;
    }
    std::vector<std::byte> larger(blob_.size() * 2);
    check(fdt_resize(blob_.data(), larger.data(), static_cast<int>(larger.size())));
    blob_ = std::move(larger);
  }
}

FdtBuilder::Node::~Node() {
  fdt_.end_node();
}

FdtBuilder::Node FdtBuilder::node(std::string_view name) {
  const std::string text{name};
  write([&] { return fdt_begin_node(blob_.data(), text.c_str()); });
  return Node{*this};
}

FdtBuilder::Node FdtBuilder::node(std::string_view name, uint64_t unit_address) {
  return node(std::format("{}@{:x}", name, unit_address));
}

void FdtBuilder::end_node() noexcept {
  // This writes four bytes and fails only if the buffer is full. finish() then fails too, with a clear error.
  try {
    write([&] { return fdt_end_node(blob_.data()); });
  } catch (const SetupError&) {
    return;
  }
}

void FdtBuilder::property(std::string_view name, std::span<const std::byte> value) {
  const std::string text{name};
  write([&] { return fdt_property(blob_.data(), text.c_str(), value.data(), static_cast<int>(value.size())); });
}

void FdtBuilder::empty(std::string_view name) {
  property(name, {});
}

void FdtBuilder::u32(std::string_view name, uint32_t value) {
  cells(name, {value});
}

void FdtBuilder::u64(std::string_view name, uint64_t value) {
  std::vector<std::byte> out;
  append_be64(out, value);
  property(name, out);
}

void FdtBuilder::cells(std::string_view name, std::span<const uint32_t> values) {
  std::vector<std::byte> out;
  out.reserve(values.size_bytes());
  for (const uint32_t value : values)
    append_be32(out, value);
  property(name, out);
}

void FdtBuilder::cells(std::string_view name, std::initializer_list<uint32_t> values) {
  cells(name, std::span{values.begin(), values.size()});
}

void FdtBuilder::string(std::string_view name, std::string_view value) {
  strings(name, {value});
}

void FdtBuilder::strings(std::string_view name, std::span<const std::string_view> values) {
  std::string out;
  for (const std::string_view value : values)
    (out += value) += '\0';
  property(name, std::as_bytes(std::span{out}));
}

void FdtBuilder::strings(std::string_view name, std::initializer_list<std::string_view> values) {
  strings(name, std::span{values.begin(), values.size()});
}

void FdtBuilder::bytes(std::string_view name, std::span<const std::byte> value) {
  property(name, value);
}

void FdtBuilder::reg(std::initializer_list<GpaRange> ranges) {
  std::vector<std::byte> out;
  for (const GpaRange& range : ranges) {
    append_be64(out, range.base.value);
    append_be64(out, range.size);
  }
  property("reg", out);
}

std::vector<std::byte> FdtBuilder::finish() {
  end_node();
  write([&] { return fdt_finish(blob_.data()); });
  blob_.resize(fdt_totalsize(blob_.data()));
  return std::move(blob_);
}

}  // namespace rvvmm
