// Reads sectors of a virtio disk, with about the smallest driver that there can be: it makes one request at a time, and looks
// into memory until that is done. The words are those of the virtio specification, 1.2.
#include "shared/guest.h"

#define DISK 0xd0000000
enum registers {  // 4.2.2
  MAGIC = 0x00,
  DEVICE_ID = 0x08,
  DRIVER_FEATURES = 0x20,
  DRIVER_FEATURES_SELECT = 0x24,
  QUEUE_SIZE = 0x38,
  QUEUE_READY = 0x44,
  QUEUE_NOTIFY = 0x50,
  STATUS = 0x70,
  QUEUE_DESCRIPTORS = 0x80,
  QUEUE_AVAILABLE = 0x90,
  QUEUE_USED = 0xa0,
};
#define BLOCK_DEVICE 2
#define VERSION_1 1           // bit 32, in the upper half of the features
#define ACKNOWLEDGE_DRIVER 3  // two bits of the status
#define FEATURES_OK 8
#define DRIVER_OK 4

static volatile uint32_t* reg(unsigned offset) { return (volatile uint32_t*)(uint64_t)(DISK + offset); }

// The queue (2.7): a request is a chain of three buffers, and the device has seen it when the index of the used ring moves.
#define SIZE 4
enum flags { NEXT = 1, WRITE = 2 };
static volatile struct {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
} descriptors[SIZE] __attribute__((aligned(16)));
static volatile struct { uint16_t flags, index, ring[SIZE]; } available;
static volatile struct {
  uint16_t flags, index;
  struct {
    uint32_t id, length;
  } ring[SIZE];
} used __attribute__((aligned(4)));

// The request (5.2.6).
static volatile struct {
  uint32_t type, reserved;  // type 0 reads
  uint64_t sector;
} header;
static volatile char data[512];
static volatile uint8_t status;

static int start(void) {
  if (*reg(MAGIC) != 0x74726976 || *reg(DEVICE_ID) != BLOCK_DEVICE) return 0;
  *reg(STATUS) = 0;
  *reg(STATUS) = ACKNOWLEDGE_DRIVER;
  *reg(DRIVER_FEATURES_SELECT) = 1;
  *reg(DRIVER_FEATURES) = VERSION_1;
  *reg(STATUS) = ACKNOWLEDGE_DRIVER | FEATURES_OK;
  *reg(QUEUE_SIZE) = SIZE;
  *reg(QUEUE_DESCRIPTORS) = (uint64_t)descriptors;
  *reg(QUEUE_AVAILABLE) = (uint64_t)&available;
  *reg(QUEUE_USED) = (uint64_t)&used;
  *reg(QUEUE_READY) = 1;
  *reg(STATUS) = ACKNOWLEDGE_DRIVER | FEATURES_OK | DRIVER_OK;
  return 1;
}

static void describe(int index, volatile void* address, uint32_t length, uint16_t flags) {
  descriptors[index].address = (uint64_t)address;
  descriptors[index].length = length;
  descriptors[index].flags = flags;
  descriptors[index].next = index + 1;
}

static void show(uint64_t sector) {
  uint16_t before = used.index;
  header.sector = sector;
  describe(0, &header, sizeof header, NEXT);
  describe(1, data, sizeof data, NEXT | WRITE);
  describe(2, &status, sizeof status, WRITE);
  available.ring[available.index % SIZE] = 0;
  available.index++;
  *reg(QUEUE_NOTIFY) = 0;  // the host hears of it, and this CPU goes on at once
  while (used.index == before) asm volatile("pause");

  if (status == 0) {
    print((const char*)data);
  } else {
    print("there is no sector ");
    print_number(sector);
    print("\n");
  }
}

int main(void) {
  if (!start()) return 1;
  show(7);
  show(46341);
  show(2147483647);  // the last of a terabyte
  show(2147483648);
  return 0;
}
