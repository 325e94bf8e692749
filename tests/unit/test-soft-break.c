/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug registers of the software CPU: which instruction each #DB comes before or after, what DR6
 * and the pushed RF say (SDM vol. 3 chapter 17).
 */
#include <string.h>

#include "accel/soft/breakpoint.h"
#include "tests/unit/soft-guest.h"

enum {
    TRACE = 0x60000, /* count of traps; at 8 what to set in the pushed flags; from 16 the traps */
    UD_FLAGS = 0x60800,
    CODE_END = 0x60810,
    ON_DB = 0x30000,
    ON_UD = 0x32000,
    ON_OTHER = 0x34000, /* INT 0x80, #GP and NMI */
    VECTOR = 0x80,
    RING0_STACK = 0x90000,
    DB_STACK = 0x98000, /* its own, so that what pushes may be watched */
    DATA = HARNESS_DATA,
    PORT = 0x5000, /* nobody is there */
    MAX_TRAPS = 6,
};

/* Notes RIP, DR6, the flags and DR7; clears DR6. At the end of the code it stops stepping. */
GUEST_CODE(on_db, 64,
           "push %rax\n\tpush %rbx\n\tmov 0x60000, %ebx\n\tshl $5, %ebx\n\t"
           "mov 16(%rsp), %rax\n\tmov %rax, 0x60010(%rbx)\n\t"
           "mov %dr6, %rax\n\tmov %rax, 0x60018(%rbx)\n\t"
           "mov 32(%rsp), %rax\n\tmov %rax, 0x60020(%rbx)\n\t"
           "mov %dr7, %rax\n\tmov %rax, 0x60028(%rbx)\n\t"
           "xor %eax, %eax\n\tmov %rax, %dr6\n\tincl 0x60000\n\t"
           "mov 0x60008, %eax\n\tor %eax, 32(%rsp)\n\t"
           "mov 16(%rsp), %rax\n\tcmp 0x60810, %rax\n\tjne 1f\n\tandl $~0x100, 32(%rsp)\n1:\t"
           "pop %rbx\n\tpop %rax\n\tiretq");
/* Notes the flags, and goes on behind the instruction. */
GUEST_CODE(on_ud, 64,
           "push %rax\n\tmov 24(%rsp), %rax\n\tmov %rax, 0x60800\n\tpop %rax\n\t"
           "addq $2, (%rsp)\n\tiretq");

/* INT 0x80, or NMI. */
GUEST_CODE(on_other, 64, "nop\n\tiretq");

