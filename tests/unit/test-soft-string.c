/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String instructions with REP, which run by pages, against a model that does one element after the
 * other; and pages that share a TLB entry.
 */
#include <string.h>

#include "accel/soft/code-pages.h"
#include "tests/unit/soft-harness.h"

static SoftHarness *h;

enum {
    TLB_SPAN = SOFT_TLB_SIZE * SOFT_PAGE, /* addresses so far apart share an entry */
    FIRST = 0x300000,                     /* two windows of memory that do */
    SECOND = FIRST + TLB_SPAN,
    WINDOW = 4 * SOFT_PAGE,
    CASES = 1000,
};

typedef enum StringOp { MOVS, STOS, CMPS, SCAS, OPS } StringOp;

typedef struct Case {
    StringOp op;
    unsigned size;
    bool down, unequal;
    uint64_t rsi, rdi, rcx, rax;
} Case;

/* ---- the model ---- */

static uint64_t element(const uint8_t *ram, uint64_t addr, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, ram + addr, size);
    return value;
}

/* Runs @c on @ram and leaves its registers in it. The result of the last comparison: -1, 0, 1. */
static int model(Case *c, uint8_t *ram)
{
    int64_t step = c->down ? -(int64_t)c->size : c->size;
    uint64_t mask = c->size == 8 ? UINT64_MAX : (1ull << 8 * c->size) - 1;
    int order = 0;

    while (c->rcx) {
        uint64_t to = element(ram, c->rdi, c->size);
        uint64_t from =
            c->op == MOVS || c->op == CMPS ? element(ram, c->rsi, c->size) : c->rax & mask;
        if (c->op == MOVS || c->op == STOS) {
            memcpy(ram + c->rdi, &from, c->size);
        }
        if (c->op == MOVS || c->op == CMPS) {
            c->rsi += (uint64_t)step;
        }
        c->rdi += (uint64_t)step;
        c->rcx--;
        order = from < to ? -1 : from > to;
        if ((c->op == CMPS || c->op == SCAS) && (order == 0) == c->unequal) {
            break;
        }
    }
    return order;
}

/* ---- the guest ---- */

static void load(const Case *c, HarnessMode mode)
{
    static const uint8_t opcode[OPS] = {
        [MOVS] = 0xa4, [STOS] = 0xaa, [CMPS] = 0xa6, [SCAS] = 0xae
    };
    uint8_t code[8];
    unsigned n = 0;

    if (c->size == 2) {
        code[n++] = 0x66;
    }
    code[n++] = c->unequal ? 0xf2 : 0xf3;
    if (c->size == 8) {
        code[n++] = 0x48;
    }
    code[n++] = opcode[c->op] | (c->size > 1);
    harness_load(h, code, n);
}

static void set_registers(const Case *c)
{
    uint64_t *regs = h->cpu->regs;

    regs[X86_RSI] = c->rsi;
    regs[X86_RDI] = c->rdi;
    regs[X86_RCX] = c->rcx;
    regs[X86_RAX] = c->rax;
    soft_set_rflags(h->s, RFLAGS_ONE | (c->down ? RFLAGS_DF : 0));
}

static uint64_t random_addr(void)
{
    uint64_t base = g_random_boolean() ? FIRST : SECOND;
    uint64_t edge = base + (uint64_t)g_random_int_range(1, 4) * SOFT_PAGE;

    return edge + (uint64_t)(int64_t)g_random_int_range(-70, 70);
}

static Case random_case(HarnessMode mode)
{
    Case c = {
        .op = (StringOp)g_random_int_range(0, OPS),
        .size = 1u << g_random_int_range(0, mode == HARNESS_LONG64 ? 4 : 3),
        .down = g_random_boolean(),
        .rsi = random_addr(),
        .rdi = random_addr(),
        .rcx = (uint64_t)g_random_int_range(0, 150),
        .rax = 0x0101010101010101ull * (unsigned)g_random_int_range(0, 2),
    };
    c.unequal = c.op >= CMPS && g_random_boolean();
    return c;
}

/* Few different bytes, so that comparisons go on for a while. */
static void fill(uint8_t *ram)
{
    for (unsigned i = 0; i < WINDOW; i++) {
        ram[FIRST + i] = g_random_int_range(0, 20) == 0;
        ram[SECOND + i] = g_random_int_range(0, 20) == 0;
    }
}

