/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code that another CPU writes to: who is told, and that what waits to be looked at is bounded. */

#include <errno.h>
#include <sys/mman.h>

#include "accel/soft/block.h"
#include "accel/soft/code-pages.h"
#include "tests/unit/count-accesses.h"
#include "tests/unit/soft-harness.h"

enum { CODE = 0x200000, WRITES = 1000000 };

static SoftHarness *writer, *other, *unstarted;

static void put_code(uint64_t at, const char *bytes, size_t len)
{
    memcpy(writer->ram + at, bytes, len);
    soft_code_written(at, len);
}

/* mov $@value, %eax; hlt */
static void put_mov(uint64_t at, uint8_t value)
{
    const char code[] = { (char)0xb8, (char)value, 0, 0, 0, (char)0xf4 };
    put_code(at, code, sizeof(code));
}

static void run_at(SoftHarness *h, uint64_t at)
{
    h->cpu->rip = at;
    g_assert_cmpint(harness_run(h, 100000), ==, -1);
}

static void reset(void)
{
    harness_reset(writer, HARNESS_LONG64);
    harness_reset(other, HARNESS_LONG64);
    harness_reset(unstarted, HARNESS_LONG64);
}

/* Loads a loop that does @text %ecx times, then halts. */
#define LOOP(name, text) GUEST_CODE(name, 64, "1:\n\t" text "\n\tdec %ecx\n\tjnz 1b")

LOOP(store, "mov %eax, (%rbx)");
LOOP(sweep, "mov %al, (%rbx)\n\tinc %rbx");
LOOP(locked, "lock incl (%rbx)");

/* It sleeps: whatever is written to its line, one page waits. */
static void test_same_line(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, 1);
    GUEST_LOAD(writer, store);
    writer->cpu->regs[X86_RBX] = CODE + 16;
    writer->cpu->regs[X86_RCX] = WRITES;
    unsigned pages = soft_code_page_count(other->s);
    writer->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run(writer, 10 * WRITES), ==, -1);
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 1);
    g_assert_cmpuint(soft_code_page_count(other->s), ==, pages);
    g_assert_cmpuint(soft_code_dirty_count(unstarted->s), ==, 0);
    g_assert_cmpuint(soft_code_page_count(unstarted->s), ==, 0);
    g_assert_cmpuint(soft_code_dirty_count(writer->s), ==, 0);
    run_at(other, CODE);
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 0);
}

/* Byte by byte over many pages: one record a page that has code, and what runs next is new. */
static void test_many_pages(void)
{
    enum { PAGES = 20, SPAN = 40 };

    reset();
    for (unsigned i = 0; i < PAGES; i++) {
        put_mov(CODE + i * 2 * SOFT_PAGE + 100, 1);
        run_at(other, CODE + i * 2 * SOFT_PAGE + 100);
    }
    unsigned pages = soft_code_page_count(other->s);
    g_assert_cmpuint(pages, >=, PAGES);
    GUEST_LOAD(writer, sweep);
    writer->cpu->regs[X86_RAX] = 0xf4; /* HLT everywhere */
    writer->cpu->regs[X86_RBX] = CODE;
    writer->cpu->regs[X86_RCX] = SPAN * SOFT_PAGE;
    writer->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run(writer, 10 * SPAN * SOFT_PAGE), ==, -1);
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, PAGES);
    for (unsigned i = 0; i < PAGES; i++) {
        other->cpu->regs[X86_RAX] = 7;
        run_at(other, CODE + i * 2 * SOFT_PAGE + 100);
        g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, 7);
        g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 0);
    }
}

/* DMA: the same, for all; also over more pages than there are with code. */
static void test_device(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    for (unsigned i = 0; i < WRITES; i++) {
        soft_code_written(CODE - SOFT_PAGE, i % 2 ? 3 * SOFT_PAGE : 1000 * SOFT_PAGE);
    }
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 1);
    g_assert_cmpuint(soft_code_dirty_count(unstarted->s), ==, 0);
    writer->ram[CODE + 1] = 2;
    run_at(other, CODE);
    g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, 2);
}

/* Data in the line of code, but not in its bytes: the block stays. */
static void test_beside(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    GUEST_LOAD(writer, store);
    for (unsigned where = 0; where < 2; where++) {
        uint64_t decoded = other->s->insns_decoded;
        writer->cpu->regs[X86_RBX] = where ? CODE : CODE + 8;
        writer->cpu->regs[X86_RAX] = 0x3b8; /* mov $3, %eax */
        writer->cpu->regs[X86_RCX] = 1;
        run_at(writer, HARNESS_CODE);
        run_at(other, CODE);
        g_assert_cmpuint(other->s->insns_decoded - decoded, ==, where ? 2 : 0);
        g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, where ? 3 : 1);
    }
}

GUEST_CODE(over_nop, 64, "movb $0xf4, 1f(%rip)\n1:\tnop\n\tnop\n\tmov $1, %eax");

/* The next instruction becomes HLT; it was one without a micro-operation. */
static void test_over_nop(void)
{
    reset();
    GUEST_LOAD(writer, over_nop);
    run_at(writer, HARNESS_CODE);
    g_assert_cmphex(writer->cpu->rip, ==, HARNESS_CODE + 8);
    g_assert_cmphex(writer->cpu->regs[X86_RAX], ==, 0);
}

