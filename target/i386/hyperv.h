/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enlightenments of Hyper-V, as Microsoft's Hypervisor Top-Level Functional Specification (TLFS)
 * has them: what CPUID tells of them, and what a partition, which is the machine, and its virtual
 * processors keep. Who runs CPUs does the MSRs (accel/soft/hyperv.c); the device that owns the
 * partition is hw/i386/hyperv.h.
 */
#ifndef TARGET_I386_HYPERV_H
#define TARGET_I386_HYPERV_H

#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpuid.h"

/* Bits of X86_FEAT_HV: a feature each, hv-relaxed and so on. */
enum {
    X86_HV_RELAXED = 1 << 0,     /* no watchdogs that rely on time */
    X86_HV_VAPIC = 1 << 1,       /* EOI, ICR and TPR as MSRs */
    X86_HV_VPINDEX = 1 << 2,     /* HV_X64_MSR_VP_INDEX */
    X86_HV_RUNTIME = 1 << 3,     /* HV_X64_MSR_VP_RUNTIME */
    X86_HV_TIME = 1 << 4,        /* HV_X64_MSR_TIME_REF_COUNT, HV_X64_MSR_REFERENCE_TSC */
    X86_HV_RESET = 1 << 5,       /* HV_X64_MSR_RESET */
    X86_HV_FREQUENCIES = 1 << 6, /* HV_X64_MSR_TSC_FREQUENCY, HV_X64_MSR_APIC_FREQUENCY */
    X86_HV_CRASH = 1 << 7,       /* HV_X64_MSR_CRASH_* */
};

/* X86CpuModel.hv_spinlocks: least number of tries, and what is told where it is 0, never. */
#define X86_HV_SPINLOCKS_MIN   0xfffu
#define X86_HV_SPINLOCKS_NEVER UINT32_MAX
#define X86_HV_VENDOR          "Microsoft Hv"

/* MSRs (TLFS appendix C). */
enum {
    HV_MSR_FIRST = 0x40000000,
    HV_MSR_GUEST_OS_ID = 0x40000000,
    HV_MSR_HYPERCALL = 0x40000001,
    HV_MSR_VP_INDEX = 0x40000002,
    HV_MSR_RESET = 0x40000003,
    HV_MSR_VP_RUNTIME = 0x40000010,
    HV_MSR_TIME_REF_COUNT = 0x40000020,
    HV_MSR_REFERENCE_TSC = 0x40000021,
    HV_MSR_TSC_FREQUENCY = 0x40000022,
    HV_MSR_APIC_FREQUENCY = 0x40000023,
    HV_MSR_EOI = 0x40000070,
    HV_MSR_ICR = 0x40000071,
    HV_MSR_TPR = 0x40000072,
    HV_MSR_VP_ASSIST_PAGE = 0x40000073,
    HV_MSR_CRASH_P0 = 0x40000100,
    HV_MSR_CRASH_P4 = 0x40000104,
    HV_MSR_CRASH_CTL = 0x40000105,
    HV_MSR_LAST = 0x40000105,
};
#define HV_PAGE_ENABLE           1u /* in MSRs that say where a page is: bits 63:12 */
#define HV_HYPERCALL_LOCKED      2u
#define HV_RESET_NOW             1u
#define HV_CRASH_NOTIFY          (UINT64_C(1) << 63)
#define X86_HV_APIC_FREQUENCY_HZ UINT64_C(1000000000)

/* Hypercalls (TLFS chapter 3 and appendix A). */
enum {
    HV_STATUS_SUCCESS = 0,
    HV_STATUS_INVALID_HYPERCALL_CODE = 2,
    HV_STATUS_INVALID_HYPERCALL_INPUT = 3,
    HV_CALL_NOTIFY_LONG_SPIN_WAIT = 0x0008,
};

typedef struct X86HvVp {
    uint64_t assist_page; /* MSR */
    uint64_t runtime;     /* 100 ns, as last told; own thread, as what follows */
    /* derived */
    uint64_t runtime_base; /* what its thread's time counts from */
    bool runtime_stale;    /* that is to be worked out anew from `runtime` */
} X86HvVp;

/* All but what is said to be of a thread: machine lock. */
typedef struct X86HvPartition {
    uint64_t guest_os_id, hypercall, reference_tsc, crash[5]; /* MSRs */
    unsigned vp_count;
    X86HvVp *vps; /* by X86Cpu.index */
    /* Constant: what the guest may ask for, with the machine lock held. */
    void (*reset)(void);
    void (*crashed)(const uint64_t parameters[5]);
} X86HvPartition;

/* Does @model ask for any of them? */
bool x86_hv_is_asked(const X86CpuModel *model);
/* Has @cpu any of them: its model, in a machine that is a partition? */
bool x86_hv_is_on(const X86Cpu *cpu);
/* Has it that of @bit? */
bool x86_hv_has(const X86Cpu *cpu, uint32_t bit);

/* Leaves 0x40000000 to 0x40000006 of a CPU that has any, zeros for others. TLFS section 2.4. */
void x86_hv_cpuid(const X86Cpu *cpu, uint32_t leaf, X86CpuidRegs *r);

#endif