static void check_case(const Case *c, HarnessMode mode, uint8_t *ram)
{
    Case after = *c;
    int order = model(&after, ram);
    const uint64_t *regs = h->cpu->regs;

    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_cmphex(regs[X86_RSI], ==, after.rsi);
    g_assert_cmphex(regs[X86_RDI], ==, after.rdi);
    g_assert_cmpuint(regs[X86_RCX], ==, after.rcx);
    g_assert_true(memcmp(h->ram + FIRST, ram + FIRST, WINDOW) == 0);
    g_assert_true(memcmp(h->ram + SECOND, ram + SECOND, WINDOW) == 0);
    if (c->op >= CMPS && c->rcx) {
        uint64_t flags = soft_get_rflags(h->s);
        g_assert_cmpint((flags & RFLAGS_ZF) != 0, ==, order == 0);
        g_assert_cmpint((flags & RFLAGS_CF) != 0, ==, order < 0);
    }
}

static void test_random(gconstpointer opaque)
{
    HarnessMode mode = (HarnessMode)GPOINTER_TO_INT(opaque);
    g_autofree uint8_t *ram = g_malloc0(HARNESS_RAM_SIZE);

    harness_reset(h, mode);
    for (unsigned i = 0; i < CASES; i++) {
        if (i % 16 == 0) {
            fill(ram);
            memcpy(h->ram + FIRST, ram + FIRST, WINDOW);
            memcpy(h->ram + SECOND, ram + SECOND, WINDOW);
        }
        Case c = random_case(mode);
        load(&c, mode);
        set_registers(&c);
        h->cpu->rip = HARNESS_CODE;
        check_case(&c, mode, ram);
    }
}

/* ---- pages that share an entry ---- */

static uint64_t fills_of(Case c, HarnessMode mode)
{
    harness_reset(h, mode);
    load(&c, mode);
    set_registers(&c);
    uint64_t before = h->s->tlb_fills;
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RCX], ==, 0);
    return h->s->tlb_fills - before;
}

/* A walk for each page and stream, and not one for each element. */
static void test_shared_entries(void)
{
    enum { PAGES = 64 };
    static const HarnessMode modes[] = { HARNESS_LONG64, HARNESS_FLAT32 };

    for (unsigned m = 0; m < G_N_ELEMENTS(modes); m++) {
        for (StringOp op = MOVS; op < OPS; op++) {
            Case c = {
                .op = op, .size = 4, .rsi = FIRST, .rdi = SECOND, .rcx = PAGES * SOFT_PAGE / 4
            };
            memset(h->ram + FIRST, 0, PAGES * SOFT_PAGE);
            memset(h->ram + SECOND, 0, PAGES * SOFT_PAGE);
            g_assert_cmpuint(fills_of(c, modes[m]), <=, 2 * PAGES + 4);
        }
    }
}

/* Without string instructions: a loop that loads, stores, calls, all in pages of one entry. */
GUEST_CODE(ping, 64,
           "mov $10000, %ecx\n\tlea 0x80ff8(%rbx), %rsp\n"
           "1:\tmov (%rbx), %eax\n\tmov %eax, (%rdx)\n\tpush %rax\n\tpop %rax\n\tadd $4, %rsi\n\t"
           "dec %ecx\n\tjnz 1b");

static void test_victims(void)
{
    harness_reset(h, HARNESS_LONG64);
    GUEST_LOAD(h, ping);
    h->cpu->regs[X86_RBX] = HARNESS_CODE + TLB_SPAN; /* also that of the code */
    h->cpu->regs[X86_RDX] = HARNESS_CODE + 2 * TLB_SPAN;
    uint64_t before = h->s->tlb_fills;
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_cmpuint(h->s->tlb_fills - before, <=, 16);
}

/* A page that lost its entry is forgotten by a flush all the same: of itself, and of all. */
GUEST_CODE(load2, 64,
           "mov (%rbx), %eax\n\tmov (%rdx), %ecx\n\tmov (%rbx), %eax\n\tmov (%rdx), %ecx");

static void test_victims_flushed(void)
{
    const uint64_t table = HARNESS_PT + 0x10000; /* of 4 KiB pages for the first 2 MiB of FIRST */

    for (unsigned all = 0; all < 2; all++) {
        harness_reset(h, HARNESS_LONG64);
        uint64_t *entries = (uint64_t *)(h->ram + table);
        for (unsigned i = 0; i < 512; i++) {
            entries[i] = ((FIRST & ~0x1fffffull) + i * SOFT_PAGE) | PTE_P | PTE_RW | PTE_US | PTE_A;
        }
        ((uint64_t *)(h->ram + HARNESS_PT + 0x2000))[FIRST >> 21] = table | PTE_P | PTE_RW | PTE_US;
        memset(h->ram + FIRST, 1, SOFT_PAGE);
        memset(h->ram + FIRST + SOFT_PAGE, 2, SOFT_PAGE);
        GUEST_LOAD(h, load2);
        h->cpu->regs[X86_RBX] = FIRST;
        h->cpu->regs[X86_RDX] = SECOND;
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x01010101);
        entries[FIRST / SOFT_PAGE % 512] += SOFT_PAGE;
        if (all) {
            soft_tlb_flush(h->s, true);
        } else {
            soft_tlb_flush_page(h->s, FIRST);
        }
        h->cpu->rip = HARNESS_CODE;
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x02020202);
    }
}

