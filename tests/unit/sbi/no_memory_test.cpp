// A guest makes SBI calls while the host has no memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/guest_log.hpp"
#include "base/log.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_harts.hpp"
#include "fakes/no_memory.hpp"
#include "fakes/sbi_table.hpp"
#include "sbi/extensions.hpp"

namespace rvvmm::no_memory_test {
namespace {

class Output final : public ConsoleSink {
 public:
  void write(std::span<const std::byte> /*bytes*/) noexcept override {}
};
class Input final : public ConsoleSource {
 public:
  size_t read(std::span<std::byte> /*out*/) noexcept override { return 0; }
};
class Finish final : public FinishListener {
 public:
  void on_finish(FinishRequest /*request*/) noexcept override {}
};
class Marks final : public BootMarks {
 public:
  bool mark(HartId /*hart*/, std::string_view /*name*/) noexcept override { return true; }
};

TEST(NoMemory, SbiCalls) {
  const GuestMemory memory{Gpa{0x8000'0000}, 1_MiB};
  Output out;
  Input in;
  Finish finish;
  Marks marks;
  GuestLog guest_log;
  FakeHarts harts;
  SbiDispatcher sbi;
  add_extensions(sbi, SbiTable::all_on(),
                 {.memory = memory,
                  .console_out = out,
                  .console_in = in,
                  .finish = finish,
                  .boot_marks = marks,
                  .guest_log = guest_log,
                  .harts = harts});
  const auto entries = sbi.entries();
  ::testing::internal::CaptureStderr();
  {
    const NoMemory none;
    for (const auto& entry : entries) {
      for (const uint64_t eid : {entry.eids.first, entry.eids.last, entry.eids.last + 1}) {
        for (uint64_t fid = 0; fid < 32; ++fid) {
          for (const uint64_t first : {uint64_t{0}, uint64_t{1}, uint64_t{64}, UINT64_MAX})
            sbi.dispatch(HartId{0}, {.eid = eid, .fid = fid, .args = {first, 64, 0x8000'0000, 0, 0, 0}});
        }
      }
    }
  }
  ::testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace rvvmm::no_memory_test
