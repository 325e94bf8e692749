/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every way in which the software CPU writes to memory marks the page as dirty. */
#include <string.h>

#include "accel/soft/access.h"
#include "memory/address-space.h"
#include "memory/dirty.h"
#include "tests/unit/soft-harness.h"

static SoftHarness *h;

enum {
    TARGET = HARNESS_DATA + 0x800, /* RDI: in a page of its own */
    SOURCE = HARNESS_DATA + 0x10800,
    ACROSS = HARNESS_DATA + 0xffc, /* eight bytes from here are in two pages */
};

/* The guest writes at [rdi]; rsi has memory to read, rcx is 4. */
#define WRITE(name, text) GUEST_CODE(name, 64, text)
WRITE(store8, "movb %al, (%rdi)");
WRITE(store16, "movw %ax, (%rdi)");
WRITE(store32, "movl %eax, (%rdi)");
WRITE(store64, "movq %rax, (%rdi)");
WRITE(store_imm, "movq $5, (%rdi)");
WRITE(add, "addl %eax, (%rdi)");
WRITE(inc, "incb (%rdi)");
WRITE(shift, "shlq $3, (%rdi)");
WRITE(lock_add, "lock addq %rax, (%rdi)");
WRITE(xchg, "xchgl %eax, (%rdi)");
WRITE(cmpxchg, "movq (%rdi), %rax\nlock cmpxchgq %rbx, (%rdi)");
WRITE(cmpxchg16b, "lock cmpxchg16b (%rdi)");
WRITE(set, "setc (%rdi)");
WRITE(bts, "lock btsq $3, (%rdi)");
WRITE(push, "leaq 8(%rdi), %rsp\npushq %rax");
WRITE(call, "leaq 8(%rdi), %rsp\ncall 1f\n1:");
WRITE(stosb, "stosb");
WRITE(rep_stosq, "rep stosq");
WRITE(movsl, "movsl");
WRITE(rep_movsb, "rep movsb");
WRITE(movups, "movups %xmm0, (%rdi)");
WRITE(movq_xmm, "movq %xmm0, (%rdi)");
WRITE(movntdq, "movntdq %xmm0, (%rdi)");
WRITE(fst, "fld1\nfstpl (%rdi)");
WRITE(fxsave, "fxsave (%rdi)");
WRITE(sgdt, "sgdt (%rdi)");
WRITE(store_cr, "movw %ds, (%rdi)");

static const struct {
    const char *name;
    const uint8_t *code, *end;
} writes[] = {
#define CASE(name)                            \
    {                                         \
#name, code_##name, code_##name##_end \
    }
    CASE(store8),     CASE(store16),  CASE(store32),   CASE(store64),  CASE(store_imm),
    CASE(add),        CASE(inc),      CASE(shift),     CASE(lock_add), CASE(xchg),
    CASE(cmpxchg),    CASE(set),      CASE(bts),       CASE(push),     CASE(call),
    CASE(cmpxchg16b), CASE(stosb),    CASE(rep_stosq), CASE(movsl),    CASE(rep_movsb),
    CASE(movups),     CASE(fst),      CASE(movq_xmm),  CASE(movntdq),  CASE(fxsave),
    CASE(sgdt),       CASE(store_cr),
};

static void protect(MemoryListener *listener)
{
    soft_tlb_flush(h->s, false);
}

static DirtyTracker *track(void)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();

    g_ptr_array_add(blocks, h->block);
    return dirty_tracker_new(blocks);
}

static void drop(DirtyTracker *tracker)
{
    uint64_t count;

    dirty_tracker_sync(tracker);
    for (uint64_t page = 0; dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count);) {
    }
}

static bool was_written(DirtyTracker *tracker, uint64_t addr)
{
    uint64_t page = addr / DIRTY_PAGE, count;

    dirty_tracker_sync(tracker);
    return dirty_tracker_next(tracker, 0, &page, 1, &count) && page == addr / DIRTY_PAGE;
}

static void run_again(uint64_t target)
{
    h->cpu->rip = HARNESS_CODE;
    h->cpu->halted = false;
    h->cpu->regs[X86_RDI] = target;
    h->cpu->regs[X86_RSI] = SOURCE;
    h->cpu->regs[X86_RCX] = 4;
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
}

static void test_writes(void)
{
    DirtyTracker *tracker = track();

    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        g_test_message("%s", writes[i].name);
        harness_reset(h, HARNESS_LONG64);
        harness_load(h, writes[i].code, (size_t)(writes[i].end - writes[i].code));
        memset(h->ram + HARNESS_DATA, 0, 0x20000);
        for (unsigned round = 0; round < 4; round++) {
            drop(tracker);
            run_again(TARGET);
            run_again(TARGET);
            g_assert_true(was_written(tracker, TARGET));
            g_assert_false(was_written(tracker, TARGET)); /* told once */
            g_assert_false(was_written(tracker, SOURCE)); /* only read */
        }
    }
    dirty_tracker_free(tracker);
}

/* Once told, writes to the page are as fast as ever. */
static void test_fast_again(void)
{
    DirtyTracker *tracker = track();
    const SoftTlbEntry *e = soft_tlb_entry(h->s->tlbs[SOFT_MMU_KERNEL], TARGET);

    harness_reset(h, HARNESS_LONG64);
    GUEST_LOAD(h, store64);
    run_again(TARGET);
    g_assert_cmphex(e->write_tag, ==, HARNESS_DATA);
    drop(tracker);
    g_assert_cmphex(e->write_tag, !=, HARNESS_DATA);
    run_again(TARGET);
    g_assert_cmphex(e->write_tag, ==, HARNESS_DATA);
    dirty_tracker_free(tracker);
    soft_tlb_flush(h->s, false);
    run_again(TARGET);
    g_assert_cmphex(e->write_tag, ==, HARNESS_DATA);
}

static void test_crossing(void)
{
    DirtyTracker *tracker = track();

    harness_reset(h, HARNESS_LONG64);
    GUEST_LOAD(h, store64);
    run_again(ACROSS); /* the page tables' accessed and dirty bits are set */
    drop(tracker);
    run_again(ACROSS);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 2);
    g_assert_true(was_written(tracker, ACROSS));
    g_assert_true(was_written(tracker, ACROSS + 4));
    dirty_tracker_free(tracker);
}

/* The CPU itself writes to page tables: accessed and dirty. */
static void test_page_walk(void)
{
    DirtyTracker *tracker = track();
    const uint64_t pd = HARNESS_PT + 0x2000;
    uint64_t entry;

    harness_reset(h, HARNESS_LONG64);
    GUEST_LOAD(h, store64);
    drop(tracker);
    run_again(TARGET);
    g_assert_true(was_written(tracker, pd));
    memcpy(&entry, h->ram + pd, sizeof(entry));
    g_assert_cmphex(entry & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    run_again(TARGET); /* they are set */
    g_assert_false(was_written(tracker, pd));
    dirty_tracker_free(tracker);
}

int main(int argc, char **argv)
{
    MemoryListener listener = { .dirty_protect = protect };

    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    address_space_add_listener(&address_space_memory, &listener);
    g_test_add_func("/soft-dirty/writes", test_writes);
    g_test_add_func("/soft-dirty/fast-again", test_fast_again);
    g_test_add_func("/soft-dirty/crossing", test_crossing);
    g_test_add_func("/soft-dirty/page-walk", test_page_walk);
    int status = g_test_run();
    address_space_remove_listener(&address_space_memory, &listener);
    harness_free(h);
    return status;
}
