/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags that translated code does not save, but makes again (accel/soft/translate/remake.h): each
 * kind of instruction that sets them, followed by each kind of place where somebody looks. Loads
 * walk into a page that is not there, so a fault shows the flags; others cross from page to page,
 * which goes the slow way, and store them. Each program must end as the interpreter's.
 */
#include <string.h>

#include "accel/soft/flags.h"
#include "accel/soft/options.h"
#include "tests/unit/soft-harness.h"

enum { TURNS = 1 << 20 };

/* What sets flags: registers that the host has, and R10 and R11, which it has not. */
#define PRODUCERS(X)                             \
    X(0, "cmp %rbx, %rax")                       \
    X(1, "cmp %r11, %r10")                       \
    X(2, "cmp $5, %eax")                         \
    X(3, "cmpq $-7, %r10")                       \
    X(4, "cmp $3, %bl")                          \
    X(5, "cmp %dl, %r11b")                       \
    X(6, "cmp %bx, %ax")                         \
    X(7, "cmp %eax, %eax")                       \
    X(8, "test %rax, %rbx")                      \
    X(9, "test %r10, %r10")                      \
    X(10, "test $0x81, %al")                     \
    X(11, "test $0x80000000, %ebx")              \
    X(12, "test $0x8001, %r11w")                 \
    X(13, "sub %rbx, %rax")                      \
    X(14, "sub $9, %r10")                        \
    X(15, "sub %ebx, %ebx")                      \
    X(16, "sub $77, %dl")                        \
    X(17, "sub %ax, %r11w")                      \
    X(18, "add %rbx, %rax")                      \
    X(19, "add $0x7fffffff, %eax")               \
    X(20, "add %r10, %r11")                      \
    X(21, "add %rax, %rax")                      \
    X(22, "add %bl, %al")                        \
    X(23, "and %rbx, %rax")                      \
    X(24, "or %r10, %rbx")                       \
    X(25, "xor %eax, %r11d")                     \
    X(26, "xor %eax, %eax")                      \
    X(27, "xor $0x1234, %bx")                    \
    X(28, "neg %rax")                            \
    X(29, "neg %bl")                             \
    X(30, "neg %r10d")                           \
    X(31, "cmp %bh, %al")                        \
    X(32, "sub $1, %ah")                         \
    X(33, "inc %eax")                            \
    X(34, "shl $3, %rbx")                        \
    X(35, "bt $3, %ebx")                         \
    X(36, "cmp (%rdi), %rax")                    \
    X(37, "cmpb $3, (%rdi)")                     \
    X(38, "and (%rdi), %rbx")                    \
    X(39, "sub %rax, -8(%rdi)")                  \
    X(40, "sbb %rbx, %rax")                      \
    X(41, "cmp %rbx, %rax\n\tmov %rcx, %rax")    \
    X(42, "sub %rbx, %rax\n\tlea 1(%rbx), %rbx") \
    X(43, "test %al, %al\n\tsetz %ah\n\tmov $3, %al")

/* Where they are wanted. */
#define BEFORE "mov $12, %esi\n1: "
#define AFTER                         \
    "imul $0x10dcd, %rcx, %rcx\n\t"   \
    "lea 0x3039(%rcx,%rax), %rcx\n\t" \
    "mov %rcx, %rax\n\t"              \
    "rol $17, %rcx\n\t"               \
    "add %rcx, %rbx\n\t"              \
    "xor %rbx, %r10\n\t"              \
    "sub %r10, %r11\n\t"              \
    "lea (%r11,%rdx), %edx\n\t"       \
    "add $8, %rdi\n\t"                \
    "sub $1, %esi\n\t"                \
    "jnz 1b\n\tnop"
#define SHOWN "pushfq\n\tpop %r8\n\tror $7, %r15\n\txor %r8, %r15\n\t"

