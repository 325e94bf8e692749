/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flushes of the TLB: code whose page is another's now is found again, and what a flush does not
 * concern stays as it was. */
#include <string.h>

#include "tests/unit/soft-harness.h"

static SoftHarness *h;

enum {
    PDPT = HARNESS_PT + 0x1000,
    IDENTITY = HARNESS_PT + 0x2000,
    PD = 0x20000, /* for VIRT */
    PT = 0x21000,
    ONE = 0x200000, /* a function that adds 1 */
    TWO = 0x400000, /* one that adds 1000 */
    FUNCTION = TWO + 0x5000,
    ROUNDS = 200,
};
#define VIRT 0x40000000ull

static uint64_t *entry(uint64_t addr)
{
    return (uint64_t *)(h->ram + addr);
}

/* Calls VIRT, changes what it maps to, flushes, again and again: RDI points to the entry that maps
 * it, RDX is what changes there, RBX an address to flush. The call is direct, from another page. */
#define LOOP(name, flush)                                                                    \
    GUEST_CODE(                                                                              \
        name, 64,                                                                            \
        "mov $200, %ecx\n\t1:\t.byte 0xe8\n\t.long 0x40000000 - 0x10000 - (2f - code_" #name \
        ")\n\t2:\txor %rdx, (%rdi)\n\t" flush "\n\tdec %ecx\n\tjnz 1b")
LOOP(invlpg, "invlpg (%rbx)");
LOOP(cr3, "mov %cr3, %rax\n\tmov %rax, %cr3");
LOOP(cr4,
     "mov %cr4, %rax\n\txor $0x80, %rax\n\tmov %rax, %cr4\n\txor $0x80, %rax\n\tmov %rax, %cr4");

/* Two calls: when the second is made, the TLB knows the page again, and what it was linked to is
 * the other function. */
GUEST_CODE(twice, 64,
           "mov $200, %ecx\n"
           "1:\t.byte 0xe8\n\t.long 0x40000000 - 0x10000 - (2f - code_twice)\n"
           "2:\t.byte 0xe8\n\t.long 0x40000000 - 0x10000 - (3f - code_twice)\n"
           "3:\txor %rdx, (%rdi)\n\tinvlpg (%rbx)\n\tdec %ecx\n\tjnz 1b");

/* The same by indirect calls and jumps and by a RET that is one; before each change the function
 * that is there is called often enough to be known. */
#define CHANGE                                               \
    "mov $3, %r8d\n9:\tcall *%rbx\n\tdec %r8d\n\tjnz 9b\n\t" \
    "xor %rdx, (%rdi)\n\tinvlpg (%rbx)\n\t"
GUEST_CODE(indirect, 64,
           "mov $25, %ecx\n\tmov %rbx, 0x100000\n"
           "1:" CHANGE "call *%rbx\n\t" CHANGE "call *0x100000\n\t" CHANGE
           "lea 2f(%rip), %rax\n\tpush %rax\n\tpush %rbx\n\tret\n"
           "2:" CHANGE "lea 3f(%rip), %rax\n\tpush %rax\n\tjmp *%rbx\n"
           "3: dec %ecx\n\tjnz 1b");

/* The page at VIRT and the one 4 MiB behind it, at R9, are read in turn: each has the other's place
 * in the TLB. R10 is an address to flush. */
#define PAIR(name, flush)                                                     \
    GUEST_CODE(name, 64,                                                      \
               "mov $200, %ecx\n1:\tmov 64(%rbx), %eax\n\tadd %rax, %rsi\n\t" \
               "mov (%r9), %r8\n\tmov 64(%rbx), %eax\n\tmov %r8, 8(%r9)\n\t"  \
               "xor %rdx, (%rdi)\n\t" flush "\n\tdec %ecx\n\tjnz 1b")
PAIR(pair_invlpg, "invlpg (%r10)");
PAIR(pair_cr3, "mov %cr3, %rax\n\tmov %rax, %cr3");
/* A function at FUNCTION is written by way of VIRT, whose place another page takes between writing
 * and running it. */
GUEST_CODE(pair_code, 64,
           "mov $100, %ecx\n"
           "1:\tmov %cl, 2(%rbx)\n\tmov (%r9), %eax\n\tcall *%rdx\n\tdec %ecx\n\tjnz 1b");

/* A page directory is used, another takes its place, and after a flush of an address that is
 * neither's a page that the TLB does not know is read. */
