/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory operands that are read, changed and written: every form with LOCK, the wide exchanges, and
 * operands that lie across two pages, the second of which may not be there.
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

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

typedef struct Access {
    const char *code;
    unsigned size;
    bool write;
} Access;

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
        for (unsigned within = 1; within <= list[i].size; within++) {
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
            if (within == list[i].size) { /* to the last byte of memory */
                g_assert_cmpint(vector, ==, -1);
                continue;
            }
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
    g_test_add_func("/soft-operand/lock/same", test_lock);
    g_test_add_func("/soft-operand/lock/results", test_lock_results);
    g_test_add_func("/soft-operand/lock/refused", test_lock_refused);
    g_test_add_func("/soft-operand/wide-exchange", test_wide_exchange);
    g_test_add_func("/soft-operand/page-crossing", test_page_crossing);
    int status = g_test_run();
    harness_free(h);
    return status;
}
