/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call gates of the software CPU (SDM vol. 3 section 5.8): what comes onto the inner ring's stack,
 * of 16, 32 and 64 bits, with each number of parameters; the way back; and each check with its
 * fault.
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

enum {
    /* Selectors. */
    CODE64 = 0x08,
    DATA = 0x10,
    CODE32 = 0x18,
    CODE16 = 0x20,
    DATA16 = 0x28,
    USER_CODE = 0x33,
    USER_DATA = 0x3b,
    GATE = 0x58, /* and 0x60 in long mode */
    USER_DATA16 = 0x6b,
    CONFORMING = 0x70,
    GDT_LIMIT = 0x77,
    /* Addresses. */
    HANDLER = 0x9000, /* within 64 KiB, for gates of 16 bits */
    STACK0 = 0x8000,
    STACK3 = 0x7000,
    ESP0 = HARNESS_TSS + 4,
    SS0 = HARNESS_TSS + 8,
    GP = EXC_GP,
};

static void put_gate(unsigned type, unsigned dpl, unsigned parameters, unsigned selector)
{
    put32(HARNESS_GDT + GATE, selector << 16 | HANDLER);
    put32(HARNESS_GDT + GATE + 4,
          SEG_P | dpl << SEG_DPL_SHIFT | type << SEG_TYPE_SHIFT | parameters);
}

static void put_segment(unsigned selector, uint32_t flags)
{
    put32(HARNESS_GDT + (selector & ~7u), 0xffff);
    put32(HARNESS_GDT + (selector & ~7u) + 4, flags);
}

static void set_segment(unsigned number, unsigned selector, uint32_t limit, uint32_t flags)
{
    h->cpu->segs[number] =
        (X86Segment){ .selector = (uint16_t)selector, .limit = limit, .flags = flags };
}

/* Ring 3 in protected mode; a stack of 16 bits if @small. The stack has 40 values. */
static void reset(bool small)
{
    const uint32_t user = SEG_P | SEG_S | SEG_A | SEG_DPL_MASK;
    const uint32_t wide = SEG_DB | SEG_G;

    harness_reset(h, HARNESS_FLAT32);
    h->cpu->gdt.limit = GDT_LIMIT;
    put_segment(USER_DATA16, user | SEG_W);
    put_segment(CONFORMING, SEG_P | SEG_S | SEG_CODE | SEG_C | SEG_R | SEG_DB);
    set_segment(X86_SEG_CS, USER_CODE, UINT32_MAX, user | SEG_CODE | SEG_R | wide);
    if (small) {
        set_segment(X86_SEG_SS, USER_DATA16, 0xffff, user | SEG_W);
    } else {
        set_segment(X86_SEG_SS, USER_DATA, UINT32_MAX, user | SEG_W | wide);
    }
    put32(ESP0, STACK0);
    put32(SS0, DATA);
    h->cpu->regs[X86_RSP] = STACK3;
    for (unsigned i = 0; i < 40; i++) {
        put32(STACK3 + 4 * i, 0xabc00000 + i * 0x10001);
    }
    memset(h->ram + HANDLER, 0xf4, 1);
    soft_update_mode(h->s);
}

/* A value on a stack; @size is 2, 4 or 8. */
static uint64_t value_at(uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, h->ram + addr, size);
    return value;
}

#define CALL_GATE "9a000000005800" /* lcall $0x58, $0; then HLT */
#define JMP_GATE  "ea000000005800"
#define AFTER     (HARNESS_CODE + 7)

static void check_inner(unsigned size, unsigned parameters)
{
    uint64_t top = STACK0 - (4 + parameters) * size;

    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector & 3, ==, 0);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, DATA);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, top);
    g_assert_cmphex(value_at(top, size), ==, size == 2 ? (uint16_t)AFTER : AFTER);
    g_assert_cmphex(value_at(top + size, size), ==, USER_CODE);
    for (unsigned i = 0; i < parameters; i++) {
        g_assert_cmphex(value_at(top + (2 + i) * size, size), ==,
                        value_at(STACK3 + i * size, size));
    }
    g_assert_cmphex(value_at(STACK0 - 2 * size, size), ==, STACK3);
    g_assert_cmphex(value_at(STACK0 - size, size) & 3, ==, 3);
}

