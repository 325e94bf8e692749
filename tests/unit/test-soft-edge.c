/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of the software CPU at their edges: the last value that passes and the first that does
 * not, of quotients, limits, bitmaps and addresses.
 */
#include <string.h>

#include "accel/soft/msr.h"
#include "memory/memory.h"
#include "tests/unit/soft-guest.h"
#include "util/machine-lock.h"

/* ---- DIV and IDIV ---- */

typedef __int128 Wide;
typedef unsigned __int128 UWide;

static Wide low_bits(Wide value, unsigned bits)
{
    return bits == 128 ? value : value & (((Wide)1 << bits) - 1);
}

/* Divide @dividend, twice @bits wide, by @divisor. */
static int divide(unsigned bits, bool is_signed, Wide dividend, Wide divisor)
{
    static const char *const codes[4][2] = {
        { "f6f3", "f6fb" }, { "66f7f3", "66f7fb" }, { "f7f3", "f7fb" }, { "48f7f3", "48f7fb" }
    };
    unsigned row = bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;

    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RBX] = (uint64_t)low_bits(divisor, bits);
    h->cpu->regs[X86_RAX] = (uint64_t)low_bits(dividend, bits == 8 ? 16 : bits);
    h->cpu->regs[X86_RDX] = (uint64_t)low_bits(dividend >> bits, bits);
    return run(codes[row][is_signed]);
}

static void check_quotient(unsigned bits, bool is_signed, Wide quotient, Wide divisor, Wide rest,
                           bool fits)
{
    /* Unsigned quotients of 64 bits need all of the 128. */
    Wide dividend = (Wide)((UWide)quotient * (UWide)divisor + (UWide)rest);

    g_assert_cmpint(divide(bits, is_signed, dividend, divisor), ==, fits ? -1 : EXC_DE);
    if (fits) {
        uint64_t rax = h->cpu->regs[X86_RAX];
        uint64_t rdx = bits == 8 ? rax >> 8 & 0xff : h->cpu->regs[X86_RDX];
        g_assert_cmphex((uint64_t)low_bits((Wide)rax, bits), ==,
                        (uint64_t)low_bits(quotient, bits));
        g_assert_cmphex(rdx, ==, (uint64_t)low_bits(rest, bits));
    } else {
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    }
}

static void test_quotients(void)
{
    for (unsigned bits = 8; bits <= 64; bits *= 2) {
        const Wide max = ((Wide)1 << bits) - 1, smax = max / 2, smin = -smax - 1;
        const Wide divisors[] = { 2, 3, 7, smax };

        for (size_t i = 0; i < G_N_ELEMENTS(divisors); i++) {
            const Wide d = divisors[i];
            check_quotient(bits, false, max, d, 0, true);
            check_quotient(bits, false, max, d, d - 1, true);
            check_quotient(bits, false, 0, d, d - 1, true);
            check_quotient(bits, false, max + 1, d, 0, false);
            check_quotient(bits, true, smax, d, d - 1, true);
            check_quotient(bits, true, smax + 1, d, 0, false);
            check_quotient(bits, true, smin, d, 1 - d, true);
            check_quotient(bits, true, smin - 1, d, 0, false);
            check_quotient(bits, true, smax, -d, 1 - d, true);
            check_quotient(bits, true, smax + 1, -d, 0, false);
            check_quotient(bits, true, smin, -d, d - 1, true);
            check_quotient(bits, true, smin - 1, -d, 0, false);
        }
        check_quotient(bits, false, max, 1, 0, true);
        check_quotient(bits, false, max, max, max - 1, true);
        check_quotient(bits, false, max + 1, 1, 0, false);
        check_quotient(bits, true, smax, -1, 0, true);
        check_quotient(bits, true, smax + 1, -1, 0, false);
        check_quotient(bits, true, smin, -1, 0, true);
        check_quotient(bits, true, smin - 1, -1, 0, false);
        check_quotient(bits, true, smin, 1, 0, true);
        for (unsigned s = 0; s < 2; s++) {
            g_assert_cmpint(divide(bits, s, 0, 0), ==, EXC_DE);
            g_assert_cmpint(divide(bits, s, 5, 0), ==, EXC_DE);
        }
        /* The most negative dividend. */
        g_assert_cmpint(divide(bits, true, smin * (max + 1), -1), ==, EXC_DE);
        g_assert_cmpint(divide(bits, true, smin * (max + 1), 1), ==, EXC_DE);
        g_assert_cmpint(divide(bits, true, smin * (max + 1), smin), ==, EXC_DE);
    }
}

/* ---- the I/O permission bitmap ---- */

