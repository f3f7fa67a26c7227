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

static_assert(sizeof(kvm_irq_routing) == 8);
#ifdef __x86_64__
static_assert(sizeof(kvm_msrs) == 8 && sizeof(kvm_cpuid2) == 8 && sizeof(kvm_msr_list) == 4);
#endif