#define PLACE(name, addr) \
    memcpy(h->ram + (addr), code_##name, (size_t)(code_##name##_end - code_##name))

static void set_gate(unsigned vector, uint32_t handler)
{
    uint32_t dpl3 = vector == VECTOR ? SEG_DPL_MASK : 0, ist = vector == EXC_DB;

    put64(HARNESS_IDT + 16 * vector,
          (handler & 0xffff) | 0x08 << 16 |
              (uint64_t)(ist | SYS_INT << 8 | SEG_P | dpl3 | (handler & 0xffff0000)) << 32);
}

static void prepare(HarnessMode mode)
{
    harness_reset(h, mode);
    h->deliver = true;
    put64(HARNESS_TSS + 4, RING0_STACK);
    put64(HARNESS_TSS + 36, DB_STACK);
    set_gate(EXC_DB, ON_DB);
    set_gate(EXC_UD, ON_UD);
    set_gate(VECTOR, ON_OTHER);
    set_gate(EXC_NMI, ON_OTHER);
    PLACE(on_db, ON_DB);
    PLACE(on_ud, ON_UD);
    PLACE(on_other, ON_OTHER);
    put64(TRACE + 8, RFLAGS_RF);
    memset(h->ram + DATA - 0x100, 0, 0x3000);
    h->cpu->regs[X86_RAX] = 0x10;
    h->cpu->regs[X86_RBX] = DATA;
    h->cpu->regs[X86_RSI] = DATA + 0x200;
    h->cpu->regs[X86_RDI] = DATA;
    h->cpu->regs[X86_RCX] = 3;
    h->cpu->regs[X86_RDX] = PORT;
    h->cpu->regs[X86_RBP] = DATA + 0x80;
    h->cpu->msr.star = (uint64_t)0x30 << 48 | (uint64_t)0x08 << 32;
}

/* DR7 for breakpoint @n: @rw and @len (1, 2, 4, 8). */
static uint64_t dr7(unsigned n, unsigned rw, unsigned len)
{
    uint64_t bits = len == 8 ? 2 : len - 1;

    return DR7_FIXED_ONE | 1u << 2 * n | (uint64_t)(rw | bits << 2) << DR7_CONDITION_SHIFT(n);
}

/* ---- where it comes ---- */

typedef struct Trap {
    int rip;      /* offset in the code; -1: the end */
    uint64_t dr6; /* but for the bits that are always 1 */
    bool rf;      /* pushed */
} Trap;

typedef struct Case {
    const char *name;
    const uint8_t *code, *end;
    unsigned how;
    struct {
        uint64_t addr; /* below 0x1000: offset in the code, if RW is code's */
        int rw;        /* -1: none */
        unsigned len;
    } break_at[2];
    Trap traps[MAX_TRAPS];
} Case;

#define USER     1
#define NO_DE    2
#define STEPPING 4
#define GLOBAL   8  /* G, not L */
#define OFF      16 /* neither */
#define NMI      32 /* waits at the beginning */

#define END          \
    {                \
        -1, 0, false \
    }
#define NONE     \
    {            \
        0, -1, 0 \
    }
#define CASE(name, how, ...)                                    \
    {                                                           \
#name, code_##name, code_##name##_end, how, __VA_ARGS__ \
    }
#define B0 1
#define B1 2

GUEST_CODE(nops, 64, "nop\n\tnop\n\tnop\n\tnop");
GUEST_CODE(counting, 64, "1:\tdec %ecx\n\tnop\n\tjnz 1b\n\tnop");
GUEST_CODE(turning, 64, "1:\tdec %ecx\n\tjnz 1b\n\tnop");
GUEST_CODE(undefined, 64, "nop\n\tud2\n\tnop");
GUEST_CODE(ss_code, 64, "mov %eax, %ss\n\tnop\n\tnop");
GUEST_CODE(store, 64, "mov %eax, (%rbx)\n\tmov %eax, 0x100(%rbx)\n\tmov (%rbx), %eax\n\tnop");
GUEST_CODE(load, 64, "mov (%rbx), %eax\n\tmov %eax, (%rbx)\n\tmov 0x100(%rbx), %eax\n\tnop");
GUEST_CODE(add, 64, "add %eax, (%rbx)\n\tnop");
GUEST_CODE(lock_add, 64, "lock add %eax, (%rbx)\n\tnop");
GUEST_CODE(xchg, 64, "xchg %eax, (%rbx)\n\tnop");
GUEST_CODE(bts, 64, "btsl $3, (%rbx)\n\tnop");
GUEST_CODE(push, 64, "push %rax\n\tnop");
GUEST_CODE(pop, 64, "push %rax\n\tpop %rcx\n\tnop");
GUEST_CODE(call, 64, "call 1f\n\tnop\n1:\tnop\n\tnop");
GUEST_CODE(ret, 64, "push $(0x10000 + 1f - code_ret)\n\tret\n\tnop\n1:\tnop");
GUEST_CODE(jump_mem, 64, "jmp *(%rbx)\n\tnop\n\tnop");
GUEST_CODE(compare, 64, "cmp %eax, (%rbx)\n\tjne 1f\n\tnop\n1:\tnop");
GUEST_CODE(movups, 64, "movups %xmm0, (%rbx)\n\tnop");
GUEST_CODE(fxsave, 64, "fxsave (%rbx)\n\tnop");
GUEST_CODE(fstp, 64, "fninit\n\tfldz\n\tfstpt (%rbx)\n\tnop");
GUEST_CODE(cross, 64, "mov %rax, 0xffc(%rbx)\n\tnop");
GUEST_CODE(rep_movs, 64, "rep movsl\n\tnop");
GUEST_CODE(rep_lods, 64, "rep lodsl\n\tnop");
GUEST_CODE(rep_long, 64, "mov $0x1000, %ecx\n\trep stosb\n\tnop");
GUEST_CODE(repe_cmps, 64, "repe cmpsl\n\tnop");
GUEST_CODE(ss_data, 64, "mov (%rbx), %ss\n\tnop\n\tnop");
GUEST_CODE(ss_both, 64, "mov (%rbx), %ss\n\tmov %eax, 0x10(%rbx)\n\tnop");
GUEST_CODE(in, 64, "in %dx, %al\n\tnop");
GUEST_CODE(out, 64, "out %eax, %dx\n\tnop");
GUEST_CODE(rep_outs, 64, "rep outsb\n\tnop");
GUEST_CODE(ins, 64, "insl\n\tnop");
GUEST_CODE(int1, 64, ".byte 0xf1\n\tnop");
GUEST_CODE(disarm, 64, "xor %eax, %eax\n\tmov %rax, %dr7\n\tnop\n\tmov %eax, (%rbx)\n\tnop");
/* The CPU's own accesses: events, far transfers, descriptors, the TSS. */
GUEST_CODE(int80, 64, "int $0x80\n\tnop\n\tnop");
GUEST_CODE(load_ds, 64, "mov $0x38, %eax\n\tmov %eax, %ds\n\tnop");
GUEST_CODE(lar, 64, "mov $0x38, %eax\n\tlar %ax, %ecx\n\tnop\n\tnop");
GUEST_CODE(lar_bad, 64, "nop\n\tmov $0x48, %eax\n\tmov %eax, %ds\n\tnop");
GUEST_CODE(ltr, 64, "mov $0x48, %eax\n\tltr %ax\n\tnop");
GUEST_CODE(far_call, 64, "lcall *(%rbx)\n\tnop\n1:\tnop\n\tnop");
GUEST_CODE(far_return, 64,
           "push $8\n\tpush $(0x10000 + 1f - code_far_return)\n\tlretq\n\tnop\n1:\tnop\n\tnop");
GUEST_CODE(port_allowed, 64, "in %dx, %al\n\tnop");

/* Where the handlers are, as an offset in the code; and where what is pushed for them lies. */
#define AT(handler) ((handler)-HARNESS_CODE)
#define INNER(n)    (RING0_STACK - 8 * (n))
#define GATE(n)     (HARNESS_IDT + 16 * (n))

static const Case cases[] = {
    CASE(nops, 0, { { 1, DR7_RW_CODE, 1 }, NONE }, { { 1, B0, false }, END }),
    CASE(nops, USER, { { 1, DR7_RW_CODE, 1 }, NONE }, { { 1, B0, false }, END }),
    CASE(nops, GLOBAL, { { 0, DR7_RW_CODE, 1 }, { 2, DR7_RW_CODE, 1 } },
         { { 0, B0, false }, { 2, B1, false }, END }),
    CASE(nops, OFF, { { 0, DR7_RW_CODE, 1 }, { 2, DR7_RW_CODE, 1 } }, { END }),
    CASE(nops, 0, { { 2, DR7_RW_CODE, 1 }, { 2, DR7_RW_CODE, 1 } }, { { 2, B0 | B1, false }, END }),
    CASE(counting, 0, { { 2, DR7_RW_CODE, 1 }, NONE },
         { { 2, B0, false }, { 2, B0, false }, { 2, B0, false }, END }),
    CASE(turning, 0, { { 0, DR7_RW_CODE, 1 }, NONE },
         { { 0, B0, false }, { 0, B0, false }, { 0, B0, false }, END }),
    CASE(ss_code, 0, { { 2, DR7_RW_CODE, 1 }, { 3, DR7_RW_CODE, 1 } }, { { 3, B1, false }, END }),
    CASE(store, 0, { { DATA, DR7_RW_WRITE, 4 }, NONE }, { { 2, B0, false }, END }),
    CASE(store, USER, { { DATA, DR7_RW_WRITE, 1 }, NONE }, { { 2, B0, false }, END }),
    CASE(store, GLOBAL, { { DATA, DR7_RW_ACCESS, 4 }, NONE },
         { { 2, B0, false }, { 10, B0, false }, END }),
    CASE(store, OFF, { { DATA, DR7_RW_ACCESS, 4 }, NONE }, { END }),
    CASE(store, STEPPING, { { DATA, DR7_RW_WRITE, 4 }, NONE },
         { { 2, B0 | DR6_BS, false },
           { 8, DR6_BS, false },
           { 10, DR6_BS, false },
           { 11, DR6_BS, false },
           END }),
    CASE(load, 0, { { DATA, DR7_RW_ACCESS, 4 }, NONE },
         { { 2, B0, false }, { 4, B0, false }, END }),
    CASE(load, 0, { { DATA, DR7_RW_WRITE, 4 }, NONE }, { { 4, B0, false }, END }),
    CASE(add, 0, { { DATA, DR7_RW_WRITE, 4 }, { DATA + 4, DR7_RW_ACCESS, 4 } },
         { { 2, B0, false }, END }),
    CASE(lock_add, 0, { { DATA, DR7_RW_WRITE, 4 }, NONE }, { { 3, B0, false }, END }),
    CASE(xchg, 0, { { DATA, DR7_RW_ACCESS, 1 }, NONE }, { { 2, B0, false }, END }),
    CASE(bts, 0, { { DATA, DR7_RW_WRITE, 1 }, NONE }, { { 4, B0, false }, END }),
    CASE(push, USER, { { HARNESS_STACK - 8, DR7_RW_WRITE, 8 }, NONE }, { { 1, B0, false }, END }),
    CASE(pop, USER, { { HARNESS_STACK - 8, DR7_RW_ACCESS, 8 }, NONE },
         { { 1, B0, false }, { 2, B0, false }, END }),
    CASE(call, USER, { { HARNESS_STACK - 4, DR7_RW_WRITE, 4 }, NONE }, { { 6, B0, false }, END }),
    CASE(ret, USER, { { HARNESS_STACK - 8, DR7_RW_ACCESS, 1 }, NONE },
         { { 5, B0, false }, { 7, B0, false }, END }),
    CASE(jump_mem, 0, { { DATA, DR7_RW_ACCESS, 8 }, NONE }, { { 3, B0, false }, END }),
    CASE(compare, 0, { { DATA, DR7_RW_ACCESS, 4 }, NONE }, { { 2, B0, false }, END }),
    CASE(compare, 0, { { DATA, DR7_RW_WRITE, 4 }, NONE }, { END }),
    CASE(movups, 0, { { DATA + 15, DR7_RW_WRITE, 1 }, { DATA + 16, DR7_RW_WRITE, 1 } },
         { { 3, B0, false }, END }),
    CASE(fxsave, 0, { { DATA + 24, DR7_RW_WRITE, 4 }, NONE }, { { 3, B0, false }, END }),
    CASE(fstp, 0, { { DATA + 8, DR7_RW_WRITE, 2 }, NONE }, { { 6, B0, false }, END }),
    CASE(cross, 0, { { DATA + 0x1000, DR7_RW_WRITE, 1 }, NONE }, { { 7, B0, false }, END }),
    CASE(cross, 0, { { DATA + 0xffe, DR7_RW_WRITE, 2 }, NONE }, { { 7, B0, false }, END }),
    /* Each iteration; RF is pushed set after all but the last. */
    CASE(rep_movs, 0, { { DATA + 4, DR7_RW_WRITE, 4 }, NONE }, { { 0, B0, true }, END }),
    CASE(rep_movs, 0, { { DATA + 8, DR7_RW_WRITE, 1 }, NONE }, { { 2, B0, false }, END }),
    CASE(rep_movs, 0, { { DATA, DR7_RW_WRITE, 8 }, { DATA + 0x200, DR7_RW_ACCESS, 1 } },
         { { 0, B0 | B1, true }, { 0, B0, true }, END }),
    CASE(rep_movs, STEPPING, { { 2, DR7_RW_CODE, 1 }, NONE },
         { { 0, DR6_BS, true },
           { 0, DR6_BS, true },
           { 2, DR6_BS, false },
           { 3, DR6_BS, false },
           END }),
    CASE(rep_movs, 0, { { 0, DR7_RW_CODE, 1 }, { DATA + 4, DR7_RW_WRITE, 1 } },
         { { 0, B0, false }, { 0, B1, true }, END }),
    CASE(rep_lods, 0, { { DATA + 0x204, DR7_RW_ACCESS, 4 }, NONE }, { { 0, B0, true }, END }),
    CASE(rep_long, 0, { { DATA + 0x800, DR7_RW_WRITE, 1 }, NONE }, { { 5, B0, true }, END }),
    CASE(repe_cmps, 0, { { DATA, DR7_RW_ACCESS, 1 }, { DATA + 0x208, DR7_RW_ACCESS, 4 } },
         { { 0, B0, true }, { 2, B1, false }, END }),
    CASE(ss_data, 0, { { DATA, DR7_RW_ACCESS, 2 }, NONE }, { { 3, B0, false }, END }),
    CASE(ss_both, 0, { { DATA, DR7_RW_ACCESS, 2 }, { DATA + 0x10, DR7_RW_WRITE, 4 } },
         { { 5, B0 | B1, false }, END }),
    CASE(in, 0, { { PORT, DR7_RW_PORT, 1 }, NONE }, { { 1, B0, false }, END }),
    CASE(in, NO_DE, { { PORT, DR7_RW_PORT, 1 }, NONE }, { END }),
    CASE(in, 0, { { PORT + 1, DR7_RW_PORT, 1 }, NONE }, { END }),
    CASE(out, 0, { { PORT + 3, DR7_RW_PORT, 1 }, NONE }, { { 1, B0, false }, END }),
    CASE(rep_outs, 0, { { PORT, DR7_RW_PORT, 1 }, NONE },
         { { 0, B0, true }, { 0, B0, true }, { 2, B0, false }, END }),
    CASE(ins, 0, { { PORT, DR7_RW_PORT, 4 }, { DATA, DR7_RW_WRITE, 4 } },
         { { 1, B0 | B1, false }, END }),
    CASE(int1, 0, { NONE, NONE }, { { 1, 0, false }, END }),
    /* What an event pushes: the trap comes before the handler's first instruction; and IRET's. */
    CASE(int80, USER, { { INNER(1), DR7_RW_WRITE, 8 }, NONE },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(int80, USER, { { INNER(5), DR7_RW_ACCESS, 1 }, { INNER(6), DR7_RW_WRITE, 8 } },
         { { AT(ON_OTHER), B0, false }, { 2, B0, false }, END }),
    CASE(int80, 0, { { HARNESS_STACK - 40, DR7_RW_WRITE, 8 }, NONE },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(int80, 0, { { HARNESS_STACK - 24, DR7_RW_ACCESS, 8 }, { 2, DR7_RW_CODE, 1 } },
         { { AT(ON_OTHER), B0, false }, { 2, B0, false }, END }),
    CASE(undefined, USER, { { INNER(3), DR7_RW_WRITE, 4 }, NONE },
         { { AT(ON_UD), B0, false }, END }),
    CASE(nops, NMI, { { HARNESS_STACK - 8, DR7_RW_WRITE, 8 }, NONE },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(nops, NMI | USER, { { INNER(2), DR7_RW_WRITE, 8 }, { AT(ON_OTHER), DR7_RW_WRITE, 1 } },
         { { AT(ON_OTHER), B0, false }, END }),
    /* The IDT, the TSS' stack pointer, descriptors and their accessed bits. */
    CASE(int80, 0, { { GATE(VECTOR), DR7_RW_ACCESS, 8 }, { GATE(VECTOR + 1), DR7_RW_ACCESS, 8 } },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(int80, 0, { { GATE(VECTOR) + 8, DR7_RW_ACCESS, 4 }, { GATE(VECTOR), DR7_RW_WRITE, 8 } },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(int80, USER,
         { { HARNESS_TSS + 4, DR7_RW_ACCESS, 4 }, { HARNESS_TSS + 12, DR7_RW_ACCESS, 4 } },
         { { AT(ON_OTHER), B0, false }, END }),
    CASE(load_ds, 0,
         { { HARNESS_GDT + 0x38, DR7_RW_ACCESS, 8 }, { HARNESS_GDT + 0x38, DR7_RW_WRITE, 8 } },
         { { 7, B0 | B1, false }, END }),
    CASE(lar, 0,
         { { HARNESS_GDT + 0x3f, DR7_RW_ACCESS, 1 }, { HARNESS_GDT + 0x38, DR7_RW_WRITE, 8 } },
         { { 8, B0, false }, END }),
    CASE(ltr, 0,
         { { HARNESS_GDT + 0x4c, DR7_RW_WRITE, 4 }, { HARNESS_GDT + 0x50, DR7_RW_ACCESS, 8 } },
         { { 8, B0 | B1, false }, END }),
    CASE(far_call, 0, { { DATA + 2, DR7_RW_ACCESS, 1 }, { HARNESS_STACK - 4, DR7_RW_WRITE, 4 } },
         { { 3, B0 | B1, false }, END }),
    CASE(far_return, 0, { { HARNESS_STACK - 16, DR7_RW_ACCESS, 8 }, NONE },
         { { 7, B0, false }, { 10, B0, false }, END }),
    CASE(port_allowed, USER, { { HARNESS_TSS + 102, DR7_RW_ACCESS, 2 }, NONE },
         { { 1, B0, false }, END }),
    CASE(disarm, 0, { { DATA, DR7_RW_WRITE, 4 }, { 5, DR7_RW_CODE, 1 } }, { END }),
};

static void arm(const Case *c)
{
    h->cpu->dr[7] = DR7_FIXED_ONE;
    for (unsigned i = 0; i < 2; i++) {
        if (c->break_at[i].rw < 0) {
            continue;
        }
        bool code = c->break_at[i].rw == DR7_RW_CODE;
        h->cpu->dr[i] = c->break_at[i].addr + (code ? HARNESS_CODE : 0);
        h->cpu->dr[7] |= dr7(i, (unsigned)c->break_at[i].rw, c->break_at[i].len);
        if (c->how & GLOBAL) {
            h->cpu->dr[7] ^= 3u << 2 * i;
        }
        if (c->how & OFF) {
            h->cpu->dr[7] &= ~(uint64_t)(3u << 2 * i);
        }
    }
    h->cpu->cr4 |= c->how & NO_DE ? 0 : CR4_DE;
    h->cpu->rflags |= c->how & STEPPING ? RFLAGS_TF : 0;
    soft_breakpoints_update(h->s);
    soft_update_mode(h->s);
}

static void check(const Case *c)
{
    unsigned count = (unsigned)get64(TRACE), wanted = 0;
    g_autoptr(GString) found = g_string_new(NULL);
    bool same = true;

    for (; wanted < MAX_TRAPS && c->traps[wanted].rip >= 0; wanted++) {
        const Trap *t = &c->traps[wanted];
        uint64_t at = TRACE + 16 + 32 * wanted;

        same = same && get64(at) == HARNESS_CODE + (uint64_t)t->rip &&
               (get64(at + 8) & ~(uint64_t)DR6_FIXED_ONE) == t->dr6 &&
               !(get64(at + 16) & RFLAGS_RF) == !t->rf;
    }
    for (unsigned i = 0; i < MIN(count, 8); i++) {
        uint64_t at = TRACE + 16 + 32 * i;

        g_string_append_printf(found, " %d/%x%s", (int)(get64(at) - HARNESS_CODE),
                               (unsigned)get64(at + 8), get64(at + 16) & RFLAGS_RF ? "/RF" : "");
    }
    if (count != wanted || !same) {
        g_test_message("%s (case %d): %u traps at%s", c->name, (int)(c - cases), count, found->str);
        g_test_fail();
    }
}

static void test_cases(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];

        prepare(c->how & USER ? HARNESS_USER64 : HARNESS_LONG64);
        harness_load(h, c->code, (size_t)(c->end - c->code));
        put64(CODE_END, HARNESS_CODE + (uint64_t)(c->end - c->code));
        put64(DATA, c->code == code_jump_mem ? HARNESS_CODE + 3 : 0x10);
        put64(DATA + 0x200, 0x10);
        put64(HARNESS_GDT + 0x38, get64(HARNESS_GDT + 0x38) & ~((uint64_t)SEG_A << 32));
        if (c->code == code_far_call) {
            put32(DATA, HARNESS_CODE + 3);
            put16(DATA + 4, 8);
        }
        if (c->code == code_ltr) { /* it is marked busy by that */
            put32(HARNESS_GDT + 0x4c, get32(HARNESS_GDT + 0x4c) & ~(2u << SEG_TYPE_SHIFT));
        }
        arm(c);
        if (c->how & NMI) {
            x86_cpu_interrupt(h->cpu, CPU_INT_NMI);
        }
        int end = harness_run(h, 5000);
        if (end != -1) {
            g_test_message("%s (case %d) ended with %d", c->name, (int)i, end);
            g_test_fail();
        }
        h->cpu->nmi_blocked = false;
        check(c);
    }
}

/* Nothing is lost where a machine is saved between any two turns of the engine. */
static void test_moved(void)
{
    h->moved = true;
    test_cases();
    h->moved = false;
}

/* What is hit by an instruction that faults is not reported; what the fault pushes is. */
static void test_fault_forgets(void)
{
    prepare(HARNESS_LONG64);
    set_gate(EXC_GP, ON_OTHER); /* where there is an error code in IRET's way: only HLT */
    memset(h->ram + ON_OTHER, 0xf4, 1);
    GUEST_LOAD(h, lar_bad);
    h->cpu->dr[0] = HARNESS_GDT + 0x48;
    h->cpu->dr[7] = dr7(0, DR7_RW_ACCESS, 8);
    soft_breakpoints_update(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, ON_OTHER + 1);
    g_assert_cmpuint(get64(TRACE), ==, 0);

    prepare(HARNESS_LONG64);
    set_gate(EXC_GP, ON_OTHER);
    memset(h->ram + ON_OTHER, 0xf4, 1);
    GUEST_LOAD(h, lar_bad);
    h->cpu->dr[0] = HARNESS_GDT + 0x48;
    h->cpu->dr[1] = HARNESS_STACK - 48; /* the error code */
    h->cpu->dr[7] = dr7(0, DR7_RW_ACCESS, 8) | dr7(1, DR7_RW_WRITE, 2);
    soft_breakpoints_update(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmpuint(get64(TRACE), ==, 1);
    g_assert_cmphex(get64(TRACE + 16), ==, ON_OTHER);
    g_assert_cmphex(get64(TRACE + 24), ==, DR6_FIXED_ONE | 2);
}

/* A breakpoint on what every #DB reads raises #DB without end, as on processors; the vCPU can be
 * stopped all the same. */
static void test_endless(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, store);
    h->cpu->dr[0] = GATE(EXC_DB);
    h->cpu->dr[1] = DATA;
    h->cpu->dr[7] = dr7(0, DR7_RW_ACCESS, 8) | dr7(1, DR7_RW_WRITE, 4);
    soft_breakpoints_update(h->s);
    g_assert_cmpint(harness_run(h, 50), ==, -2);
    g_assert_cmphex(h->cpu->rip, ==, ON_DB);
    g_assert_cmpuint(get64(TRACE), ==, 0);
}

/* ---- which accesses ---- */

/* MOV of 1, 2, 4, 8 bytes from RAX to [RBX], and back. */
static const char *const stores[] = { "8803", "668903", "8903", "488903" };
static const char *const loads[] = { "8a03", "668b03", "8b03", "488b03" };

static void test_overlap(void)
{
    for (unsigned len = 1; len <= 8; len *= 2) {
        for (unsigned i = 0; i < 4; i++) {
            for (int off = -8; off <= 8; off++) {
                for (unsigned how = 0; how < 4; how++) {
                    bool store = how & 1, access = how & 2;
                    int size = 1 << i;

                    prepare(HARNESS_LONG64);
                    h->deliver = false;
                    h->cpu->regs[X86_RBX] = (uint64_t)(DATA + 0x40 + off);
                    /* Low bits of the address do not count. */
                    h->cpu->dr[3] = DATA + 0x40 + len - 1;
                    h->cpu->dr[7] = dr7(3, access ? DR7_RW_ACCESS : DR7_RW_WRITE, len);
                    soft_breakpoints_update(h->s);
                    set_gate(EXC_DB, HARNESS_CODE + 0x100); /* where there is HLT */
                    h->ram[HARNESS_CODE + 0x100] = 0xf4;
                    run(store ? stores[i] : loads[i]);
                    bool hit = h->cpu->dr[6] & 8;
                    bool wanted = off < (int)len && off + size > 0 && (store || access);
                    if (hit != wanted) {
                        g_test_message("%s of %d at %d, breakpoint of %u: %s",
                                       store ? "store" : "load", size, off, len,
                                       hit ? "hit" : "not hit");
                        g_test_fail();
                    }
                }
            }
        }
    }
}

/* ---- registers ---- */

GUEST_CODE(read_dr, 64, "nop\n\tmov %dr0, %rsi\n\tnop");
GUEST_CODE(read_dr4, 64, "mov %dr4, %rsi\n\tmov %dr5, %rdi\n\tnop");

static void test_general_detect(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, read_dr);
    h->cpu->dr[0] = 0x1234;
    h->cpu->dr[7] = DR7_FIXED_ONE | DR7_GD;
    soft_breakpoints_update(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmpuint(get64(TRACE), ==, 1);
    g_assert_cmphex(get64(TRACE + 16), ==, HARNESS_CODE + 1);
    g_assert_cmphex(get64(TRACE + 24), ==, DR6_FIXED_ONE | DR6_BD);
    g_assert_true(get64(TRACE + 32) & RFLAGS_RF); /* a fault */
    g_assert_cmphex(get64(TRACE + 40), ==, DR7_FIXED_ONE);
    g_assert_cmphex(h->cpu->regs[X86_RSI], ==, 0x1234);
}

static void test_aliases(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, read_dr4);
    h->cpu->dr[7] = dr7(0, DR7_RW_ACCESS, 4);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RSI], ==, DR6_FIXED_ONE);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, dr7(0, DR7_RW_ACCESS, 4));

    prepare(HARNESS_LONG64);
    h->deliver = false;
    GUEST_LOAD(h, read_dr4);
    h->cpu->cr4 |= CR4_DE;
    g_assert_cmpint(harness_run(h, 100), ==, EXC_UD);
}

