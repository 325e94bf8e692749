/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual 8086 mode of the software CPU, with and without CR4.VME: the interrupt flag and INT n
 * (SDM vol. 3 sections 21.2 and 21.3); and ring 3 with CR4.PVI (section 21.4).
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

enum {
    STACK = 0x50000, /* SS of the VM86 program; SP is 0x1000 */
    SP = 0x1000,
    IO_MAP = 0x88 + 32, /* offset in the TSS; the bitmap of interrupts is before it */
    REDIRECTION = 0x88,
    VECTOR = 0x21,
    PROGRAM_HANDLER = 0x6000, /* at 0600:0000 */
    HANDLER = 0x31000,
    RING0_STACK = 0x90000,
};

static void vm86(unsigned iopl, uint64_t flags, uint64_t cr4)
{
    harness_reset(h, HARNESS_FLAT32);
    h->deliver = false;
    h->cpu->cr4 = cr4;
    h->cpu->rflags = RFLAGS_ONE | RFLAGS_VM | iopl << RFLAGS_IOPL_SHIFT | flags;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t base = i == X86_SEG_CS ? HARNESS_CODE : STACK;
        h->cpu->segs[i] = (X86Segment){ .selector = (uint16_t)(base >> 4),
                                        .base = base,
                                        .limit = 0xffff,
                                        .flags = SEG_P | SEG_S | SEG_W | SEG_A | SEG_DPL_MASK };
    }
    h->cpu->rip = 0;
    h->cpu->regs[X86_RSP] = SP;
    soft_set_rflags(h->s, h->cpu->rflags);
    soft_update_mode(h->s);
    put16(HARNESS_TSS + 102, IO_MAP);
    put32(HARNESS_TSS + 4, RING0_STACK);
    put16(HARNESS_TSS + 8, 0x10);
    put32(VECTOR * 4, PROGRAM_HANDLER >> 4 << 16);
    h->ram[PROGRAM_HANDLER] = 0xf4;
    put32(HARNESS_IDT + 8 * VECTOR, 0x180000 | (HANDLER & 0xffff));
    put32(HARNESS_IDT + 8 * VECTOR + 4,
          (HANDLER & 0xffff0000) | SYS_INT << 8 | SEG_DPL_MASK | SEG_P);
    memset(h->ram + HANDLER, 0xf4, 1);
}

static uint64_t flags(void)
{
    return soft_get_rflags(h->s);
}

/* Run @code up to the HLT behind it, which a VM86 program may not: true. */
static bool runs(const char *code)
{
    h->cpu->rip = 0;
    g_assert_cmpint(run(code), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0);
    bool whole = h->cpu->rip == strlen(code) / 2;
    g_assert_true(whole || h->cpu->rip == 0);
    return whole;
}

/* ---- the interrupt flag ---- */

static void test_cli_sti(void)
{
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        for (unsigned vme = 0; vme < 2; vme++) {
            bool real = iopl == 3, ok = real || vme;
            uint64_t bit = real ? RFLAGS_IF : RFLAGS_VIF;
            vm86(iopl, RFLAGS_IF | RFLAGS_VIF, vme ? CR4_VME : 0);
            g_assert_cmpint(runs("fa"), ==, ok);
            g_assert_cmphex(flags() & (RFLAGS_IF | RFLAGS_VIF), ==,
                            (RFLAGS_IF | RFLAGS_VIF) & ~(ok ? bit : 0));
            vm86(iopl, 0, vme ? CR4_VME : 0);
            g_assert_cmpint(runs("fb"), ==, ok);
            g_assert_cmphex(flags() & (RFLAGS_IF | RFLAGS_VIF), ==, ok ? bit : 0);
            /* An interrupt waits for STI. */
            vm86(iopl, RFLAGS_VIP, vme ? CR4_VME : 0);
            g_assert_cmpint(runs("fb"), ==, real);
        }
    }
}

static void test_pushf(void)
{
    for (unsigned vif = 0; vif < 2; vif++) {
        vm86(0, RFLAGS_CF | (vif ? RFLAGS_VIF : RFLAGS_IF), CR4_VME);
        g_assert_true(runs("9c"));
        g_assert_cmphex(get16(STACK + SP - 2), ==,
                        RFLAGS_ONE | RFLAGS_CF | RFLAGS_IOPL | (vif ? RFLAGS_IF : 0));
        g_assert_false(runs("669c")); /* of 32 bits */
    }
    vm86(0, 0, 0);
    g_assert_false(runs("9c"));
    vm86(3, RFLAGS_IF | RFLAGS_VIF, CR4_VME);
    g_assert_true(runs("669c"));
    g_assert_cmphex(get32(STACK + SP - 4), ==, RFLAGS_ONE | RFLAGS_IF | RFLAGS_IOPL | RFLAGS_VIF);
}

