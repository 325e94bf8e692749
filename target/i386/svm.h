/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's secure virtual machine, as data: what a processor keeps of it, the VMCB in memory, exit
 * codes (APM vol. 2 chapter 15, appendices B and C). Who runs it is the engine.
 */
#ifndef TARGET_I386_SVM_H
#define TARGET_I386_SVM_H

#include <stddef.h>
#include <stdint.h>

#include "target/i386/cpu.h"

/* VM_CR (APM vol. 2 section 15.30.1). */
enum { VM_CR_R_INIT = 1 << 1, VM_CR_LOCK = 1 << 3, VM_CR_SVMDIS = 1 << 4 };

enum { SVM_ASIDS = 16 }; /* that CPUID tells of; all entries are dropped at each world switch */

/* Exit codes; those below 0xc0 are the numbers of the intercepts' bits too. */
enum {
    SVM_EXIT_READ_CR0 = 0x00,
    SVM_EXIT_WRITE_CR0 = 0x10,
    SVM_EXIT_READ_DR0 = 0x20,
    SVM_EXIT_WRITE_DR0 = 0x30,
    SVM_EXIT_EXCEPTION = 0x40,
    SVM_EXIT_INTR = 0x60,
    SVM_EXIT_NMI,
    SVM_EXIT_SMI,
    SVM_EXIT_INIT,
    SVM_EXIT_VINTR,
    SVM_EXIT_CR0_SEL_WRITE,
    SVM_EXIT_IDTR_READ,
    SVM_EXIT_GDTR_READ,
    SVM_EXIT_LDTR_READ,
    SVM_EXIT_TR_READ,
    SVM_EXIT_IDTR_WRITE,
    SVM_EXIT_GDTR_WRITE,
    SVM_EXIT_LDTR_WRITE,
    SVM_EXIT_TR_WRITE,
    SVM_EXIT_RDTSC,
    SVM_EXIT_RDPMC,
    SVM_EXIT_PUSHF,
    SVM_EXIT_POPF,
    SVM_EXIT_CPUID,
    SVM_EXIT_RSM,
    SVM_EXIT_IRET,
    SVM_EXIT_SWINT,
    SVM_EXIT_INVD,
    SVM_EXIT_PAUSE,
    SVM_EXIT_HLT,
    SVM_EXIT_INVLPG,
    SVM_EXIT_INVLPGA,
    SVM_EXIT_IOIO,
    SVM_EXIT_MSR,
    SVM_EXIT_TASK_SWITCH,
    SVM_EXIT_FERR_FREEZE,
    SVM_EXIT_SHUTDOWN,
    SVM_EXIT_VMRUN = 0x80,
    SVM_EXIT_VMMCALL,
    SVM_EXIT_VMLOAD,
    SVM_EXIT_VMSAVE,
    SVM_EXIT_STGI,
    SVM_EXIT_CLGI,
    SVM_EXIT_SKINIT,
    SVM_EXIT_RDTSCP,
    SVM_EXIT_ICEBP,
    SVM_EXIT_WBINVD,
    SVM_EXIT_XSETBV = 0x8d,
    SVM_EXIT_INVPCID = 0xa2,
    SVM_EXIT_NPF = 0x400,
};
#define SVM_EXIT_INVALID UINT64_MAX

/* Error code of SVM_EXIT_NPF, beyond those of #PF. */
#define SVM_NPF_FINAL (1ull << 32) /* by the guest's own access */
#define SVM_NPF_WALK  (1ull << 33) /* by the walk of its page tables */

/* X86Svm.int_ctl, the VMCB's quadword at 0x60. */
#define SVM_V_TPR          0xffull
#define SVM_V_IRQ          (1ull << 8)
#define SVM_V_PRIO_SHIFT   16
#define SVM_V_IGN_TPR      (1ull << 20)
#define SVM_V_INTR_MASKING (1ull << 24)
#define SVM_V_VECTOR_SHIFT 32

/* EVENTINJ and EXITINTINFO. */
#define SVM_EVENT_VECTOR     0xffull
#define SVM_EVENT_TYPE_SHIFT 8
#define SVM_EVENT_HAS_ERROR  (1ull << 11)
#define SVM_EVENT_VALID      (1ull << 31)
enum { SVM_EVENT_INTR = 0, SVM_EVENT_NMI = 2, SVM_EVENT_EXCEPTION = 3, SVM_EVENT_SOFTWARE = 4 };

/* IOIO's EXITINFO1. */
enum {
    SVM_IO_IN = 1 << 0,
    SVM_IO_STRING = 1 << 2,
    SVM_IO_REP = 1 << 3,
    SVM_IO_SIZE_SHIFT = 4,    /* times the operand's bytes: 1, 2, 4 */
    SVM_IO_ADDRESS_SHIFT = 6, /* times the address's bytes: 2, 4, 8 */
    SVM_IO_SEGMENT_SHIFT = 10,
    SVM_IO_PORT_SHIFT = 16,
};

/* ---- the VMCB: a page; reserved fields have no name ---- */

typedef struct SvmSegment {
    uint16_t selector;
    uint16_t attributes; /* bits 40-47 and 52-55 of the descriptor */
    uint32_t limit;
    uint64_t base;
} SvmSegment;

