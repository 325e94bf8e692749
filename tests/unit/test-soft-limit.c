/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limit of the code segment: bytes fetched beyond it, and near branches beyond it, are #GP(0)
 * at the instruction, of which nothing has happened (SDM vol. 3 section 5.3).
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

/* Run @hex in 32-bit code whose segment ends @room bytes behind its first. */
static int run_in(const char *hex, unsigned room, uint64_t flags)
{
    harness_reset(h, HARNESS_FLAT32);
    h->deliver = false;
    h->cpu->segs[X86_SEG_CS].limit = HARNESS_CODE + room - 1;
    h->cpu->regs[X86_RAX] = h->cpu->regs[X86_RCX] = 2;
    soft_set_rflags(h->s, RFLAGS_ONE | flags);
    soft_update_mode(h->s);
    return run(hex);
}

static void check_fault(unsigned at)
{
    g_assert_cmpint(h->vector, ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + at);
}

/* ---- fetching ---- */

static void test_fetch(void)
{
    for (unsigned room = 1; room < 5; room++) { /* MOV EAX, imm32 */
        run_in("b811223344", room, 0);
        check_fault(0);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 2);
    }
    run_in("b811223344", 5, 0); /* HLT is beyond */
    check_fault(5);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x44332211);
    g_assert_cmpint(run_in("b811223344", 6, 0), ==, -1);
    run_in("40b811223344", 3, 0); /* in the middle of a block */
    check_fault(1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 3);
    /* What is wrong with an instruction only counts if it is there. */
    run_in("0f0b", 1, 0);
    check_fault(0);
    g_assert_cmpint(run_in("0f0b", 2, 0), ==, EXC_UD);
    /* One of 15 bytes, and one of 16. */
    g_assert_cmpint(run_in("666666666666666666666666666690", 16, 0), ==, -1);
    run_in("66666666666666666666666666666690", 17, 0);
    check_fault(0);
}

/* ---- branches ---- */

static void test_branches(void)
{
    static const struct {
        const char *code;
        unsigned at; /* of the branch */
        uint64_t flags;
        bool taken;
    } cases[] = {
        { "eb40", 0, 0, true },        { "e900010000", 0, 0, true },
        { "e800010000", 0, 0, true },  { "7440", 0, RFLAGS_ZF, true },
        { "7440", 0, 0, false },       { "0f8500010000", 0, 0, true },
        { "83f8027440", 3, 0, true }, /* CMP EAX, 2; JE */
        { "83f8037440", 3, 0, false }, { "e240", 0, 0, true },
        { "e140", 0, 0, false },                                /* LOOPE */
        { "e040", 0, 0, true },        { "e340", 0, 0, false }, /* JECXZ */
        { "31c9e340", 2, 0, true },    { "40eb40", 1, 0, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        int vector = run_in(cases[i].code, 0x20, cases[i].flags);
        if (!cases[i].taken) {
            g_assert_cmpint(vector, ==, -1);
            continue;
        }
        check_fault(cases[i].at);
        g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
        g_assert_cmphex(h->cpu->regs[X86_RCX], ==, cases[i].at == 2 ? 0 : 2);
    }
}

/* ---- another limit, the same code ---- */

static int run_again(uint32_t limit)
{
    h->cpu->segs[X86_SEG_CS].limit = limit;
    soft_update_mode(h->s);
    h->cpu->rip = HARNESS_CODE;
    return harness_run(h, 100);
}

static void test_new_limit(void)
{
    g_assert_cmpint(run_in("40eb004040", 0x100, 0), ==, -1);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(run_again(HARNESS_CODE + 3), ==, EXC_GP);
        check_fault(4);
        g_assert_cmpint(run_again(HARNESS_CODE), ==, EXC_GP);
        check_fault(1);
        g_assert_cmpint(run_again(UINT32_MAX), ==, -1);
    }
}

/* ---- 64 KiB of real mode ---- */

static int run_real(const char *bytes, size_t len, unsigned ip)
{
    harness_reset(h, HARNESS_REAL);
    h->deliver = false;
    memcpy(h->ram + ip, bytes, len);
    h->ram[0x12] = 0xf4;
    h->cpu->rip = ip;
    return harness_run(h, 100);
}

static void test_real(void)
{
    g_assert_cmpint(run_real("\x90", 1, 0xffff), ==, EXC_GP); /* IP does not wrap by itself */
    g_assert_cmphex(h->cpu->rip, ==, 0x10000);
    g_assert_cmpint(run_real("\xb0\x01", 2, 0xffff), ==, EXC_GP);
    g_assert_cmphex(h->cpu->rip, ==, 0xffff);
    g_assert_cmpint(run_real("\xeb\x20", 2, 0xfff0), ==, -1); /* a branch of 16 bits does */
    g_assert_cmphex(h->cpu->rip, ==, 0x13);
    g_assert_cmpint(run_real("\x66\xe9\x1c\x00\x00\x00", 6, 0xfff0), ==, EXC_GP); /* not of 32 */
    g_assert_cmphex(h->cpu->rip, ==, 0xfff0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-limit/fetch", test_fetch);
    g_test_add_func("/soft-limit/branches", test_branches);
    g_test_add_func("/soft-limit/new-limit", test_new_limit);
    g_test_add_func("/soft-limit/real", test_real);
    int status = g_test_run();
    harness_free(h);
    return status;
}
