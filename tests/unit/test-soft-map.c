/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory comes and goes, and somebody looks at registers: what concerns the code that runs is found
 * again, and the rest stays as it was. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel/soft/engine.h"
#include "accel/soft/tlb.h"
#include "memory/address-space.h"
#include "tests/unit/soft-harness.h"
#include "util/machine-lock.h"

static SoftHarness *h;

enum {
    DIMM = 0x8000000, /* where one comes and goes */
    DIMM_SIZE = 0x4000,
};

typedef struct Dimm {
    MemoryRegion region;
    RamBlock *ram;
} Dimm;

/* With a function at its begin that returns @value. */
static void plug(Dimm *dimm, uint8_t value)
{
    const uint8_t code[] = { 0xb8, value, 0, 0, 0, 0xc3 }; /* mov $value, %eax; ret */

    *dimm = (Dimm){ .ram = ram_block_new("dimm", DIMM_SIZE, -1, false, false, 0, NULL) };
    memcpy(dimm->ram->host, code, sizeof(code));
    memory_region_init_ram(&dimm->region, "dimm", dimm->ram);
    machine_lock();
    memory_region_add(memory_system(), DIMM, &dimm->region);
    machine_unlock();
}

static void unplug(Dimm *dimm)
{
    machine_lock();
    memory_region_remove(&dimm->region);
    memory_region_destroy(&dimm->region);
    ram_block_unref(dimm->ram);
    machine_unlock();
}

/* Reads the DIMM's third page to ESI, counts in the second, calls its function; all twice, so that
 * the second time goes by what the first has found. */
GUEST_CODE(
    use, 32,
    "mov $2, %ecx\n1:\tmov 0x8002000, %esi\n\tlock incl 0x8001000\n\tmov $0x8000000, %edx\n\t"
    "call *%edx\n\tdec %ecx\n\tjnz 1b");
/* The same with the code at the DIMM last: there it ends. */
GUEST_CODE(touch, 32,
           "mov 0x8002000, %esi\n\tlock incl 0x8001000\n\tmov $0x8000000, %edx\n\tcall *%edx");

static void put64(uint64_t addr, uint64_t value)
{
    memcpy(h->ram + addr, &value, sizeof(value));
}

/* The code stays where it is, and so does what was decoded. */
static int again(void)
{
    h->cpu->rip = HARNESS_CODE;
    h->cpu->regs[X86_RSP] = HARNESS_STACK;
    return harness_run(h, 100);
}

static uint32_t count(const Dimm *dimm)
{
    uint32_t value;
    memcpy(&value, dimm->ram->host + 0x1000, sizeof(value));
    return value;
}

static SoftTlbEntry *data_entry(void)
{
    return &h->s->tlb[(DIMM + 0x2000) / SOFT_PAGE % SOFT_TLB_SIZE];
}

static void test_comes_and_goes(void)
{
    Dimm dimm;

    harness_reset(h, HARNESS_FLAT32);
    GUEST_LOAD(h, use);
    for (uint8_t round = 0; round < 4; round++) {
        /* Nothing is there: ones, of which code is undefined. */
        g_assert_cmpint(again(), ==, EXC_UD);
        g_assert_cmphex(h->cpu->regs[X86_RSI], ==, 0xffffffff);
        g_assert_cmphex(h->cpu->rip, ==, DIMM);
        g_assert_cmphex(data_entry()->read_tag, ==, (DIMM + 0x2000) | SOFT_TLB_SLOW);
        plug(&dimm, round);
        memset(dimm.ram->host + 0x2000, round + 1, 4);
        g_assert_cmpint(again(), ==, -1);
        g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, round);
        g_assert_cmphex(h->cpu->regs[X86_RSI], ==, 0x1010101 * (round + 1u));
        g_assert_cmpuint(count(&dimm), ==, 2);
        g_assert_cmphex(data_entry()->read_tag, ==, DIMM + 0x2000);
        unplug(&dimm);
    }
}

/* Another DIMM in its place, with nothing run in between. */
static void test_exchanged(void)
{
    Dimm dimm;

    harness_reset(h, HARNESS_FLAT32);
    GUEST_LOAD(h, use);
    for (uint8_t round = 0; round < 4; round++) {
        plug(&dimm, 10 + round);
        g_assert_cmpint(again(), ==, -1);
        g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 10u + round);
        g_assert_cmpuint(count(&dimm), ==, 2);
        unplug(&dimm);
    }
}