#define DIRECTORY(name, flush)                                        \
    GUEST_CODE(name, 64,                                              \
               "mov 0x1000(%rbx), %eax\n\txor %rdx, (%rdi)\n\t" flush \
               "\n\tmov 0x2000(%rbx), %esi")
DIRECTORY(directory_invlpg, "invlpg (%r9)");
DIRECTORY(directory_cr3, "mov %cr3, %rax\n\tmov %rax, %cr3");
GUEST_CODE(read_and_write, 64, "mov (%rbx), %eax\n\tmov %ecx, 0x1000(%rbx)");

/* Page after page is read, and written, ECX times from RBX on. */
GUEST_CODE(sweep, 64,
           "1:\tadd (%rbx), %rsi\n\tadd %rax, 8(%rbx)\n\tadd $0x1000, %rbx\n\tdec %ecx\n\tjnz 1b");
/* The same over pages of which one, at RDX, has a function whose immediate is what is written. */
GUEST_CODE(sweep_code, 64,
           "mov $50, %r8d\n"
           "1:\tcall *%rdx\n\tmov %cr3, %rax\n\tmov %rax, %cr3\n\tmov %rdi, %rbx\n\tmov $16, %ecx\n"
           "2:\tmov %r8b, 2(%rbx)\n\tadd $0x1000, %rbx\n\tdec %ecx\n\tjnz 2b\n\t"
           "dec %r8d\n\tjnz 1b");

static void put_functions(void)
{
    static const uint8_t one[] = { 0x83, 0xc6, 0x01, 0xc3 }; /* add $1, %esi; ret */
    static const uint8_t two[] = { 0x81, 0xc6, 0xe8, 0x03, 0x00, 0x00, 0xc3 };

    memcpy(h->ram + ONE, one, sizeof(one));
    memcpy(h->ram + TWO, two, sizeof(two));
}

static void reset(bool large, uint64_t bits)
{
    harness_reset(h, HARNESS_LONG64);
    *entry(PDPT + 8) = PD | PTE_P | PTE_RW | PTE_US;
    *entry(PD) = large ? ONE | PTE_P | PTE_RW | PTE_PS | bits : PT | PTE_P | PTE_RW | PTE_US;
    *entry(PT) = ONE | PTE_P | PTE_RW | bits;
    put_functions();
    harness_flush(h);
    h->cpu->cr4 |= CR4_PGE;
    h->cpu->regs[X86_RDI] = large ? PD : PT;
    h->cpu->regs[X86_RDX] = ONE ^ TWO;
    h->cpu->regs[X86_RBX] = VIRT;
}

static void run(uint64_t expected)
{
    g_assert_cmpint(harness_run(h, 100 * ROUNDS), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RSI], ==, expected);
}

/* Each second call goes to the other function. */
enum { BOTH = ROUNDS / 2 * 1001 };

static void test_page(void)
{
    for (unsigned large = 0; large < 2; large++) {
        reset(large, 0);
        GUEST_LOAD(h, invlpg);
        run(BOTH);
        reset(large, PTE_G);
        GUEST_LOAD(h, invlpg);
        run(BOTH);
    }
    /* Another part of a large page. */
    reset(true, 0);
    h->cpu->regs[X86_RBX] = VIRT + 0x123000;
    GUEST_LOAD(h, invlpg);
    run(BOTH);
}

static void test_twice(void)
{
    for (unsigned large = 0; large < 2; large++) {
        reset(large, 0);
        GUEST_LOAD(h, twice);
        run(2 * BOTH);
    }
}

static void test_indirect(void)
{
    for (unsigned large = 0; large < 2; large++) {
        reset(large, 0);
        GUEST_LOAD(h, indirect);
        run(25 * 8 * 1001);
    }
}

/* Pages that share a place of the TLB are flushed like all others. */
static void test_shared_place(void)
{
    for (unsigned large = 0; large < 2; large++) {
        for (unsigned cr3 = 0; cr3 < 2; cr3++) {
            reset(large, 0);
            *entry(PD + 16) = 0x800000 | PTE_P | PTE_RW | PTE_US | PTE_PS;
            *entry(ONE + 64) = 1;
            *entry(TWO + 64) = 1000;
            h->cpu->regs[9] = VIRT + (4 << 20);
            h->cpu->regs[10] = large ? VIRT + 0x123000 : VIRT;
            if (cr3) {
                GUEST_LOAD(h, pair_cr3);
            } else {
                GUEST_LOAD(h, pair_invlpg);
            }
            run(BOTH);
        }
    }
}

