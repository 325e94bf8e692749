/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware task switches of the software CPU (SDM vol. 3 chapter 8): what is saved and loaded, busy
 * flags and links, and each check with its fault, its error code, and the task that it is raised
 * in.
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

enum {
    /* Selectors. */
    CODE = 0x18,
    DATA = 0x10,
    OLD = 0x48,
    NEW32 = 0x58,
    NEW16 = 0x60,
    GATE32 = 0x68, /* task gate to NEW32 */
    GATE16 = 0x70,
    LDT = 0x78,
    SPARE = 0x80, /* the test's own */
    USER_CODE = 0x33,
    USER_DATA = 0x3b,
    IN_LDT = 0x0c, /* LDT entry 1: task gate to NEW32 */
    GDT_LIMIT = 0x8f,
    /* Addresses. */
    TSS32 = 0x20000,
    TSS16 = 0x20200,
    LDT_TABLE = 0x20400,
    NEW_CODE = 0x30000,
    HANDLER = 0x31000,
    NEW_STACK = 0x40000,
    PAGE_DIR = 0x50000, /* and a second one behind it */
    /* Offsets of a 32-bit TSS. */
    LINK = 0,
    CR3 = 0x1c,
    EIP = 0x20,
    EFLAGS = 0x24,
    REGS = 0x28,
    SEGS = 0x48,
    LDTR = 0x60,
    TRAP = 0x64,
    /* Of a 16-bit one. */
    IP16 = 0x0e,
    FLAGS16 = 0x10,
    REGS16 = 0x12,
    SEGS16 = 0x22,
    LDTR16 = 0x2a,
    BUSY_BYTE = 5, /* of a descriptor */
    BUSY = 2,
    HARD_VECTOR = 0x40,
};

#define JMP_NEW32  "ea000000005800"
#define CALL_NEW32 "9a000000005800"
#define JMP_NEW16  "ea000000006000"
#define CALL_NEW16 "9a000000006000"

static void put_descriptor(uint64_t addr, uint32_t base, uint32_t limit, unsigned type,
                           unsigned dpl)
{
    put32(addr, (limit & 0xffff) | base << 16);
    put32(addr + 4, (base >> 16 & 0xff) | type << 8 | dpl << 13 | SEG_P | (limit & 0xf0000) |
                        (base & 0xff000000));
}

static void put_task_gate(uint64_t addr, unsigned selector, unsigned dpl)
{
    put32(addr, selector << 16);
    put32(addr + 4, SYS_TASK_GATE << 8 | dpl << 13 | SEG_P);
}

static uint64_t gdt(unsigned selector)
{
    return HARNESS_GDT + selector;
}

static bool busy(unsigned selector)
{
    return h->ram[gdt(selector) + BUSY_BYTE] & BUSY;
}

