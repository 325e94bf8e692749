/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual machine, as far as the kernel is asked about it: what all files of the engine stand
 * on, and which knows none of them. Machine lock.
 */
#ifndef ACCEL_KVM_IOCTL_H
#define ACCEL_KVM_IOCTL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* Who has the interrupt controllers. */
typedef enum KvmIrqchip {
    KVM_IRQCHIP_OFF,   /* we have all of them */
    KVM_IRQCHIP_SPLIT, /* local APICs in the kernel */
    KVM_IRQCHIP_FULL,  /* 8259s and I/O APIC too */
} KvmIrqchip;

/* The virtual machine. There is one. */
typedef struct KvmVm {
    int dev_fd, vm_fd; /* -1: closed */
    KvmIrqchip irqchip;
    unsigned max_memslots;
    unsigned run_size;                      /* bytes of kvm_run's mapping */
    unsigned coalesced_page, coalesced_pio; /* page of the ring in that mapping; 0: there is none */
    unsigned xsave_size;                    /* bytes */
    unsigned idle_in_guest;                 /* KVM_X86_DISABLE_EXITS_*, cpu-pm=on */
    bool has_readonly, has_tsc_control, has_smm;
} KvmVm;

extern KvmVm kvm_vm;

/* ioctl() that is repeated after EINTR; -errno or its result. @arg: a pointer or a number. */
int kvm_ioctl(int fd, unsigned long request, void *arg);
/* KVM_CHECK_EXTENSION of the VM if there is one: 0 or what the capability's number means. */
int kvm_check(int capability);
/* KVM_ENABLE_CAP of the VM; false: refused. */
bool kvm_enable(uint32_t capability, uint64_t arg);

#endif
