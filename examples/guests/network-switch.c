// One of two guests on a network: it finds the other one, tells it a few things, and prints what it hears.
#include "shared/interrupt.h"
#include "shared/virtio.h"

#define CARD 0xd0000000
#define IRQ_CARD 5
#define NETWORK_CARD 1
#define MAC_FEATURE (1 << 5)  // the card's address is in its configuration space
enum queues { RECEIVE, TRANSMIT, QUEUES };

typedef struct {
  uint8_t bytes[6];
} mac_address;

static struct frame {
  uint8_t work[12];  // what is left to be done to it (5.1.6): nothing
  mac_address to, from;
  uint8_t kind[2];  // types of Ethernet frames that are free for experiments end with 0xb5 and 0xb6
  char text[1500];
} received[SIZE], sent;
#define HEADERS (sizeof sent - sizeof sent.text)
#define EXPERIMENT 0x88
enum kinds { CALL = 0xb5, TEXT = 0xb6 };

static volatile struct queue queues[QUEUES];
static mac_address me;

__attribute__((interrupt)) static void interrupted(struct interrupt_frame* frame) {
  (void)frame;
  *reg(CARD, INTERRUPT_ACKNOWLEDGE) = *reg(CARD, INTERRUPT_STATUS);  // heard: the card lets go of the line
  end_of_interrupt();
}

// Sleeps until the card gives back a buffer.
static int wait_for(enum queues queue, uint32_t* length) {
  int index;
  while ((index = take(&queues[queue], length)) < 0) asm volatile("sti; hlt; cli");
  return index;
}

static void send(mac_address to, enum kinds kind, const char* text) {
  uint32_t length = 0;
  sent.to = to;
  sent.from = me;
  sent.kind[0] = EXPERIMENT;
  sent.kind[1] = kind;
  for (; text[length]; length++) sent.text[length] = text[length];
  describe(&queues[TRANSMIT], 0, &sent, HEADERS + length, 0);
  offer(&queues[TRANSMIT], 0);
  wait_for(TRANSMIT, &length);
}

static void listen(struct frame* buffer) {
  describe(&queues[RECEIVE], buffer - received, buffer, sizeof *buffer, WRITE);
  offer(&queues[RECEIVE], buffer - received);
}

// The next frame is the caller's until it is listened into again.
static struct frame* hear(uint32_t* length) { return &received[wait_for(RECEIVE, length)]; }

static void report(const struct frame* frame, uint32_t length) {
  print("guest ");
  print_number(me.bytes[5]);
  print(" hears from guest ");
  print_number(frame->from.bytes[5]);
  print(": ");
  for (uint32_t at = 0; at < length; at++) out8(PORT_CONSOLE, frame->text[at]);
  print("\n");
}

// Calls out. If nobody was there yet, the other one will call; it may not have heard our call, so it gets its own.
static mac_address find_other(void) {
  static const mac_address everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  uint32_t length;
  send(everybody, CALL, "");
  struct frame* call = hear(&length);
  mac_address other = call->from;
  listen(call);
  send(other, CALL, "");
  return other;
}

int main(void) {
  load_idt();
  set_gate(IRQ_VECTOR(IRQ_CARD), interrupted, GATE_INTERRUPT);
  unmask_irq(IRQ_CARD);
  if (!start(CARD, NETWORK_CARD, MAC_FEATURE, queues, QUEUES)) return 1;
  for (unsigned at = 0; at < sizeof me; at++) me.bytes[at] = ((volatile uint8_t*)(CARD + CONFIG))[at];
  for (unsigned index = 0; index < SIZE; index++) listen(&received[index]);

  mac_address other = find_other();
  send(other, TEXT, "good evening");
  send(other, TEXT, "my password is swordfish");
  send(other, TEXT, "good night");
  send(other, TEXT, "");  // that was all
  for (;;) {
    uint32_t length;
    struct frame* frame = hear(&length);
    if (frame->kind[1] == TEXT && length == HEADERS) return 0;
    if (frame->kind[1] == TEXT) report(frame, length - HEADERS);
    listen(frame);
  }
}
