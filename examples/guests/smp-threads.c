// Several CPUs that really run at the same time: they meet, which none could do alone, and share one piece of work.
#include "shared/apic.h"
#include "shared/guest.h"

#define ICR_INIT_OTHERS 0xc4500     // INIT to all but the sender
#define ICR_STARTUP_OTHERS 0xc4600  // SIPI to all but the sender
#define START_PAGE (0x1000 >> 12)
#define CPUS 4
#define LIMIT 2000

static volatile unsigned here, done;
static volatile uint64_t primes;

static int is_prime(unsigned n) {
  for (unsigned divisor = 2; divisor * divisor <= n; divisor++)
    if (n % divisor == 0) return 0;
  return n >= 2;
}

int main(unsigned cpu) {
  if (cpu == 0) {
    apic_write(APIC_ICR_LOW, ICR_INIT_OTHERS);
    apic_write(APIC_ICR_LOW, ICR_STARTUP_OTHERS | START_PAGE);
  }
  // Everybody waits here for everybody else.
  __atomic_fetch_add(&here, 1, __ATOMIC_SEQ_CST);
  while (here < CPUS) asm volatile("pause");

  for (unsigned n = cpu; n < LIMIT; n += CPUS)
    if (is_prime(n)) __atomic_fetch_add(&primes, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
  if (cpu != 0)
    for (;;) asm volatile("cli; hlt");

  while (done < CPUS) asm volatile("pause");
  print_number(done);
  print(" CPUs have met and counted the primes below ");
  print_number(LIMIT);
  print(": ");
  print_number(primes);
  print("\n");
  return 0;
}