/* ---- faults and code ---- */

/* Up to the page that is not there; the registers say where, and CR2 the element. */
static void test_fault(void)
{
    for (unsigned down = 0; down < 2; down++) {
        uint64_t end = HARNESS_RAM_SIZE;
        Case c = { .op = STOS, .size = 4, .rcx = 4096, .rdi = end - 2 * SOFT_PAGE, .rax = 5 };
        harness_reset(h, HARNESS_LONG64);
        if (down) {
            uint64_t *entry = (uint64_t *)(h->ram + HARNESS_PT + 0x2000) + 2;
            *entry = 0; /* 4 MiB to 6 MiB */
            end = 6 << 20;
            c.down = true;
            c.rdi = end + 2 * SOFT_PAGE - 4;
        }
        load(&c, HARNESS_LONG64);
        set_registers(&c);
        g_assert_cmpint(harness_run(h, 1000), ==, EXC_PF);
        g_assert_cmpuint(h->cpu->regs[X86_RCX], ==, 4096 - 2 * SOFT_PAGE / 4);
        uint64_t at = down ? end - 4 : end;
        g_assert_cmphex(h->cpu->regs[X86_RDI], ==, at);
        g_assert_cmphex(h->s->fault.cr2, ==, at);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    }
}

/* A run over a page with code: the code is dropped. */
static void test_over_code(void)
{
    static const uint8_t code[] = { 0xb8, 1, 0, 0, 0, 0xf4 }; /* mov $1, %eax; hlt */
    Case c = { .op = STOS, .size = 1, .rcx = 3 * SOFT_PAGE, .rdi = FIRST, .rax = 0xf4 };

    harness_reset(h, HARNESS_LONG64);
    load(&c, HARNESS_LONG64);
    memcpy(h->ram + FIRST + SOFT_PAGE + 64, code, sizeof(code));
    h->cpu->rip = FIRST + SOFT_PAGE + 64;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_true(soft_code_page_has(FIRST + SOFT_PAGE));
    set_registers(&c);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_false(soft_code_page_has(FIRST + SOFT_PAGE));
    h->cpu->rip = FIRST + SOFT_PAGE + 64;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0xf4);
}

/* 16-bit indices wrap, and a segment's limit ends a run. */
static void test_limits(void)
{
    Case c = { .op = STOS, .size = 1, .rcx = 0x100, .rdi = 0xfff0, .rax = 7 };

    harness_reset(h, HARNESS_REAL);
    harness_load(h, "\xf3\xaa", 2); /* 16-bit addresses */
    h->cpu->segs[X86_SEG_ES].base = FIRST;
    soft_update_mode(h->s);
    memset(h->ram + FIRST, 0, 0x11000);
    set_registers(&c);
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, 0xf0);
    g_assert_cmphex(h->ram[FIRST + 0xffff], ==, 7);
    g_assert_cmphex(h->ram[FIRST + 0x10000], ==, 0);
    g_assert_cmphex(h->ram[FIRST + 0xef], ==, 7);
    g_assert_cmphex(h->ram[FIRST + 0xf0], ==, 0);

    harness_reset(h, HARNESS_FLAT32);
    load(&c, HARNESS_FLAT32);
    h->cpu->segs[X86_SEG_ES].limit = FIRST + 0x123;
    c.rdi = FIRST + 0x100;
    set_registers(&c);
    memset(h->ram + FIRST, 0, SOFT_PAGE);
    g_assert_cmpint(harness_run(h, 10), ==, EXC_GP);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, FIRST + 0x124);
    g_assert_cmphex(h->ram[FIRST + 0x123], ==, 7);
    g_assert_cmphex(h->ram[FIRST + 0x124], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_data_func("/soft-string/random/64", GINT_TO_POINTER(HARNESS_LONG64), test_random);
    g_test_add_data_func("/soft-string/random/32", GINT_TO_POINTER(HARNESS_FLAT32), test_random);
    g_test_add_data_func("/soft-string/random/user32", GINT_TO_POINTER(HARNESS_USER32),
                         test_random);
    g_test_add_func("/soft-string/shared-entries", test_shared_entries);
    g_test_add_func("/soft-string/victims", test_victims);
    g_test_add_func("/soft-string/victims-flushed", test_victims_flushed);
    g_test_add_func("/soft-string/fault", test_fault);
    g_test_add_func("/soft-string/over-code", test_over_code);
    g_test_add_func("/soft-string/limits", test_limits);
    int status = g_test_run();
    harness_free(h);
    return status;
}
