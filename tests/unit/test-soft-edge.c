/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of the software CPU at their edges: the last value that passes and the first that does
 * not, of quotients, limits, bitmaps and addresses.
 */
#include <string.h>

#include "tests/unit/soft-harness.h"

static SoftHarness *h;

static void put16(uint64_t addr, uint16_t value)
{
    memcpy(h->ram + addr, &value, 2);
}
static void put64(uint64_t addr, uint64_t value)
{
    memcpy(h->ram + addr, &value, 8);
}
static uint64_t get64(uint64_t addr)
{
    uint64_t value;
    memcpy(&value, h->ram + addr, 8);
    return value;
}

static unsigned parse_hex(const char *text, uint8_t *bytes)
{
    unsigned len = 0;
    for (; g_ascii_isxdigit(text[0]); text += 2) {
        bytes[len++] =
            (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return len;
}

/* Run @hex from the state as it is. */
static int run(const char *hex)
{
    uint8_t bytes[64];
    unsigned len = parse_hex(hex, bytes);

    harness_load(h, bytes, len);
    return harness_run(h, 100);
}

/* ---- DIV and IDIV ---- */

typedef __int128 Wide;

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
    Wide dividend = quotient * divisor + rest;

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

/* ---- LOCK ---- */

typedef struct Outcome {
    int vector;
    uint64_t regs[16], flags;
    uint8_t memory[32];
} Outcome;

static Outcome outcome(const char *hex, uint64_t addr, uint64_t value, uint64_t operand, bool carry)
{
    Outcome o;

    h->cpu->rip = HARNESS_CODE;
    memset(h->ram + addr - 8, 0x5a, sizeof(o.memory));
    put64(addr, value);
    put64(addr + 8, ~value);
    for (unsigned i = 0; i < 16; i++) {
        h->cpu->regs[i] = i == X86_RSP ? HARNESS_STACK : 0;
    }
    h->cpu->regs[X86_RDI] = addr;
    h->cpu->regs[X86_RCX] = operand;
    h->cpu->regs[X86_RAX] = value ^ (operand & 1);
    h->cpu->regs[X86_RDX] = ~value;
    h->cpu->regs[X86_RBX] = operand * 3;
    soft_set_rflags(h->s, RFLAGS_ONE | (carry ? RFLAGS_CF : 0));
    o.vector = run(hex);
    memcpy(o.regs, h->cpu->regs, sizeof(o.regs));
    o.flags = soft_get_rflags(h->s);
    memcpy(o.memory, h->ram + addr - 8, sizeof(o.memory));
    return o;
}

/* outcome() keeps the mode: of these there are many. */
static void begin_outcomes(void)
{
    harness_reset(h, HARNESS_LONG64);
}

/* (RDI) with RCX or CL; what comes of it is the same with LOCK and without, within a page and
 * across two. */
static const char *const lockable[] = {
    "000f",       "66010f",   "010f",         "48010f",   "080f",       "66090f",     "090f",
    "48090f",     "100f",     "66110f",       "110f",     "48110f",     "180f",       "66190f",
    "190f",       "48190f",   "200f",         "66210f",   "210f",       "48210f",     "280f",
    "66290f",     "290f",     "48290f",       "300f",     "66310f",     "310f",       "48310f",
    "800780",     "6683077f", "810780000000", "48830780", "800f80",     "66830f7f",   "830f80",
    "48830f80",   "801780",   "6683177f",     "831780",   "48831780",   "801f80",     "66831f7f",
    "831f80",     "48831f80", "802780",       "6683277f", "832780",     "48832780",   "802f80",
    "66832f7f",   "832f80",   "48832f80",     "803780",   "6683377f",   "833780",     "48833780",
    "fe07",       "66ff07",   "ff07",         "48ff07",   "fe0f",       "66ff0f",     "ff0f",
    "48ff0f",     "f617",     "66f717",       "f717",     "48f717",     "f61f",       "66f71f",
    "f71f",       "48f71f",   "0fc00f",       "660fc10f", "0fc10f",     "480fc10f",   "0fb00f",
    "660fb10f",   "0fb10f",   "480fb10f",     "0fba2f03", "660fba2f0f", "480fba2f3f", "0fba3703",
    "480fba373f", "0fba3f03", "480fba3f3f",   "0fab0f",   "480fab0f",   "0fb30f",     "480fb30f",
    "0fbb0f",     "480fbb0f", "660fbb0f",     "860f",     "66870f",     "870f",       "48870f",
    "0fc70f",
};

static void same_outcome(const char *hex, const Outcome *a, const Outcome *b, uint64_t moved)
{
    bool same = a->vector == b->vector && a->flags == b->flags &&
                !memcmp(a->memory, b->memory, sizeof(a->memory));
    for (unsigned i = 0; i < 16; i++) {
        same = same && a->regs[i] + (i == X86_RDI ? moved : 0) == b->regs[i];
    }
    if (!same) {
        g_test_message("%s differs with LOCK or across a page", hex);
        g_test_fail();
    }
}

static void test_lock(void)
{
    static const uint64_t values[] = { 0, 1, 0x80, 0x7fff8000, UINT64_MAX, 1ull << 63 };
    const uint64_t inside = HARNESS_DATA + 0x100, across = HARNESS_DATA + 0x1000 - 1;

    begin_outcomes();
    for (size_t i = 0; i < G_N_ELEMENTS(lockable); i++) {
        g_autofree char *locked = g_strconcat("f0", lockable[i], NULL);
        for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
            for (unsigned operand = 0; operand < 8; operand += 7) {
                bool carry = operand & 1;
                Outcome plain = outcome(lockable[i], inside, values[v], operand, carry);
                Outcome lock = outcome(locked, inside, values[v], operand, carry);
                Outcome two = outcome(locked, across, values[v], operand, carry);
                Outcome two_plain = outcome(lockable[i], across, values[v], operand, carry);
                g_assert_cmpint(plain.vector, ==, -1);
                same_outcome(lockable[i], &plain, &lock, 0);
                same_outcome(lockable[i], &plain, &two, across - inside);
                same_outcome(lockable[i], &plain, &two_plain, across - inside);
            }
        }
    }
}

/* Expected values, written down: the comparison above would not see an error in both. */
static void test_lock_results(void)
{
    static const struct {
        const char *code;
        uint64_t value, operand;
        bool carry;
        uint64_t memory, rcx, flags;
    } cases[] = {
        { "f048010f", 5, 7, false, 12, 7, RFLAGS_PF },
        { "f048110f", UINT64_MAX, 0, true, 0, 0, RFLAGS_CF | RFLAGS_ZF | RFLAGS_PF | RFLAGS_AF },
        { "f048190f", 5, 5, true, UINT64_MAX, 5, RFLAGS_CF | RFLAGS_SF | RFLAGS_PF | RFLAGS_AF },
        { "f048290f", 3, 5, false, UINT64_MAX - 1, 5, RFLAGS_CF | RFLAGS_SF | RFLAGS_AF },
        { "f048ff07", INT64_MAX, 0, true, 1ull << 63, 0,
          RFLAGS_CF | RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF },
        { "f048ff0f", 1ull << 63, 0, false, INT64_MAX, 0, RFLAGS_OF | RFLAGS_AF | RFLAGS_PF },
        { "f048f71f", 1, 0, false, UINT64_MAX, 0, RFLAGS_CF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF },
        { "f048f717", 1, 0, true, UINT64_MAX - 1, 0, RFLAGS_CF },
        { "f0480fc10f", 5, 7, false, 12, 5, RFLAGS_PF },
        { "f0480fb10f", 8, 6, false, 6, 6, RFLAGS_ZF | RFLAGS_PF },
        { "f0480fb10f", 8, 7, false, 8, 7, 0 }, /* RAX is 9 */
        { "48870f", 8, 7, false, 7, 8, 0 },
    };
    const uint64_t at[] = { HARNESS_DATA + 0x100, HARNESS_DATA + 0x1000 - 4 };

    begin_outcomes();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (size_t a = 0; a < G_N_ELEMENTS(at); a++) {
            Outcome o =
                outcome(cases[i].code, at[a], cases[i].value, cases[i].operand, cases[i].carry);
            g_assert_cmpint(o.vector, ==, -1);
            g_assert_cmphex(get64(at[a]), ==, cases[i].memory);
            g_assert_cmphex(o.regs[X86_RCX], ==, cases[i].rcx);
            g_assert_cmphex(o.flags & RFLAGS_ARITH, ==, cases[i].flags);
        }
    }
}

