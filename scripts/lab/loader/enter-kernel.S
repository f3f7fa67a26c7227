# Stands where a bzImage has its unpacker: moves a kernel that needs no unpacking to its place and enters it.
# Entered in 32-bit protected mode with flat segments, %esi = boot_params (Linux x86 boot protocol, 32-bit).
# The kernel is entered like by its own unpacker: 64-bit mode, memory mapped one to one, %rsi = boot_params.
#
# Set on the assembler's command line: SOURCE, where the kernel is; TARGET, where it belongs; SIZE, its length; CLEAR,
# the length of its zeros, which are not in the file. Lengths are whole pages, and TARGET is above SOURCE.

.set CR4_PAE, 5
.set MSR_EFER, 0xc0000080
.set EFER_LME, 8
.set CR0_PG, 31
.set PAGE_PRESENT_WRITABLE, 0x03
.set PAGE_PRESENT_WRITABLE_LARGE, 0x83
.set BOOT_CS, 0x10
.set BOOT_DS, 0x18

  .code32
  .globl _start
_start:
  cli
  mov %esi, %ebx

  std                            # source and target overlap: from the end
  mov $(SOURCE + SIZE - 4), %esi
  mov $(TARGET + SIZE - 4), %edi
  mov $(SIZE / 4), %ecx
  rep movsl
  cld
  mov $(TARGET + SIZE), %edi
  mov $(CLEAR / 4), %ecx
  xor %eax, %eax
  rep stosl

  mov %cr4, %eax
  bts $CR4_PAE, %eax
  mov %eax, %cr4
  mov $level4, %eax
  mov %eax, %cr3
  mov $MSR_EFER, %ecx
  rdmsr
  bts $EFER_LME, %eax
  wrmsr
  lgdt gdt_pointer
  mov %cr0, %eax
  bts $CR0_PG, %eax
  mov %eax, %cr0
  ljmp $BOOT_CS, $long_mode

  .code64
long_mode:
  mov $BOOT_DS, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov %ebx, %esi
  mov $TARGET, %eax
  jmp *%rax

  .balign 8
gdt:
  .quad 0, 0
  .quad 0x00af9a000000ffff       # code, 64-bit
  .quad 0x00cf92000000ffff       # data
gdt_pointer:
  .word . - gdt - 1
  .long gdt

# The first four GiB, in pages of 1 GiB.
  .balign 4096
level4:
  .quad level3 + PAGE_PRESENT_WRITABLE
  .balign 4096
level3:
  .quad (0 << 30) + PAGE_PRESENT_WRITABLE_LARGE
  .quad (1 << 30) + PAGE_PRESENT_WRITABLE_LARGE
  .quad (2 << 30) + PAGE_PRESENT_WRITABLE_LARGE
  .quad (3 << 30) + PAGE_PRESENT_WRITABLE_LARGE
  .balign 4096
