/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The architectural state of an x86-64 processor, as data. Engines (accel/) run it; the CPU device
 * (hw/i386/cpu.h) owns it; the local APIC (hw/intc/apic.h) is reached through X86ApicOps.
 *
 * Ownership: while a vCPU runs, only its own thread touches its registers. Other threads may read
 * or write them when it is stopped (accel/vcpu.h), except the fields marked "any thread".
 */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpuid.h"
#include "target/i386/regs.h"
#include "util/state.h"

/* A segment register with its hidden part. */
typedef struct X86Segment {
    uint16_t selector;
    uint32_t flags; /* bits 8-23 of the descriptor's high dword, in place: SEG_* in regs.h */
    uint32_t limit; /* in bytes, granularity applied */
    uint64_t base;
} X86Segment;

typedef struct X86DescriptorTable {
    uint64_t base;
    uint16_t limit;
} X86DescriptorTable;

typedef struct X86Cpu X86Cpu;

/* What a processor asks of its local APIC. All calls with the machine lock held, but for
 * `base_get` and `tpr_get`, which the vCPU's own thread calls without it. */
typedef struct X86ApicOps {
    /* Interrupt acknowledge: the vector to deliver now, or -1 (spurious, masked by TPR). */
    int (*acknowledge)(void *apic);
    uint64_t (*base_get)(void *apic);             /* IA32_APIC_BASE, SDM vol. 3 section 11.4.4 */
    bool (*base_set)(void *apic, uint64_t value); /* false: #GP */
    uint8_t (*tpr_get)(void *apic);               /* CR8: TPR bits 7:4 */
    void (*tpr_set)(void *apic, uint8_t cr8);
    /* x2APIC registers and IA32_TSC_DEADLINE (SDM vol. 3 section 11.12); false: #GP. */
    bool (*msr_read)(void *apic, uint32_t msr, uint64_t *value);
    bool (*msr_write)(void *apic, uint32_t msr, uint64_t value);
    /* An INIT was accepted: reset all but the APIC ID and base. */
    void (*init)(void *apic);
    /* For engines that have local APICs themselves; then this one is only where the state is while
     * the CPU stands. Registers are 32 bits at offset 16 * n of a page of 1 KiB, as in the xAPIC's
     * memory (x2APIC: its ICR has both halves). */
    void (*page_get)(void *apic, uint32_t page[256]);
    void (*page_set)(void *apic, uint64_t base, const uint32_t page[256]);
    /* The same of IA32_TSC_DEADLINE: its place. */
    uint64_t *(*deadline)(void *apic);
    /* The engine's local APIC has ended a level-triggered interrupt: tell the I/O APIC. */
    void (*eoi)(void *apic, uint8_t vector);
} X86ApicOps;

/* Bits of X86Cpu.interrupts. */
enum {
    CPU_INT_HARD = 1 << 0, /* the local APIC (or PIC through LINT0) has an interrupt: a level, set
                              and cleared by the APIC */
    CPU_INT_NMI = 1 << 1,
    CPU_INT_INIT = 1 << 2,
    CPU_INT_SIPI = 1 << 3, /* sipi_vector is valid */
    CPU_INT_SMI = 1 << 4,
    CPU_INT_VIRTUAL = 1 << 5, /* X86Svm.int_ctl has an interrupt for the guest that runs; by the
                                 vCPU's own thread */
};

/* X86Cpu.debug_step. */
enum {
    CPU_STEP = 1 << 0,
    CPU_STEP_NO_IRQ = 1 << 1, /* no interrupt is taken meanwhile */
};

/* AMD's secure virtual machine (svm.h, APM vol. 2 chapter 15). */
typedef struct X86Svm {
    uint64_t vm_cr, hsave_pa; /* MSRs */
    bool gif_clear;           /* the global interrupt flag is 0 */
    bool guest;               /* between VMRUN and #VMEXIT; the rest counts only then */
    bool nested_paging;
    uint64_t vmcb; /* physical address */
    /* The VMCB's control area as VMRUN found it. */
    uint32_t intercepts[6];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset, nested_cr3;
    uint64_t int_ctl;   /* V_TPR and V_IRQ as they are now */
    uint64_t event_inj; /* to be delivered before the next instruction, if it is valid */
    uint64_t next_rip;  /* for that, if it is a software interrupt */
    uint16_t pause_left;
    uint64_t last_pause; /* TSC */
    /* The host, to be gone back to. */
    struct {
        X86Segment es, cs, ss, ds;
        X86DescriptorTable gdt, idt;
        uint64_t efer, cr0, cr3, cr4, rflags, rip, rsp, rax, pat;
    } host;
} X86Svm;

struct X86Cpu {
    /* General registers by their encoding (RAX 0 ... R15 15); the rest is for the engine: the
     * software CPU keeps there a zero and temporaries that its micro-operations address. */
    uint64_t regs[24];
    uint64_t rip;
    uint64_t rflags;    /* complete when the vCPU is stopped; engines may keep parts elsewhere while
                           they run */
    X86Segment segs[6]; /* ES CS SS DS FS GS: X86_SEG_* */
    X86Segment ldt, tr;
    X86DescriptorTable gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, xcr0;
    uint64_t efer;
    uint64_t dr[8];