/* Links, blocks and entries of other memory are good as they are. */
static void test_others_stay(void)
{
    Dimm dimm;

    harness_reset(h, HARNESS_FLAT32);
    GUEST_LOAD(h, touch);
    g_assert_cmpint(again(), ==, EXC_UD);
    uint32_t gen = h->s->tlb_gen;
    uint64_t flushes = h->s->tlb_flushes;
    const SoftTlbEntry *stack = &h->s->tlb[(HARNESS_STACK - 4) / SOFT_PAGE % SOFT_TLB_SIZE];
    g_assert_cmphex(stack->write_tag, ==, (HARNESS_STACK - 4) & ~(SOFT_PAGE - 1));
    plug(&dimm, 1);
    g_assert_cmpint(again(), ==, -1);
    unplug(&dimm);
    g_assert_cmpint(again(), ==, EXC_UD);
    g_assert_cmpuint(h->s->tlb_gen, ==, gen);
    g_assert_cmpuint(h->s->tlb_flushes, ==, flushes);
    g_assert_cmphex(stack->write_tag, ==, (HARNESS_STACK - 4) & ~(SOFT_PAGE - 1));
}

GUEST_CODE(by_directory, 64, "mov (%rbx), %eax");

/* Page directories go and come with their DIMM: pages that the TLB does not know are found by what
 * is there now. */
static void test_directory(void)
{
    Dimm dimm;

    harness_reset(h, HARNESS_LONG64);
    put64(HARNESS_PT + 0x1008, (DIMM + 0x1000) | PTE_P | PTE_RW);
    GUEST_LOAD(h, by_directory);
    for (uint8_t round = 0; round < 4; round++) {
        uint64_t target = 0x200000u * (round + 1u);
        uint64_t offset = round * 2u * SOFT_PAGE; /* not one behind the other */

        h->cpu->regs[X86_RBX] = 0x40000000 + offset;
        g_assert_cmpint(again(), ==, EXC_PF); /* where nothing is, reserved bits are set */
        plug(&dimm, 0);
        memcpy(dimm.ram->host + 0x1000, &(uint64_t){ target | PTE_P | PTE_RW | PTE_PS }, 8);
        put64(target + offset, 100 + round);
        g_assert_cmpint(again(), ==, -1);
        g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 100 + round);
        unplug(&dimm);
    }
}

/* ---- registers that somebody else looks at, or writes ---- */

GUEST_CODE(load, 64, "mov 0x100000, %eax\n\tcmp $5, %eax");

static void put32(uint64_t addr, uint32_t value)
{
    memcpy(h->ram + addr, &value, sizeof(value));
}

static void test_only_looked(void)
{
    harness_reset(h, HARNESS_LONG64);
    put32(HARNESS_DATA, 5);
    GUEST_LOAD(h, load);
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(again(), ==, -1);
    uint64_t decoded = h->s->blocks_decoded, fills = h->s->tlb_fills, gen = h->s->tlb_gen;
    for (unsigned i = 0; i < 3; i++) {
        accel_soft.get_state(h->cpu);
        accel_soft.put_state(h->cpu);
        h->s->flags_out = false; /* as when it runs */
        g_assert_cmpint(again(), ==, -1);
        g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 5);
    }
    g_assert_cmpuint(h->s->blocks_decoded, ==, decoded);
    g_assert_cmpuint(h->s->tlb_fills, ==, fills);
    g_assert_cmpuint(h->s->tlb_gen, ==, gen);
}

/* All that entries depend on: each change is followed. */
static void test_written(void)
{
    uint64_t *page = (uint64_t *)(h->ram + 0x200000), flushes;

    harness_reset(h, HARNESS_LONG64);
    put32(HARNESS_DATA, 5);
    put32(0x500000, 6);
    GUEST_LOAD(h, load);
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(again(), ==, -1);
    /* Another page table, where the data are elsewhere. */
    accel_soft.get_state(h->cpu);
    memcpy(page, h->ram + HARNESS_PT, 0x3000);
    page[0] = 0x201000 | PTE_P | PTE_RW | PTE_US;
    page[0x200] = 0x202000 | PTE_P | PTE_RW | PTE_US;
    page[0x400] = 0x203000 | PTE_P | PTE_RW | PTE_US;
    for (uint64_t i = 0; i < 512; i++) {
        page[0x600 + i] = (i == HARNESS_DATA >> 12 ? 0x500000 : i << 12) | PTE_P | PTE_RW | PTE_US;
    }
    h->cpu->cr3 = 0x200000;
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(again(), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 6);

    uint64_t *const values[] = { &h->cpu->cr0, &h->cpu->cr4, &h->cpu->efer };
    const uint64_t bits[] = { CR0_WP, CR4_SMEP, EFER_NX };
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        flushes = h->s->tlb_flushes;
        *values[i] ^= bits[i];
        accel_soft.put_state(h->cpu);
        g_assert_cmpuint(h->s->tlb_flushes, ==, flushes + 1);
    }
    flushes = h->s->tlb_flushes;
    h->cpu->pkru = 4;
    accel_soft.put_state(h->cpu);
    g_assert_cmpuint(h->s->tlb_flushes, ==, flushes + 1);
    accel_soft.put_state(h->cpu);
    g_assert_cmpuint(h->s->tlb_flushes, ==, flushes + 1);
}