static void build_tss(void)
{
    static const uint16_t segs[] = { DATA, CODE, DATA, DATA, DATA, DATA };

    put32(TSS32 + EIP, NEW_CODE);
    put32(TSS32 + EFLAGS, RFLAGS_ONE | RFLAGS_ZF);
    put16(TSS16 + IP16, 0x8000);
    put16(TSS16 + FLAGS16, RFLAGS_ONE | RFLAGS_SF);
    for (unsigned i = 0; i < 8; i++) {
        put32(TSS32 + REGS + 4 * i, i == X86_RSP ? NEW_STACK : 0x11110000 + i);
        put16(TSS16 + REGS16 + 2 * i, (uint16_t)(i == X86_RSP ? 0x7000 : 0x2220 + i));
    }
    for (unsigned i = 0; i < 6; i++) {
        put16(TSS32 + SEGS + 4 * i, segs[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        put16(TSS16 + SEGS16 + 2 * i, segs[i]);
    }
    put16(TSS32 + LDTR, LDT);
}

static void reset(void)
{
    harness_reset(h, HARNESS_FLAT32);
    h->deliver = false;
    h->cpu->gdt.limit = GDT_LIMIT;
    h->ram[gdt(OLD) + BUSY_BYTE] |= BUSY;
    put_descriptor(gdt(NEW32), TSS32, 0x67, SYS_TSS, 0);
    put_descriptor(gdt(NEW16), TSS16, 0x2b, SYS_TSS16, 0);
    put_task_gate(gdt(GATE32), NEW32, 0);
    put_task_gate(gdt(GATE16), NEW16, 0);
    put_descriptor(gdt(LDT), LDT_TABLE, 0xf, SYS_LDT, 0);
    put_task_gate(LDT_TABLE + (IN_LDT & ~7u), NEW32, 0);
    build_tss();
    memset(h->ram + NEW_CODE, 0xf4, 1);
    memset(h->ram + 0x8000, 0xf4, 1);
    for (unsigned i = 0; i < 8; i++) {
        if (i != X86_RSP) {
            h->cpu->regs[i] = 0x33330000 + i;
        }
    }
    h->cpu->dr[7] = DR7_FIXED_ONE | 0x3ff;
}

static void check_saved32(uint32_t next)
{
    g_assert_cmphex(get32(HARNESS_TSS + EIP), ==, next);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(get32(HARNESS_TSS + REGS + 4 * i), ==,
                        i == X86_RSP ? HARNESS_STACK : 0x33330000 + i);
    }
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(get16(HARNESS_TSS + SEGS + 4 * i), ==, i == X86_SEG_CS ? CODE : DATA);
    }
}

static void check_loaded32(void)
{
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(h->cpu->regs[i], ==, i == X86_RSP ? NEW_STACK : 0x11110000 + i);
    }
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(h->cpu->segs[i].selector, ==, i == X86_SEG_CS ? CODE : DATA);
        g_assert_cmphex(h->cpu->segs[i].limit, ==, UINT32_MAX);
    }
    g_assert_cmphex(h->cpu->ldt.selector, ==, LDT);
    g_assert_cmphex(h->cpu->ldt.base, ==, LDT_TABLE);
    g_assert_cmphex(h->cpu->tr.selector, ==, NEW32);
    g_assert_cmphex(h->cpu->tr.base, ==, TSS32);
    g_assert_true(h->cpu->cr0 & CR0_TS);
    g_assert_cmphex(h->cpu->dr[7], ==, DR7_FIXED_ONE | 0x2aa);
}

/* ---- the ways there ---- */

static void test_jump(void)
{
    reset();
    g_assert_cmpint(run(JMP_NEW32), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, NEW_CODE + 1);
    check_saved32(HARNESS_CODE + 7);
    check_loaded32();
    g_assert_cmphex(soft_get_rflags(h->s), ==, RFLAGS_ONE | RFLAGS_ZF);
    g_assert_false(busy(OLD));
    g_assert_true(busy(NEW32));
    g_assert_cmphex(get16(TSS32 + LINK), ==, 0);
}

static void test_call(void)
{
    reset();
    g_assert_cmpint(run(CALL_NEW32), ==, -1);
    check_saved32(HARNESS_CODE + 7);
    check_loaded32();
    g_assert_cmphex(soft_get_rflags(h->s), ==, RFLAGS_ONE | RFLAGS_ZF | RFLAGS_NT);
    g_assert_true(busy(OLD));
    g_assert_true(busy(NEW32));
    g_assert_cmphex(get16(TSS32 + LINK), ==, OLD);
}

/* CALL, and IRET in the new task. */
static void test_return(void)
{
    reset();
    memset(h->ram + NEW_CODE, 0xcf, 1); /* IRET; behind it the task goes on the next time */
    put32(HARNESS_TSS + CR3, 0);
    h->cpu->nmi_blocked = true;
    g_assert_cmpint(run(CALL_NEW32), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 8);
    g_assert_false(busy(NEW32));
    g_assert_true(busy(OLD));
    g_assert_cmphex(h->cpu->tr.selector, ==, OLD);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, 0x33330007);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
    g_assert_false(soft_get_rflags(h->s) & RFLAGS_NT);
    g_assert_false(h->cpu->nmi_blocked);
    /* What the task that was left had. */
    g_assert_cmphex(get32(TSS32 + EIP), ==, NEW_CODE + 1);
    g_assert_cmphex(get32(TSS32 + EFLAGS), ==, RFLAGS_ONE | RFLAGS_ZF);
}