/* POPF, and IRET to the HLT behind it. */
static void test_popf(void)
{
    static const struct {
        unsigned iopl;
        uint64_t old;
        uint32_t value;
        bool vme, ok;
        uint64_t now; /* of what POPF may change and IOPL, IF, VIF */
    } cases[] = {
        { 0, 0, RFLAGS_IF | RFLAGS_CF, true, true, RFLAGS_VIF | RFLAGS_CF },
        { 0, RFLAGS_IF | RFLAGS_VIF, 0, true, true, RFLAGS_IF },
        { 0, 0, RFLAGS_IOPL | RFLAGS_NT, true, true, RFLAGS_NT },
        { 0, 0, RFLAGS_TF, true, false, 0 },
        { 0, RFLAGS_VIP, RFLAGS_IF, true, false, 0 },
        { 0, RFLAGS_VIP | RFLAGS_VIF, 0, true, true, 0 },
        { 0, 0, 0, false, false, 0 },
        { 3, 0, RFLAGS_IF, true, true, RFLAGS_IF | RFLAGS_IOPL },
        { 3, RFLAGS_IF | RFLAGS_VIF, 0, true, true, RFLAGS_VIF | RFLAGS_IOPL },
        { 3, 0, RFLAGS_IF, false, true, RFLAGS_IF | RFLAGS_IOPL },
    };
    const uint64_t seen = RFLAGS_ARITH | RFLAGS_IF | RFLAGS_VIF | RFLAGS_IOPL | RFLAGS_NT;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned iret = 0; iret < 2; iret++) {
            vm86(cases[i].iopl, cases[i].old, cases[i].vme ? CR4_VME : 0);
            put16(STACK + SP, (uint16_t)(iret ? 1 : cases[i].value));
            put16(STACK + SP + 2, HARNESS_CODE >> 4);
            put16(STACK + SP + 4, (uint16_t)cases[i].value);
            g_assert_cmpint(runs(iret ? "cf" : "9d"), ==, cases[i].ok);
            g_assert_cmphex(flags() & seen, ==, cases[i].ok ? cases[i].now : cases[i].old & seen);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, SP + (cases[i].ok ? (iret ? 6 : 2) : 0));
            g_assert_false(cases[i].iopl < 3 && runs(iret ? "66cf" : "669d"));
        }
    }
}

/* ---- INT n ---- */

static void set_redirection(bool to_monitor)
{
    memset(h->ram + HARNESS_TSS + REDIRECTION, to_monitor ? 0 : 0xff, 32);
    h->ram[HARNESS_TSS + REDIRECTION + VECTOR / 8] ^= 1 << VECTOR % 8;
}

static void test_interrupt(void)
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned iopl = i & 3;
        bool vme = i & 4, to_monitor = i & 8, vif = i & 16;
        vm86(iopl, RFLAGS_IF | (vif ? RFLAGS_VIF : 0), vme ? CR4_VME : 0);
        set_redirection(to_monitor);
        int vector = run("cd21");
        if (vme && !to_monitor) {                /* within VM86 */
            g_assert_cmpint(vector, ==, EXC_GP); /* of the HLT */
            g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, PROGRAM_HANDLER >> 4);
            g_assert_cmphex(h->cpu->rip, ==, 0);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, SP - 6);
            g_assert_cmphex(get16(STACK + SP - 6), ==, 2);
            g_assert_cmphex(get16(STACK + SP - 4), ==, HARNESS_CODE >> 4);
            g_assert_cmphex(get16(STACK + SP - 2), ==,
                            RFLAGS_ONE | RFLAGS_IOPL | (iopl == 3 || vif ? RFLAGS_IF : 0));
            g_assert_cmphex(flags() & (RFLAGS_IF | RFLAGS_VIF), ==,
                            iopl < 3 ? RFLAGS_IF
                            : vif    ? RFLAGS_VIF
                                     : 0);
        } else if (iopl == 3) { /* to the monitor */
            g_assert_cmpint(vector, ==, -1);
            g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, RING0_STACK - 36);
        } else {
            g_assert_cmpint(vector, ==, EXC_GP);
            g_assert_cmphex(h->cpu->rip, ==, 0);
            g_assert_cmphex((uint64_t)h->error_code, ==, 0);
        }
    }
    /* INT3 never asks the bitmap. */
    vm86(0, 0, CR4_VME);
    memmove(h->ram + HARNESS_IDT + 8 * EXC_BP, h->ram + HARNESS_IDT + 8 * VECTOR, 8);
    g_assert_cmpint(run("cc"), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    /* A bitmap beyond the TSS. */
    vm86(3, 0, CR4_VME);
    h->cpu->tr.limit = REDIRECTION + VECTOR / 8 - 1;
    g_assert_cmpint(run("cd21"), ==, EXC_GP);
    g_assert_cmphex(h->cpu->rip, ==, 0);
}

/* ---- ring 3 ---- */

