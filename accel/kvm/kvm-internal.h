/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the KVM engine share; their unit tests include it too.
 *
 * Locks: the machine lock for everything, but for what says "own thread": that is called by the
 * vCPU's thread without it.
 */
#ifndef ACCEL_KVM_KVM_INTERNAL_H
#define ACCEL_KVM_KVM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>

#include "accel/accel.h"
#include "accel/kvm/ioctl.h"
#include "memory/memory.h"

/* What KVM on Intel processors needs to run real mode: an identity page table and three pages of
 * TSS. They lie behind the local APICs' addresses and before the ROM, where the machine has neither
 * RAM nor DIMMs nor devices. */
#define KVM_IDENTITY_ADDR 0xfeffc000u
#define KVM_TSS_ADDR      0xfeffd000u

/* A vCPU. The raw structures are as they were last read or written: what KVM knows and X86Cpu does
 * not is kept in them, and what has not changed is not written. */
typedef struct KvmCpu {
    /* wiring */
    X86Cpu cpu; /* first; it has a table of its own */
    int fd;
    struct kvm_run *run;
    pthread_t thread;
    _Atomic bool started;  /* `thread` can be signalled */
    _Atomic bool in_guest; /* in, or about to enter, KVM_RUN */
    bool must_finish;      /* KVM_RUN must be entered once more to end an instruction */
    bool fresh;            /* nothing was written yet */
    bool loaded;     /* from a saved machine, since the last reset: then what is below is its */
    unsigned resets; /* X86Cpu.resets when the state was last written */
    struct kvm_guest_debug guest_debug; /* as last written */

    /* derived */
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave *xsave; /* kvm_vm.xsave_size bytes */
    struct kvm_xcrs xcrs;
    struct kvm_debugregs debugregs;
    struct kvm_vcpu_events events;
    struct kvm_mp_state mp_state;
    struct kvm_lapic_state lapic;
    struct kvm_msrs *msrs;     /* those that can be read and written, without the TSC */
    struct kvm_msrs *power_up; /* the same at power-up */
    uint64_t tsc;              /* as last read */
    int64_t tsc_offset;        /* X86Cpu.msr.tsc_offset that belongs to it */
    /* state */
    struct { /* as they are saved (saved.c) */
        GBytes *xsave, *events, *msrs;
        uint64_t clock;
    } saved;
} KvmCpu;

static inline KvmCpu *kvm_cpu(X86Cpu *cpu)
{
    return (KvmCpu *)cpu;
}

/* ---- memory.c ---- */

/* Make slots follow address_space_memory. */
void kvm_memory_init(void);
void kvm_memory_cleanup(void);
/* Slots in use. */
unsigned kvm_memslots_used(void);
/* Is there room for @ranges more? An error says how many there are. */
bool kvm_memory_room(unsigned ranges, GError **errp);
/* Around KVM_RUN; the first waits while a change of the memory map holds guests. Own thread, no
 * lock. */
void kvm_enter_guest(KvmCpu *k);
void kvm_leave_guest(KvmCpu *k);

/* ---- coalesce.c ---- */

/* Make zones follow MemoryRegion.coalesced in both address spaces. */
void kvm_coalesce_init(void);
void kvm_coalesce_cleanup(void);
/* A vCPU's kvm_run is mapped: the first one's has the ring; NULL: it goes. */
void kvm_coalesce_set_ring(struct kvm_run *run);
/* Carry out the writes that wait in the ring. */
void kvm_coalesce_flush(void);

/* ---- events.c ---- */

/* Make ioeventfds follow the events of regions in both address spaces. */
void kvm_events_init(void);
void kvm_events_cleanup(void);

/* ---- irq.c ---- */

/* The interrupt controllers that kernel_irqchip= puts into the kernel, and the GSIs' routes. */
bool kvm_irq_init(GError **errp);
void kvm_irq_cleanup(void);
extern const AccelApicOps kvm_apic_split;
bool kvm_send_msi(uint64_t addr, uint32_t data); /* AccelApicOps.send_msi */
extern const AccelNotify kvm_notify;             /* of the functions that follow */
/* A route for an MSI, to be used with kvm_irqfd(): its number (GSI), or -1 and an error. */
int kvm_msi_route_add(uint64_t addr, uint32_t data, GError **errp);
bool kvm_msi_route_update(int gsi, uint64_t addr, uint32_t data, GError **errp);
void kvm_msi_route_remove(int gsi);
/* Each time that eventfd @fd is signalled, the interrupt @gsi is raised. @on false: no more. */
bool kvm_irqfd(int fd, int gsi, bool on, GError **errp);
/* A guest's write of @size bytes (0: any) to @addr signals eventfd @fd and makes no exit. @match:
 * only if the value is *@match. */
