// What the guest of tools/dev bench does with its devices, and their peer on the host. A guest's part does some of the
// work to warm up, says "load: go", does all of it by the clock, and says "load: done COUNT NS". It rests after both,
// so that whoever listens can read the counters of KVM.
//
//   load null                                          does nothing: what a run costs besides its work
//   load disk read|write|read-together BYTES DEPTH COUNT DEVICE   from the start on, or at random places for blocks
//                                                      of 4 KiB; together: what can be begun at once, by one call
//   load tcp-send|tcp-receive|udp COUNT ADDRESS        KiB of a stream, or datagrams that come back
//   load serve                                         the peer of those, for ever
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kDeepest = 64, kPieceBytes = 131072, kRandomBytes = 4096, kDatagramBytes = 64, kPort = 5001 };

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void rest(void) {
  const struct timespec time = {.tv_nsec = 100000000};
  fflush(stdout);
  nanosleep(&time, NULL);
}

static int64_t go(void) {
  printf("load: go\n");
  rest();
  return now_ns();
}

static void done(long count, int64_t start) {
  // As long for every load, so that saying it costs all the same.
  printf("load: done %8ld %12lld\n", count, (long long)(now_ns() - start));
  rest();
}

// Disk ----------------------------------------------------------------------------------------------------------------

struct disk {
  int fd;
  int writes;
  int together;
  uint64_t block;
  uint64_t blocks;
  unsigned depth;
  char* memory;
  uint64_t next;
  aio_context_t context;
};

static int64_t next_offset(struct disk* disk) {
  if (disk->block != kRandomBytes) return (int64_t)(disk->next++ % disk->blocks * disk->block);
  disk->next ^= disk->next << 13;  // xorshift64
  disk->next ^= disk->next >> 7;
  disk->next ^= disk->next << 17;
  return (int64_t)(disk->next % disk->blocks * disk->block);
}

static void one_by_one(struct disk* disk, long count) {
  for (; count > 0; --count) {
    const int64_t at = next_offset(disk);
    const ssize_t moved =
        disk->writes ? pwrite(disk->fd, disk->memory, disk->block, at) : pread(disk->fd, disk->memory, disk->block, at);
    if (moved != (ssize_t)disk->block) err(1, "block of %zd bytes", moved);
  }
}

static void submit(struct disk* disk, const unsigned* slots, unsigned count) {
  struct iocb requests[kDeepest];
  struct iocb* pointers[kDeepest];
  for (unsigned i = 0; i < count; ++i) {
    requests[i] = (struct iocb){.aio_data = slots[i],
                                .aio_lio_opcode = disk->writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                                .aio_fildes = (uint32_t)disk->fd,
                                .aio_buf = (uintptr_t)(disk->memory + slots[i] * disk->block),
                                .aio_nbytes = disk->block,
                                .aio_offset = next_offset(disk)};
    pointers[i] = &requests[i];
  }
  const unsigned a_call = disk->together ? count : 1;
  for (unsigned i = 0; i < count; i += a_call)
    if (syscall(SYS_io_submit, disk->context, a_call, pointers + i) != (long)a_call) err(1, "io_submit");
}

// As fio does it by default: each request submitted by itself, and as many taken back at once as have ended.
static void many_at_once(struct disk* disk, long count) {
  struct io_event ended[kDeepest];
  unsigned slots[kDeepest] = {0};
  long begun = 0;
  for (; begun < disk->depth && begun < count; ++begun) slots[begun] = (unsigned)begun;
  submit(disk, slots, (unsigned)begun);
  for (long ended_count = 0; ended_count < count;) {
    const long got = syscall(SYS_io_getevents, disk->context, 1, disk->depth, ended, NULL);
    if (got < 1) err(1, "io_getevents");
    unsigned again = 0;
    for (long i = 0; i < got; ++i) {
      if (ended[i].res != (int64_t)disk->block) errx(1, "request of %lld", (long long)ended[i].res);
      if (begun < count) slots[again++] = (unsigned)ended[i].data, ++begun;
    }
    submit(disk, slots, again);
    ended_count += got;
  }
}

