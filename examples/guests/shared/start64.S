// From real mode to a C main() in long mode: the shared beginning of the C guests.
//
// A vCPU starts in 16-bit real mode, as every x86 since 1978. Long mode wants four things first: page tables,
// CR4.PAE, EFER.LME, and then paging and protection switched on together in CR0. Then one far jump loads a 64-bit
// code segment.
//
// A second vCPU may come through here as well (see smp.c): each takes the next number and a stack of its own.
#include "ports.h"

#define CR0_PE (1 << 0)  // protection
#define CR0_ET (1 << 4)
#define CR0_NE (1 << 5)
#define CR0_PG (1 << 31) // paging
#define CR4_PAE (1 << 5) // 64-bit page table entries
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8) // long mode

#define PTE_PRESENT (1 << 0)
#define PTE_WRITABLE (1 << 1)
#define PTE_USER (1 << 2)
#define PTE_LARGE (1 << 7) // in a page directory: this entry maps 2 MiB
#define TWO_MIB 0x200000
#define ENTRIES (4 * 512) // four page directories map 4 GiB, so that the local APIC at 0xfee00000 is reachable too

#define STACK_SIZE 4096
#define MAX_CPUS 8

.section .start, "ax"
.code16
.globl _start
_start:
    cli
    xor %ax, %ax // the vCPU may have started with cs = 0x100 (SIPI): data and jumps below want a base of 0
    mov %ax, %ds
    lgdtl gdt_pointer
    mov $(CR0_PE | CR0_ET | CR0_NE), %eax
    mov %eax, %cr0
    ljmpl $0x08, $protected

.code32
protected:
    mov $0x18, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss

    mov $1, %ebp
    lock xadd %ebp, cpus_started // ebp: this CPU's number
    test %ebp, %ebp
    jnz tables_ready // only the first CPU builds the page tables

    movl $(pdpt + PTE_PRESENT + PTE_WRITABLE + PTE_USER), pml4
    mov $(page_directories + PTE_PRESENT + PTE_WRITABLE + PTE_USER), %eax
    mov $pdpt, %edi
1:  mov %eax, (%edi)
    add $4096, %eax
    add $8, %edi
    cmp $(pdpt + 4 * 8), %edi
    jne 1b

    mov $(PTE_PRESENT | PTE_WRITABLE | PTE_LARGE), %eax // address 0, and from there in steps of 2 MiB
    mov $page_directories, %edi
2:  mov %eax, (%edi)
    add $TWO_MIB, %eax
    add $8, %edi
    cmp $(page_directories + ENTRIES * 8), %edi
    jne 2b

tables_ready:
    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov $(CR0_PE | CR0_ET | CR0_NE | CR0_PG), %eax
    mov %eax, %cr0
    ljmp $0x10, $long_mode

.code64
long_mode:
    mov %ebp, %edi // main's argument
    mov %ebp, %eax
    inc %eax
    imul $STACK_SIZE, %eax
    lea stacks(%rax), %rsp
    call main
    out %al, $PORT_DONE
3:  hlt
    jmp 3b

.balign 8
gdt:
    .quad 0                  // 0x00: the null segment
    .quad 0x00cf9b000000ffff // 0x08: 32-bit code, base 0, limit 4 GiB
    .quad 0x00af9b000000ffff // 0x10: 64-bit code
    .quad 0x00cf93000000ffff // 0x18: data
    .quad 0x00cff3000000ffff // 0x20: data of ring 3
    .quad 0x00affb000000ffff // 0x28: 64-bit code of ring 3
gdt_pointer:
    .word . - gdt - 1
    .long gdt

.bss
.balign 4096
.globl page_directories
pml4: .skip 4096
pdpt: .skip 4096
page_directories: .skip ENTRIES * 8
stacks: .skip STACK_SIZE * MAX_CPUS
cpus_started: .skip 4
.section .note.GNU-stack, "", @progbits
