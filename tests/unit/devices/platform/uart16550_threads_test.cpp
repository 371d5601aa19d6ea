// The UART used from several threads: input however fast, output however slow.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "devices/platform/uart16550.hpp"
#include "fakes/fake_console.hpp"
#include "fakes/fake_irq.hpp"
#include "pattern.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::uart16550_threads_test {
namespace {

constexpr size_t kPasted = 64_KiB;

// Receives as a serial driver does by interrupt: identify, then read while there is data.
class InterruptDriver {
 public:
  InterruptDriver(Uart16550& uart, const FakeIrqLine& irq, uint8_t fcr) : uart_(uart), irq_(irq) {
    put(2, fcr);
    put(1, 0x05);
  }

  void receive_until(size_t count) {
    while (received.size() < count) {
      if (!irq_.level) {
        std::this_thread::yield();
        continue;
      }
      service();
    }
  }

  void service() {
    const uint8_t cause = get(2) & 0x0F;
    if (cause != 0x04 && cause != 0x0C) return;
    for (int budget = 256; budget > 0 && (get(5) & 0x01) != 0; --budget)
      received += static_cast<char>(get(0));
  }

  std::string received;

 private:
  uint8_t get(uint64_t offset) { return load_register<uint8_t>(uart_, offset); }
  void put(uint64_t offset, uint8_t value) { store_register(uart_, offset, value); }

  Uart16550& uart_;
  const FakeIrqLine& irq_;
};

class UartInput : public testing::TestWithParam<uint8_t> {
 protected:
  UartInput() { in_.set_listener(&uart_); }
  StoppableSink out_;
  TypedSource in_;
  FakeIrqLine irq_;
  Uart16550 uart_{out_, in_, irq_};
};

TEST_P(UartInput, PastedAtOnceIsNeitherLostNorDoubled) {
  InterruptDriver driver{uart_, irq_, GetParam()};
  const std::string text = pattern(kPasted);
  in_.type(text);
  while (irq_.level)
    driver.service();
  EXPECT_TRUE(driver.received == text) << driver.received.size() << " bytes";
}

TEST_P(UartInput, TypedByAnotherThreadIsNeitherLostNorDoubled) {
  InterruptDriver driver{uart_, irq_, GetParam()};
  const std::string text = pattern(kPasted);
  std::jthread typist{[&] {
    for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece = piece % 37 + 1) {
      in_.type(std::string_view{text}.substr(at, piece));
    }
  }};
  driver.receive_until(text.size());
  typist.join();
  EXPECT_FALSE(irq_.level);
  EXPECT_TRUE(driver.received == text);
}

TEST_P(UartInput, PolledWhileAnotherThreadTypesIsNeitherLostNorDoubled) {
  store_register(uart_, 2, GetParam());
  const std::string text = pattern(kPasted);
  std::jthread typist{[&] {
    for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece = piece % 37 + 1) {
      in_.type(std::string_view{text}.substr(at, piece));
    }
  }};
  std::string received;
  while (received.size() < text.size()) {
    if ((load_register<uint8_t>(uart_, 5) & 0x01) != 0) received += static_cast<char>(load_register<uint8_t>(uart_, 0));
  }
  EXPECT_TRUE(received == text);
}

INSTANTIATE_TEST_SUITE_P(Fifo, UartInput, testing::Values(uint8_t{0x00}, uint8_t{0x01}, uint8_t{0xC1}));

TEST(Uart16550Threads, AStuckConsoleHoldsOnlyTheHartThatWrites) {
  StoppableSink out;
  TypedSource in;
  FakeIrqLine irq;
  Uart16550 uart{out, in, irq};
  in.set_listener(&uart);
  store_register<uint8_t>(uart, 1, 0x01);
  out.stop();
  std::jthread writer{[&] { store_register<uint8_t>(uart, 0, 'x'); }};
  out.wait_for_writer();

  EXPECT_EQ(load_register<uint8_t>(uart, 5), 0x60);
  in.type("a");
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(load_register<uint8_t>(uart, 0), 'a');

  out.go_on();
  writer.join();
  EXPECT_EQ(out.text(), "x");
}

TEST(Uart16550Threads, TheTransmitterInterruptOfASlowByteComesAfterIt) {
  StoppableSink out;
  TypedSource in;
  FakeIrqLine irq;
  Uart16550 uart{out, in, irq};
  store_register<uint8_t>(uart, 1, 0x02);
  load_register<uint8_t>(uart, 2);
  out.stop();
  std::jthread writer{[&] { store_register<uint8_t>(uart, 0, 'x'); }};
  out.wait_for_writer();
  EXPECT_FALSE(irq.level);
  out.go_on();
  writer.join();
  EXPECT_TRUE(irq.level);
}

TEST(Uart16550Threads, HartsMayUseItAtTheSameTime) {
  StoppableSink out;
  TypedSource in;
  FakeIrqLine irq;
  Uart16550 uart{out, in, irq};
  in.set_listener(&uart);
  {
    std::vector<std::jthread> harts;
    for (uint32_t seed = 1; seed <= 4; ++seed) {
      harts.emplace_back([&, x = seed]() mutable {
        for (int i = 0; i < 5000; ++i) {
          x = x * 1664525 + 1013904223;
          const uint64_t offset = x >> 29;
          if ((x & 0x0100'0000) != 0) {
            store_register(uart, offset, static_cast<uint8_t>(x >> 16));
          } else {
            load_register<uint8_t>(uart, offset);
          }
          if (i % 64 == 0) in.type("y");
        }
      });
    }
  }
  store_register<uint8_t>(uart, 3, 0x03);
  store_register<uint8_t>(uart, 1, 0x00);
  EXPECT_FALSE(irq.level);
}

}  // namespace
}  // namespace rvvmm::uart16550_threads_test
