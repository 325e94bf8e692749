/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCKed instructions of the software CPU on operands across two pages and on devices: two CPUs at
 * once lose nothing, and a fault comes before any change.
 */
#include <string.h>

#include "memory/memory.h"
#include "tests/unit/soft-guest.h"
#include "util/machine-lock.h"

enum {
    ROUNDS = 10000,
    PAGE = 0x1000,
    TABLE = 0x70000,   /* page table of the 2 MiB at LINEAR */
    LINEAR = 0xe00000, /* its pages: the first two are FIRST and SECOND */
    FIRST = 0x300000,
    SECOND = 0x500000, /* not behind FIRST */
    OPERAND = LINEAR + PAGE - 2,
    OTHER_CODE = 0x20000,
    DONE = 0x60000,     /* set by one of the programs when it ends */
    DEVICE = 0x3000000, /* where there is no RAM; linear LINEAR + 4 * PAGE */
};

/* Page tables as the harness has them, but for the pages at LINEAR. */
static void map_pages(void)
{
    const uint64_t flags = PTE_P | PTE_RW | PTE_US;

    put64(HARNESS_PT + 0x2000 + 8 * (LINEAR >> 21), TABLE | flags);
    put64(TABLE, FIRST | flags);
    put64(TABLE + 8, SECOND | flags);
    put64(TABLE + 16, (FIRST + PAGE) | flags);
    put64(TABLE + 24, (FIRST + 2 * PAGE) | flags);
    put64(TABLE + 32, DEVICE | flags);
    put64(TABLE + 40, (DEVICE + PAGE) | flags);
    memset(h->ram + FIRST, 0, 4 * PAGE);
    memset(h->ram + SECOND, 0, 4 * PAGE);
    put32(DONE, 0);
    harness_flush(h);
}

static uint32_t operand(void)
{
    return get16(FIRST + PAGE - 2) | (uint32_t)get16(SECOND) << 16;
}

static void set_operand(uint32_t value)
{
    put16(FIRST + PAGE - 2, (uint16_t)value);
    put16(SECOND, (uint16_t)(value >> 16));
}

/* ---- two CPUs ---- */

/* Run @one and @two at once, with ROUNDS in ECX and the operand's address in RBX. Returns R15 of
 * the second. */
static uint64_t run_both(const uint8_t *one, const uint8_t *one_end, const uint8_t *two,
                         const uint8_t *two_end)
{
    g_autoptr(SoftHarness) other = harness_new_cpu(h);
    SoftHarness *const both[] = { h, other };
    const uint8_t *const codes[] = { one, two }, *const ends[] = { one_end, two_end };

    for (unsigned i = 0; i < 2; i++) {
        harness_reset(both[i], HARNESS_LONG64);
    }
    map_pages();
    for (unsigned i = 0; i < 2; i++) {
        harness_place(both[i], i ? OTHER_CODE : HARNESS_CODE, codes[i], ends[i]);
        both[i]->cpu->regs[X86_RCX] = ROUNDS;
        both[i]->cpu->regs[X86_RBX] = OPERAND;
        both[i]->cpu->regs[X86_RSP] -= 0x1000 * i;
        harness_flush(both[i]);
    }
    harness_run_together(both);
    return other->cpu->regs[X86_R15];
}

#define RUN_BOTH(one, two) run_both(code_##one, code_##one##_end, code_##two, code_##two##_end)

GUEST_CODE(increment, 64, "1: lock incl (%rbx)\n\tdec %ecx\n\tjnz 1b");
GUEST_CODE(exchange_add, 64, "1: mov $3, %eax\n\tlock xadd %eax, (%rbx)\n\tdec %ecx\n\tjnz 1b");
GUEST_CODE(compare, 64,
           "1: mov (%rbx), %eax\n\t2: lea 1(%rax), %edx\n\tlock cmpxchg %edx, (%rbx)\n\tjne 2b\n\t"
           "dec %ecx\n\tjnz 1b");
/* The half that lies on the second page, by an instruction that needs nothing special, and all the
 * time that the other program runs; counted in R15. */
GUEST_CODE(half, 64, "1: lock addw $1, 2(%rbx)\n\tinc %r15\n\tcmpl $0, 0x60000\n\tje 1b");
GUEST_CODE(increment_done, 64, "1: lock incl (%rbx)\n\tdec %ecx\n\tjnz 1b\n\tmovl $1, 0x60000");
GUEST_CODE(flip, 64, "1: lock btcl $31, (%rbx)\n\tdec %ecx\n\tjnz 1b");

static void test_two_cpus(void)
{
    RUN_BOTH(increment, increment);
    g_assert_cmphex(operand(), ==, 2 * ROUNDS);
    uint64_t halves = RUN_BOTH(increment_done, half);
    g_assert_cmphex(operand(), ==, ROUNDS | (uint32_t)halves << 16);
    RUN_BOTH(exchange_add, increment);
    g_assert_cmphex(operand(), ==, 4 * ROUNDS);
    RUN_BOTH(compare, increment);
    g_assert_cmphex(operand(), ==, 2 * ROUNDS);
    RUN_BOTH(flip, increment);
    g_assert_cmphex(operand(), ==, ROUNDS);
}

