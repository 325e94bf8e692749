/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of SVM on the software CPU: a host in 64-bit mode, whose VMCB describes a guest in the
 * same mode. It runs the guest by VMRUN, and halts when it comes back.
 */
#ifndef TESTS_UNIT_SOFT_SVM_GUEST_H
#define TESTS_UNIT_SOFT_SVM_GUEST_H

#include <string.h>

#include "target/i386/svm.h"
#include "tests/unit/soft-guest.h"

enum {
    VMCB = 0x200000,
    GUEST = 0x300000, /* code of the guest */
    GUEST_STACK = 0x310000,
    GUEST_IDT = 0x320000,
    HANDLER = 0x330000, /* of every vector of the guest: VMMCALL */
    IOPM = 0x340000,    /* 12 KiB */
    MSRPM = 0x350000,   /* 8 KiB */
    NPT = 0x400000,     /* PML4, PDPT, PD of 2 MiB pages */
    BEFORE = 0x11,      /* of registers that must come back */
};

static inline SvmVmcb *vmcb(void)
{
    return (SvmVmcb *)(h->ram + VMCB);
}

static inline void set_intercept(unsigned code, bool on)
{
    uint32_t bit = 1u << code % 32;

    vmcb()->intercepts[code / 32] = (vmcb()->intercepts[code / 32] & ~bit) | (on ? bit : 0);
}

static inline SvmSegment segment(const X86Segment *seg)
{
    return (SvmSegment){ seg->selector,
                         (uint16_t)((seg->flags >> 8 & 0xff) | (seg->flags >> 12 & 0xf00)),
                         seg->limit, seg->base };
}

/* Each vector goes to HANDLER, by a gate that ring 3 may use. */
static inline void make_idt(void)
{
    static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };

    for (unsigned i = 0; i < 256; i++) {
        put32(GUEST_IDT + 16 * i, 0x08 << 16 | (HANDLER & 0xffff));
        put32(GUEST_IDT + 16 * i + 4,
              (HANDLER & 0xffff0000) | SEG_P | SEG_DPL_MASK | SYS_INT << SEG_TYPE_SHIFT);
        put64(GUEST_IDT + 16 * i + 8, 0);
    }
    memcpy(h->ram + HANDLER, vmmcall, sizeof(vmmcall));
}

/* The guest's RAM is where it is, but for 0xe00000, which is at 0xc00000. */
static inline void make_npt(void)
{
    const uint64_t table = PTE_P | PTE_RW | PTE_US;

    memset(h->ram + NPT, 0, 0x3000);
    put64(NPT, (NPT + 0x1000) | table);
    put64(NPT + 0x1000, (NPT + 0x2000) | table);
    for (uint64_t i = 0; i < 8; i++) {
        put64(NPT + 0x2000 + 8 * i, (i == 7 ? 6 : i) << 21 | table | PTE_PS);
    }
}

/* A host that is about to run a guest in the same mode. VMRUN and VMMCALL are intercepted. */
static inline void setup(void)
{
    X86Cpu *cpu = h->cpu;

    harness_reset(h, HARNESS_LONG64);
    h->deliver = true;
    cpu->efer |= EFER_SVME;
    memset(h->ram + VMCB, 0, 4096);
    memset(h->ram + IOPM, 0, 0x3000);
    memset(h->ram + MSRPM, 0, 0x2000);
    make_idt();
    make_npt();
    SvmVmcb *v = vmcb();
    v->asid = 1;
    v->iopm = IOPM;
    v->msrpm = MSRPM;
    v->nested_cr3 = NPT;
    v->es = segment(&cpu->segs[X86_SEG_ES]);
    v->cs = segment(&cpu->segs[X86_SEG_CS]);
    v->ss = segment(&cpu->segs[X86_SEG_SS]);
    v->ds = segment(&cpu->segs[X86_SEG_DS]);
    v->fs = v->gs = v->ds;
    v->tr = segment(&cpu->tr);
    v->gdtr = (SvmSegment){ .base = cpu->gdt.base, .limit = cpu->gdt.limit };
    v->idtr = (SvmSegment){ .base = GUEST_IDT, .limit = 0xfff };
    v->efer = cpu->efer;
    v->cr0 = cpu->cr0;
    v->cr3 = cpu->cr3;
    v->cr4 = cpu->cr4;
    v->dr6 = DR6_FIXED_ONE;
    v->dr7 = DR7_FIXED_ONE;
    v->rflags = RFLAGS_ONE;
    v->rip = GUEST;
    v->rsp = GUEST_STACK;
    v->pat = cpu->msr.pat;
    set_intercept(SVM_EXIT_VMRUN, true);
    set_intercept(SVM_EXIT_VMMCALL, true);
    cpu->regs[X86_RAX] = VMCB;
    cpu->regs[X86_RBX] = HARNESS_DATA;
    cpu->regs[X86_RCX] = 0;
    cpu->regs[X86_RBP] = BEFORE;
}

static inline unsigned put_hex(uint64_t at, const char *hex)
{
    unsigned len = (unsigned)strlen(hex) / 2;

    for (unsigned i = 0; i < len; i++) {
        h->ram[at + i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    return len;
}

#define VMMCALL "0f01d9"

/* VMRUN by the host with the guest at its RIP as it is; the exit code. The host must be as it was.
 */
static inline uint64_t vmrun(void)
{
    g_assert_cmpint(run("0f01d8"), ==, -1);
    g_assert_true(h->cpu->halted);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 4);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, VMCB);
    g_assert_cmphex(h->cpu->cr3, ==, HARNESS_PT);
    g_assert_cmphex(h->cpu->idt.base, ==, HARNESS_IDT);
    g_assert_cmphex(h->cpu->dr[7], ==, DR7_FIXED_ONE);
    g_assert_false(h->cpu->svm.guest);
    g_assert_true(h->cpu->svm.gif_clear);
    return vmcb()->exit_code;
}

/* The same, with a guest that runs @hex, and VMMCALL. */
static inline uint64_t guest(const char *hex)
{
    put_hex(GUEST + put_hex(GUEST, hex), VMMCALL);
    return vmrun();
}

/* With nested paging. */
static inline void setup_nested(void)
{
    setup();
    vmcb()->nested_ctl = 1;
}

#endif