    /* x87, MMX, SSE in the FXSAVE64 layout (SDM vol. 1 table 10-2); MXCSR at offset 24. */
    uint8_t fxsave[512] __attribute__((aligned(64)));
    uint8_t ymm_high[16][16]; /* upper halves of YMM0-YMM15 */
    uint32_t pkru;            /* rights by protection key (SDM vol. 3 section 4.6.2) */

    struct {
        uint64_t star, lstar, cstar, fmask, kernel_gs_base;
        uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
        uint64_t pat, tsc_aux, tsc_adjust, misc_enable;
        uint64_t k7_evntsel[4], k7_perfctr[4];
        uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_var[16];
        int64_t tsc_offset; /* TSC = clock_ns() + tsc_offset */
    } msr;

    X86Svm svm;

    bool halted;           /* in HLT, waiting for an interrupt; own thread + machine lock */
    bool frozen;           /* while halted: by FERR#, so IGNNE# ends it, too (fpu-pins.h) */
    bool wait_for_sipi;    /* an AP after reset or INIT */
    bool interrupt_shadow; /* the instruction after STI, MOV SS, POP SS */
    bool debug_shadow;     /* the one after MOV SS, POP SS: debug exceptions are held back, too */
    uint8_t debug_hits;    /* DR6's bits: breakpoints that were hit, whose trap is still to come */
    bool nmi_blocked;      /* until IRET */
    bool smm;              /* in system management mode, until RSM (smm.h); own thread */
    bool smm_nmi_blocked;  /* NMIs were blocked when that began */
    uint32_t smbase;       /* where it begins */
    bool ferr; /* FERR#: an x87 exception waits while CR0.NE is clear (fpu-pins.h); machine lock */
    /* An interrupt (@external) or exception that was taken, and is to be delivered before the next
     * instruction. KVM tells of one that it was about to deliver when it stopped; the software CPU
     * never stops there, and delivers what came with a saved machine. */
    struct {
        bool valid, external, has_error;
        uint8_t vector;
        uint32_t error;
    } event;

    /* any thread: */
    _Atomic uint32_t interrupts; /* CPU_INT_*; set with release before x86_cpu_kick() */
    _Atomic uint8_t sipi_vector;
    /* wiring: between the engine and those who ask it for something */
    _Atomic bool exit_request; /* leave the engine's loop at the next block boundary */
    unsigned debug_step;       /* CPU_STEP_*: a debugger wants one instruction; vCPU stopped */
    unsigned resets;           /* how often x86_cpu_reset() was called: engines with state of their
                                  own start that anew */

    /* configuration: constant after realize */
    unsigned index; /* 0 is the bootstrap processor */
    uint32_t apic_id;
    uint32_t socket_id, die_id, core_id, thread_id;
    bool has_smm;      /* SMIs do something: the machine has memory for them (memory/smm.h) */
    X86CpuModel model; /* CPUID contents */
    /* wiring */
    const X86ApicOps *apic_ops;
    void *apic;
    struct X86HvPartition *hv; /* hyperv.h; NULL: nothing of Hyper-V's */
    void *device;              /* the X86CpuDevice, for messages and queries */
    /* Make the vCPU thread look at `interrupts` and `exit_request` soon. Any thread. Set by
     * accel/vcpu.c. */
    void (*kick)(X86Cpu *cpu);

    void *vcpu; /* accel/vcpu.c's own */
};

/* The CPU whose thread this is, or NULL. */
extern __thread X86Cpu *current_cpu;

static inline void x86_cpu_kick(X86Cpu *cpu)
{
    if (cpu->kick) {
        cpu->kick(cpu);
    }
}

/* An INIT: NMIs and SIPIs that wait are forgotten, those that are sent from now on come after it.
 * Machine lock. */
void x86_cpu_signal_init(X86Cpu *cpu);
/* Set or clear bits of `interrupts` and, when setting, wake the vCPU. Any thread. */
void x86_cpu_interrupt(X86Cpu *cpu, uint32_t bits);
void x86_cpu_clear_interrupt(X86Cpu *cpu, uint32_t bits);

/* An SMI, if the processor has system management mode. Any thread. */
void x86_cpu_smi(X86Cpu *cpu);

/* Power-up state (SDM vol. 3 table 10-1); an AP then waits for SIPI. vCPU stopped or own thread. */
void x86_cpu_reset(X86Cpu *cpu);
/* The same for INIT: FPU and MSRs are kept. */
void x86_cpu_init_reset(X86Cpu *cpu);
/* Start at @vector * 4 KiB in real mode. */
void x86_cpu_sipi(X86Cpu *cpu, uint8_t vector);

/* What a snapshot keeps of a processor, the same for every engine; vCPU stopped. */
extern const StateTable x86_cpu_state;

/* Registers as text, many lines, for `info registers` and -d cpu. g_free. */
char *x86_cpu_dump(const X86Cpu *cpu);

#endif