/* Two writes at both ends of a page, and atomic ones: nothing of what is between is lost. */
static void test_between(void)
{
    reset();
    put_mov(CODE, 1);
    put_mov(CODE + 0x800, 1);
    put_mov(CODE + 0xf00, 1);
    run_at(other, CODE);
    run_at(other, CODE + 0x800);
    run_at(other, CODE + 0xf00);
    uint64_t decoded = other->s->insns_decoded;
    GUEST_LOAD(writer, locked);
    for (unsigned at = 0; at <= 0xf00; at += 0xf00) {
        writer->cpu->regs[X86_RBX] = CODE + at + 1; /* the immediate */
        writer->cpu->regs[X86_RCX] = 4;
        run_at(writer, HARNESS_CODE);
    }
    run_at(other, CODE + 0x800);
    g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, 1);
    g_assert_cmpuint(other->s->insns_decoded, ==, decoded);
    for (unsigned at = 0; at <= 0xf00; at += 0xf00) {
        run_at(other, CODE + at);
        g_assert_cmpuint(other->cpu->regs[X86_RAX], ==, 5);
    }
}

/* ---- other processors see one access ---- */

GUEST_CODE(stores, 64,
           "mov %al, 16(%rbx)\n\tmov %ax, 16(%rbx)\n\tmov %eax, 16(%rbx)\n\t"
           "mov %rax, 16(%rbx)\n\tmovb $1, 17(%rbx)\n\tincl 16(%rbx)");
GUEST_CODE(loads, 64,
           "mov 16(%rbx), %al\n\tinvlpg (%rbx)\n\tmov 16(%rbx), %ax\n\t"
           "invlpg (%rbx)\n\tmov 16(%rbx), %eax\n\tinvlpg (%rbx)\n\t"
           "mov 16(%rbx), %rax");

static void run_writer(void *opaque)
{
    run_at(writer, HARNESS_CODE);
}

/* A store beside code, and a load of a page that is not in the TLB, go the slow way: a second store
 * of the same value would undo what another processor wrote in between. */
static void test_single_accesses(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    GUEST_LOAD(writer, stores);
    writer->cpu->regs[X86_RBX] = CODE;
    g_assert_cmpuint(count_writes(writer->ram + CODE, run_writer, NULL), ==, 6);
    GUEST_LOAD(writer, loads);
    g_assert_cmpuint(count_accesses(writer->ram + CODE, run_writer, NULL), ==, 4);
}

/* The page is nobody's code any more: the vCPU forgets it, and with it what waits. */
static void test_dropped(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    soft_code_written(CODE, 1);
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 1);
    g_assert_true(soft_code_page_has(CODE));
    for (unsigned i = 1; i < 64; i++) { /* pages that are multiples of 64 MiB away */
        g_assert_false(soft_code_page_has(CODE + ((uint64_t)i << 26)));
    }
    soft_cache_drop(other->s);
    g_assert_cmpuint(soft_code_dirty_count(other->s), ==, 0);
    g_assert_cmpuint(soft_code_page_count(other->s), ==, 0);
    g_assert_false(soft_code_page_has(CODE));
}

/* What decoded blocks took is the host's again when they are dropped. */
static void test_given_back(void)
{
    reset();
    put_mov(CODE, 1);
    run_at(other, CODE);
    void *chunks = other->s->cache->chunks;
    g_assert_cmpint(msync(chunks, 1, MS_ASYNC), ==, 0);
    soft_cache_drop(other->s);
    g_assert_cmpint(msync(chunks, 1, MS_ASYNC), ==, -1);
    g_assert_cmpint(errno, ==, ENOMEM);
}

/* A page that was entered for code which then could not be fetched whole is entered once. */
static void test_without_blocks(void)
{
    const uint64_t last = HARNESS_RAM_SIZE - 2; /* an instruction that ends where nothing is */

    reset();
    put_code(last, "\xb8\x01", 2);
    unsigned pages = soft_code_page_count(other->s);
    for (unsigned i = 0; i < 100; i++) {
        other->cpu->rip = last;
        g_assert_cmpint(harness_run(other, 10), ==, EXC_PF);
    }
    g_assert_cmpuint(soft_code_page_count(other->s), ==, pages + 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    writer = harness_new();
    other = harness_new_cpu(writer);
    unstarted = harness_new_cpu(writer);
    g_test_add_func("/soft-smc/same-line", test_same_line);
    g_test_add_func("/soft-smc/many-pages", test_many_pages);
    g_test_add_func("/soft-smc/device", test_device);
    g_test_add_func("/soft-smc/beside", test_beside);
    g_test_add_func("/soft-smc/over-nop", test_over_nop);
    g_test_add_func("/soft-smc/between", test_between);
    g_test_add_func("/soft-smc/single-accesses", test_single_accesses);
    g_test_add_func("/soft-smc/dropped", test_dropped);
    g_test_add_func("/soft-smc/given-back", test_given_back);
    g_test_add_func("/soft-smc/without-blocks", test_without_blocks);
    int status = g_test_run();
    harness_free(unstarted);
    harness_free(other);
    harness_free(writer);
    return status;
}