static void test_shared_place_code(void)
{
    static const uint8_t function[] = { 0x83, 0xc6, 0x00, 0xc3 }; /* add $0, %esi; ret */

    reset(false, 0);
    memcpy(h->ram + FUNCTION, function, sizeof(function));
    *entry(PT) = FUNCTION | PTE_P | PTE_RW;
    *entry(PD + 16) = 0x800000 | PTE_P | PTE_RW | PTE_US | PTE_PS;
    h->cpu->regs[9] = VIRT + (4 << 20);
    h->cpu->regs[X86_RDX] = FUNCTION;
    GUEST_LOAD(h, pair_code);
    run(5050);
}

static void test_all(void)
{
    for (unsigned large = 0; large < 2; large++) {
        reset(large, 0);
        GUEST_LOAD(h, cr3);
        run(BOTH);
        reset(large, PTE_G);
        GUEST_LOAD(h, cr4);
        run(BOTH);
    }
}

/* Code is valid while no flush concerns it: no block is looked for again. */
static void test_unconcerned(void)
{
    reset(false, 0);
    *entry(PT) = ONE | PTE_P | PTE_RW;
    h->cpu->regs[X86_RDX] = 0;
    h->cpu->regs[X86_RBX] = 0x80000000;
    GUEST_LOAD(h, invlpg);
    uint32_t gen = h->s->tlb_gen;
    run(ROUNDS);
    g_assert_cmpuint(h->s->tlb_gen, ==, gen);

    /* Global pages and a load of CR3. */
    reset(false, PTE_G);
    *entry(IDENTITY) |= PTE_G;
    h->cpu->regs[X86_RDX] = 0;
    harness_flush(h);
    GUEST_LOAD(h, cr3);
    gen = h->s->tlb_gen;
    uint64_t fills = h->s->tlb_fills;
    run(ROUNDS);
    g_assert_cmpuint(h->s->tlb_gen, ==, gen);
    g_assert_cmpuint(h->s->tlb_fills - fills, <=, 8);
}

/* Page after page of a large one: most are known before they are asked for. */
static void test_sweep(void)
{
    enum { PAGES = 256 };

    reset(true, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        *entry(ONE + i * SOFT_PAGE) = i;
        *entry(ONE + i * SOFT_PAGE + 8) = 0;
    }
    GUEST_LOAD(h, sweep);
    for (uint64_t round = 1; round < 4; round++) {
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RBX] = VIRT;
        h->cpu->regs[X86_RCX] = PAGES;
        h->cpu->regs[X86_RSI] = 0;
        h->cpu->regs[X86_RAX] = round;
        uint64_t fills = h->s->tlb_fills;
        run(PAGES * (PAGES - 1) / 2);
        g_assert_cmpuint(h->s->tlb_fills - fills, <, PAGES / 4);
        for (unsigned i = 0; i < PAGES; i++) {
            g_assert_cmpuint(*entry(ONE + i * SOFT_PAGE + 8), ==, round * (round + 1) / 2);
        }
        soft_tlb_flush(h->s, false);
    }
    /* What was known ahead goes with a flush of any part. */
    reset(true, 0);
    *entry(ONE + 3 * SOFT_PAGE) = 1;
    *entry(TWO + 3 * SOFT_PAGE) = 2;
    GUEST_LOAD(h, sweep);
    h->cpu->regs[X86_RCX] = 2; /* the second is behind the first */
    run(*entry(ONE) + *entry(ONE + SOFT_PAGE));
    uint64_t fills = h->s->tlb_fills;
    h->cpu->rip = HARNESS_CODE;
    h->cpu->regs[X86_RSI] = 0;
    h->cpu->regs[X86_RBX] = VIRT + 3 * SOFT_PAGE;
    h->cpu->regs[X86_RCX] = 1;
    run(1);
    g_assert_cmpuint(h->s->tlb_fills, ==, fills);
    *entry(PD) ^= ONE ^ TWO;
    soft_tlb_flush_page(h->s, VIRT + 100 * SOFT_PAGE);
    h->cpu->rip = HARNESS_CODE;
    h->cpu->regs[X86_RSI] = 0;
    h->cpu->regs[X86_RBX] = VIRT + 3 * SOFT_PAGE;
    h->cpu->regs[X86_RCX] = 1;
    run(2);
}