/* Run code, and put a HLT in its place, of which nobody is told. */
static void run_and_replace(void)
{
    harness_reset(h, HARNESS_LONG64);
    put32(HARNESS_DATA, 5);
    GUEST_LOAD(h, load);
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(again(), ==, -1);
    h->ram[HARNESS_CODE] = 0xf4;
    h->cpu->regs[X86_RAX] = 1;
}

/* It is the HLT that runs. */
static void assert_replaced(void)
{
    g_assert_cmpint(again(), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 1);
}

/* A reset, which loads the kernel anew. */
static void test_reset(void)
{
    run_and_replace();
    h->cpu->resets++;
    accel_soft.put_state(h->cpu);
    assert_replaced();
}

/* Nor are pages where they were, though CR3 and its kin are the same: another state of the machine
 * was loaded, which resets it first. */
static void test_reset_tables(void)
{
    const uint64_t directory = HARNESS_PT + 0x2000, large = 2 << 20;

    harness_reset(h, HARNESS_LONG64);
    put64(directory + 8, large | PTE_P | PTE_RW | PTE_PS);
    put64(large, 5);
    put64(2 * large, 6);
    GUEST_LOAD(h, by_directory);
    accel_soft.put_state(h->cpu);
    h->cpu->regs[X86_RBX] = large;
    g_assert_cmpint(again(), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 5);
    put64(directory + 8, 2 * large | PTE_P | PTE_RW | PTE_PS);
    h->cpu->resets++;
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(again(), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 6);
}

/* A machine is loaded over the one that was. */
static void test_rewritten(void)
{
    run_and_replace();
    machine_lock();
    address_space_rewritten(&address_space_memory);
    machine_unlock();
    assert_replaced();
}

/* Flags that are written while the CPU stands are not taken from where it keeps them when it runs.
 */
static void test_flags(void)
{
    harness_reset(h, HARNESS_LONG64);
    put32(HARNESS_DATA, 5);
    GUEST_LOAD(h, load);
    g_assert_cmpint(again(), ==, -1);
    h->s->unwind = NULL;
    h->s->flags_out = false;
    accel_soft.get_state(h->cpu);
    g_assert_cmphex(h->cpu->rflags & RFLAGS_ZF, ==, RFLAGS_ZF);
    h->cpu->rflags = RFLAGS_ONE | RFLAGS_CF;
    accel_soft.get_state(h->cpu);
    g_assert_cmphex(h->cpu->rflags, ==, RFLAGS_ONE | RFLAGS_CF);
    accel_soft.put_state(h->cpu);
    g_assert_cmphex(soft_get_rflags(h->s), ==, RFLAGS_ONE | RFLAGS_CF);
    /* In the middle of a run, more than once. */
    sigjmp_buf unwind;
    h->s->unwind = &unwind;
    h->s->flags_out = false;
    accel_soft.get_state(h->cpu);
    soft_set_rflags(h->s, RFLAGS_ONE | RFLAGS_SF);
    h->cpu->rflags = RFLAGS_ONE;
    accel_soft.get_state(h->cpu);
    g_assert_cmphex(h->cpu->rflags, ==, RFLAGS_ONE | RFLAGS_SF);
    h->s->unwind = NULL;
}

/* A CPU that has not run takes little memory of the many tables that it may need. */
static void test_at_rest(void)
{
    SoftHarness *other = harness_new_cpu(h);
    size_t page = (size_t)getpagesize(), pages = (sizeof(SoftCpu) + page - 1) / page, touched = 0;
    g_autofree unsigned char *there = g_malloc(pages);

    g_assert_cmpint(mincore(other->s, sizeof(SoftCpu), there), ==, 0);
    for (size_t i = 0; i < pages; i++) {
        touched += there[i] & 1;
    }
    g_assert_cmpuint(touched * page, <, 160 << 10);
    harness_free(other);
}

int main(int argc, char **argv)
{
    GError *err = NULL;

    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    accel_soft.init(&err);
    g_assert_no_error(err);
    g_test_add_func("/soft-map/comes-and-goes", test_comes_and_goes);
    g_test_add_func("/soft-map/exchanged", test_exchanged);
    g_test_add_func("/soft-map/others-stay", test_others_stay);
    g_test_add_func("/soft-map/directory", test_directory);
    g_test_add_func("/soft-map/only-looked", test_only_looked);
    g_test_add_func("/soft-map/written", test_written);
    g_test_add_func("/soft-map/reset", test_reset);
    g_test_add_func("/soft-map/reset-tables", test_reset_tables);
    g_test_add_func("/soft-map/rewritten", test_rewritten);
    g_test_add_func("/soft-map/flags", test_flags);
    g_test_add_func("/soft-map/at-rest", test_at_rest);
    int status = g_test_run();
    harness_free(h);
    return status;
}
