// The guest of the virtio benchmark: reads blocks of a disk for ever, DEPTH at a time. After each SLICE of them it says so at PORT. It
// looks into memory until the device has done something, as no interrupt is to be measured.
#define SIZE 128
#include "../../examples/guests/shared/virtio.h"

#define DISK 0xd0000000
#define BLOCK_DEVICE 2
#define NO_INTERRUPT 1  // 2.7.6
#define CHAIN 3         // header, data and status (5.2.6)
#define BLOCK 4096
#define SECTORS (BLOCK / 512)

static volatile struct queue queue;
static volatile struct {
  uint32_t type, reserved;  // type 0 reads
  uint64_t sector;
} headers[DEPTH];
static volatile uint8_t data[DEPTH][BLOCK] __attribute__((aligned(BLOCK)));
static volatile uint8_t status[DEPTH];

static void add(unsigned first) {
  queue.available.ring[queue.available.index % SIZE] = first;
  asm volatile("" : : : "memory");
  queue.available.index++;
}

// The device that looks anyway says that it need not be told (2.7.10).
static void kick(void) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (queue.used.flags == 0) *reg(DISK, QUEUE_NOTIFY) = 0;
}

int main(void) {
  queue.available.flags = NO_INTERRUPT;
  if (!start(DISK, BLOCK_DEVICE, 0, &queue, 1)) return 1;
  for (int request = 0; request < DEPTH; request++) {
    const unsigned first = CHAIN * request;
    headers[request].sector = SECTORS * request;
    describe(&queue, first, &headers[request], sizeof headers[request], NEXT);
    describe(&queue, first + 1, data[request], BLOCK, NEXT | WRITE);
    describe(&queue, first + 2, &status[request], 1, WRITE);
    add(first);
  }
  kick();
  for (unsigned done = 0;;) {
    uint32_t written;
    int first = take(&queue, &written);
    if (first < 0) {
      asm volatile("pause");
      continue;
    }
    // All that are done go back at once.
    for (; first >= 0; first = take(&queue, &written)) {
      if (status[first / CHAIN] != 0) return 1;
      add(first);
      if (++done % SLICE == 0) out8(PORT, 0);
    }
    kick();
  }
}
