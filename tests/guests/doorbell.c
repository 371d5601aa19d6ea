/* A disk's doorbell and the interrupt that answers it, ROUNDS times: what a guest pays for a thread of user space that
   does something for it (docs/benchmarks.md). The request is VIRTIO_BLK_T_GET_ID, for which no file is read. PCI, an
   AIA, and one hart; rvvmm and QEMU's virt have them in the same places. With SUSPENDS the guest suspends the machine
   instead of waiting. */
#include "sbi.h"

#define ECAM 0x30000000UL
#define PCI_WINDOW 0x40000000UL
#define IMSIC 0x28000000UL
#define BLOCK_DEVICE 0x10421AF4U /* virtio 1.2, 4.1.2.1 */
#define MESSAGE 5U               /* the interrupt identity that stands for the queue */
#define QUEUE_SIZE 8U
#define GET_ID 8U
#define ID_BYTES 20U

enum { kCommon = 1, kNotify = 2 }; /* virtio 1.2, 4.1.4 */

struct descriptor {
  unsigned long address;
  unsigned int length;
  unsigned short flags;
  unsigned short next;
};

static struct {
  _Alignas(4096) struct descriptor descriptors[QUEUE_SIZE];
  struct {
    unsigned short flags, index, ring[QUEUE_SIZE];
  } available;
  _Alignas(4096) struct {
    unsigned short flags, index;
    struct {
      unsigned int id, length;
    } ring[QUEUE_SIZE];
  } used;
  struct {
    unsigned int type, reserved;
    unsigned long sector;
  } header;
  unsigned char id[ID_BYTES];
  unsigned char status;
} volatile disk;

static volatile unsigned char* at(unsigned long address) {
  return (volatile unsigned char*)address; /* NOLINT: a register */
}
static unsigned int get32(unsigned long address) {
  return *(volatile unsigned int*)at(address);
}
static void set32(unsigned long address, unsigned int value) {
  *(volatile unsigned int*)at(address) = value;
}
static unsigned short get16(unsigned long address) {
  return *(volatile unsigned short*)at(address);
}
static void set16(unsigned long address, unsigned short value) {
  *(volatile unsigned short*)at(address) = value;
}
static void set64(unsigned long address, unsigned long value) {
  set32(address, (unsigned int)value);
  set32(address + 4, (unsigned int)(value >> 32));
}

static unsigned long find_disk(void) {
  for (unsigned long device = 0; device < 32; ++device) {
    if (get32(ECAM + (device << 15)) == BLOCK_DEVICE) return ECAM + (device << 15);
  }
  return 0;
}

static unsigned long bars[6];

/* One behind the other, in the window below 4 GiB. */
static void place_bars(unsigned long config) {
  unsigned long next = PCI_WINDOW;
  for (unsigned long bar = 0; bar < 6; ++bar) {
    const unsigned long place = config + 0x10 + 4 * bar;
    set32(place, 0xFFFFFFFFU);
    const unsigned int said = get32(place);
    const unsigned int size = ~(said & ~0xFU) + 1U;
    if (size == 0 || (said & 1) != 0) continue; /* none, or of I/O ports */
    next = (next + size - 1) & ~(size - 1UL);
    bars[bar] = next;
    set32(place, (unsigned int)next);
    next += size;
    if ((said & 6) == 4) { /* of 64 bits: the next one is its upper half */
      set32(place + 4, 0);
      ++bar;
    }
  }
  set16(config + 4, 6); /* memory and bus master */
}

static unsigned long common, doorbell, multiplier;

static void find_registers(unsigned long config) {
  unsigned long at_capability = config + (get16(config + 0x34) & 0xFC);
  while (at_capability != config) {
    const unsigned short head = get16(at_capability);
    if ((head & 0xFF) == 0x11) { /* MSI-X: the first vector is our message */
      const unsigned int table = get32(at_capability + 4);
      const unsigned long vector = bars[table & 7] + (table & ~7U);
      set64(vector, IMSIC);
      set32(vector + 8, MESSAGE);
      set32(vector + 12, 0);
      set16(at_capability + 2, 0x8000);
    } else if ((head & 0xFF) == 0x09) {
      const unsigned int type = *at(at_capability + 3);
      const unsigned long place = bars[*at(at_capability + 4) % 6] + get32(at_capability + 8);
      if (type == kCommon) common = place;
      if (type == kNotify) {
        doorbell = place;
        multiplier = get32(at_capability + 16);
      }
    }
    at_capability = config + (head >> 8 & 0xFC);
  }
}