typedef struct SvmVmcb {
    /* 0x000: control area */
    uint32_t intercepts[6];
    uint32_t reserved_018[9];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved_05d[3];
    uint64_t int_ctl;
    uint64_t shadow; /* bit 0: interrupt shadow */
    uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
    uint64_t nested_ctl; /* bit 0: nested paging */
    uint64_t reserved_098[2];
    uint64_t event_inj;
    uint64_t nested_cr3;
    uint64_t lbr;
    uint32_t clean, reserved_0c4;
    uint64_t next_rip;
    uint8_t insn_len, insn_bytes[15];
    uint8_t reserved_0e0[0x320];
    /* 0x400: state save area */
    SvmSegment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x2b];
    uint8_t cpl;
    uint32_t reserved_4cc;
    uint64_t efer;
    uint8_t reserved_4d8[0x70];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved_580[0x58];
    uint64_t rsp;
    uint8_t reserved_5e0[0x18];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved_648[0x20];
    uint64_t pat;
    uint8_t reserved_670[0x990];
} SvmVmcb;

_Static_assert(offsetof(SvmVmcb, iopm) == 0x40, "APM vol. 2 table B-1");
_Static_assert(offsetof(SvmVmcb, exit_code) == 0x70, "APM vol. 2 table B-1");
_Static_assert(offsetof(SvmVmcb, event_inj) == 0xa8, "APM vol. 2 table B-1");
_Static_assert(offsetof(SvmVmcb, next_rip) == 0xc8, "APM vol. 2 table B-1");
_Static_assert(offsetof(SvmVmcb, es) == 0x400, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, cpl) == 0x4cb, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, efer) == 0x4d0, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, cr4) == 0x548, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, rip) == 0x578, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, rsp) == 0x5d8, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, rax) == 0x5f8, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, cr2) == 0x640, "APM vol. 2 table B-2");
_Static_assert(offsetof(SvmVmcb, pat) == 0x668, "APM vol. 2 table B-2");
_Static_assert(sizeof(SvmVmcb) == 4096, "APM vol. 2 appendix B");

/* ---- which interrupts get through ---- */

/* Does the guest that runs want an exit for @code (below 0xc0)? */
static inline bool x86_svm_intercepts(const X86Cpu *cpu, unsigned code)
{
    return cpu->svm.guest && (cpu->svm.intercepts[code / 32] >> code % 32 & 1);
}

/* Is CR8 the VMCB's V_TPR, and not the local APIC's? */
static inline bool x86_svm_virtual_tpr(const X86Cpu *cpu)
{
    return cpu->svm.guest && (cpu->svm.int_ctl & SVM_V_INTR_MASKING);
}

/* Are interrupts of the machine let through, now or to the guest's host (section 15.21.1)? */
static inline bool x86_takes_interrupts(const X86Cpu *cpu)
{
    uint64_t rflags = x86_svm_virtual_tpr(cpu) ? cpu->svm.host.rflags : cpu->rflags;

    return (rflags & RFLAGS_IF) && !cpu->svm.gif_clear;
}

static inline bool x86_takes_nmi(const X86Cpu *cpu)
{
    return !cpu->nmi_blocked && !cpu->svm.gif_clear;
}

/* Does the guest that runs leave for an INIT now? Also where it halts. Own thread. */
static inline bool x86_svm_leaves_for_init(const X86Cpu *cpu)
{
    return (atomic_load(&cpu->interrupts) & CPU_INT_INIT) && !cpu->svm.gif_clear &&
           x86_svm_intercepts(cpu, SVM_EXIT_INIT);
}

/* CPU_INT_INIT and CPU_INT_SIPI, as far as the processor itself acts on them now: in system
 * management mode an INIT waits for its end, and what was sent after it too. Own thread. */
static inline uint32_t x86_cpu_init_sipi(const X86Cpu *cpu)
{
    uint32_t pending = atomic_load(&cpu->interrupts) & (CPU_INT_INIT | CPU_INT_SIPI);
    bool init_waits = cpu->smm || x86_svm_intercepts(cpu, SVM_EXIT_INIT);

    return cpu->svm.gif_clear || ((pending & CPU_INT_INIT) && init_waits) ? 0 : pending;
}

/* Is there an SMI that the processor takes, or its guest leaves for? Also where it halts. One that
 * a guest is not left for waits until the guest is left for something else. Own thread. */
static inline bool x86_cpu_smi_waits(const X86Cpu *cpu)
{
    return (atomic_load(&cpu->interrupts) & CPU_INT_SMI) && !cpu->smm && !cpu->svm.gif_clear &&
           !(cpu->debug_step & CPU_STEP_NO_IRQ) &&
           (!cpu->svm.guest || x86_svm_intercepts(cpu, SVM_EXIT_SMI));
}

/* Is there a virtual interrupt that the guest takes now? */
static inline bool x86_takes_virtual(const X86Cpu *cpu)
{
    uint64_t ctl = cpu->svm.int_ctl;

    return cpu->svm.guest && !cpu->svm.gif_clear && (ctl & SVM_V_IRQ) &&
           (cpu->rflags & RFLAGS_IF) &&
           ((ctl & SVM_V_IGN_TPR) || (ctl >> SVM_V_PRIO_SHIFT & 15) > (ctl & 15));
}

#endif