enum { TSS_MAP = 102, MAP = 0x88 };

/* IN of @size bytes at @port, ring 3; the TSS' limit is @limit. All other ports are denied. */
static int user_in(unsigned port, unsigned size, uint32_t limit, unsigned allowed)
{
    harness_reset(h, HARNESS_USER64);
    put16(HARNESS_TSS + TSS_MAP, MAP);
    memset(h->ram + HARNESS_TSS + MAP, 0xff, 0x800);
    for (unsigned i = 0; i < allowed; i++) {
        h->ram[HARNESS_TSS + MAP + (port + i) / 8] &= (uint8_t) ~(1u << (port + i) % 8);
    }
    h->cpu->tr.limit = limit;
    h->cpu->regs[X86_RDX] = port;
    return run(size == 1 ? "ec" : size == 2 ? "66ed" : "ed");
}

static void test_io_bitmap(void)
{
    for (unsigned size = 1; size <= 4; size *= 2) {
        for (unsigned port = 0x300; port < 0x308; port++) {
            uint32_t last = MAP + port / 8 + 1; /* two bytes are read */
            g_assert_cmpint(user_in(port, size, 0xfff, size), ==, -1);
            g_assert_cmpint(user_in(port, size, 0xfff, size - 1), ==, EXC_GP);
            g_assert_cmpint(user_in(port, size, last, size), ==, -1);
            g_assert_cmpint(user_in(port, size, last - 1, size), ==, EXC_GP);
        }
    }
    /* Where the bitmap is must be within the limit itself. */
    for (uint32_t limit = TSS_MAP; limit <= TSS_MAP + 1; limit++) {
        harness_reset(h, HARNESS_USER64);
        put16(HARNESS_TSS + TSS_MAP, 0);
        h->cpu->tr.limit = limit;
        h->cpu->regs[X86_RDX] = 0;
        g_assert_cmpint(run("ec"), ==, limit == TSS_MAP ? EXC_GP : -1);
    }
    /* A 16-bit TSS has none. */
    harness_reset(h, HARNESS_USER64);
    h->cpu->tr.flags = SEG_P | SYS_TSS16_BUSY << SEG_TYPE_SHIFT;
    h->cpu->regs[X86_RDX] = 0;
    g_assert_cmpint(run("ec"), ==, EXC_GP);
    /* IOPL. */
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        g_assert_cmpint(user_in(0x300, 1, 0xfff, 0), ==, EXC_GP);
        h->cpu->rflags |= iopl << RFLAGS_IOPL_SHIFT;
        g_assert_cmpint(run("ec"), ==, iopl == 3 ? -1 : EXC_GP);
    }
}

/* ---- limits of data segments ---- */

typedef struct Access {
    const char *code; /* at (EBX) */
    unsigned size;
    bool write;
} Access;

static const Access accesses[] = {
    { "8a03", 1, false },  { "668b03", 2, false },  { "8b03", 4, false },    { "8803", 1, true },
    { "668903", 2, true }, { "8903", 4, true },     { "df2b", 8, false },    { "db2b", 10, false },
    { "df3b", 8, true },   { "0f1003", 16, false }, { "0f1103", 16, true },  { "0fc70b", 8, true },
    { "ff33", 4, false },  { "0303", 4, false },    { "0103", 4, true },     { "f00103", 4, true },
    { "8703", 4, true },   { "d12b", 4, true },     { "0fba2b01", 4, true }, { "ff13", 4, false },
    { "c503", 6, false },
};

/* The access at @offset of a data segment with @limit and @flags. */
static int segment_access(const Access *a, uint32_t offset, uint32_t limit, uint32_t flags)
{
    harness_reset(h, HARNESS_FLAT32);
    memset(h->ram + HARNESS_DATA, 0, 0x100);
    h->cpu->cr4 |= CR4_OSFXSR;
    h->cpu->segs[X86_SEG_DS].limit = limit;
    h->cpu->segs[X86_SEG_DS].flags |= flags;
    h->cpu->segs[X86_SEG_DS].flags &= flags & SEG_E ? ~0u : ~(uint32_t)SEG_E;
    h->cpu->regs[X86_RBX] = offset;
    h->cpu->regs[X86_RAX] = 0;
    return run(a->code);
}

static bool runs(int vector)
{
    return vector != EXC_GP && vector != EXC_SS;
}

