// Several CPUs. Only CPU 0 runs after reset; the others wait until somebody sends them INIT and then a "startup"
// interrupt (SIPI) through the local APIC, which names the page where they begin, in real mode.
//
// That page is this image's own: each CPU comes through start64.S and arrives in main() with the next number.
#include "shared/apic.h"
#include "shared/guest.h"

#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define START_PAGE (0x1000 >> 12)
#define CPUS 4

static volatile unsigned done;  // how many CPUs have said hello
static volatile uint64_t sum;

static void hello(unsigned cpu) {
  print("CPU ");
  print_number(cpu);
  print(" is here, local APIC ");
  print_number(apic_read(APIC_ID) >> 24);
  print("\n");
}

int main(unsigned cpu) {
  hello(cpu);
  for (unsigned n = cpu + 1; n <= 1000; n += CPUS)  // each CPU adds up its share of 1 to 1000
    __atomic_fetch_add(&sum, n, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
  if (cpu != 0)
    for (;;) asm volatile("cli; hlt");

  for (unsigned other = 1; other < CPUS; other++) {  // one after the other, so that the lines do not mix
    apic_write(APIC_ICR_HIGH, other << 24);
    apic_write(APIC_ICR_LOW, ICR_INIT);
    apic_write(APIC_ICR_HIGH, other << 24);
    apic_write(APIC_ICR_LOW, ICR_STARTUP | START_PAGE);
    while (done <= other) asm volatile("pause");
  }
  print("the sum of 1 to 1000, on ");
  print_number(done);
  print(" CPUs, is ");
  print_number(sum);
  print("\n");
  return 0;
}
