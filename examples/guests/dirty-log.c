// Paints by writing: the canvas is memory, each page is a pixel, and a write of one byte sets it.
// The guest never sends the picture anywhere. The host sees it because KVM notes which pages were written.
#include "shared/guest.h"

#define PORT_LOOK 0x510  // a write here says: look now, this is picture number ...
#define CANVAS 0x400000ul
#define PAGE 4096
#define WIDTH 32
#define HEIGHT 9

static const char* const letters[] = {
    "#...#  #...#  #...#",  //
    "#..#.  #...#  ##.##",  //
    "#.#..  #...#  #.#.#",  //
    "##...  #...#  #.#.#",  //
    "#.#..  #...#  #...#",  //
    "#..#.  .#.#.  #...#",  //
    "#...#  ..#..  #...#",
};

static volatile uint8_t* pixel(unsigned x, unsigned y) { return (uint8_t*)(CANVAS + (y * WIDTH + x) * PAGE); }

static void read_canvas(void) {
  for (unsigned y = 0; y < HEIGHT; y++)
    for (unsigned x = 0; x < WIDTH; x++) *pixel(x, y);
}

int main(void) {
  // On most hosts the first access to a page counts as a write, because KVM maps the page writable at once.
  // So all first accesses happen here, and picture 0 is thrown away.
  read_canvas();
  out8(PORT_LOOK, 0);

  for (unsigned y = 0; y < 7; y++)
    for (unsigned x = 0; letters[y][x]; x++)
      if (letters[y][x] == '#') *pixel(x + 6, y + 1) = 1;
  out8(PORT_LOOK, 1);

  // The letters are still in memory, and reading them changes nothing: only new writes are in the next picture.
  read_canvas();
  for (unsigned x = 0; x < WIDTH; x++) *pixel(x, x < 16 ? x / 2 : (31 - x) / 2) = 1;
  out8(PORT_LOOK, 2);
  return 0;
}