static void test_data_limits(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        const Access *a = &accesses[i];
        const uint32_t limit = HARNESS_DATA + 0x40;
        if (strcmp(a->code, "ff13") == 0 || strcmp(a->code, "c503") == 0) {
            /* CALL goes to 0, and LDS loads a null selector: both are fine but for what comes
             * after. */
            g_assert_cmpint(segment_access(a, limit - a->size + 2, limit, 0), ==, EXC_GP);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
            continue;
        }
        g_assert_true(runs(segment_access(a, limit - a->size + 1, limit, 0)));
        g_assert_cmpint(segment_access(a, limit - a->size + 2, limit, 0), ==, EXC_GP);
        g_assert_cmpint(segment_access(a, limit + 1, limit, 0), ==, EXC_GP);
        /* Expand-down: from the limit on. */
        g_assert_true(runs(segment_access(a, limit + 1, limit, SEG_E)));
        g_assert_cmpint(segment_access(a, limit, limit, SEG_E), ==, EXC_GP);
        g_assert_cmpint(segment_access(a, limit - a->size, limit, SEG_E), ==, EXC_GP);
        /* ... to 4 GiB; the last bytes are not RAM here, so that something else may stop it. */
        g_assert_cmpint(segment_access(a, 0u - a->size, limit, SEG_E), ==, -1);
        if (a->size > 1) {
            g_assert_cmpint(segment_access(a, 1u - a->size, limit, SEG_E), ==, EXC_GP);
        }
    }
}

/* An expand-down segment with B clear ends at 64 KiB. */
static void test_expand_down_16(void)
{
    static const struct {
        uint32_t offset;
        unsigned size;
        bool fits;
    } cases[] = {
        { 0xffff, 1, true },  { 0x10000, 1, false }, { 0xfffc, 4, true },
        { 0xfffd, 4, false }, { 0x8001, 1, true },   { 0x8000, 1, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        harness_reset(h, HARNESS_FLAT32);
        X86Segment *ds = &h->cpu->segs[X86_SEG_DS];
        ds->limit = 0x8000;
        ds->flags = (ds->flags | SEG_E) & ~SEG_DB;
        h->cpu->regs[X86_RBX] = cases[i].offset;
        g_assert_cmpint(run(cases[i].size == 1 ? "8a03" : "8b03"), ==, cases[i].fits ? -1 : EXC_GP);
    }
}

/* ---- rights of segments ---- */

static void test_segment_rights(void)
{
    const uint32_t code = SEG_P | SEG_S | SEG_CODE | SEG_A | SEG_DB | SEG_G;
    const uint32_t data = SEG_P | SEG_S | SEG_A | SEG_DB | SEG_G;
    const struct {
        uint32_t flags;
        bool read, write;
    } cases[] = {
        { data, true, false },           { data | SEG_W, true, true },
        { code, false, false },          { code | SEG_R, true, false },
        { data & ~SEG_P, false, false }, { (data | SEG_W) & ~SEG_P, false, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned write = 0; write < 2; write++) {
            harness_reset(h, HARNESS_FLAT32);
            h->cpu->segs[X86_SEG_DS].flags = cases[i].flags;
            h->cpu->regs[X86_RBX] = HARNESS_DATA;
            bool ok = write ? cases[i].write : cases[i].read;
            g_assert_cmpint(run(write ? "8803" : "8a03"), ==, ok ? -1 : EXC_GP);
        }
    }
}

/* ---- stacks ---- */

static void set_stack(uint32_t limit, uint32_t esp, uint32_t set, uint32_t clear)
{
    harness_reset(h, HARNESS_FLAT32);
    X86Segment *ss = &h->cpu->segs[X86_SEG_SS];
    ss->limit = limit;
    ss->flags = (ss->flags | set) & ~clear;
    h->cpu->regs[X86_RSP] = esp;
    soft_update_mode(h->s);
}

static void test_stack_limits(void)
{
    static const struct {
        const char *code;
        uint32_t limit, esp;
        uint32_t set, clear;
        int vector;
    } cases[] = {
        { "50", 0x7fff, 0x8000, 0, 0, -1 }, /* PUSH EAX */
        { "50", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "6650", 0x7fff, 0x8000, 0, 0, -1 }, /* PUSH AX */
        { "6650", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "58", 0x7fff, 0x7ffc, 0, 0, -1 }, /* POP EAX */
        { "58", 0x7fff, 0x7ffd, 0, 0, EXC_SS },
        { "58", 0x7fff, 0x8000, 0, 0, EXC_SS },
        { "50", 0x7fff, 0x8004, SEG_E, 0, -1 }, /* expand-down: above the limit */
        { "50", 0x7fff, 0x8003, SEG_E, 0, EXC_SS },
        { "50", 0x7ffe, 0x8003, SEG_E, 0, -1 },
        { "50", 0x7fff, 0x10004, 0, SEG_DB, EXC_SS }, /* SP is 4: to 0 */
        { "60", 0x7fff, 0x8000, 0, 0, -1 },           /* PUSHA */
        { "60", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "61", 0x7fff, 0x7fe0, 0, 0, -1 }, /* POPA */
        { "61", 0x7fff, 0x7fe1, 0, 0, EXC_SS },
        { "9c", 0x7fff, 0x8001, 0, 0, EXC_SS }, /* PUSHF */
        { "9d", 0x7fff, 0x7ffd, 0, 0, EXC_SS }, /* POPF */
        { "1e", 0x7fff, 0x8000, 0, 0, -1 },     /* PUSH DS */
        { "1e", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "c8000000", 0x7fff, 0x8000, 0, 0, -1 }, /* ENTER */
        { "c8000000", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "e800000000", 0x7fff, 0x8000, 0, 0, -1 }, /* CALL */
        { "e800000000", 0x7fff, 0x8001, 0, 0, EXC_SS },
        { "c3", 0x7fff, 0x7ffd, 0, 0, EXC_SS },   /* RET */
        { "368b0424", 0x7fff, 0x7ffc, 0, 0, -1 }, /* MOV EAX, [ESP] */
        { "368b0424", 0x7fff, 0x7ffd, 0, 0, EXC_SS },
        { "cf", 0x7fff, 0x7ff5, 0, 0, EXC_SS }, /* IRET */
        { "cb", 0x7fff, 0x7ff9, 0, 0, EXC_SS }, /* RETF */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        set_stack(cases[i].limit, cases[i].esp, cases[i].set, cases[i].clear);
        int vector = run(cases[i].code);
        if (cases[i].clear) { /* a 16-bit stack */
            g_assert_cmpint(vector, ==, -1);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, 0x10000);
            continue;
        }
        if (vector != cases[i].vector) {
            g_test_message("%s with ESP %x, limit %x: %d", cases[i].code, cases[i].esp,
                           cases[i].limit, vector);
            g_test_fail();
        }
        if (vector == EXC_SS) { /* nothing has happened */
            g_assert_cmphex((uint64_t)h->error_code, ==, 0);
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, cases[i].esp);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
        }
    }
}