#define PLACES(X, n, p)                                                                          \
    /* A block of its own, which keeps the registers; which does not; and by a branch. */        \
    X(n, 0, BEFORE p "\n\tjmp 2f\n\tnop\n2: mov (%rdi), %r9\n\tmov 8(%rdi), %r12\n\t" AFTER)     \
    X(n, 1, BEFORE p "\n\tjmp 2f\n\tnop\n2: mov (%rdi), %rax\n\tmov 8(%rdi), %rbx\n\t" AFTER)    \
    X(n, 2, BEFORE p "\n\tjle 2f\n\tnop\n2: mov (%rdi), %r9\n\tmov 8(%rdi), %r12\n\t" AFTER)     \
    X(n, 3, BEFORE p "\n\tcall 2f\n2: pop %r9\n\tmov 8(%rdi), %r12\n\t" AFTER)                   \
    /* The same block. */                                                                        \
    X(n, 4, BEFORE p "\n\tmov (%rdi), %r9\n\tmov 8(%rdi), %r12\n\t" AFTER)                       \
    X(n, 5, BEFORE p "\n\tmov (%rdi), %r11\n\tmov 8(%rdi), %rax\n\tmov (%rdi), %bl\n\t" AFTER)   \
    X(n, 6, BEFORE p "\n\tmov %rsi, 8(%rdi)\n\tmov %rsi, 16(%rdi)\n\tmov (%rdi), %r9\n\t" AFTER) \
    /* Read, behind an access: by a branch, and in the block. */                                 \
    X(n, 7, BEFORE p "\n\tmov (%rdi), %r9\n\tjbe 2f\n\tnop\n2: mov 8(%rdi), %r12\n\t" AFTER)     \
    X(n, 8,                                                                                      \
      BEFORE p "\n\tmov (%rdi), %r9\n\tsetp %r13b\n\tadc $0, %r13\n\tmov 8(%rdi), %r12\n\t"      \
               "cmovo %rbx, %r13\n\t" AFTER)                                                     \
    X(n, 9, BEFORE p "\n\tmov (%rdi), %r9\n\t" SHOWN "mov 8(%rdi), %r12\n\t" AFTER)              \
    X(n, 10,                                                                                     \
      BEFORE p "\n\tmov (%rdi), %r9\n\tjmp 2f\n\tnop\n2: mov 8(%rdi), %r12\n\t" SHOWN AFTER)     \
    X(n, 11,                                                                                     \
      BEFORE p                                                                                   \
      "\n\tmovups (%rdi), %xmm1\n\tjmp 2f\n\tnop\n2: paddd 8(%rdi), %xmm1\n\t" SHOWN AFTER)      \
    /* Kept by BT and its like, which change a register that they may be made of. */             \
    X(n, 12, BEFORE p "\n\tbt $5, (%rdi)\n\t" SHOWN "mov 8(%rdi), %r12\n\t" AFTER)               \
    X(n, 13, BEFORE p "\n\tmov (%rdi), %r9\n\tbts %rsi, 8(%rdi)\n\t" SHOWN AFTER)                \
    X(n, 14, BEFORE p "\n\tmov (%rdi), %r9\n\tbtc $3, %rax\n\t" SHOWN AFTER)                     \
    X(n, 15, BEFORE p "\n\tbtr %rsi, %rbx\n\tjz 2f\n\tnop\n2: mov (%rdi), %r12\n\t" AFTER)

/* A loop of one block that has SSE: its flags go round. */
GUEST_CODE(loop, 64,
           "mov $12, %esi\n1: movsd (%rdi), %xmm1\n\taddsd 8(%rdi), %xmm1\n\t"
           "movsd %xmm1, (%rdi)\n\tadd $8, %rdi\n\tsub $1, %esi\n\tjnz 1b\n\tnop");

#define CODE(n, place, text)  GUEST_CODE(p##n##_##place, 64, text);
#define CODES(n, p)           PLACES(CODE, n, p)
#define ENTRY(n, place, text) { code_p##n##_##place, code_p##n##_##place##_end, #n " " #place },
#define ENTRIES(n, p)         PLACES(ENTRY, n, p)

PRODUCERS(CODES)

typedef struct Program {
    const uint8_t *code, *end;
    const char *name;
} Program;

static const Program programs[] = { PRODUCERS(ENTRIES){ code_loop, code_loop_end, "loop" } };

typedef struct Outcome {
    uint64_t regs[16], rip, rflags;
    int vector;
} Outcome;

/* Loads begin @below bytes before the end of what is there. */
static Outcome run(SoftHarness *h, const Program *p, unsigned below, uint64_t seed)
{
    static const uint8_t varied[] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX, 10, 11 };
    uint64_t end = HARNESS_RAM_SIZE;

    harness_reset(h, HARNESS_LONG64);
    *(uint64_t *)(h->ram + HARNESS_PT + 0x2000 + (end >> 21) * 8) = 0;
    harness_flush(h);
    for (unsigned i = 0; i < 4 * 4096; i++) {
        h->ram[end - 4 * 4096 + i] = (uint8_t)(i * 167 >> 3);
    }
    harness_load(h, p->code, (size_t)(p->end - p->code));
    for (size_t i = 0; i < sizeof(varied); i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        h->cpu->regs[varied[i]] = seed >> (seed >> 60);
    }
    h->cpu->regs[X86_RDI] = end - below;
    Outcome o;
    o.vector = harness_run(h, TURNS);
    memcpy(o.regs, h->cpu->regs, sizeof(o.regs));
    o.rip = h->cpu->rip;
    o.rflags = soft_get_rflags(h->s);
    return o;
}

/* Faults after some rounds; pages that are crossed in the middle of an access; neither. */
static const unsigned below[] = { 16, 40, 64 + 4, 4096 + 36, 2 * 4096 };

static void run_all(SoftTranslate mode, Outcome (*outcomes)[G_N_ELEMENTS(below)])
{
    soft_options = (SoftOptions){ mode, 8, false };
    g_setenv("SOFT_TRANSLATE", mode == SOFT_TRANSLATE_OFF ? "off" : "all", true);
    g_autoptr(SoftHarness) h = harness_new();
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(below); j++) {
            outcomes[i][j] = run(h, &programs[i], below[j], i + j);
        }
    }
}

static void test_made_again(void)
{
    static Outcome expected[G_N_ELEMENTS(programs)][G_N_ELEMENTS(below)];
    static Outcome found[G_N_ELEMENTS(programs)][G_N_ELEMENTS(below)];

    run_all(SOFT_TRANSLATE_OFF, expected);
    run_all(SOFT_TRANSLATE_ALL, found);
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(below); j++) {
            const Outcome *e = &expected[i][j], *f = &found[i][j];
            g_test_message("program %s, %u bytes before the end", programs[i].name, below[j]);
            g_assert_cmpint(f->vector, ==, e->vector);
            g_assert_cmphex(f->rip, ==, e->rip);
            g_assert_cmphex(f->rflags, ==, e->rflags);
            g_assert_cmpmem(f->regs, sizeof(f->regs), e->regs, sizeof(e->regs));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-flags/made-again", test_made_again);
    return g_test_run();
}
