#include "vmm/watch/exit_tracer.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "fakes/fake_hypervisor.hpp"
#include "fakes/one_device.hpp"
#include "vmm/watch/flight_recorder.hpp"

namespace rvvmm::exit_tracer_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ExitRecord store(uint64_t value, uint64_t ticks = 0) {
  ExitRecord exit;
  exit.entered = exit.left = exit.answered = ticks;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = 0x1000'0000, .value = value, .width = 1, .is_write = true};
  return exit;
}

class Files : public ::testing::Test {
 protected:
  ~Files() override { std::filesystem::remove(path_); }
  std::string content() const {
    std::ifstream file{path_};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  static size_t lines_in(const std::string& text) { return static_cast<size_t>(std::ranges::count(text, '\n')); }

  const std::string path_ = ::testing::TempDir() + "exit_tracer_" + std::to_string(::getpid());
};

class ExitTracerTest : public Files {
 protected:
  ExitTracerTest() {
    config_.trace = "mmio:uart if value >= 10";
    config_.trace_file = TraceFile{.path = path_};
    vcpu_.at(HartRegister::kPc) = 0x8020'0000;
  }

  void trace() {
    const OneDevice devices;
    ExitTracer tracer{config_};
    tracer.begin(1000, 10'000'000, devices);
    for (const uint64_t value : {9UL, 10UL, 11UL})
      tracer.on_exit(HartId{2}, vcpu_, store(value, 2000));
  }

  Config config_;
  FakeVcpu vcpu_;
};

TEST_F(ExitTracerTest, WritesWhatMatchesAndNothingElse) {
  trace();
  EXPECT_EQ(content(),
            "[    0.000100] hart 2 pc 0x80200000: mmio uart+0x0 write, 1 byte at 0x10000000: 0xa (0.0 us)\n"
            "[    0.000100] hart 2 pc 0x80200000: mmio uart+0x0 write, 1 byte at 0x10000000: 0xb (0.0 us)\n");
}

TEST_F(ExitTracerTest, JsonHasRegistersWhereTheyAreWanted) {
  config_.trace_file->json = config_.trace_file->registers = true;
  vcpu_.at(kA0) = 0x77;
  trace();
  EXPECT_EQ(lines_in(content()), 3U) << content();
  EXPECT_THAT(
      content(),
      StartsWith("{\"format\": \"rvvmm exits\", \"version\": 1, \"why\": \"trace of mmio:uart if value >= 10\"}\n"));
  EXPECT_THAT(content(), HasSubstr("\"a0\": \"0x77\""));
}

TEST_F(ExitTracerTest, ADeviceThatThereIsNotIsSaidBeforeTheGuestRuns) {
  config_.trace = "mmio:uarrt";
  EXPECT_THROW(trace(), SetupError);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ExitTracerTest, AFullDiskEndsTheTraceWithOneWarning) {
  config_.trace_file->path = "/dev/full";
  ::testing::internal::CaptureStderr();
  trace();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("--trace: cannot be written any more: No space left on device"));
  EXPECT_EQ(lines_in(said), 1U);
}

// A guest cannot be stopped while one of its harts waits in write(2) for somebody to read a pipe.
TEST_F(ExitTracerTest, AReaderThatDoesNotReadKeepsNoHart) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const Fd reader{::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  config_.trace = "mmio";
  const OneDevice devices;
  ExitTracer tracer{config_};
  tracer.begin(0, 10'000'000, devices);
  std::atomic<uint64_t> lines = 0;
  std::atomic<bool> stop = false;
  std::jthread hart{[&] {
    for (; !stop; ++lines)
      tracer.on_exit(HartId{0}, vcpu_, store(1));
  }};
  for (uint64_t before = UINT64_MAX; before != lines;) {  // until the pipe is full
    before = lines;
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
  }
  stop = true;
  tracer.limit_waits();
  hart.join();
}

class FlightRecorderTest : public Files {
 protected:
  FlightRecorderTest() {
    for (uint32_t hart = 0; hart < 2; ++hart)
      vcpus_.push_back(vm_.create_vcpu(HartId{hart}));
    record_.vcpus[0]->exits = {store(1, 10), store(3, 30)};
    record_.vcpus[1]->exits = {store(2, 20)};
  }
  FlightRecorder::Machine machine(bool harts_run) {
    return {.vcpus = vcpus_, .vm = vm_, .devices = devices_, .harts_run = harts_run};
  }
  static Config with(const std::string& file) {
    Config config;
    config.flight_record = file;
    return config;
  }

  FakeHost host_;
  FakeVmRecord record_;
  FakeVmBackend vm_{host_, record_};
  std::vector<std::unique_ptr<VcpuBackend>> vcpus_;
  OneDevice devices_;
};

TEST_F(FlightRecorderTest, WritesExitsOfAllHartsInTheirOrderThenRegisters) {
  FlightRecorder recorder{with(path_)};
  EXPECT_FALSE(std::filesystem::exists(path_)) << "nothing has happened yet";
  const std::string said = recorder.write("a test", machine(false));
  EXPECT_EQ(said, "the last exits of each hart are in " + path_ + "; see rvvmm report " + path_);
  const std::string text = content();
  EXPECT_EQ(lines_in(text), 6U) << text;
  EXPECT_THAT(text, StartsWith("{\"format\": \"rvvmm exits\", \"version\": 1, \"why\": \"a test\"}\n"
                               "{\"us\": 0.0, \"hart\": 0, "));
  EXPECT_LT(text.find("\"value\": \"0x2\""), text.find("\"value\": \"0x3\""));
  EXPECT_THAT(text, HasSubstr("{\"hart\": 1, \"registers\": {\"pc\": \"0x0\""));
}

TEST_F(FlightRecorderTest, RegistersOfHartsThatRunAreTheirOwn) {
  FlightRecorder{with(path_)}.write("a test", machine(true));
  EXPECT_EQ(lines_in(content()), 4U);
  EXPECT_EQ(record_.vcpus[0]->registers_read, 0U);
}

TEST_F(FlightRecorderTest, ANewRecordReplacesTheLast) {
  FlightRecorder recorder{with(path_)};
  recorder.write("one", machine(true));
  recorder.write("two", machine(true));
  EXPECT_EQ(lines_in(content()), 4U);
  EXPECT_THAT(content(), HasSubstr("\"two\""));
}

TEST_F(FlightRecorderTest, WithoutAFileItMakesOneAndSaysWhere) {
  Config config;
  FlightRecorder recorder{config};
  const std::string said = recorder.write("a test", machine(true));
  EXPECT_EQ(recorder.write("again", machine(true)), said);
  const size_t at = said.rfind(' ') + 1;
  EXPECT_TRUE(std::filesystem::remove(said.substr(at))) << said;
}

TEST_F(FlightRecorderTest, OffIsOff) {
  EXPECT_EQ(FlightRecorder{with("off")}.write("a test", machine(true)), "");
}

TEST_F(FlightRecorderTest, AFileThatCannotBeWrittenIsSaid) {
  try {
    FlightRecorder{with("/none/f")};
    FAIL() << "nothing was said";
  } catch (const SetupError& error) {
    EXPECT_STREQ(error.what(), "--flight-record /none/f: cannot be written: No such file or directory");
  }
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THROW(FlightRecorder{with(path_)}, SetupError) << "it is not waited for who opens the other end";
  EXPECT_EQ(FlightRecorder{with("/dev/full")}.write("a test", machine(true)),
            "--flight-record /dev/full: cannot be written: No space left on device");
}

}  // namespace
}  // namespace rvvmm::exit_tracer_test