/* Code on a page that was known ahead. */
static void test_sweep_code(void)
{
    static const uint8_t function[] = { 0x83, 0xc6, 0x00, 0xc3 }; /* add $0, %esi; ret */

    for (unsigned page = 0; page < 16; page++) {
        reset(true, 0);
        h->cpu->regs[X86_RDI] = VIRT;
        h->cpu->regs[X86_RDX] = VIRT + page * SOFT_PAGE;
        memcpy(h->ram + ONE + page * SOFT_PAGE, function, sizeof(function));
        harness_flush(h);
        GUEST_LOAD(h, sweep_code);
        run(50 * 51 / 2 - 1); /* of the last one, 1, nothing is seen */
    }
}

/* Where walks begin is forgotten by a flush of whatever address. */
static void test_directory(void)
{
    for (unsigned cr3 = 0; cr3 < 2; cr3++) {
        reset(true, PTE_G);
        *entry(PT) = TWO | PTE_P | PTE_RW | PTE_PS; /* it serves as the other directory */
        *entry(ONE + 0x2000) = 1;
        *entry(TWO + 0x2000) = 2;
        h->cpu->regs[X86_RDI] = PDPT + 8;
        h->cpu->regs[X86_RDX] = PD ^ PT;
        h->cpu->regs[9] = 0xc0000000;
        if (cr3) {
            GUEST_LOAD(h, directory_cr3);
        } else {
            GUEST_LOAD(h, directory_invlpg);
        }
        run(2);
    }
}

/* Rights that a level above the directory gained need no flush after a fault. */
static void test_directory_rights(void)
{
    reset(true, 0);
    *entry(PDPT + 8) = PD | PTE_P;
    h->cpu->cr0 |= CR0_WP;
    harness_flush(h);
    GUEST_LOAD(h, read_and_write);
    g_assert_cmpint(harness_run(h, 10), ==, EXC_PF);
    *entry(PDPT + 8) |= PTE_RW;
    h->cpu->regs[X86_RCX] = 77;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmpuint(*(uint32_t *)(h->ram + ONE + 0x1000), ==, 77);
}

/* A flush for user code only: the kernel's is global. */
static void test_classes(void)
{
    reset(false, PTE_G);
    *entry(IDENTITY) |= PTE_G;
    harness_flush(h);
    h->cpu->regs[X86_RDX] = 0;
    GUEST_LOAD(h, cr3);
    run(ROUNDS);
    uint32_t kernel = h->s->tlb_gen;
    h->cpu->segs[X86_SEG_SS].flags |= 3u << SEG_DPL_SHIFT;
    soft_update_mode(h->s);
    uint32_t user = h->s->tlb_gen;
    g_assert_cmpuint(user, !=, kernel);
    g_assert_cmpuint(user, !=, 0);
    h->s->code[1].local = true; /* as if some had been found */
    soft_tlb_flush(h->s, true);
    g_assert_cmpuint(h->s->tlb_gen, !=, user);
    h->cpu->segs[X86_SEG_SS].flags &= ~(3u << SEG_DPL_SHIFT);
    soft_update_mode(h->s);
    g_assert_cmpuint(h->s->tlb_gen, ==, kernel);
    soft_tlb_flush(h->s, false);
    g_assert_cmpuint(h->s->tlb_gen, !=, kernel);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-flush/page", test_page);
    g_test_add_func("/soft-flush/twice", test_twice);
    g_test_add_func("/soft-flush/indirect", test_indirect);
    g_test_add_func("/soft-flush/shared-place", test_shared_place);
    g_test_add_func("/soft-flush/shared-place-code", test_shared_place_code);
    g_test_add_func("/soft-flush/all", test_all);
    g_test_add_func("/soft-flush/unconcerned", test_unconcerned);
    g_test_add_func("/soft-flush/classes", test_classes);
    g_test_add_func("/soft-flush/sweep", test_sweep);
    g_test_add_func("/soft-flush/sweep-code", test_sweep_code);
    g_test_add_func("/soft-flush/directory", test_directory);
    g_test_add_func("/soft-flush/directory-rights", test_directory_rights);
    int status = g_test_run();
    harness_free(h);
    return status;
}
