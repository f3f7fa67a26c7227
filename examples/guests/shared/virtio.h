// About the smallest driver that there can be of a virtio device with registers in memory. The words are those of the
// specification, virtio 1.2; numbers like 4.2.2 are its chapters.
#pragma once
#include "guest.h"

enum virtio_registers {  // 4.2.2
  MAGIC = 0x00,
  DEVICE_ID = 0x08,
  DRIVER_FEATURES = 0x20,
  DRIVER_FEATURES_SELECT = 0x24,
  QUEUE_SELECT = 0x30,
  QUEUE_SIZE = 0x38,
  QUEUE_READY = 0x44,
  QUEUE_NOTIFY = 0x50,
  INTERRUPT_STATUS = 0x60,
  INTERRUPT_ACKNOWLEDGE = 0x64,
  STATUS = 0x70,
  QUEUE_DESCRIPTORS = 0x80,
  QUEUE_AVAILABLE = 0x90,
  QUEUE_USED = 0xa0,
  CONFIG = 0x100,
};
#define ACKNOWLEDGE_DRIVER 3  // two bits of the status
#define FEATURES_OK 8
#define DRIVER_OK 4
#define VERSION_1 1  // bit 32, in the upper half of the features: every driver takes it

static inline volatile uint32_t* reg(uint64_t device, unsigned offset) { return (volatile uint32_t*)(device + offset); }

// A queue (2.7) is three tables in memory. The driver describes buffers, and makes a chain of them available; the device
// gives the chain back as used.
#ifndef SIZE
#define SIZE 8
#endif
enum descriptor_flags {
  NEXT = 1,   // the chain goes on with another buffer
  WRITE = 2,  // the device writes into this one, and does not read it
};
struct queue {
  struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
  } descriptors[SIZE] __attribute__((aligned(16)));
  struct {
    uint16_t flags, index, ring[SIZE];
  } available;
  struct {
    uint16_t flags, index;
    struct {
      uint32_t id, length;
    } ring[SIZE];
  } used __attribute__((aligned(4)));
  // The driver's own: where the queue belongs, and how many chains it has taken back.
  uint64_t device;
  uint32_t number;
  uint16_t taken;
};

// Begins with a device (3.1.1): the features are bits 0 to 31 of those that the driver takes. Returns 0 where there is no such
// device, or it does not agree.
static inline int start(uint64_t device, uint32_t id, uint32_t features, volatile struct queue* queues,
                        unsigned count) {
  if (*reg(device, MAGIC) != 0x74726976 || *reg(device, DEVICE_ID) != id) return 0;
  *reg(device, STATUS) = 0;
  *reg(device, STATUS) = ACKNOWLEDGE_DRIVER;
  *reg(device, DRIVER_FEATURES_SELECT) = 0;
  *reg(device, DRIVER_FEATURES) = features;
  *reg(device, DRIVER_FEATURES_SELECT) = 1;
  *reg(device, DRIVER_FEATURES) = VERSION_1;
  *reg(device, STATUS) = ACKNOWLEDGE_DRIVER | FEATURES_OK;
  if (!(*reg(device, STATUS) & FEATURES_OK)) return 0;

  for (unsigned number = 0; number < count; number++) {
    volatile struct queue* queue = &queues[number];
    queue->device = device;
    queue->number = number;
    *reg(device, QUEUE_SELECT) = number;
    *reg(device, QUEUE_SIZE) = SIZE;
    *reg(device, QUEUE_DESCRIPTORS) = (uint64_t)queue->descriptors;
    *reg(device, QUEUE_AVAILABLE) = (uint64_t)&queue->available;
    *reg(device, QUEUE_USED) = (uint64_t)&queue->used;
    *reg(device, QUEUE_READY) = 1;
  }
  *reg(device, STATUS) = ACKNOWLEDGE_DRIVER | FEATURES_OK | DRIVER_OK;
  return 1;
}

// Says where a buffer is. With NEXT the chain goes on with the descriptor after this one.
static inline void describe(volatile struct queue* queue, unsigned index, const volatile void* buffer, uint32_t length,
                            uint16_t flags) {
  queue->descriptors[index].address = (uint64_t)buffer;
  queue->descriptors[index].length = length;
  queue->descriptors[index].flags = flags;
  queue->descriptors[index].next = index + 1;
}

// Makes the chain available that begins with this descriptor.
static inline void offer(volatile struct queue* queue, unsigned first) {
  asm volatile("" : : : "memory");  // the compiler, too, has written what the buffers hold
  queue->available.ring[queue->available.index % SIZE] = first;
  queue->available.index++;
  *reg(queue->device, QUEUE_NOTIFY) = queue->number;  // the host hears of it, and this CPU goes on at once
}

// Takes back a chain. Returns the descriptor with which it begins, and how many bytes the device has written; or -1, where there
// is none yet.
static inline int take(volatile struct queue* queue, uint32_t* written) {
  if (queue->taken == queue->used.index) return -1;
  asm volatile("" : : : "memory");  // what the device has written is read after this
  unsigned place = queue->taken % SIZE;
  queue->taken++;
  *written = queue->used.ring[place].length;
  return queue->used.ring[place].id;
}

// Has the device execute the chain that begins with descriptor 0, and looks into memory until that is done.
static inline uint32_t execute(volatile struct queue* queue) {
  uint32_t written;
  offer(queue, 0);
  while (take(queue, &written) < 0) asm volatile("pause");
  return written;
}
