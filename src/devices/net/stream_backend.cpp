#include "devices/net/stream_backend.hpp"

#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {
namespace {

using Length = uint32_t;
/// Room for the longest frame twice: one call can read many small frames.
constexpr size_t kInBuffer = 2 * (StreamBackend::kLongestOnWire + sizeof(Length));
/// What sendmsg(2) accepts (IOV_MAX); the length takes one piece. A queue has fewer.
constexpr size_t kMostPieces = 1024;

}  // namespace

StreamBackend::StreamBackend(Fd socket)
    : socket_(std::move(socket)), in_(kInBuffer), out_(kLongestOnWire + sizeof(Length)) {
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
}

NetIo StreamBackend::gone(std::string_view why) noexcept {
  if (why_.empty()) why_ = why;
  return NetIo::kGone;
}

// Reads as much as there is room for, behind the bytes that already wait.
NetIo StreamBackend::fill() noexcept {
  if (in_begin_ > 0) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= std::exchange(in_begin_, 0);
  }
  const ssize_t got = ::recv(socket_.get(), in_.data() + in_end_, in_.size() - in_end_, 0);
  if (got > 0) {
    in_end_ += static_cast<size_t>(got);
    return NetIo::kDone;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return NetIo::kLater;
  return gone("passt has ended");
}

NetReceived StreamBackend::receive(uint16_t /*pair*/, std::span<const iovec> buffers) noexcept {
  while (true) {
    if (!why_.empty()) return {.io = NetIo::kGone};
    Length length = 0;
    if (waiting().size() >= sizeof length) {
      std::memcpy(&length, waiting().data(), sizeof length);
      length = be32toh(length);
      if (length < kShortestFrame || length > kLongestOnWire)
        return {.io = gone("passt sent something that is not a frame")};
      if (waiting().size() >= sizeof length + length) {
        const VirtioNetHeader header{.flags = trust_checksums_ ? VirtioNetHeader::kDataValid : uint8_t{0}};
        copy_to_buffers(buffers, 0, std::as_bytes(std::span{&header, 1}));
        copy_to_buffers(buffers, kNetHeader, waiting().subspan(sizeof length, length));
        in_begin_ += sizeof length + length;
        return {.io = NetIo::kDone, .bytes = kNetHeader + length};
      }
    }
    if (const NetIo io = fill(); io != NetIo::kDone) return {.io = io};
  }
}

NetIo StreamBackend::not_sent(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case EINTR: return NetIo::kLater;
    case ENOMEM:
    case ENOBUFS: return NetIo::kRefused;
    default: return gone("passt has ended");
  }
}

NetIo StreamBackend::send(uint16_t pair, std::span<const iovec> frame) noexcept {
  if (flush(pair)) return NetIo::kLater;
  if (!why_.empty()) return NetIo::kGone;
  if (frame.size() >= kMostPieces) return NetIo::kRefused;
  std::array<iovec, kMostPieces> pieces;
  Length length = 0;
  pieces[0] = {.iov_base = &length, .iov_len = sizeof length};
  size_t used = 1;
  size_t skip = kNetHeader;
  size_t bytes = 0;
  for (const iovec& piece : frame) {
    const size_t skipped = std::min(skip, piece.iov_len);
    skip -= skipped;
    if (piece.iov_len == skipped) continue;
    pieces[used++] = {.iov_base = static_cast<std::byte*>(piece.iov_base) + skipped,
                      .iov_len = piece.iov_len - skipped};
    bytes += piece.iov_len - skipped;
  }
  if (bytes > kLongestOnWire) return NetIo::kRefused;
  length = htobe32(static_cast<Length>(bytes));
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = used;
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (sent < 0) return not_sent(errno);
  // The rest is kept, so that the frame stays whole and its buffers can go back to the driver.
  out_begin_ = 0;
  out_end_ = copy_from_buffers(std::span{pieces}.first(used), static_cast<size_t>(sent), out_);
  return NetIo::kDone;
}

bool StreamBackend::flush(uint16_t /*pair*/) noexcept {
  while (out_begin_ < out_end_) {
    const ssize_t sent = ::send(socket_.get(), out_.data() + out_begin_, out_end_ - out_begin_, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (sent < 0) {
      gone("passt has ended");
      out_begin_ = out_end_;
    } else {
      out_begin_ += static_cast<size_t>(sent);
    }
  }
  return false;
}

}  // namespace rvvmm