static void test_pvi(void)
{
    for (unsigned i = 0; i < 16; i++) {
        bool pvi = i & 1, vip = i & 2, iopl3 = i & 4, wide = i & 8;
        uint64_t bit = iopl3 ? RFLAGS_IF : RFLAGS_VIF;
        for (unsigned sti = 0; sti < 2; sti++) {
            harness_reset(h, wide ? HARNESS_USER64 : HARNESS_USER32);
            h->deliver = false;
            h->cpu->cr4 |= pvi ? CR4_PVI : CR4_VME;
            h->cpu->rflags |= (iopl3 ? RFLAGS_IOPL : 0) | (vip ? RFLAGS_VIP : 0) |
                              (sti ? 0 : RFLAGS_IF | RFLAGS_VIF);
            bool ok = iopl3 || (pvi && !(sti && vip));
            g_assert_cmpint(run(sti ? "fb" : "fa"), ==, ok ? -1 : EXC_GP);
            uint64_t start = sti ? 0 : RFLAGS_IF | RFLAGS_VIF;
            g_assert_cmphex(flags() & (RFLAGS_IF | RFLAGS_VIF), ==, ok ? start ^ bit : start);
        }
    }
    /* PUSHF and POPF are what they are. */
    harness_reset(h, HARNESS_USER64);
    h->cpu->cr4 |= CR4_PVI;
    h->cpu->rflags |= RFLAGS_VIF;
    g_assert_cmpint(run("9c6a009d"), ==, -1);
    g_assert_cmphex(get64(HARNESS_STACK - 8), ==, RFLAGS_ONE | RFLAGS_VIF);
    g_assert_cmphex(flags(), ==, RFLAGS_ONE | RFLAGS_VIF);
}

/* POPF of ring 0 leaves them alone, IRET loads them. */
static void test_ring0(void)
{
    harness_reset(h, HARNESS_LONG64);
    g_assert_cmpint(run("6800001800"
                        "9d"),
                    ==, -1);
    g_assert_cmphex(flags(), ==, RFLAGS_ONE);
    h->cpu->regs[X86_RSP] = HARNESS_STACK - 40;
    put64(HARNESS_STACK - 40, HARNESS_CODE + 2);
    put64(HARNESS_STACK - 32, 0x08);
    put64(HARNESS_STACK - 24, RFLAGS_ONE | RFLAGS_VIF | RFLAGS_VIP);
    put64(HARNESS_STACK - 16, HARNESS_STACK);
    put64(HARNESS_STACK - 8, 0x10);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run("48cf"), ==, -1);
    g_assert_cmphex(flags(), ==, RFLAGS_ONE | RFLAGS_VIF | RFLAGS_VIP);
}

/* IRET from ring 0 to VM86: EIP must be within its 64 KiB. */
static void test_enter(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        const uint32_t frame[] = { 0xffff + beyond,
                                   PROGRAM_HANDLER >> 4,
                                   RFLAGS_ONE | RFLAGS_VM,
                                   SP,
                                   STACK >> 4,
                                   0,
                                   0,
                                   0,
                                   0 };
        harness_reset(h, HARNESS_FLAT32);
        h->deliver = false;
        h->cpu->regs[X86_RSP] = HARNESS_STACK - sizeof(frame);
        memcpy(h->ram + HARNESS_STACK - sizeof(frame), frame, sizeof(frame));
        h->ram[PROGRAM_HANDLER + 0xffff] = 0xf4;
        g_assert_cmpint(run("cf"), ==, EXC_GP);
        g_assert_cmphex(h->cpu->rip, ==, beyond ? HARNESS_CODE : 0xffff);
        g_assert_cmpint(!!(flags() & RFLAGS_VM), ==, !beyond);
    }
}

static void test_announced(void)
{
    GError *err = NULL;

    for (unsigned vme = 0; vme < 2; vme++) {
        X86CpuModel model = h->cpu->model;
        x86_cpu_model_parse(&h->cpu->model, vme ? "max" : "max,-vme", &err);
        g_assert_no_error(err);
        harness_reset(h, HARNESS_LONG64);
        h->cpu->regs[X86_RAX] = h->cpu->cr4 | CR4_VME | CR4_PVI;
        g_assert_cmpint(run("0f22e0"), ==, vme ? -1 : EXC_GP); /* MOV CR4, RAX */
        h->cpu->model = model;
    }
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RAX] = 1;
    g_assert_cmpint(run("0fa2"), ==, -1);
    g_assert_true(h->cpu->regs[X86_RDX] & CPUID_1_EDX_VME);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-vme/cli-sti", test_cli_sti);
    g_test_add_func("/soft-vme/pushf", test_pushf);
    g_test_add_func("/soft-vme/popf", test_popf);
    g_test_add_func("/soft-vme/interrupt", test_interrupt);
    g_test_add_func("/soft-vme/pvi", test_pvi);
    g_test_add_func("/soft-vme/ring0", test_ring0);
    g_test_add_func("/soft-vme/enter", test_enter);
    g_test_add_func("/soft-vme/announced", test_announced);
    int status = g_test_run();
    harness_free(h);
    return status;
}
