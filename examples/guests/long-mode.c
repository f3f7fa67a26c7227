// A C program as a 64-bit kernel, without a line of boot code: the host has built the page tables and put the vCPU
// into long mode before the first instruction. What is left to say to the compiler is "freestanding": no C library,
// no floating point.
//
// It finds primes with Eratosthenes' sieve, and computes a number that needs more than 32 bits.
#include "shared/guest.h"

#define LIMIT 50
static uint8_t composite[LIMIT + 1];  // .bss: fresh guest memory is zero

__attribute__((section(".start"), noreturn)) void _start(void) {
  print("primes:");
  for (unsigned n = 2; n <= LIMIT; n++) {
    if (composite[n]) continue;
    print(" ");
    print_number(n);
    for (unsigned multiple = n * n; multiple <= LIMIT; multiple += n) composite[multiple] = 1;
  }

  uint64_t factorial = 1;
  for (uint64_t n = 2; n <= 20; n++) factorial *= n;
  print("\n20! = ");
  print_number(factorial);
  print("\n");

  for (;;) asm volatile("hlt");
}
