// Servers of the host that guests talk to.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.hpp"

namespace rvvmm::test {

inline sockaddr_in internet_address(const char* address, uint16_t port) {
  sockaddr_in all{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  EXPECT_EQ(::inet_pton(AF_INET, address, &all.sin_addr), 1) << address;
  return all;
}

/// A TCP socket of one of the host's addresses, on a port that was free.
class Listener {
 public:
  explicit Listener(const char* at = "127.0.0.1") : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = internet_address(at, 0);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length), 0) << at;
    EXPECT_EQ(::listen(fd_.get(), 4), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
  }
  uint16_t port() const { return port_; }
  /// The next client; none after shut(), or where nobody comes within the limit.
  Fd accept() const { return Fd{::accept(fd_.get(), nullptr, nullptr)}; }
  /// How long to wait for a client, and each client for the other side.
  void set_limit(std::chrono::seconds limit) const {
    const timeval time{.tv_sec = limit.count(), .tv_usec = 0};
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), 0);
  }
  /// Ends accept() in another thread.
  void shut() const { ::shutdown(fd_.get(), SHUT_RDWR); }

 private:
  Fd fd_;
  uint16_t port_ = 0;
};

/// False where the other side is gone.
inline bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

/// Gives every client the same file by HTTP, until its end.
class WebServer {
 public:
  explicit WebServer(std::string content, const char* at = "127.0.0.1")
      : content_(std::move(content)), listener_(at), thread_([this] { serve(); }) {}
  /// Leaves the client in hand: one whose network is gone would be sent to for a quarter of an hour.
  ~WebServer() {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
    if (client_ >= 0) ::shutdown(client_, SHUT_RDWR);
    listener_.shut();
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  uint16_t port() const { return listener_.port(); }

 private:
  void serve() {
    while (const Fd client = listener_.accept()) {
      if (!take_in_hand(client.get())) return;
      answer(client.get());
      take_in_hand(-1);
    }
  }
  void answer(int client) const {
    char request[4096];
    if (::read(client, request, sizeof request) <= 0) return;
    send_all(client, "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(content_.size()) + "\r\n\r\n");
    send_all(client, content_);
  }
  bool take_in_hand(int client) {
    const std::scoped_lock lock{mutex_};
    client_ = client;
    return !stopping_;
  }

  const std::string content_;
  Listener listener_;
  std::mutex mutex_;
  int client_ = -1;  // -1: none in hand
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace rvvmm::test