/* ---- descriptor tables ---- */

static void test_table_limits(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->gdt.limit = (uint16_t)(0x17 - beyond); /* 0x10 is the last */
        h->cpu->regs[X86_RAX] = 0x10;
        g_assert_cmpint(run("8ed8"), ==, beyond ? EXC_GP : -1); /* MOV DS, EAX */
        g_assert_cmpint((int)h->error_code, ==, beyond ? 0x10 : -1);

        harness_reset(h, HARNESS_LONG64);
        h->cpu->ldt = (X86Segment){ .selector = 0x50, .base = HARNESS_GDT, .limit = 0x17 - beyond };
        h->cpu->regs[X86_RAX] = 0x14;
        g_assert_cmpint(run("8ed8"), ==, beyond ? EXC_GP : -1);

        /* LTR: the descriptor has 16 bytes in long mode. */
        harness_reset(h, HARNESS_LONG64);
        h->cpu->gdt.limit = (uint16_t)(0x57 - beyond);
        h->cpu->regs[X86_RAX] = 0x48;
        g_assert_cmpint(run("0f00d8"), ==, beyond ? EXC_GP : -1);

        /* LAR and LSL say so by ZF. */
        harness_reset(h, HARNESS_LONG64);
        h->cpu->gdt.limit = (uint16_t)(0x17 - beyond);
        h->cpu->regs[X86_RAX] = 0x10;
        g_assert_cmpint(run("0f02c8"), ==, -1);
        g_assert_cmpint(!(soft_get_rflags(h->s) & RFLAGS_ZF), ==, beyond);
    }
}

static void set_gate(uint64_t idt, unsigned vector, bool long_mode)
{
    unsigned selector = long_mode ? 0x08 : 0x18;

    put64(idt + (long_mode ? 16 : 8) * vector,
          0x8000 | selector << 16 | (uint64_t)(SYS_INT << 8 | SEG_P) << 32);
    h->ram[0x8000] = 0xf4;
}