/* Each number of parameters, of both widths, from stacks of both widths. */
static void test_parameters(void)
{
    for (unsigned parameters = 0; parameters < 32; parameters++) {
        for (unsigned wide = 0; wide < 2; wide++) {
            for (unsigned small = 0; small < 2; small++) {
                reset(small);
                put_gate(wide ? SYS_CALL : SYS_CALL16, 3, parameters, wide ? CODE32 : CODE16);
                g_assert_cmpint(run(CALL_GATE), ==, -1);
                h->cpu->rip--; /* it is behind the HLT */
                check_inner(wide ? 4 : 2, parameters);
            }
        }
    }
}

/* RET with as many bytes drops them from both stacks. */
static void test_return(void)
{
    for (unsigned parameters = 0; parameters < 32; parameters++) {
        for (unsigned small = 0; small < 2; small++) {
            reset(small);
            put_gate(SYS_CALL, 3, parameters, CODE32);
            h->ram[HANDLER] = 0xca; /* lret $4 * parameters */
            put16(HANDLER + 1, (uint16_t)(4 * parameters));
            g_assert_cmpint(run(CALL_GATE), ==, -1); /* HLT in ring 3 */
            g_assert_cmphex(h->cpu->rip, ==, AFTER);
            g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, USER_CODE);
            g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, small ? USER_DATA16 : USER_DATA);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3 + 4 * parameters);
        }
    }
}

/* At the end of a 16-bit stack the parameters wrap around; a limit before it is #SS(0), and then
 * nothing has changed. */
static void test_ends(void)
{
    reset(true);
    put_gate(SYS_CALL, 3, 2, CODE32);
    h->cpu->regs[X86_RSP] = 0xfffc;
    put32(0xfffc, 0x11112222);
    put32(0, 0x33334444);
    g_assert_cmpint(run(CALL_GATE), ==, -1);
    g_assert_cmphex(get32(STACK0 - 16), ==, 0x11112222);
    g_assert_cmphex(get32(STACK0 - 12), ==, 0x33334444);

    reset(false);
    put_gate(SYS_CALL, 3, 3, CODE32);
    h->cpu->segs[X86_SEG_SS].limit = STACK3 + 10;
    h->cpu->segs[X86_SEG_SS].flags &= ~SEG_G;
    g_assert_cmpint(run(CALL_GATE), ==, EXC_SS);
    g_assert_cmphex(h->error_code, ==, 0);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, USER_CODE);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, USER_DATA);

    /* No room on the inner stack: #SS with its selector. */
    reset(false);
    put_gate(SYS_CALL, 3, 3, CODE32);
    put_segment(DATA16, SEG_P | SEG_S | SEG_W | SEG_A | SEG_DB);
    put32(HARNESS_GDT + DATA16, 27); /* 28 bytes are needed, of which one is behind the limit */
    put32(SS0, DATA16);
    put32(ESP0, 29);
    g_assert_cmpint(run(CALL_GATE), ==, EXC_SS);
    g_assert_cmphex(h->error_code, ==, DATA16);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, USER_DATA);
    reset(false);
    put_gate(SYS_CALL, 3, 3, CODE32);
    put_segment(DATA16, SEG_P | SEG_S | SEG_W | SEG_A | SEG_DB);
    put32(HARNESS_GDT + DATA16, 27);
    put32(SS0, DATA16);
    put32(ESP0, 28);
    g_assert_cmpint(run(CALL_GATE), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, 0);
}

/* Same ring: no other stack, and no parameters. A conforming target keeps the ring. */
static void test_same_ring(void)
{
    reset(false);
    put_gate(SYS_CALL, 3, 5, CONFORMING);
    g_assert_cmpint(run(CALL_GATE), ==, -1); /* HLT in ring 3 */
    g_assert_cmphex(h->cpu->rip, ==, HANDLER);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, CONFORMING | 3);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3 - 8);
    g_assert_cmphex(get32(STACK3 - 8), ==, AFTER);
    reset(false);
    put_gate(SYS_CALL, 3, 5, USER_CODE);
    g_assert_cmpint(run(JMP_GATE), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3);
}

