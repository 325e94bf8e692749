/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two CPUs of the software CPU at once, of which one changes what the other is running: its code
 * (SDM vol. 3 section 9.1.3), and the page tables of its code and data (section 5.10.5). What was
 * said to be there before the other looked has to be what it finds.
 */
#include "tests/unit/soft-guest.h"

enum {
    ROUNDS = 300,
    PAGE = 0x1000,
    TABLE = 0x70000,   /* page table of the 2 MiB at LINEAR */
    LINEAR = 0xe00000, /* ODD in odd rounds, EVEN in even ones */
    ODD = 0x300000,    /* pages that begin with a function, which returns their own address */
    EVEN = 0x301000,
    FUNCTION = 0x200003, /* its operand is aligned */
    OTHER_CODE = 0x20000,
    SHARED = 0x100000, /* RBX: the round that has begun; 64 bytes on: the one that has ended */
};

/* Both: ECX rounds, in ESI. */
GUEST_CODE(write_code, 64,
           "mov $0x200004, %rdi\n"
           "1: inc %esi\n\t"
           "mov %esi, (%rdi)\n\t"
           "mov %esi, (%rbx)\n"
           "2: pause\n\t"
           "cmp %esi, 64(%rbx)\n\t"
           "jne 2b\n\t"
           "cmp %ecx, %esi\n\t"
           "jne 1b");
GUEST_CODE(run_code, 64,
           "mov $0x200003, %rdi\n\t"
           "mov %ecx, %r12d\n\t"
           "mov %rbx, %r13\n"
           "1: inc %esi\n"
           "2: pause\n\t"
           "cmp %esi, (%r13)\n\t"
           "jne 2b\n\t"
           "xor %eax, %eax\n\t"
           "cpuid\n\t" /* serializes */
           "call *%rdi\n\t"
           "cmp %esi, %eax\n\t"
           "setne %al\n\t"
           "movzbl %al, %eax\n\t"
           "add %eax, %r15d\n\t"
           "mov %esi, 64(%r13)\n\t"
           "cmp %r12d, %esi\n\t"
           "jne 1b");

GUEST_CODE(write_tables, 64,
           "mov $0x70000, %rdi\n"
           "1: inc %esi\n\t"
           "mov $0x300007, %eax\n\t"
           "mov $0x301007, %edx\n\t"
           "test $1, %esi\n\t"
           "cmovz %edx, %eax\n\t"
           "mov %rax, (%rdi)\n\t"
           "mov %esi, (%rbx)\n"
           "2: pause\n\t"
           "cmp %esi, 64(%rbx)\n\t"
           "jne 2b\n\t"
           "cmp %ecx, %esi\n\t"
           "jne 1b");
GUEST_CODE(follow_tables, 64,
           "mov $0xe00000, %rdi\n"
           "1: inc %esi\n"
           "2: pause\n\t"
           "cmp %esi, (%rbx)\n\t"
           "jne 2b\n\t"
           "invlpg (%rdi)\n\t"
           "mov $0x300000, %r8d\n\t"
           "mov $0x301000, %r9d\n\t"
           "test $1, %esi\n\t"
           "cmovz %r9d, %r8d\n\t"
           "xor %eax, %eax\n\t"
           "cmp %r8d, 1(%rdi)\n\t" /* the operand, as data */
           "setne %al\n\t"
           "add %eax, %r15d\n\t"
           "call *%rdi\n\t"
           "cmp %r8d, %eax\n\t"
           "setne %al\n\t"
           "movzbl %al, %eax\n\t"
           "add %eax, %r15d\n\t"
           "mov %esi, 64(%rbx)\n\t"
           "cmp %ecx, %esi\n\t"
           "jne 1b");

/* mov $value, %eax; ret */
static void put_function(uint64_t addr, uint32_t value)
{
    h->ram[addr] = 0xb8;
    put32(addr + 1, value);
    h->ram[addr + 5] = 0xc3;
}

/* Both run until they halt; R15 of the second counts what was wrong. */
static void run_pair(const uint8_t *one, const uint8_t *one_end, const uint8_t *two,
                     const uint8_t *two_end)
{
    const uint64_t flags = PTE_P | PTE_RW | PTE_US;
    g_autoptr(SoftHarness) other = harness_new_cpu(h);
    SoftHarness *const both[] = { h, other };
    const uint8_t *const codes[] = { one, two }, *const ends[] = { one_end, two_end };

    for (unsigned i = 0; i < 2; i++) {
        harness_reset(both[i], HARNESS_LONG64);
    }
    put64(HARNESS_PT + 0x2000 + 8 * (LINEAR >> 21), TABLE | flags);
    put64(TABLE, EVEN | flags);
    put_function(ODD, ODD);
    put_function(EVEN, EVEN);
    put_function(FUNCTION, 0);
    memset(h->ram + SHARED, 0, 128);
    for (unsigned i = 0; i < 2; i++) {
        harness_place(both[i], i ? OTHER_CODE : HARNESS_CODE, codes[i], ends[i]);
        both[i]->cpu->regs[X86_RCX] = ROUNDS;
        both[i]->cpu->regs[X86_RBX] = SHARED;
        both[i]->cpu->regs[X86_RSP] -= 0x1000 * i;
        harness_flush(both[i]);
    }
    harness_run_together(both);
    g_assert_cmpuint(get32(SHARED + 64), ==, ROUNDS);
    g_assert_cmpuint(other->cpu->regs[X86_R15], ==, 0);
}

#define RUN_PAIR(one, two) run_pair(code_##one, code_##one##_end, code_##two, code_##two##_end)

static void test_code(void)
{
    RUN_PAIR(write_code, run_code);
}

static void test_tables(void)
{
    RUN_PAIR(write_tables, follow_tables);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-pair/code", test_code);
    g_test_add_func("/soft-pair/tables", test_tables);
    int status = g_test_run();
    harness_free(h);
    return status;
}