static void test_idt_limits(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        harness_reset(h, HARNESS_LONG64);
        set_gate(HARNESS_IDT, 0x30, true);
        h->cpu->idt.limit = (uint16_t)(0x30 * 16 + 15 - beyond);
        g_assert_cmpint(run("cd30"), ==, beyond ? EXC_GP : -1);
        g_assert_cmpint((int)h->error_code, ==, beyond ? 0x30 * 8 + 2 : -1);

        harness_reset(h, HARNESS_FLAT32);
        set_gate(HARNESS_IDT, 0x30, false);
        h->cpu->idt.limit = (uint16_t)(0x30 * 8 + 7 - beyond);
        g_assert_cmpint(run("cd30"), ==, beyond ? EXC_GP : -1);

        harness_reset(h, HARNESS_REAL);
        put64(0x30 * 4, 0x5000);
        h->ram[0x5000] = 0xf4;
        h->cpu->idt.limit = (uint16_t)(0x30 * 4 + 3 - beyond);
        g_assert_cmpint(run("cd30"), ==, beyond ? EXC_GP : -1);
    }
}

/* The stacks of inner rings in the TSS. */
static void test_tss_limits(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        harness_reset(h, HARNESS_USER64);
        set_gate(HARNESS_IDT, 3, true);
        put64(HARNESS_IDT + 16 * 3, get64(HARNESS_IDT + 16 * 3) | (uint64_t)SEG_DPL_MASK << 32);
        put64(HARNESS_TSS + 4, 0x90000);
        h->cpu->tr.limit = 11 - beyond;
        g_assert_cmpint(run("cc"), ==, beyond ? EXC_TS : -1);
        g_assert_cmpint((int)h->error_code, ==, beyond ? 0x48 : -1);

        harness_reset(h, HARNESS_LONG64); /* IST1 */
        set_gate(HARNESS_IDT, 3, true);
        h->ram[HARNESS_IDT + 16 * 3 + 4] = 1;
        put64(HARNESS_TSS + 36, 0x90000);
        h->cpu->tr.limit = 43 - beyond;
        g_assert_cmpint(run("cc"), ==, beyond ? EXC_TS : -1);
        if (!beyond) {
            g_assert_cmphex(h->cpu->regs[X86_RSP], ==, 0x90000 - 40);
        }
    }
}

/* ---- the end of the code segment ---- */

static void test_code_limit(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        harness_reset(h, HARNESS_FLAT32);
        memset(h->ram + HARNESS_DATA, 0xf4, 2);
        h->cpu->segs[X86_SEG_CS].limit = HARNESS_DATA;
        h->cpu->regs[X86_RBX] = HARNESS_DATA + beyond;
        g_assert_cmpint(run("ffe3"), ==, beyond ? EXC_GP : -1); /* JMP EBX */

        harness_reset(h, HARNESS_FLAT32);
        memset(h->ram + 0x50000, 0xf4, 2);
        h->ram[HARNESS_GDT + 0x1e] = 0x45; /* G clear: the limit, 0x50000, is in bytes */
        put16(HARNESS_GDT + 0x18, 0);
        h->cpu->regs[X86_RSP] = HARNESS_STACK - 8;
        put64(HARNESS_STACK - 8, (uint64_t)0x18 << 32 | (0x50000 + beyond));
        g_assert_cmpint(run("cb"), ==, beyond ? EXC_GP : -1); /* RETF */
    }
}

/* ---- canonical addresses ---- */

static void test_canonical(void)
{
    static const struct {
        uint64_t addr;
        int vector;
    } cases[] = {
        { 0x00007ffffffffff8, EXC_PF }, { 0x00007ffffffffff9, EXC_GP }, /* the last byte is not */
        { 0x0000800000000000, EXC_GP }, { 0xffff7fffffffffff, EXC_GP },
        { 0xffff800000000000, EXC_PF }, { 0xfffffffffffffff8, EXC_PF },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->regs[X86_RBX] = cases[i].addr;
        int vector = run("488b03"); /* MOV RAX, [RBX] */
        if (cases[i].addr == 0x00007ffffffffff9 && vector == EXC_PF) {
            continue; /* the first page faults first: as good */
        }
        g_assert_cmpint(vector, ==, cases[i].vector);
        harness_reset(h, HARNESS_LONG64);
        h->cpu->regs[X86_RBX] = cases[i].addr;
        g_assert_cmpint(run("ffe3"), ==,
                        cases[i].addr == 0x00007ffffffffff9 ? EXC_PF : cases[i].vector);
    }
    /* Bases that must be canonical: WRFSBASE. */
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->cr4 |= CR4_FSGSBASE;
        h->cpu->regs[X86_RAX] = 0x00007fffffffffff + beyond;
        g_assert_cmpint(run("f3480faed0"), ==, beyond ? EXC_GP : -1);
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RAX] = 0xffff800000000000 - beyond;
        g_assert_cmpint(run("f3480faed0"), ==, beyond ? EXC_GP : -1);
    }
}

/* ---- segments in real mode ---- */

