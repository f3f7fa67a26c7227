// Computes without a break, until the host says that it is enough.
#include "shared/guest.h"

#define PORT_ENOUGH 0x520

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

// How long the Collatz sequence is that begins with n.
static unsigned length(uint64_t n) {
  unsigned steps = 0;
  for (; n != 1; steps++) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

int main(void) {
  unsigned longest = 0;
  for (uint64_t n = 1; n < 10 || !in8(PORT_ENOUGH); n++)
    if (length(n) > longest) longest = length(n);
  print("guest: that was enough, and it was not for nothing: ");
  print(longest > 10 ? "yes\n" : "no\n");
  return 0;
}