static void test_lock_refused(void)
{
    static const char *const codes[] = {
        "f001c8",     "f04801c8", "f0fec0", "f0f7d8",         "f00fc1c8", "f00fb1c8", "f0480fc7f0",
        "f087c8",     "f00fabc8", "f08b07", "f03907",         "f08507",   "f08907",   "f08d07",
        "f00fa30f",   "f0d107",   "f0f727", "f0c60701",       "f090",     "f0a4",     "f0ff37",
        "f00fba2701", "f00faf07", "f08f07", "f0813f00000000", "f00f2807", "f0c3",     "f0f4",
        "f0fa",       "f0ff17",   "f0d907",
    };

    begin_outcomes();
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        Outcome o = outcome(codes[i], HARNESS_DATA + 0x100, 1, 1, false);
        if (o.vector != EXC_UD) {
            g_test_message("%s: %d", codes[i], o.vector);
            g_test_fail();
        }
    }
}

/* ---- CMPXCHG8B and CMPXCHG16B: all halves, in both ways through ---- */

static void exchange(const char *hex, uint64_t at, unsigned bytes)
{
    const uint64_t old[2] = { 0x1111111122222222, 0x3333333344444444 };
    const unsigned half = bytes / 2;

    for (unsigned differs = 0; differs < 3; differs++) { /* in nothing, the low, the high half */
        uint64_t parts[2] = { 0, 0 };
        harness_reset(h, HARNESS_LONG64);
        memcpy(h->ram + at, old, bytes);
        memcpy(&parts[0], h->ram + at, half);
        memcpy(&parts[1], h->ram + at + half, half);
        h->cpu->regs[X86_RDI] = at;
        h->cpu->regs[X86_RAX] = parts[0] ^ (differs == 1);
        h->cpu->regs[X86_RDX] = parts[1] ^ (differs == 2);
        h->cpu->regs[X86_RBX] = 0x5555;
        h->cpu->regs[X86_RCX] = 0x6666;
        soft_set_rflags(h->s, RFLAGS_ONE | RFLAGS_CF | (differs ? RFLAGS_ZF : 0));
        g_assert_cmpint(run(hex), ==, -1);
        uint64_t now[2] = { 0, 0 };
        memcpy(&now[0], h->ram + at, half);
        memcpy(&now[1], h->ram + at + half, half);
        g_assert_cmphex(now[0], ==, differs ? parts[0] : 0x5555);
        g_assert_cmphex(now[1], ==, differs ? parts[1] : 0x6666);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, parts[0]);
        g_assert_cmphex(h->cpu->regs[X86_RDX], ==, parts[1]);
        g_assert_cmphex(soft_get_rflags(h->s) & (RFLAGS_ZF | RFLAGS_CF), ==,
                        RFLAGS_CF | (differs ? 0 : RFLAGS_ZF));
    }
}