/* Loads keep what protected mode left of limit and B ("unreal mode"), but for CS, whose code is of
 * 16 bits from then on. */
static void test_real_segments(void)
{
    harness_reset(h, HARNESS_REAL);
    h->cpu->segs[X86_SEG_SS].flags |= SEG_DB;
    h->cpu->segs[X86_SEG_DS].flags |= SEG_DB;
    h->cpu->segs[X86_SEG_DS].limit = UINT32_MAX;
    h->cpu->segs[X86_SEG_CS].flags |= SEG_DB; /* right after PE was cleared */
    h->cpu->regs[X86_RAX] = 0x123;
    soft_update_mode(h->s);
    h->ram[0x9000] = 0xf4;
    g_assert_cmpint(run("8ed88ed0ea009000000000"), ==, -1); /* MOV DS, SS; JMP FAR 0:0x9000 */
    g_assert_cmphex(h->cpu->rip, ==, 0x9001);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].flags & SEG_DB, ==, 0);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].flags & SEG_DB, ==, SEG_DB);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].base, ==, 0x1230);
    g_assert_cmphex(h->cpu->segs[X86_SEG_DS].flags & SEG_DB, ==, SEG_DB);
    g_assert_cmphex(h->cpu->segs[X86_SEG_DS].limit, ==, UINT32_MAX);
    /* A 16-bit offset is one without a sign. */
    harness_reset(h, HARNESS_REAL);
    h->ram[0x9000] = 0xf4;
    g_assert_cmpint(run("ea00900000"), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, 0x9001);
}

/* ---- LAR, LSL, VERR, VERW: what a ring may see ---- */

static void test_visible(void)
{
    const uint32_t code = SEG_P | SEG_S | SEG_CODE | SEG_A, data = SEG_P | SEG_S | SEG_A;
    const uint32_t user = SEG_DPL_MASK;
    /* ZF of LAR, LSL, VERR, VERW. */
    const struct {
        uint32_t flags;
        unsigned rpl;
        HarnessMode mode;
        unsigned lar, lsl, verr, verw;
    } cases[] = {
        { code | SEG_C | SEG_R, 3, HARNESS_USER64, 1, 1, 1, 0 },
        { code | SEG_R, 3, HARNESS_USER64, 0, 0, 0, 0 },
        { code | SEG_R | user, 3, HARNESS_USER64, 1, 1, 1, 0 },
        { code | user, 3, HARNESS_USER64, 1, 1, 0, 0 },
        { data | SEG_W | user, 3, HARNESS_USER64, 1, 1, 1, 1 },
        { data | user, 0, HARNESS_USER64, 1, 1, 1, 0 },
        { data | SEG_W | SEG_E, 3, HARNESS_USER64, 0, 0, 0, 0 }, /* E is not C */
        { data | SEG_W, 0, HARNESS_LONG64, 1, 1, 1, 1 },
        { data | SEG_W, 3, HARNESS_LONG64, 0, 0, 0, 0 },
        { data | SEG_W | 1u << SEG_DPL_SHIFT, 1, HARNESS_LONG64, 1, 1, 1, 1 },
        { data | SEG_W | 1u << SEG_DPL_SHIFT, 2, HARNESS_LONG64, 0, 0, 0, 0 },
        { SEG_P | SYS_TSS << SEG_TYPE_SHIFT, 0, HARNESS_LONG64, 1, 1, 0, 0 },
        { SEG_P | SYS_CALL << SEG_TYPE_SHIFT, 0, HARNESS_LONG64, 1, 0, 0, 0 },
        { SEG_P | SYS_INT << SEG_TYPE_SHIFT, 0, HARNESS_LONG64, 0, 0, 0, 0 },
        { SEG_P | SYS_TSS16 << SEG_TYPE_SHIFT, 0, HARNESS_LONG64, 0, 0, 0, 0 },
        { SEG_P | SYS_TSS16 << SEG_TYPE_SHIFT, 0, HARNESS_FLAT32, 1, 1, 0, 0 },
        { SEG_P | SYS_TASK_GATE << SEG_TYPE_SHIFT, 0, HARNESS_FLAT32, 1, 0, 0, 0 },
    };
    static const char *const codes[] = { "0f02c8", "0f03c8", "0f00e0", "0f00e8" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const unsigned wanted[] = { cases[i].lar, cases[i].lsl, cases[i].verr, cases[i].verw };
        for (size_t c = 0; c < G_N_ELEMENTS(codes); c++) {
            harness_reset(h, cases[i].mode);
            put64(HARNESS_GDT + 0x20, (uint64_t)cases[i].flags << 32 | 0x1234);
            h->cpu->regs[X86_RAX] = 0x20 | cases[i].rpl;
            h->cpu->regs[X86_RCX] = 0x77;
            g_assert_cmpint(run(codes[c]), ==, -1);
            unsigned zf = (soft_get_rflags(h->s) & RFLAGS_ZF) != 0;
            if (zf != wanted[c]) {
                g_test_message("flags %x RPL %u: %s gives ZF %u", cases[i].flags, cases[i].rpl,
                               codes[c], zf);
                g_test_fail();
            }
            uint64_t found = !zf ? 0x77 : c == 0 ? cases[i].flags & 0xffff00 : 0x1234;
            g_assert_cmphex(h->cpu->regs[X86_RCX], ==, c < 2 ? found : 0x77);
        }
    }
}