/* False if the device does not take what we ask for. virtio 1.2, 3.1.1 and 4.1.4.3. */
static int start_queue(void) {
  volatile unsigned char* const status = at(common + 20);
  *status = 0;
  while (*status != 0) {
  }
  *status = 3;            /* acknowledge, driver */
  set32(common + 8, 1);   /* VIRTIO_F_VERSION_1, and nothing else */
  set32(common + 12, 1);
  set32(common + 8, 0);
  set32(common + 12, 0);
  *status = 11; /* features ok */
  if (*status != 11) return 0;
  set16(common + 22, 0);
  set16(common + 24, QUEUE_SIZE);
  set16(common + 26, 0); /* its vector */
  if (get16(common + 26) != 0) return 0;
  set64(common + 32, address_of(disk.descriptors));
  set64(common + 40, address_of(&disk.available));
  set64(common + 48, address_of(&disk.used));
  doorbell += get16(common + 30) * multiplier;
  set16(common + 28, 1);
  *status = 15;
  return *status == 15;
}

static void make_request(void) {
  disk.header.type = GET_ID;
  disk.descriptors[0] = (struct descriptor){address_of(&disk.header), 16, 1, 1};
  disk.descriptors[1] = (struct descriptor){address_of(disk.id), ID_BYTES, 3, 2};
  disk.descriptors[2] = (struct descriptor){address_of(&disk.status), 1, 2, 0};
}

/* siselect and sireg, AIA 1.0, 2.1: by number, for assemblers that do not know them. */
static void set_imsic(unsigned long which, unsigned long value) {
  __asm__ __volatile__("csrw 0x150, %0\n\tcsrw 0x151, %1" : : "r"(which), "r"(value));
}
static unsigned long claim(void) {
  unsigned long claimed;
  __asm__ __volatile__("csrrw %0, 0x15c, zero" : "=r"(claimed) : : "memory"); /* stopei */
  return claimed >> 16;
}

/* Wakes wfi and the machine; sstatus.SIE stays off. */
static void enable_external_interrupt(void) {
  __asm__ __volatile__("csrw sie, %0" : : "r"(1UL << 9));
}

#ifdef SUSPENDS
long suspend_machine(void);
static void wait_for_interrupt(void) {
  suspend_machine();
  enable_external_interrupt();
}
#else
static void wait_for_interrupt(void) {
  __asm__ __volatile__("wfi");
}
#endif

/* A message can come twice (src/vmm/machine/interrupt_gate.hpp), so the ring says whether it was this one. */
static int round_trip(unsigned short number) {
  const unsigned short used = (unsigned short)(number + 1);
  disk.status = 0xFF;
  disk.available.index = used;
  __asm__ __volatile__("fence" ::: "memory");
  set16(doorbell, 0);
  while (disk.used.index != used) {
    wait_for_interrupt();
    const unsigned long claimed = claim();
    if (claimed != 0 && claimed != MESSAGE) return 0;
  }
  __asm__ __volatile__("fence" ::: "memory");
  return disk.status == 0;
}

int guest_main(void) {
  const unsigned long config = find_disk();
  if (config == 0) return 1;
  place_bars(config);
  find_registers(config);
  if (common == 0 || doorbell == 0) return 2;
  set_imsic(0x70, 1);            /* eidelivery */
  set_imsic(0x72, 0);            /* eithreshold */
  set_imsic(0xC0, 1 << MESSAGE); /* eie0 */
  enable_external_interrupt();
  if (!start_queue()) return 3;
  make_request();
  unsigned short number = 0;
  for (unsigned int left = ROUNDS; left != 0; --left, ++number) {
    if (!round_trip(number)) return 4;
  }
  return 0;
}
