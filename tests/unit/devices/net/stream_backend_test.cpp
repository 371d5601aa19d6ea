#include "devices/net/stream_backend.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

namespace rvvmm::stream_backend_test {
namespace {

constexpr size_t kHeader = sizeof(VirtioNetHeader);

std::string pattern(size_t bytes) {
  std::string frame(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i)
    frame[i] = static_cast<char>(i * 7 + i / 251);
  return frame;
}

std::string on_wire(const std::string& frame) {
  const auto length = static_cast<uint32_t>(frame.size());
  std::string wire;
  for (const int shift : {24, 16, 8, 0})
    wire += static_cast<char>(length >> shift);
  return wire + frame;
}

class StreamBackendTest : public ::testing::Test {
 protected:
  StreamBackendTest() { connect(); }
  void connect() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    backend.emplace(Fd{ends[0]});
    peer = Fd{ends[1]};
  }
  void peer_writes(std::string_view bytes) {
    ASSERT_EQ(::write(peer.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::string peer_reads(size_t most) {
    std::string bytes(most, '\0');
    size_t got = 0;
    while (got < most) {
      const ssize_t n = ::recv(peer.get(), bytes.data() + got, most - got, MSG_DONTWAIT);
      if (n <= 0) break;
      got += static_cast<size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
  /// The next frame without its header; nullopt where there is none.
  std::optional<std::string> receive() {
    const iovec piece{.iov_base = buffer.data(), .iov_len = buffer.size()};
    const NetReceived got = backend->receive(0, {&piece, 1});
    last = got.io;
    if (got.io != NetIo::kDone) return std::nullopt;
    return buffer.substr(kHeader, got.bytes - kHeader);
  }
  NetIo send(std::string frame) {
    frame.insert(0, kHeader, '\xEE');
    // In three pieces, the first of which ends within the header.
    const iovec pieces[]{{.iov_base = frame.data(), .iov_len = 5},
                         {.iov_base = frame.data() + 5, .iov_len = kHeader},
                         {.iov_base = frame.data() + 5 + kHeader, .iov_len = frame.size() - 5 - kHeader}};
    return backend->send(0, pieces);
  }

  std::optional<StreamBackend> backend;
  Fd peer;
  std::string buffer = std::string(kHeader + kLongestFrame, '\0');
  NetIo last = NetIo::kDone;
};

TEST_F(StreamBackendTest, ReceivesFramesHoweverTheyAreCut) {
  const std::string small = pattern(60);
  const std::string large = pattern(StreamBackend::kLongestOnWire);
  const std::string wire = on_wire(small) + on_wire(large) + on_wire(small);
  std::vector<std::string> frames;
  for (size_t at = 0; at < wire.size();) {
    const size_t piece = at < 200 ? 1 : 30'011;
    peer_writes(std::string_view{wire}.substr(at, piece));
    at += piece;
    while (const auto frame = receive())
      frames.push_back(*frame);
    EXPECT_EQ(last, NetIo::kLater);
  }
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[0], small);
  EXPECT_EQ(frames[1], large);
  EXPECT_EQ(frames[2], small);
}

TEST_F(StreamBackendTest, ChecksumsAreGoodWhereTheDriverAsked) {
  peer_writes(on_wire(pattern(60)) + on_wire(pattern(60)));
  backend->start(0);
  ASSERT_TRUE(receive());
  EXPECT_EQ(buffer.substr(0, kHeader), std::string(kHeader, '\0'));
  backend->start(kNetGuestCsum);
  ASSERT_TRUE(receive());
  EXPECT_EQ(buffer.substr(0, kHeader), std::string(1, '\2') + std::string(kHeader - 1, '\0'));
}

TEST_F(StreamBackendTest, LengthsThatAreNoneEndIt) {
  for (const size_t length : {size_t{0}, size_t{13}, StreamBackend::kLongestOnWire + 1}) {
    connect();
    peer_writes(on_wire(std::string(length, 'x')));
    EXPECT_FALSE(receive());
    EXPECT_EQ(last, NetIo::kGone);
    EXPECT_EQ(backend->why(), "passt sent something that is not a frame");
    EXPECT_FALSE(receive());
    EXPECT_EQ(last, NetIo::kGone);
  }
}

TEST_F(StreamBackendTest, SendsTheLengthAndNoHeader) {
  EXPECT_EQ(send(pattern(100)), NetIo::kDone);
  EXPECT_EQ(peer_reads(1000), on_wire(pattern(100)));
}

TEST_F(StreamBackendTest, RefusesWhatTheOtherSideWouldHangUpOn) {
  EXPECT_EQ(send(pattern(StreamBackend::kLongestOnWire + 1)), NetIo::kRefused);
  EXPECT_EQ(peer_reads(1000), "");
  EXPECT_EQ(send(pattern(StreamBackend::kLongestOnWire)), NetIo::kDone);
}

TEST_F(StreamBackendTest, AFrameThatWentOutInPartIsFinishedFirst) {
  std::string expected;
  int accepted = 0;
  while (send(pattern(50'000)) == NetIo::kDone) {
    expected += on_wire(pattern(50'000));
    ++accepted;
  }
  ASSERT_GT(accepted, 1);
  const bool in_part = backend->flush(0);
  std::string seen = peer_reads(100'000);
  for (int i = 0; i < 100 && backend->flush(0); ++i)
    seen += peer_reads(10'000);
  EXPECT_FALSE(backend->flush(0));
  seen += peer_reads(expected.size());
  EXPECT_EQ(seen == expected, true) << seen.size() << " bytes of " << expected.size() << ", in part: " << in_part;
  EXPECT_EQ(send(pattern(60)), NetIo::kDone);
  EXPECT_EQ(peer_reads(1000), on_wire(pattern(60)));
}

TEST_F(StreamBackendTest, ThePeersEndIsTheEnd) {
  peer_writes(on_wire(pattern(60)));
  peer.reset();
  EXPECT_EQ(receive(), pattern(60));
  EXPECT_FALSE(receive());
  EXPECT_EQ(last, NetIo::kGone);
  EXPECT_EQ(send(pattern(60)), NetIo::kGone);
  EXPECT_EQ(backend->why(), "passt has ended");
}

}  // namespace
}  // namespace rvvmm::stream_backend_test