/* ---- far jumps: privilege ---- */

static void test_far_jump(void)
{
    static const struct {
        HarnessMode mode;
        uint32_t conforming;
        unsigned dpl, rpl;
        bool ok;
    } cases[] = {
        { HARNESS_LONG64, 0, 0, 0, true },     { HARNESS_LONG64, 0, 0, 1, false },
        { HARNESS_LONG64, 0, 1, 0, false },    { HARNESS_LONG64, SEG_C, 0, 0, true },
        { HARNESS_LONG64, SEG_C, 0, 3, true }, { HARNESS_LONG64, SEG_C, 1, 0, false },
        { HARNESS_USER64, 0, 3, 3, true },     { HARNESS_USER64, 0, 3, 0, true },
        { HARNESS_USER64, 0, 2, 2, false },    { HARNESS_USER64, SEG_C, 0, 3, true },
        { HARNESS_USER64, SEG_C, 3, 0, true }, { HARNESS_USER64, SEG_C, 2, 1, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        harness_reset(h, cases[i].mode);
        uint32_t flags = SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_L | cases[i].conforming |
                         cases[i].dpl << SEG_DPL_SHIFT;
        put64(HARNESS_GDT + 0x20, (uint64_t)flags << 32);
        put64(HARNESS_DATA, (uint64_t)(0x20 | cases[i].rpl) << 32 | 0x8000);
        h->ram[0x8000] = 0xf4;
        h->cpu->regs[X86_RBX] = HARNESS_DATA;
        unsigned cpl = soft_cpl(h->s);
        int vector = run("ff2b");
        if (vector != (cases[i].ok ? -1 : EXC_GP)) {
            /* HLT of ring 3 is a #GP itself. */
            g_test_message("far jump %zu: %d", i, vector);
            g_test_fail();
        }
        if (cases[i].ok) {
            g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, 0x20 | cpl);
        }
    }
}

/* ---- ARPL; the segments of string instructions ---- */

/* Memory that cannot be written is refused even if nothing would change; a register is not memory.
 */
static void test_arpl(void)
{
    static const struct {
        const char *code;
        unsigned selector, rpl;
        int vector;
    } cases[] = {
        { "6303", 3, 3, EXC_PF },
        { "6303", 0, 3, EXC_PF }, /* ARPL [EBX], AX */
        { "63c1", 3, 3, -1 },
        { "63c1", 0, 3, -1 }, /* ARPL CX, AX */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        harness_reset(h, HARNESS_USER32);
        put64(HARNESS_PT + 0x2000, get64(HARNESS_PT + 0x2000) & ~PTE_RW);
        put64(HARNESS_DATA, cases[i].selector);
        h->cpu->regs[X86_RBX] = HARNESS_DATA;
        h->cpu->regs[X86_RCX] = cases[i].selector;
        h->cpu->regs[X86_RAX] = cases[i].rpl;
        g_assert_cmpint(run(cases[i].code), ==, cases[i].vector);
        if (cases[i].vector == -1) {
            g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 3);
            g_assert_cmpint(!(soft_get_rflags(h->s) & RFLAGS_ZF), ==, cases[i].selector == 3);
        }
    }
    /* With addresses that are not there a register is not read from memory either. */
    harness_reset(h, HARNESS_USER32);
    put64(HARNESS_PT + 0x2000 + 8, 0);
    h->cpu->regs[X86_RBX] = 0x200000;
    g_assert_cmpint(run("63c1"), ==, -1);
}

