/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The alignment check of the software CPU (SDM vol. 3 section 6.15, interrupt 17): who is checked,
 * and what. That each instruction's operand is checked as hardware does is test-cpu-vs-host's task.
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

enum { HANDLER = 0x30000, RING0_STACK = 0x90001 };

static void reset(HarnessMode mode, bool am, bool ac)
{
    harness_reset(h, mode);
    h->deliver = false;
    h->cpu->cr0 |= am ? CR0_AM : 0;
    h->cpu->rflags |= ac ? RFLAGS_AC : 0;
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    h->cpu->regs[X86_RSI] = HARNESS_DATA + 0x100;
    h->cpu->regs[X86_RDI] = HARNESS_DATA + 0x200;
    h->cpu->regs[X86_RCX] = 2;
    soft_update_mode(h->s);
}

/* ---- who ---- */

static void test_conditions(void)
{
    static const HarnessMode modes[] = { HARNESS_LONG64, HARNESS_USER64, HARNESS_USER32,
                                         HARNESS_FLAT32, HARNESS_REAL };

    for (unsigned i = 0; i < 4 * G_N_ELEMENTS(modes); i++) {
        HarnessMode mode = modes[i / 4];
        bool am = i & 1, ac = i & 2, user = mode == HARNESS_USER64 || mode == HARNESS_USER32;
        reset(mode, am, ac);
        h->cpu->regs[X86_RBX] = mode == HARNESS_REAL ? 0x5000 : HARNESS_DATA;
        /* MOV [RBX + 1], EAX, or of DI + 1, AX in real mode */
        g_assert_cmpint(run("894301"), ==, am && ac && user ? EXC_AC : -1);
        if (am && ac && user) {
            g_assert_cmphex((uint64_t)h->error_code, ==, 0);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
        }
    }
}

static void test_vm86(void)
{
    for (unsigned ac = 0; ac < 2; ac++) {
        reset(HARNESS_FLAT32, true, ac);
        h->cpu->rflags |= RFLAGS_VM;
        for (unsigned i = 0; i < 6; i++) {
            h->cpu->segs[i] =
                (X86Segment){ .selector = i == X86_SEG_CS ? HARNESS_CODE >> 4 : 0x5000,
                              .base = i == X86_SEG_CS ? HARNESS_CODE : 0x50000,
                              .limit = 0xffff,
                              .flags = SEG_P | SEG_S | SEG_W | SEG_A | SEG_DPL_MASK };
        }
        h->cpu->rip = 0;
        soft_update_mode(h->s);
        h->cpu->regs[X86_RBX] = 0x1001;
        g_assert_cmpint(run("8b07"), ==, ac ? EXC_AC : EXC_GP); /* MOV AX, [BX]; HLT */
    }
}

/* What the processor does by itself is not checked: tables, and the stack of ring 0. */
GUEST_CODE(handler, 64, "mov (%rsp), %r14\n\tmov 1(%rsp), %r13\n\thlt");

static void test_implicit(void)
{
    reset(HARNESS_USER64, true, true);
    h->deliver = true;
    memmove(h->ram + HARNESS_TSS + 2, h->ram + HARNESS_TSS, 0x68);
    h->cpu->tr.base += 2;
    h->cpu->idt.base += 1;
    h->cpu->gdt.base += 3;
    memmove(h->ram + HARNESS_GDT + 3, h->ram + HARNESS_GDT, 0x58);
    put64(h->cpu->tr.base + 4, RING0_STACK);
    put64(h->cpu->idt.base + 16 * EXC_AC, 0x080000 | (uint64_t)(SYS_INT << 8 | SEG_P | HANDLER)
                                                         << 32);
    memcpy(h->ram + HANDLER, code_handler, (size_t)(code_handler_end - code_handler));
    g_assert_cmpint(run("908b4301"), ==, -1); /* NOP; MOV EAX, [RBX + 1] */
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + (uint64_t)(code_handler_end - code_handler));
    g_assert_cmphex(h->cpu->regs[X86_R14], ==, 0); /* the error code */
}

/* ---- what ---- */