static void test_checks(void)
{
    static const struct {
        const char *code;
        unsigned type, dpl, selector, vector, error;
        uint32_t clear; /* of the gate's second half */
    } cases[] = {
        { CALL_GATE, SYS_CALL, 2, CODE32, GP, GATE, 0 }, /* DPL < CPL */
        { CALL_GATE, SYS_CALL, 3, CODE32, EXC_NP, GATE, SEG_P },
        { CALL_GATE, SYS_CALL, 3, 0, GP, 0, 0 },          /* no target */
        { CALL_GATE, SYS_CALL, 3, DATA, GP, DATA, 0 },    /* no code */
        { CALL_GATE, SYS_CALL, 3, 0x88, GP, 0x88, 0 },    /* behind the table */
        { CALL_GATE, SYS_CALL, 3, GATE, GP, GATE, 0 },    /* a system descriptor */
        { JMP_GATE, SYS_CALL, 3, CODE32, GP, CODE32, 0 }, /* JMP stays in its ring */
        { CALL_GATE, SYS_INT, 3, CODE32, GP, GATE, 0 },   /* no call gate */
        { CALL_GATE, SYS_TRAP, 3, CODE32, GP, GATE, 0 },
        { CALL_GATE, SYS_LDT, 3, CODE32, GP, GATE, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        reset(false);
        put_gate(cases[i].type, cases[i].dpl, 2, cases[i].selector);
        put32(HARNESS_GDT + GATE + 4, get32(HARNESS_GDT + GATE + 4) & ~cases[i].clear);
        g_test_message("case %zu", i);
        g_assert_cmpint(run(cases[i].code), ==, (int)cases[i].vector);
        g_assert_cmphex(h->error_code, ==, cases[i].error);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
        g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3);
    }
}

/* Long mode: 8 bytes each, no parameters, SS is null. The gate has 16 bytes. */
static void test_long(void)
{
    static const struct {
        unsigned selector;
        uint64_t high;
        int vector;
        unsigned error;
    } cases[] = {
        { CODE64, 0, -1, 0 },
        { CODE64, 1ull << 40, GP, GATE }, /* a type where there must be none */
        { CODE32, 0, GP, CODE32 },        /* no 64-bit code */
        { CODE64, 0x8000, GP, 0 },        /* not canonical */
    };

    for (unsigned parameters = 0; parameters < 32; parameters += 31) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
            harness_reset(h, HARNESS_USER32);
            h->cpu->gdt.limit = GDT_LIMIT;
            put_gate(SYS_CALL, 3, parameters, cases[i].selector);
            put64(HARNESS_GDT + GATE + 8, cases[i].high);
            put64(ESP0, STACK0);
            h->cpu->regs[X86_RSP] = STACK3;
            memset(h->ram + HANDLER, 0xf4, 1);
            soft_update_mode(h->s);
            g_test_message("case %zu", i);
            g_assert_cmpint(run(CALL_GATE), ==, cases[i].vector);
            if (cases[i].vector >= 0) {
                g_assert_cmphex(h->error_code, ==, cases[i].error);
                g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK3);
                continue;
            }
            g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, CODE64);
            g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, 0);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, STACK0 - 32);
            g_assert_cmphex(get64(STACK0 - 32), ==, AFTER);
            g_assert_cmphex(get64(STACK0 - 24), ==, USER_CODE);
            g_assert_cmphex(get64(STACK0 - 16), ==, STACK3);
            g_assert_cmphex(get64(STACK0 - 8), ==, USER_DATA);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-gate/parameters", test_parameters);
    g_test_add_func("/soft-gate/return", test_return);
    g_test_add_func("/soft-gate/ends", test_ends);
    g_test_add_func("/soft-gate/same-ring", test_same_ring);
    g_test_add_func("/soft-gate/checks", test_checks);
    g_test_add_func("/soft-gate/long", test_long);
    int status = g_test_run();
    harness_free(h);
    return status;
}
