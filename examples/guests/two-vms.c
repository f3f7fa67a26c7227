// One of two players: they count in turn, each from what it hears of the other.
#include "shared/guest.h"

#define PORT_ROLE 0x520     // which of the two this is
#define PORT_SEND 0x521     // a byte for the other one
#define PORT_RECEIVE 0x522  // a byte from the other one; the CPU waits until there is one
#define LAST 6

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

int main(void) {
  const unsigned role = in8(PORT_ROLE);
  uint8_t number = role == 0 ? 1 : in8(PORT_RECEIVE) + 1;
  for (;;) {
    print("guest ");
    print_number(role);
    print(" says ");
    print_number(number);
    print("\n");
    out8(PORT_SEND, number);
    if (number + 2 > LAST) return 0;
    number = in8(PORT_RECEIVE) + 1;
  }
}
