// Reads sectors of a virtio disk: the driver makes one request at a time. The words are those of the virtio specification, 1.2.
#include "shared/virtio.h"

#define DISK 0xd0000000
#define BLOCK_DEVICE 2

static volatile struct queue queue;

// A request is a chain of three buffers (5.2.6).
static struct {
  uint32_t type, reserved;  // type 0 reads
  uint64_t sector;
} header;
static char data[512];
static uint8_t status;

static void show(uint64_t sector) {
  header.sector = sector;
  describe(&queue, 0, &header, sizeof header, NEXT);
  describe(&queue, 1, data, sizeof data, NEXT | WRITE);
  describe(&queue, 2, &status, sizeof status, WRITE);
  execute(&queue);

  if (status == 0) {
    print(data);
  } else {
    print("there is no sector ");
    print_number(sector);
    print("\n");
  }
}

int main(void) {
  if (!start(DISK, BLOCK_DEVICE, 0, &queue, 1)) return 1;
  show(7);
  show(46341);
  show(2147483647);  // the last of a terabyte
  show(2147483648);
  return 0;
}
