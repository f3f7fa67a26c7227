// A kernel that any Multiboot loader starts: in 32 bits, with flat segments, and a structure that says what there is.
typedef unsigned int u32;

// Multiboot 0.6.96: the header (3.1.1) is in the first 8 KiB of the file; EAX has a magic number, EBX the information (3.2).
__asm__(
    ".text; .align 4; .long 0x1badb002, 2, -(0x1badb002 + 2)\n"  // 2: with a memory map, please
    ".globl _start; _start: mov $stack + 4096, %esp; push %ebx; push %eax; call kernel\n"
    ".comm stack, 4096, 16");

struct info {
  u32 flags, lower, upper, device, cmdline, modules[2], symbols[4], map_length, map;
};
struct entry {
  u32 size, base, base_high, length, length_high, type;
};

enum { COM1 = 0x3f8, EXIT = 0xf4 };

static void out(unsigned short port, unsigned char value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char* text) {
  while (*text) out(COM1, *text++);
}

static void hex(u32 value) {
  for (int shift = 28; shift >= 0; shift -= 4) out(COM1, "0123456789abcdef"[value >> shift & 15]);
}

void kernel(u32 magic, const struct info* info) {
  print(magic == 0x2badb002 ? "booted by Multiboot, to: " : "who has booted me?\n");
  print((const char*)info->cmdline);
  print("\n");
  for (u32 at = info->map; at < info->map + info->map_length; at += ((struct entry*)at)->size + 4) {
    const struct entry* entry = (struct entry*)at;
    hex(entry->base_high);
    hex(entry->base);
    print(" ");
    hex(entry->length_high);
    hex(entry->length);
    print(entry->type == 1 ? " memory\n" : " reserved\n");
  }
  out(EXIT, 0);  // ends the machine with status (0 << 1) | 1
  for (;;) __asm__("hlt");
}