static void test_wide_exchange(void)
{
    exchange("f00fc70f", HARNESS_DATA, 8);
    exchange("0fc70f", HARNESS_DATA + 3, 8);
    exchange("f00fc70f", HARNESS_DATA + 0x1000 - 4, 8);
    exchange("f0480fc70f", HARNESS_DATA, 16);
    exchange("480fc70f", HARNESS_DATA + 0xff0, 16);
    for (unsigned off = 1; off < 16; off++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->regs[X86_RDI] = HARNESS_DATA + off;
        g_assert_cmpint(run("f0480fc70f"), ==, EXC_GP);
    }
}

/* ---- accesses over the end of memory: nothing of them happens ---- */

static void test_page_crossing(void)
{
    static const Access list[] = {
        { "668b03", 2, false },  { "8b03", 4, false },      { "488b03", 8, false },
        { "668903", 2, true },   { "8903", 4, true },       { "488903", 8, true },
        { "48870b", 8, true },   { "f0480103", 8, true },   { "480103", 8, true },
        { "0f1003", 16, false }, { "0f1103", 16, true },    { "db2b", 10, false },
        { "dd13", 8, true },     { "f0480fb10b", 8, true }, { "0fc70b", 8, true },
        { "48d12b", 8, true },   { "480fc10b", 8, true },   { "480fc303", 8, true },
        { "d97310", 28, true },  { "0f01430b", 10, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
        for (unsigned within = 1; within < list[i].size; within++) {
            uint8_t before[32];
            int disp = strncmp(list[i].code, "d97310", 6) == 0   ? 0x10
                       : strncmp(list[i].code, "0f0143", 6) == 0 ? 0x0b
                                                                 : 0;
            harness_reset(h, HARNESS_LONG64);
            memset(h->ram + HARNESS_RAM_SIZE - 32, 0x5a, 32);
            memcpy(before, h->ram + HARNESS_RAM_SIZE - 32, 32);
            h->cpu->regs[X86_RBX] = HARNESS_RAM_SIZE - within - (unsigned)disp;
            h->cpu->regs[X86_RAX] = 0x1234;
            int vector = run(list[i].code);
            if (vector != EXC_PF || h->s->fault.cr2 != HARNESS_RAM_SIZE) {
                g_test_message("%s, %u bytes within: %d at %" G_GINT64_MODIFIER "x", list[i].code,
                               within, vector, h->s->fault.cr2);
                g_test_fail();
            }
            g_assert_cmphex((uint64_t)h->error_code & PF_W, ==, list[i].write ? PF_W : 0);
            g_assert_cmpmem(h->ram + HARNESS_RAM_SIZE - 32, 32, before, 32);
            g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x1234);
        }
    }
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
    g_test_add_func("/soft-edge/stack", test_stack_limits);
    g_test_add_func("/soft-edge/table/descriptors", test_table_limits);
    g_test_add_func("/soft-edge/table/idt", test_idt_limits);
    g_test_add_func("/soft-edge/table/tss", test_tss_limits);
    g_test_add_func("/soft-edge/canonical", test_canonical);
    g_test_add_func("/soft-edge/lock/same", test_lock);
    g_test_add_func("/soft-edge/lock/results", test_lock_results);
    g_test_add_func("/soft-edge/lock/refused", test_lock_refused);
    g_test_add_func("/soft-edge/wide-exchange", test_wide_exchange);
    g_test_add_func("/soft-edge/page-crossing", test_page_crossing);
    int status = g_test_run();
    harness_free(h);
    return status;
}