static void test_16_bit(void)
{
    reset();
    h->ram[0x8000] = 0x66; /* 32-bit code: IRETD is CF, and the size does not matter here */
    h->ram[0x8001] = 0xcf;
    g_assert_cmpint(run(CALL_NEW16), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 8);
    g_assert_cmphex(get16(TSS16 + IP16), ==, 0x8002);
    g_assert_cmphex(get16(TSS16 + FLAGS16), ==, RFLAGS_ONE | RFLAGS_SF);
    g_assert_cmphex(get16(TSS16 + REGS16 + 2 * X86_RSP), ==, 0x7000);
    g_assert_cmphex(get16(TSS16 + REGS16 + 2 * X86_RBX), ==, 0x2223);
    g_assert_cmphex(get16(TSS16 + SEGS16 + 2 * X86_SEG_DS), ==, DATA);
    g_assert_cmphex(get16(TSS16 + LINK), ==, OLD);

    reset();
    h->cpu->cr3 = 0x1000;
    g_assert_cmpint(run(JMP_NEW16), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, 0x8001);
    g_assert_cmphex(h->cpu->regs[X86_RSI] & 0xffff, ==, 0x2226);
    g_assert_cmphex(h->cpu->segs[X86_SEG_FS].selector, ==, 0);
    g_assert_cmphex(h->cpu->ldt.selector, ==, 0);
    g_assert_cmphex(h->cpu->cr3, ==, 0x1000);
    g_assert_true(busy(NEW16));
}

static void test_gates(void)
{
    static const char *const codes[] = { "ea000000006800", "9a000000006800", "ea000000000c00" };

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        reset();
        h->cpu->ldt = (X86Segment){ .selector = LDT, .base = LDT_TABLE, .limit = 0xf };
        g_assert_cmpint(run(codes[i]), ==, -1);
        check_loaded32();
        check_saved32(HARNESS_CODE + 7);
        g_assert_cmpint(busy(OLD), ==, i == 1);
    }
    reset();
    g_assert_cmpint(run("ea000000007000"), ==, -1);
    g_assert_cmphex(h->cpu->tr.selector, ==, NEW16);
}

/* From ring 3 by a gate that it may use, to a TSS that it may not. */
static void set_user(void)
{
    for (unsigned i = 0; i < 6; i++) {
        h->cpu->segs[i].selector = i == X86_SEG_CS ? USER_CODE : USER_DATA;
        h->cpu->segs[i].flags |= SEG_DPL_MASK;
    }
    soft_update_mode(h->s);
}

static void test_privilege(void)
{
    for (unsigned dpl = 2; dpl < 4; dpl++) {
        reset();
        set_user();
        put_task_gate(gdt(GATE32), NEW32, dpl);
        g_assert_cmpint(run("ea000000006800"), ==, dpl == 3 ? -1 : EXC_GP);
        reset();
        set_user();
        put_descriptor(gdt(NEW32), TSS32, 0x67, SYS_TSS, dpl);
        g_assert_cmpint(run(JMP_NEW32), ==, dpl == 3 ? -1 : EXC_GP);
        reset();
        set_user();
        put_task_gate(HARNESS_IDT + 8 * 0x30, NEW32, dpl);
        g_assert_cmpint(run("cd30"), ==, dpl == 3 ? -1 : EXC_GP);
        g_assert_cmpuint(soft_cpl(h->s), ==, dpl == 3 ? 0 : 3);
        g_assert_cmpint((int)h->error_code, ==, dpl == 3 ? -1 : 0x30 * 8 + 2);
    }
    reset(); /* the selector's RPL counts as well */
    g_assert_cmpint(run("ea000000005b00"), ==, EXC_GP);
}

/* ---- events ---- */

static int acknowledge(void *apic)
{
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    return HARD_VECTOR;
}
static const X86ApicOps apic_ops = { .acknowledge = acknowledge };

