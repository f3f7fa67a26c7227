// A kernel that calculates: it reads lines such as `6 * 7` from the serial line, and answers. Multiboot starts it, see multiboot.c.
typedef unsigned int u32;

__asm__(
    ".text; .align 4; .long 0x1badb002, 0, -0x1badb002\n"
    ".globl _start; _start: mov $stack + 4096, %esp; xor %ebp, %ebp; call kernel\n"
    ".comm stack, 4096, 16");

enum { COM1 = 0x3f8, LINE_STATUS = COM1 + 5, DATA_READY = 1 };

static unsigned char in(unsigned short port) {
  unsigned char value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void out(unsigned short port, unsigned char value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char* text) {
  while (*text) out(COM1, *text++);
}

static void print_number(u32 number) {
  if (number >= 10) print_number(number / 10);
  out(COM1, '0' + number % 10);
}

__attribute__((noinline, noreturn)) static void panic(const char* why) {
  print("Kernel panic - not syncing: ");
  print(why);
  print("\n");
  for (;;) __asm__("hlt");
}

__attribute__((noinline)) static u32 divide(u32 left, u32 right) {
  if (right == 0) panic("division by zero");
  return left / right;
}

// How many lines have been answered: for a test to look at, by this symbol.
volatile u32 answered;

static char read_char(void) {
  while (!(in(LINE_STATUS)&DATA_READY)) {
  }
  return in(COM1);
}

// Reads digits, and what comes behind them.
static u32 read_number(char* next) {
  u32 number = 0;
  for (;;) {
    *next = read_char();
    if (*next < '0' || *next > '9') return number;
    number = number * 10 + (*next - '0');
  }
}

__attribute__((noinline)) static void calculate(void) {
  char space;
  u32 left = read_number(&space);
  char sign = read_char();
  read_char();
  u32 right = read_number(&space);
  if (sign == '+')
    print_number(left + right);
  else if (sign == '-')
    print_number(left - right);
  else if (sign == '*')
    print_number(left * right);
  else if (sign == '/')
    print_number(divide(left, right));
  else if (sign == '%')
    print_number(left - divide(left, right) * right);
  else
    print("what is that?");
  print("\n");
  answered++;
}

void kernel(void) {
  print("ready\n");
  for (;;) calculate();
}
