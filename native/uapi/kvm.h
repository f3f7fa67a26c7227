// The kernel's KVM interface, and what older headers lack of it. Numbers and layouts are kernel ABI and never change;
// each is guarded, so that a newer header wins. Whether the running kernel has them is asked with KVM_CHECK_EXTENSION.
#pragma once

#include <linux/stddef.h>
#include <linux/types.h>

// Headers before Linux 6.4 spell a flexible array with an empty struct, which has a size in C++: it would change
// sizeof, and with it the ioctl numbers that are made from it.
#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(type, name) type name[0]

#include <linux/kvm.h>

// The header hides these from architectures that do not have them; their numbers are everybody's.
#ifndef KVM_CAP_REINJECT_CONTROL
#define KVM_CAP_REINJECT_CONTROL 24
#endif
#ifndef KVM_CAP_MCE
#define KVM_CAP_MCE 31
#endif
#ifndef KVM_CAP_PIT2
#define KVM_CAP_PIT2 33
#endif
#ifndef KVM_CAP_PIT_STATE2
#define KVM_CAP_PIT_STATE2 35
#endif
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif
#ifndef KVM_CAP_DEBUGREGS
#define KVM_CAP_DEBUGREGS 50
#endif
#ifndef KVM_CAP_XSAVE
#define KVM_CAP_XSAVE 55
#endif
#ifndef KVM_CAP_XCRS
#define KVM_CAP_XCRS 56
#endif

#ifndef KVM_EXIT_LOONGARCH_IOCSR
#define KVM_EXIT_LOONGARCH_IOCSR 38
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
#ifndef KVM_EXIT_TDX
#define KVM_EXIT_TDX 40
#endif
#ifndef KVM_EXIT_ARM_SEA
#define KVM_EXIT_ARM_SEA 41
#endif
#ifndef KVM_EXIT_ARM_LDST64B
#define KVM_EXIT_ARM_LDST64B 42
#endif
#ifndef KVM_EXIT_SNP_REQ_CERTS
#define KVM_EXIT_SNP_REQ_CERTS 43
#endif

#ifndef KVM_CAP_S390_PROTECTED_ASYNC_DISABLE
#define KVM_CAP_S390_PROTECTED_ASYNC_DISABLE 224
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif
#ifndef KVM_CAP_PMU_EVENT_MASKED_EVENTS
#define KVM_CAP_PMU_EVENT_MASKED_EVENTS 226
#endif
#ifndef KVM_CAP_COUNTER_OFFSET
#define KVM_CAP_COUNTER_OFFSET 227
#endif
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES
#define KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES 229
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES
#define KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES 230
#endif
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2 231
#endif
#ifndef KVM_CAP_MEMORY_FAULT_INFO
#define KVM_CAP_MEMORY_FAULT_INFO 232
#endif
#ifndef KVM_CAP_MEMORY_ATTRIBUTES
#define KVM_CAP_MEMORY_ATTRIBUTES 233
#endif
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#endif
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#endif
#ifndef KVM_CAP_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236
#endif
#ifndef KVM_CAP_X86_APIC_BUS_CYCLES_NS
#define KVM_CAP_X86_APIC_BUS_CYCLES_NS 237
#endif
#ifndef KVM_CAP_X86_GUEST_MODE
#define KVM_CAP_X86_GUEST_MODE 238
#endif
#ifndef KVM_CAP_ARM_WRITABLE_IMP_ID_REGS
#define KVM_CAP_ARM_WRITABLE_IMP_ID_REGS 239
#endif
#ifndef KVM_CAP_ARM_EL2
#define KVM_CAP_ARM_EL2 240
#endif
#ifndef KVM_CAP_ARM_EL2_E2H0
#define KVM_CAP_ARM_EL2_E2H0 241
#endif
#ifndef KVM_CAP_RISCV_MP_STATE_RESET
#define KVM_CAP_RISCV_MP_STATE_RESET 242
#endif
#ifndef KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED
#define KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED 243
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#endif
#ifndef KVM_CAP_ARM_SEA_TO_USER
#define KVM_CAP_ARM_SEA_TO_USER 245
#endif
#ifndef KVM_CAP_S390_USER_OPEREXEC
#define KVM_CAP_S390_USER_OPEREXEC 246
#endif
#ifndef KVM_CAP_S390_KEYOP
#define KVM_CAP_S390_KEYOP 247
#endif

static_assert(sizeof(kvm_irq_routing) == 8);
#ifdef __x86_64__
static_assert(sizeof(kvm_msrs) == 8 && sizeof(kvm_cpuid2) == 8 && sizeof(kvm_msr_list) == 4);
#endif

namespace node_kvm::uapi {

// Payloads of exits that a 6.1 header lacks. They start where the union of struct kvm_run starts.

struct loongarch_iocsr_exit {
  __u64 phys_addr;
  __u8 data[8];
  __u32 len;
  __u8 is_write;
};

struct memory_fault_exit {
  __u64 flags;
  __u64 gpa;
  __u64 size;
};

struct tdx_exit {
  __u64 flags;
  __u64 nr;
  __u64 ret;
  __u64 data[5];
};

struct arm_sea_exit {
  __u64 flags;
  __u64 esr;
  __u64 gva;
  __u64 gpa;
};

struct snp_req_certs_exit {
  __u64 gpa;
  __u64 npages;
  __u64 ret;
};

}  // namespace node_kvm::uapi