static void test_events(void)
{
    reset(); /* INT n: the next instruction is saved, without RF */
    put_task_gate(HARNESS_IDT + 8 * 0x30, NEW32, 0);
    g_assert_cmpint(run("cd30"), ==, -1);
    check_saved32(HARNESS_CODE + 2);
    check_loaded32();
    g_assert_false(get32(HARNESS_TSS + EFLAGS) & RFLAGS_RF);
    g_assert_true(soft_get_rflags(h->s) & RFLAGS_NT);
    g_assert_cmphex(get16(TSS32 + LINK), ==, OLD);

    reset(); /* a fault: its own instruction, with RF */
    h->deliver = true;
    put_task_gate(HARNESS_IDT + 8 * EXC_UD, NEW32, 0);
    g_assert_cmpint(run("900f0b"), ==, -1);
    check_saved32(HARNESS_CODE + 1);
    check_loaded32();
    g_assert_true(get32(HARNESS_TSS + EFLAGS) & RFLAGS_RF);

    reset(); /* an interrupt */
    h->deliver = true;
    h->cpu->apic_ops = &apic_ops;
    put_task_gate(HARNESS_IDT + 8 * HARD_VECTOR, NEW32, 0);
    h->cpu->rflags |= RFLAGS_IF;
    x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
    g_assert_cmpint(run("9090"), ==, -1);
    check_saved32(HARNESS_CODE);
    check_loaded32();
    g_assert_false(soft_get_rflags(h->s) & RFLAGS_IF);
}

/* An error code goes to the new task's stack, as wide as its TSS. */
static void test_error_code(void)
{
    for (unsigned wide = 0; wide < 2; wide++) {
        reset();
        h->deliver = true;
        put_task_gate(HARNESS_IDT + 8 * EXC_GP, wide ? NEW32 : NEW16, 0);
        put32(NEW_STACK - 4, UINT32_MAX);
        put32(0x7000 - 4, UINT32_MAX);
        h->cpu->regs[X86_RAX] = 0x7fff8;
        g_assert_cmpint(run("8ed8"), ==, -1); /* MOV DS, EAX */
        uint32_t sp = wide ? NEW_STACK - 4 : 0x7000 - 2;
        g_assert_cmphex(h->cpu->regs[X86_RSP], ==, sp);
        g_assert_cmphex(wide ? get32(sp) : get16(sp), ==, 0xfff8);
        g_assert_cmphex(get16(0x7000 - 4), ==, 0xffff);
    }
    reset(); /* no room for it */
    h->deliver = false;
    put_descriptor(gdt(SPARE), 0, 0xff, 0x13, 0);
    put16(TSS32 + SEGS + 4 * X86_SEG_SS, SPARE);
    put_task_gate(HARNESS_IDT + 8 * EXC_GP, NEW32, 0);
    h->cpu->event.valid = h->cpu->event.has_error = true;
    h->cpu->event.vector = EXC_GP;
    g_assert_cmpint(run("90"), ==, EXC_SS);
    g_assert_cmphex((uint64_t)h->error_code, ==, 1);
    g_assert_cmphex(h->cpu->rip, ==, NEW_CODE);
}

/* Nothing of the old task is needed to handle a double fault. */
static void test_double_fault(void)
{
    reset();
    h->deliver = true;
    put_task_gate(HARNESS_IDT + 8 * EXC_DF, NEW32, 0);
    h->cpu->segs[X86_SEG_SS].limit = 0xfff;
    put32(NEW_STACK - 4, UINT32_MAX);
    g_assert_cmpint(run("6800000000"), ==, -1); /* PUSH: #SS, and #GP for want of its gate */
    check_saved32(HARNESS_CODE);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, NEW_STACK - 4);
    g_assert_cmphex(get32(NEW_STACK - 4), ==, 0);
}

/* ---- other parts of the state ---- */