/* RF lets the instruction fault, and the fault pushes it set. */
static void test_fault_at_breakpoint(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, undefined);
    h->cpu->dr[0] = HARNESS_CODE + 1;
    h->cpu->dr[7] = dr7(0, DR7_RW_CODE, 1);
    soft_breakpoints_update(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmpuint(get64(TRACE), ==, 1);
    g_assert_cmphex(get64(TRACE + 32) & RFLAGS_RF, ==, 0);
    g_assert_cmphex(get64(UD_FLAGS) & RFLAGS_RF, ==, RFLAGS_RF);
}

/* ---- changes ---- */

/* Decoded code is cut anew wherever breakpoints move to. */
static void test_moves(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, counting);
    h->deliver = true;
    for (unsigned round = 0; round < 40; round++) {
        unsigned at = (unsigned[]){ 0, 2, 3, 2, 9 }[round % 5]; /* 9: none */

        put64(TRACE, 0);
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RCX] = 40;
        h->cpu->dr[0] = HARNESS_CODE + at;
        h->cpu->dr[7] = at == 9 ? DR7_FIXED_ONE : dr7(0, DR7_RW_CODE, 1);
        soft_breakpoints_update(h->s);
        put64(CODE_END, 0);
        g_assert_cmpint(harness_run(h, 2000), ==, -1);
        g_assert_cmpuint(get64(TRACE), >=, at == 9 ? 0 : 40);
        g_assert_cmpuint(get64(TRACE), ==, at == 9 ? 0 : 40);
        put64(TRACE, 0);
    }
}

