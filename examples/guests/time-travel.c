// A farmer with a wolf, a goat and a cabbage, at a river. Each letter that comes over the serial line is a crossing: f for the farmer alone,
// w, g or c with one of the others. What is left alone with what it likes to eat, eats it. There is no way back from that; not in here.
#include "shared/guest.h"

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, DATA_READY = 1 };

static const char letters[] = "fwgc";
enum { FARMER = 1, WOLF = 2, GOAT = 4, CABBAGE = 8, ALL = 15 };

static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void say(const char* text) {
  while (*text) out8(COM1, *text++);
}

static void show(unsigned bank) {
  for (int who = 0; who < 4; who++) out8(COM1, bank >> who & 1 ? letters[who] : '.');
}

static const char* eaten(unsigned bank) {
  if (bank & FARMER) return 0;
  if ((bank & WOLF) && (bank & GOAT)) return "the wolf has eaten the goat";
  if ((bank & GOAT) && (bank & CABBAGE)) return "the goat has eaten the cabbage";
  return 0;
}

int main(void) {
  unsigned here = ALL;
  say("ready\n");
  for (;;) {
    while (!(in8(LINE_STATUS) & DATA_READY)) {
    }
    uint8_t letter = in8(COM1);
    unsigned crossing = FARMER;
    for (int who = 1; who < 4; who++)
      if (letter == letters[who]) crossing |= 1 << who;
    unsigned from = here & FARMER ? here : ALL & ~here;
    if ((from & crossing) == crossing) here ^= crossing;  // else there is nobody to take along
    show(here);
    say("~~");
    show(ALL & ~here);
    const char* end = eaten(here);
    if (!end) end = eaten(ALL & ~here);
    if (!end) end = here ? "so far, so good" : "all are across";
    say(" ");
    say(end);
    say("\n");
  }
}