/* Paging with 4 MiB pages; the new task's tables map the second 4 MiB to the first. */
static void test_cr3(void)
{
    reset();
    put32(PAGE_DIR, PTE_P | PTE_RW | PTE_PS);
    put32(PAGE_DIR + 4, 0x400000 | PTE_P | PTE_RW | PTE_PS);
    put32(PAGE_DIR + 0x1000, PTE_P | PTE_RW | PTE_PS);
    put32(PAGE_DIR + 0x1004, PTE_P | PTE_RW | PTE_PS);
    h->cpu->cr4 = CR4_PSE;
    h->cpu->cr3 = PAGE_DIR;
    h->cpu->cr0 |= CR0_PG;
    put32(TSS32 + CR3, PAGE_DIR + 0x1000);
    memcpy(h->ram + NEW_CODE, "\xa1\x00\x00\x50\x00\xf4", 6); /* MOV EAX, [0x500000] */
    put32(0x100000, 0x12345678);
    put32(0x500000, 0x87654321);
    g_assert_cmpint(run("a100005000" JMP_NEW32), ==, -1);
    g_assert_cmphex(get32(HARNESS_TSS + REGS), ==, 0x87654321);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x12345678);
    g_assert_cmphex(h->cpu->cr3, ==, PAGE_DIR + 0x1000);

    /* A TSS that cannot be written: before anything changes. */
    reset();
    put32(PAGE_DIR, PTE_P | PTE_RW | PTE_PS);
    h->cpu->cr4 = CR4_PSE;
    h->cpu->cr3 = PAGE_DIR;
    h->cpu->cr0 |= CR0_PG;
    h->cpu->tr.base = 0x400000 - 0x40;
    g_assert_cmpint(run(JMP_NEW32), ==, EXC_PF);
    g_assert_cmphex(h->s->fault.cr2, ==, 0x400000);
    g_assert_cmphex((uint64_t)h->error_code, ==, PF_W);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    g_assert_cmphex(get32(0x400000 - 0x40 + EIP), ==, 0);
    g_assert_true(busy(OLD));
    g_assert_false(busy(NEW32));
}

static void test_trap(void)
{
    reset();
    h->deliver = true;
    put16(TSS32 + TRAP, 1);
    put32(HARNESS_IDT + 8 * EXC_DB, (uint32_t)CODE << 16 | (HANDLER & 0xffff));
    put32(HARNESS_IDT + 8 * EXC_DB + 4, (HANDLER & 0xffff0000) | SYS_INT << 8 | SEG_P);
    memset(h->ram + HANDLER, 0xf4, 1);
    g_assert_cmpint(run(JMP_NEW32), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, NEW_STACK - 12);
    g_assert_cmphex(get32(NEW_STACK - 12), ==, NEW_CODE);
    g_assert_false(get32(NEW_STACK - 4) & RFLAGS_RF);
    g_assert_cmphex(h->cpu->dr[6] & (DR6_BT | DR6_BS), ==, DR6_BT);
}

/* To virtual 8086 mode, and back by a task gate. */
static void test_vm86(void)
{
    reset();
    put32(TSS32 + EFLAGS, RFLAGS_ONE | RFLAGS_VM);
    put32(TSS32 + EIP, 0x100);
    put16(TSS32 + SEGS + 4 * X86_SEG_CS, NEW_CODE >> 4);
    put16(TSS32 + SEGS + 4 * X86_SEG_DS, 0x1234);
    put_task_gate(HARNESS_IDT + 8 * EXC_GP, NEW16, 0);
    memcpy(h->ram + NEW_CODE + 0x100, "\x8c\xd8\xf4", 3); /* MOV AX, DS; HLT */
    h->deliver = true;
    g_assert_cmpint(run(JMP_NEW32), ==, -1);
    g_assert_cmphex(h->cpu->tr.selector, ==, NEW16);
    g_assert_cmphex(get16(TSS16 + LINK), ==, NEW32);
    g_assert_cmphex(get32(TSS32 + REGS), ==, 0x11111234);
    g_assert_cmphex(get32(TSS32 + EIP), ==, 0x102);
    g_assert_cmphex(get32(TSS32 + EFLAGS), ==, RFLAGS_ONE | RFLAGS_VM | RFLAGS_RF);
    g_assert_cmphex(get16(TSS32 + SEGS + 4 * X86_SEG_CS), ==, NEW_CODE >> 4);
    g_assert_false(h->cpu->rflags & RFLAGS_VM);
}