static const struct {
    const char *code;
    unsigned offset; /* of RBX, RSI, RDI */
    bool fault;
} cases[] = {
    { "8a03", 1, false },    { "668b03", 1, true },     { "668b03", 2, false },
    { "8b03", 2, true },     { "8b03", 4, false },      { "488b03", 4, true },
    { "488b03", 8, false },  { "668903", 1, true },     { "8903", 2, true },
    { "488903", 4, true },   { "8803", 1, false },      { "0103", 2, true },
    { "f00103", 2, true },   { "8703", 2, true },       { "0fc70b", 4, true },
    { "0fb103", 2, true },   { "ff33", 4, true },       { "8f03", 4, true },
    { "a5", 2, true },       { "f3a5", 2, true },       { "f3a4", 1, false },
    { "f3ab", 2, true },     { "f3a5", 4, false },      { "66f3a5", 1, true },
    { "a7", 2, true },       { "0fa303", 2, true },     { "0fba2301", 2, true },
    { "d903", 2, true },     { "dd03", 4, true },       { "db2b", 4, true },
    { "db2b", 8, false },    { "d933", 2, true },       { "d933", 4, false },
    { "66d933", 2, false },  { "66d933", 1, true },     { "dd33", 4, false },
    { "0f1003", 8, true },   { "0f1003", 16, false },   { "0f1103", 8, true },
    { "f30f1003", 2, true }, { "f20f1003", 4, true },   { "f20f1003", 8, false },
    { "f30f6f03", 8, true }, { "0f12036690", 4, true }, { "0fae1b", 2, true },
    { "8c1b", 1, true },
};

static void test_operands(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        reset(HARNESS_USER64, true, true);
        h->cpu->regs[X86_RBX] += cases[i].offset;
        h->cpu->regs[X86_RSI] += cases[i].offset;
        h->cpu->regs[X86_RDI] += cases[i].offset;
        int vector = run(cases[i].code);
        if (vector != (cases[i].fault ? EXC_AC : -1)) {
            g_test_message("%s at +%u: %d", cases[i].code, cases[i].offset, vector);
            g_test_fail();
        }
        if (vector == EXC_AC) {
            g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 2);
        }
    }
    /* Instructions that ask for alignment anyway keep their fault. */
    reset(HARNESS_USER64, true, true);
    h->cpu->regs[X86_RBX] += 8;
    g_assert_cmpint(run("0f2803"), ==, EXC_GP);
    g_assert_cmpint(run("0fae03"), ==, EXC_GP);
    h->cpu->regs[X86_RBX] = 0x8000000000000001; /* as an address that is not canonical does */
    g_assert_cmpint(run("8b03"), ==, EXC_GP);
    h->cpu->regs[X86_RBX] = HARNESS_RAM_SIZE - 2; /* and before a page fault */
    g_assert_cmpint(run("8b03"), ==, EXC_AC);
    h->cpu->regs[X86_RSP] -= 4; /* the stack */
    g_assert_cmpint(run("50"), ==, EXC_AC);
    g_assert_cmpint(run("e800000000"), ==, EXC_AC);
    g_assert_cmpint(run("c3"), ==, EXC_AC);
}

/* Accesses to a page that was used before, in either way, and AC set by the program. */
GUEST_CODE(toggle, 64,
           "mov %eax, 1(%rbx)\n\t" /* AC is clear */
           "pushfq\n\torl $0x40000, (%rsp)\n\tpopfq\n\t"
           "mov %eax, (%rbx)\n\tmov (%rbx), %eax\n\tmov %eax, 8(%rbx)\n\t"
           "pushfq\n\tandl $~0x40000, (%rsp)\n\tpopfq\n\t"
           "mov %eax, 2(%rbx)\n\t"
           "pushfq\n\torl $0x40000, (%rsp)\n\tpopfq\n\t"
           "1: mov %eax, 3(%rbx)");

static void test_toggle(void)
{
    reset(HARNESS_USER64, true, false);
    GUEST_LOAD(h, toggle);
    g_assert_cmpint(harness_run(h, 100), ==, EXC_AC);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + (uint64_t)(code_toggle_end - code_toggle) - 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-align/conditions", test_conditions);
    g_test_add_func("/soft-align/vm86", test_vm86);
    g_test_add_func("/soft-align/implicit", test_implicit);
    g_test_add_func("/soft-align/operands", test_operands);
    g_test_add_func("/soft-align/toggle", test_toggle);
    int status = g_test_run();
    harness_free(h);
    return status;
}