/* A breakpoint's address is linear: CS' base counts. */
static void test_real_mode(void)
{
    harness_reset(h, HARNESS_REAL);
    harness_load(h, "\x90\x90\x90", 3);
    soft_set_rflags(h->s, RFLAGS_ONE);
    h->cpu->segs[X86_SEG_CS].base = HARNESS_REAL_CODE - 0x100;
    h->cpu->rip = 0x100;
    soft_update_mode(h->s);
    h->deliver = true;
    h->cpu->dr[2] = HARNESS_REAL_CODE + 2;
    h->cpu->dr[7] = dr7(2, DR7_RW_CODE, 1);
    soft_breakpoints_update(h->s);
    put64(4 * EXC_DB, 0x6000); /* HLT */
    h->ram[0x6000] = 0xf4;
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, 0x6001);
    g_assert_cmphex(h->cpu->dr[6], ==, DR6_FIXED_ONE | 4);
    g_assert_cmphex(get16(HARNESS_REAL_STACK - 6), ==, 0x102);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-break/cases", test_cases);
    g_test_add_func("/soft-break/moved", test_moved);
    g_test_add_func("/soft-break/fault-forgets", test_fault_forgets);
    g_test_add_func("/soft-break/endless", test_endless);
    g_test_add_func("/soft-break/overlap", test_overlap);
    g_test_add_func("/soft-break/general-detect", test_general_detect);
    g_test_add_func("/soft-break/dr4-dr5", test_aliases);
    g_test_add_func("/soft-break/fault", test_fault_at_breakpoint);
    g_test_add_func("/soft-break/moves", test_moves);
    g_test_add_func("/soft-break/real-mode", test_real_mode);
    int status = g_test_run();
    harness_free(h);
    return status;
}