bool kvm_ioeventfd(int fd, hwaddr addr, unsigned size, bool port, const uint64_t *match, bool on,
                   GError **errp);

/* ---- chips.c ---- */

#define KVM_GSI_PIC ACCEL_IOAPIC_PINS /* number of the first input of the 8259s */

extern const AccelApicOps kvm_apic_full;
/* They are made, and as at power-up. */
void kvm_chips_init(void);

/* ---- cpuid.c ---- */

/* Tell target/i386/cpuid.h what can be offered. */
bool kvm_cpuid_init(GError **errp);
void kvm_cpuid_cleanup(void);
/* All leaves for @cpu; g_free. */
struct kvm_cpuid2 *kvm_cpuid_build(const X86Cpu *cpu);

/* ---- object.c ---- */

#define KVM_ACCEL_TYPE "kvm-accel"

/* ---- msr.c ---- */

bool kvm_msr_init(GError **errp); /* the list, once */
void kvm_msr_cleanup(void);
/* The features that an MSR can have in guests; 0 if KVM does not know it. */
uint64_t kvm_msr_feature(uint32_t index);
/* MSRs that tell features as CPUID does: those of the model. After the CPUID leaves are set. */
void kvm_msr_set_capabilities(KvmCpu *k);
void kvm_msr_cpu_init(KvmCpu *k); /* which there are */
void kvm_msr_cpu_destroy(KvmCpu *k);
void kvm_msr_get(KvmCpu *k);
/* The machine stands: for each CPU, when all do; and is about to run. */
void kvm_msr_stop_tsc(X86Cpu *cpu, void *opaque);
void kvm_msr_resume_tsc(void);
/* Those that have changed, or @all; after a @reset, those that X86Cpu does not have get the value
 * that they had at power-up. */
void kvm_msr_put(KvmCpu *k, bool all, bool reset);

/* ---- state.c ---- */

/* vCPU's thread or before it first runs, machine lock. */
void kvm_get_state(X86Cpu *cpu);
void kvm_put_state(X86Cpu *cpu);
/* General registers alone, of a CPU whose access to a device is not complete. */
void kvm_get_registers(X86Cpu *cpu);
void kvm_put_registers(X86Cpu *cpu);

/* ---- saved.c ---- */

extern const StateTable kvm_cpu_state; /* AccelOps.cpu_state */

/* ---- vm.c ---- */

/* kvmclock, as it stands while the machine does: nanoseconds; 0: it never ran. */
uint64_t kvm_clock_get(void);
void kvm_clock_set(uint64_t ns);

/* ---- run.c ---- */

/* The operations of AccelOps with the same names (accel/accel.h). */
bool kvm_cpu_init(X86Cpu *cpu, GError **errp);
void kvm_cpu_destroy(X86Cpu *cpu);
void kvm_cpu_run(X86Cpu *cpu);      /* own thread */
void kvm_cpu_kick(X86Cpu *cpu);     /* any thread */
bool kvm_cpu_runnable(X86Cpu *cpu); /* own thread */
void kvm_signal_init(void);         /* once */

/* ---- debug.c ---- */

extern const struct AccelDebugOps kvm_debug_ops; /* AccelOps.debug */
/* Breakpoints come into guest memory when the machine is about to run, and go when it stands. No
 * vCPU in guest code. */
void kvm_debug_resume(void);
void kvm_debug_stopped(void);
/* The vCPU's part of kvm_put_state(): breakpoints, steps. */
void kvm_debug_put(KvmCpu *k);
/* KVM_EXIT_DEBUG: tell the debugger, or give the guest what is its own. Own thread, machine lock.
 */
void kvm_debug_exit(KvmCpu *k);

/* ---- exit.c ---- */

/* What kvm_run says after KVM_RUN came back without an error. Own thread, no lock. */
void kvm_handle_exit(KvmCpu *k);
/* KVM_RUN failed with @err (positive errno). */
void kvm_handle_error(KvmCpu *k, int err);
/* "KVM_EXIT_IO"; NULL if unknown. */
const char *kvm_exit_name(uint32_t reason);

#endif