static void test_string_segments(void)
{
    for (unsigned override = 0; override < 2; override++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->segs[X86_SEG_FS].base = 0x10;
        soft_update_mode(h->s);
        memset(h->ram + HARNESS_DATA, 0, 0x200);
        h->ram[HARNESS_DATA] = 1;
        h->ram[HARNESS_DATA + 0x10] = 2;
        h->cpu->regs[X86_RSI] = HARNESS_DATA;
        h->cpu->regs[X86_RDI] = HARNESS_DATA + 0x100;
        g_assert_cmpint(run(override ? "64a464aa" : "a4aa"), ==, -1); /* MOVSB; STOSB */
        g_assert_cmphex(h->ram[HARNESS_DATA + 0x100], ==, 1 + override);
        g_assert_cmphex(h->ram[HARNESS_DATA + 0x111], ==, 0);
    }
}

/* ---- the EXT bit of error codes ---- */

static void test_ext(void)
{
    for (unsigned exception = 0; exception < 2; exception++) {
        harness_reset(h, HARNESS_LONG64);
        set_gate(HARNESS_IDT, EXC_GP, true); /* that of #UD is no gate */
        h->deliver = true;
        int vector = run(exception ? "0f0b" : "cd06"); /* UD2, INT 6 */
        h->deliver = false;
        g_assert_cmpint(vector, ==, -1);
        g_assert_cmphex(get64(h->cpu->regs[X86_RSP]), ==, EXC_UD * 8 + 2 + exception);
    }
}

/* ---- EFER ---- */

static void test_efer(void)
{
    uint64_t value;

    for (unsigned nx = 0; nx < 2; nx++) {
        const uint64_t wanted = EFER_LME | EFER_SCE | (nx ? EFER_NX : 0);
        harness_reset(h, HARNESS_LONG64);
        g_assert_true(soft_msr_write(h->s, MSR_EFER, wanted)); /* LMA is kept, */
        g_assert_true(soft_msr_read(h->s, MSR_EFER, &value));
        g_assert_cmphex(value, ==, wanted | EFER_LMA);
        harness_reset(h, HARNESS_FLAT32);
        g_assert_true(soft_msr_write(h->s, MSR_EFER, wanted | EFER_LMA)); /* and not set */
        g_assert_true(soft_msr_read(h->s, MSR_EFER, &value));
        g_assert_cmphex(value, ==, wanted);
    }
}

/* ---- page tables in memory that does not begin at 0, up to its last entry ---- */

enum { HIGH_RAM = 0x40000000 };

static void test_high_page_tables(void)
{
    static MemoryRegion region;
    GError *err = NULL;

    machine_lock();
    RamBlock *block = ram_block_new("high", 0x1000, -1, false, false, 0, &err);
    g_assert_no_error(err);
    memory_region_init_ram(&region, "high", block);
    memory_region_add(memory_system(), HIGH_RAM, &region);
    machine_unlock();

    harness_reset(h, HARNESS_LONG64);
    const uint64_t entry = get64(HARNESS_PT); /* of the first 512 GiB */
    memcpy(block->host, &entry, 8);
    memcpy((uint8_t *)block->host + 0xff8, &entry, 8); /* and of the last */
    h->cpu->cr3 = HIGH_RAM;
    put64(HARNESS_DATA, 0x1234);
    h->cpu->regs[X86_RBX] = 0xffffff8000000000 + HARNESS_DATA;
    g_assert_cmpint(run("488b03"), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x1234);
    h->cpu->cr3 = HARNESS_PT;

    machine_lock();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    ram_block_unref(block);
    machine_unlock();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-edge/quotients", test_quotients);
    g_test_add_func("/soft-edge/io-bitmap", test_io_bitmap);
    g_test_add_func("/soft-edge/segment/limits", test_data_limits);
    g_test_add_func("/soft-edge/segment/expand-down-16", test_expand_down_16);
    g_test_add_func("/soft-edge/segment/rights", test_segment_rights);
    g_test_add_func("/soft-edge/segment/code", test_code_limit);
    g_test_add_func("/soft-edge/segment/real-mode", test_real_segments);
    g_test_add_func("/soft-edge/stack", test_stack_limits);
    g_test_add_func("/soft-edge/visible", test_visible);
    g_test_add_func("/soft-edge/far-jump", test_far_jump);
    g_test_add_func("/soft-edge/arpl", test_arpl);
    g_test_add_func("/soft-edge/string-segments", test_string_segments);
    g_test_add_func("/soft-edge/ext", test_ext);
    g_test_add_func("/soft-edge/efer", test_efer);
    g_test_add_func("/soft-edge/high-page-tables", test_high_page_tables);
    g_test_add_func("/soft-edge/table/descriptors", test_table_limits);
    g_test_add_func("/soft-edge/table/idt", test_idt_limits);
    g_test_add_func("/soft-edge/table/tss", test_tss_limits);
    g_test_add_func("/soft-edge/canonical", test_canonical);
    int status = g_test_run();
    harness_free(h);
    return status;
}