static void run_disk(const char* how, uint64_t block, unsigned depth, long count, const char* device) {
  uint64_t bytes = 0;
  struct disk disk = {.writes = strcmp(how, "write") == 0,
                      .together = strcmp(how, "read-together") == 0,
                      .block = block,
                      .depth = depth,
                      .next = 88172645463325252};
  if (block == 0 || depth == 0 || depth > kDeepest || count <= 0) errx(2, "disk: bad argument");
  disk.fd = open(device, (disk.writes ? O_RDWR : O_RDONLY) | O_DIRECT);
  if (disk.fd < 0 || ioctl(disk.fd, BLKGETSIZE64, &bytes) != 0) err(1, "%s", device);
  disk.blocks = bytes / block;
  if (disk.blocks == 0 || posix_memalign((void**)&disk.memory, 4096, block * depth) != 0) errx(1, "disk: no room");
  memset(disk.memory, 0x5A, block * depth);
  if (depth > 1 && syscall(SYS_io_setup, depth, &disk.context) != 0) err(1, "io_setup");
  void (*const run)(struct disk*, long) = depth > 1 ? many_at_once : one_by_one;
  run(&disk, count / 8 + 1);
  const int64_t start = go();
  run(&disk, count);
  done(count, start);
}

// Network -------------------------------------------------------------------------------------------------------------

static char piece[kPieceBytes];

static void move_all(int fd, int sends, uint64_t bytes) {
  while (bytes > 0) {
    const size_t want = bytes < sizeof piece ? (size_t)bytes : sizeof piece;
    const ssize_t moved = sends ? write(fd, piece, want) : read(fd, piece, want);
    if (moved <= 0) err(1, "stream: %s", sends ? "write" : "read");
    bytes -= (uint64_t)moved;
  }
}

// A request says how much follows and which way; the receiver of it says when it has all.
struct request {
  uint64_t bytes;
  uint64_t to_peer;
};

static void stream(int fd, int sends, uint64_t bytes) {
  const struct request request = {.bytes = bytes, .to_peer = (uint64_t)sends};
  char end = 0;
  if (write(fd, &request, sizeof request) != sizeof request) err(1, "request");
  move_all(fd, sends, bytes);
  if (sends && read(fd, &end, 1) != 1) err(1, "no answer");
}

static void ping_pong(int fd, long count) {
  char datagram[kDatagramBytes] = {0};
  for (; count > 0; --count) {
    if (write(fd, datagram, sizeof datagram) != sizeof datagram) err(1, "send");
    if (read(fd, datagram, sizeof datagram) != sizeof datagram) err(1, "receive");
  }
}

static struct sockaddr_in address_of(const char* text) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(kPort)};
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) errx(2, "%s: no address", text);
  return address;
}

static void run_net(const char* how, long count, const char* to) {
  const struct sockaddr_in address = address_of(to);
  const int is_stream = strcmp(how, "udp") != 0;
  const int sends = strcmp(how, "tcp-send") == 0;
  const int fd = socket(AF_INET, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
  if (fd < 0 || count <= 0 || connect(fd, (const struct sockaddr*)&address, sizeof address) != 0) err(1, "%s", to);
  int64_t start = 0;
  if (is_stream) {
    stream(fd, sends, (uint64_t)(count / 8 + 1) * 1024);
    start = go();
    stream(fd, sends, (uint64_t)count * 1024);
  } else {
    ping_pong(fd, count / 8 + 1);
    start = go();
    ping_pong(fd, count);
  }
  done(count, start);
}

static void serve_streams(int listener) {
  for (;;) {
    struct request request;
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) err(1, "accept");
    while (recv(fd, &request, sizeof request, MSG_WAITALL) == sizeof request) {
      move_all(fd, !request.to_peer, request.bytes);
      if (request.to_peer && write(fd, "", 1) != 1) break;
    }
    close(fd);
  }
}

static void serve(void) {
  const struct sockaddr_in address = address_of("0.0.0.0");
  const int on = 1;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
      bind(datagrams, (const struct sockaddr*)&address, sizeof address) != 0) {
    err(1, "port %d", kPort);
  }
  const pid_t child = fork();
  if (child < 0) err(1, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve_streams(listener);
  }
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char datagram[kDatagramBytes];
    const ssize_t got = recvfrom(datagrams, datagram, sizeof datagram, 0, (struct sockaddr*)&from, &length);
    if (got >= 0) sendto(datagrams, datagram, (size_t)got, 0, (const struct sockaddr*)&from, length);
  }
}

int main(int argc, char** argv) {
  const char* const verb = argc > 1 ? argv[1] : "";
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(verb, "null") == 0 && argc == 2) {
    done(1, go());
  } else if (strcmp(verb, "disk") == 0 && argc == 7) {
    run_disk(argv[2], strtoull(argv[3], NULL, 10), (unsigned)atoi(argv[4]), atol(argv[5]), argv[6]);
  } else if (strcmp(verb, "serve") == 0 && argc == 2) {
    serve();
  } else if (argc == 4) {
    run_net(verb, atol(argv[2]), argv[3]);
  } else {
    errx(2, "usage: see the source's first lines");
  }
  return 0;
}