/* ---- checks ---- */

typedef struct Check {
    const char *code;
    unsigned selector; /* whose descriptor is spoilt */
    uint32_t flip;     /* bits of its high dword */
    int vector;
    unsigned error;
} Check;

/* In the old task, which is as it was. */
static void test_old_checks(void)
{
    static const Check checks[] = {
        { JMP_NEW32, NEW32, SEG_P, EXC_NP, NEW32 },
        { JMP_NEW32, NEW32, BUSY << 8, EXC_GP, NEW32 },
        { CALL_NEW32, NEW32, BUSY << 8, EXC_GP, NEW32 },
        { CALL_NEW16, NEW16, BUSY << 8, EXC_GP, NEW16 },
        { JMP_NEW16, NEW16, SEG_P, EXC_NP, NEW16 },
        { "ea000000006800", GATE32, SEG_P, EXC_NP, GATE32 },
        { "ea000000006800", NEW32, SEG_P, EXC_NP, NEW32 },
        { "ea000000006800", NEW32, BUSY << 8, EXC_GP, NEW32 },
        { "ea000000006800", NEW32, SEG_S, EXC_GP, NEW32 },
        { "ea000000004800", OLD, 0, EXC_GP, OLD },  /* itself */
        { "ea000000009000", OLD, 0, EXC_GP, 0x90 }, /* beyond the GDT */
        { "cd30", NEW32, SEG_P, EXC_NP, NEW32 },    /* INT: EXT is 0 */
        { "cd30", NEW32, BUSY << 8, EXC_GP, NEW32 },
        { "0f0b", NEW32, SEG_P, EXC_NP, NEW32 | 1 }, /* #UD: EXT is 1 */
        { "0f0b", NEW32, BUSY << 8, EXC_GP, NEW32 | 1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        const Check *c = &checks[i];
        reset();
        put_task_gate(HARNESS_IDT + 8 * 0x30, NEW32, 0);
        put_task_gate(HARNESS_IDT + 8 * EXC_UD, NEW32, 0);
        put32(gdt(c->selector) + 4, get32(gdt(c->selector) + 4) ^ c->flip);
        if (strcmp(c->code, "0f0b") == 0) {
            h->cpu->event.valid = true;
            h->cpu->event.vector = EXC_UD;
        }
        int vector = run(c->code);
        if (vector != c->vector || h->error_code != c->error) {
            g_test_message("%zu: vector %d, error %x", i, vector, (unsigned)h->error_code);
            g_test_fail();
        }
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
        g_assert_cmphex(h->cpu->tr.selector, ==, OLD);
        g_assert_cmphex(get32(HARNESS_TSS + EIP), ==, 0);
        g_assert_true(busy(OLD));
    }
}

static void test_tss_limits(void)
{
    for (unsigned beyond = 0; beyond < 2; beyond++) {
        reset();
        put_descriptor(gdt(NEW32), TSS32, 0x67 - beyond, SYS_TSS, 0);
        g_assert_cmpint(run(JMP_NEW32), ==, beyond ? EXC_TS : -1);
        g_assert_cmphex((uint64_t)h->error_code, ==, beyond ? NEW32 : UINT64_MAX);
        reset();
        put_descriptor(gdt(NEW16), TSS16, 0x2b - beyond, SYS_TSS16, 0);
        g_assert_cmpint(run(JMP_NEW16), ==, beyond ? EXC_TS : -1);
        reset();
        h->cpu->tr.limit = 0x5f - beyond;
        g_assert_cmpint(run(JMP_NEW32), ==, beyond ? EXC_TS : -1);
        g_assert_cmphex((uint64_t)h->error_code, ==, beyond ? OLD : UINT64_MAX);
    }
}

/* IRET with NT: the link is to a TSS in the GDT that is busy and present. */
static void test_return_checks(void)
{
    static const struct {
        unsigned link;
        uint32_t flip;
        int vector;
        unsigned error;
    } cases[] = {
        { NEW32, BUSY << 8, -1, 0 },
        { NEW32, 0, EXC_TS, NEW32 },
        { NEW32, SEG_P | BUSY << 8, EXC_NP, NEW32 },
        { NEW32 | 4, BUSY << 8, EXC_TS, NEW32 | 4 },
        { 0x90, 0, EXC_TS, 0x90 },
        { DATA, 0, EXC_TS, DATA },
        { 0, 0, EXC_TS, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        reset();
        put16(HARNESS_TSS + LINK, (uint16_t)cases[i].link);
        put32(gdt(NEW32) + 4, get32(gdt(NEW32) + 4) ^ cases[i].flip);
        h->cpu->rflags |= RFLAGS_NT;
        g_assert_cmpint(run("cf"), ==, cases[i].vector);
        if (cases[i].vector >= 0) {
            g_assert_cmphex((uint64_t)h->error_code, ==, cases[i].error);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
            g_assert_true(busy(OLD));
        } else {
            check_loaded32();
            g_assert_false(get32(HARNESS_TSS + EFLAGS) & RFLAGS_NT);
            g_assert_false(busy(OLD));
            g_assert_true(busy(NEW32));
        }
    }
    harness_reset(h, HARNESS_LONG64); /* there are no tasks */
    h->cpu->rflags |= RFLAGS_NT;
    g_assert_cmpint(run("48cf"), ==, EXC_GP);
}

enum { CODE_TYPE = 0x1b, DATA_TYPE = 0x13, CONFORMING = 0x1f, NONE = 0xff };

/* In the new task: its registers are there, its first instruction has not run. */
static void test_new_checks(void)
{
    static const struct {
        unsigned seg;      /* 6: LDTR */
        unsigned selector; /* new one; SPARE is made of the next two */
        unsigned type, dpl;
        bool present;
        int vector;
        unsigned error;
    } cases[] = {
        { 6, 0, NONE, 0, true, -1, 0 },
        { 6, SPARE, DATA_TYPE, 0, true, EXC_TS, SPARE },
        { 6, SPARE, SYS_LDT, 0, false, EXC_TS, SPARE },
        { 6, SPARE | 4, SYS_LDT, 0, true, EXC_TS, SPARE | 4 },
        { 6, 0x90, NONE, 0, true, EXC_TS, 0x90 },
        { X86_SEG_CS, 0, NONE, 0, true, EXC_TS, 0 },
        { X86_SEG_CS, DATA, NONE, 0, true, EXC_TS, DATA },
        { X86_SEG_CS, 0x90, NONE, 0, true, EXC_TS, 0x90 },
        { X86_SEG_CS, SPARE, CODE_TYPE, 0, false, EXC_NP, SPARE },
        { X86_SEG_CS, SPARE, CODE_TYPE, 1, true, EXC_TS, SPARE },
        { X86_SEG_CS, SPARE, CONFORMING, 1, true, EXC_TS, SPARE },
        { X86_SEG_CS, SPARE | 1, CODE_TYPE, 0, true, EXC_TS, SPARE },
        { X86_SEG_SS, 0, NONE, 0, true, EXC_TS, 0 },
        { X86_SEG_SS, CODE, NONE, 0, true, EXC_TS, CODE },
        { X86_SEG_SS, SPARE, DATA_TYPE - 2, 0, true, EXC_TS, SPARE },
        { X86_SEG_SS, SPARE, DATA_TYPE, 0, false, EXC_SS, SPARE },
        { X86_SEG_SS, SPARE, DATA_TYPE, 3, true, EXC_TS, SPARE },
        { X86_SEG_SS, SPARE | 3, DATA_TYPE, 0, true, EXC_TS, SPARE },
        { X86_SEG_DS, 0, NONE, 0, true, -1, 0 },
        { X86_SEG_DS, 0x90, NONE, 0, true, EXC_TS, 0x90 },
        { X86_SEG_ES, SPARE, CODE_TYPE - 2, 0, true, EXC_TS, SPARE },
        { X86_SEG_FS, SPARE, DATA_TYPE, 0, false, EXC_NP, SPARE },
        { X86_SEG_GS, SPARE | 3, DATA_TYPE, 0, true, EXC_TS, SPARE },
        { X86_SEG_GS, SPARE | 3, CONFORMING, 0, true, -1, 0 },
        { X86_SEG_DS, NEW16, NONE, 0, true, EXC_TS, NEW16 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned ext = 0; ext < 2; ext++) {
            reset();
            put_descriptor(gdt(SPARE), 0, 0xfffff, cases[i].type, cases[i].dpl);
            put32(gdt(SPARE) + 4,
                  (get32(gdt(SPARE) + 4) | SEG_G | SEG_DB) & (cases[i].present ? ~0u : ~SEG_P));
            put16(TSS32 + (cases[i].seg == 6 ? (unsigned)LDTR : SEGS + 4 * cases[i].seg),
                  (uint16_t)cases[i].selector);
            put_task_gate(HARNESS_IDT + 8 * EXC_UD, NEW32, 0);
            h->cpu->event.valid = ext;
            h->cpu->event.vector = EXC_UD;
            int vector = run(JMP_NEW32);
            bool fault = cases[i].vector >= 0;
            if (vector != cases[i].vector || (fault && h->error_code != (cases[i].error | ext))) {
                g_test_message("%zu: vector %d, error %x", i, vector, (unsigned)h->error_code);
                g_test_fail();
            }
            g_assert_cmphex(h->cpu->rip, ==, NEW_CODE + !fault);
            g_assert_cmphex(h->cpu->tr.selector, ==, NEW32);
            g_assert_cmphex(h->cpu->regs[X86_RSI], ==, 0x11110006);
            g_assert_true(busy(NEW32));
        }
    }
    reset(); /* EIP beyond the code segment */
    put_descriptor(gdt(SPARE), 0, 0xfff, CODE_TYPE, 0);
    put16(TSS32 + SEGS + 4 * X86_SEG_CS, SPARE);
    g_assert_cmpint(run(JMP_NEW32), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0);
    g_assert_cmphex(h->cpu->rip, ==, NEW_CODE);
}

static void test_long_mode(void)
{
    harness_reset(h, HARNESS_LONG64);
    h->deliver = false;
    h->cpu->gdt.limit = GDT_LIMIT;
    put_descriptor(gdt(NEW32), TSS32, 0x67, SYS_TSS, 0);
    put32(HARNESS_DATA, 0);
    put16(HARNESS_DATA + 4, NEW32);
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    g_assert_cmpint(run("ff2b"), ==, EXC_GP); /* JMP far [RBX] */
    g_assert_cmphex((uint64_t)h->error_code, ==, NEW32);
    put_task_gate(gdt(NEW32), OLD, 0);
    g_assert_cmpint(run("ff2b"), ==, EXC_GP);
    put_task_gate(HARNESS_IDT + 16 * 0x30, NEW32, 0);
    g_assert_cmpint(run("cd30"), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x30 * 8 + 2);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "/soft-task/jump", test_jump },
        { "/soft-task/call", test_call },
        { "/soft-task/return", test_return },
        { "/soft-task/16-bit", test_16_bit },
        { "/soft-task/gates", test_gates },
        { "/soft-task/privilege", test_privilege },
        { "/soft-task/events", test_events },
        { "/soft-task/error-code", test_error_code },
        { "/soft-task/double-fault", test_double_fault },
        { "/soft-task/cr3", test_cr3 },
        { "/soft-task/trap", test_trap },
        { "/soft-task/vm86", test_vm86 },
        { "/soft-task/checks/old", test_old_checks },
        { "/soft-task/checks/limits", test_tss_limits },
        { "/soft-task/checks/return", test_return_checks },
        { "/soft-task/checks/new", test_new_checks },
        { "/soft-task/long-mode", test_long_mode },
    };

    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add_func(tests[i].name, tests[i].fn);
    }
    int status = g_test_run();
    harness_free(h);
    return status;
}