/* ---- one CPU ---- */

static void prepare(uint32_t value)
{
    harness_reset(h, HARNESS_LONG64);
    map_pages();
    set_operand(value);
    h->cpu->regs[X86_RBX] = OPERAND;
    h->cpu->regs[X86_RAX] = 0x11223344;
    h->cpu->regs[X86_RDX] = 0x55667788;
}

static void test_results(void)
{
    static const struct {
        const char *code;
        uint32_t value, result;
    } cases[] = {
        { "f00103", 0x01020304, 0x12243648 },
        { "f00903", 0x01020304, 0x11223344 },
        { "f02103", 0xffff00ff, 0x11220044 },
        { "f02903", 0x11223344, 0 },
        { "f03103", 0xffffffff, 0xeeddccbb },
        { "f0ff03", 0xffff, 0x10000 },
        { "f0ff0b", 0x10000, 0xffff },
        { "f0f71b", 1, UINT32_MAX },
        { "f0f713", 0x0000ffff, 0xffff0000 },
        { "8703", 7, 0x11223344 },
        { "f00fc103", 1, 0x11223345 },
        { "f00fb113", 0x11223344, 0x55667788 },
        { "f00fb113", 5, 5 },
        { "f00fba2b12", 0, 0x40000 },
        { "f00fba3b12", 0, 0x40000 },
        { "f00fba3312", 0x40000, 0 },
        { "f00fc70b", 0x11223344, 0x11223344 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        prepare(cases[i].value);
        g_assert_cmpint(run(cases[i].code), ==, -1);
        if (operand() != cases[i].result) {
            g_test_message("%s: %08x", cases[i].code, operand());
            g_test_fail();
        }
        g_assert_false(h->s->exclusive);
        g_assert_false(machine_lock_held());
    }
    /* Side by side: the host's own. */
    prepare(0);
    h->cpu->regs[X86_RBX] = LINEAR + 3 * PAGE - 2;
    put32(FIRST + 2 * PAGE - 2, UINT32_MAX);
    g_assert_cmpint(run("f0ff03"), ==, -1);
    g_assert_cmphex(get32(FIRST + 2 * PAGE - 2), ==, 0);
}

/* The second page cannot be written: nothing changes, nor do the flags. */
static void test_faults(void)
{
    static const char *const codes[] = { "f00103",   "f0ff03",     "8703",    "f00fc103",
                                         "f00fb113", "f00fba3b12", "f00fc70b" };

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        for (unsigned gone = 0; gone < 2; gone++) {
            prepare(0x1234ffff);
            put64(TABLE + 8, gone ? 0 : SECOND | PTE_P);
            uint64_t flags = soft_get_rflags(h->s);
            g_assert_cmpint(run(codes[i]), ==, EXC_PF);
            g_assert_cmphex(h->s->fault.cr2, ==, LINEAR + PAGE);
            g_assert_cmphex((uint64_t)h->error_code, ==, PF_W | (gone ? 0 : PF_P));
            g_assert_cmphex(operand(), ==, 0x1234ffff);
            g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x11223344);
            g_assert_cmphex(soft_get_rflags(h->s), ==, flags);
        }
    }
}

/* ---- devices ---- */

static uint32_t device_value;
static unsigned reads, writes;
static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    reads++;
    return addr == 0 ? device_value : 0;
}
static void device_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    writes++;
    device_value = (uint32_t)value;
}
static const MemoryRegionOps device_ops = { device_read, device_write, 1, 4 };

GUEST_CODE(device, 64,
           "add $(4 * 0x1000 - 0x1000 + 2), %rbx\n\t1: lock incl (%rbx)\n\tdec %ecx\n\tjnz 1b");

static void test_device(void)
{
    static MemoryRegion region;

    machine_lock();
    memory_region_init_io(&region, &device_ops, NULL, "device", 2 * PAGE);
    memory_region_add(memory_system(), DEVICE, &region);
    machine_unlock();
    reads = writes = device_value = 0;
    RUN_BOTH(device, device);
    g_assert_cmpuint(device_value, ==, 2 * ROUNDS);
    g_assert_cmpuint(reads, ==, 2 * ROUNDS);
    g_assert_cmpuint(writes, ==, 2 * ROUNDS);
    machine_lock();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    machine_unlock();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-locked/two-cpus", test_two_cpus);
    g_test_add_func("/soft-locked/results", test_results);
    g_test_add_func("/soft-locked/faults", test_faults);
    g_test_add_func("/soft-locked/device", test_device);
    int status = g_test_run();
    harness_free(h);
    return status;
}
