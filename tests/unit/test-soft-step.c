/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single-stepping and interrupt shadows of the software CPU: after which instructions the trap of
 * EFLAGS.TF comes, and after which an interrupt (SDM vol. 3 sections 6.8.3 and 17.3.1.4).
 */
#include <string.h>

#include "tests/unit/soft-guest.h"

enum {
    TRACE = 0x60000, /* count of traps; at 8 the RIP that ends it; from 16 the RIPs */
    ON_TRAP = 0x30000,
    ON_INT = 0x31000,
    ON_UD = 0x32000,
    ON_SYSCALL = 0x33000,
    ON_INTERRUPT = 0x34000,
    RING0_STACK = 0x90000,
    INT_VECTOR = 0x80,
    HARD_VECTOR = 0x40,
    PORT = 0x5000, /* nobody is there */
    MAX_TRAPS = 12,
};

/* Notes where it came from; stops stepping when that is the end. */
GUEST_CODE(on_trap, 64,
           "push %rax\n\tpush %rbx\n\t"
           "mov 16(%rsp), %rax\n\tmov 0x60000, %ebx\n\tmov %rax, 0x60010(,%rbx,8)\n\t"
           "incl 0x60000\n\tcmp 0x60008, %rax\n\tjne 1f\n\tandl $~0x100, 32(%rsp)\n1:\t"
           "pop %rbx\n\tpop %rax\n\tiretq");
GUEST_CODE(on_int, 64, "nop\n\tnop\n\tiretq");
GUEST_CODE(on_ud, 64, "addq $2, (%rsp)\n\tiretq");
GUEST_CODE(on_syscall, 64, "nop\n\tnop\n\tsysretq");
/* Notes where it came from in R15. */
GUEST_CODE(on_interrupt, 64, "mov (%rsp), %r15\n\tiretq");

#define PLACE(name, addr) \
    memcpy(h->ram + (addr), code_##name, (size_t)(code_##name##_end - code_##name))

static void set_gate(unsigned vector, uint32_t handler, unsigned dpl)
{
    put64(HARNESS_IDT + 16 * vector,
          (handler & 0xffff) | 0x08 << 16 |
              (uint64_t)(SYS_INT << 8 | dpl << 13 | SEG_P | (handler & 0xffff0000)) << 32);
}

static int acknowledge(void *apic)
{
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    return HARD_VECTOR;
}
static const X86ApicOps apic_ops = { .acknowledge = acknowledge };

static void prepare(HarnessMode mode)
{
    harness_reset(h, mode);
    h->deliver = true;
    h->cpu->apic_ops = &apic_ops;
    put64(HARNESS_TSS + 4, RING0_STACK);
    set_gate(EXC_DB, ON_TRAP, 0);
    set_gate(EXC_UD, ON_UD, 0);
    set_gate(EXC_NMI, ON_INTERRUPT, 0);
    set_gate(INT_VECTOR, ON_INT, 3);
    set_gate(HARD_VECTOR, ON_INTERRUPT, 0);
    PLACE(on_trap, ON_TRAP);
    PLACE(on_int, ON_INT);
    PLACE(on_ud, ON_UD);
    PLACE(on_syscall, ON_SYSCALL);
    PLACE(on_interrupt, ON_INTERRUPT);
    h->cpu->msr.star = (uint64_t)0x30 << 48 | (uint64_t)0x08 << 32;
    h->cpu->msr.lstar = ON_SYSCALL;
    h->cpu->regs[X86_RAX] = h->cpu->segs[X86_SEG_SS].selector;
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    h->cpu->regs[X86_RSI] = HARNESS_DATA;
    h->cpu->regs[X86_RDI] = HARNESS_DATA + 0x100;
    h->cpu->regs[X86_RCX] = 3;
    h->cpu->regs[X86_RDX] = PORT;
    h->cpu->regs[X86_R15] = 0;
    /* A far pointer to the stack. */
    memset(h->ram + HARNESS_DATA, 0, 0x200);
    put64(HARNESS_DATA, HARNESS_STACK | (uint64_t)0x10 << 32);
}

/* ---- traps ---- */

#define NOT_STEPPING 1 /* TF is clear at the start */
#define USER         2
#define MASK_TF      4 /* FMASK has TF */

GUEST_CODE(plain, 64, "nop\n\tnop");
GUEST_CODE(mov_ss, 64, "mov %eax, %ss\n\tnop\n\tnop");
GUEST_CODE(mov_ss_twice, 64, "mov %eax, %ss\n\tmov %eax, %ss\n\tnop");
GUEST_CODE(mov_ss_thrice, 64, "mov %eax, %ss\n\tmov %eax, %ss\n\tmov %eax, %ss\n\tnop");
GUEST_CODE(mov_ds, 64, "mov %eax, %ds\n\tnop");
GUEST_CODE(lss, 64, "lss (%rbx), %esp\n\tnop");
GUEST_CODE(mov_ss_int, 64, "mov %eax, %ss\n\tint $0x80\n\tnop\n\tnop");
GUEST_CODE(sti, 64, "sti\n\tnop");
GUEST_CODE(popf_sets, 64, "pushfq\n\torl $0x100, (%rsp)\n\tpopfq\n\tnop\n\tnop");
GUEST_CODE(popf_clears, 64, "pushfq\n\tandl $~0x100, (%rsp)\n\tpopfq\n\tnop\n\tnop");
GUEST_CODE(iret_sets, 64,
           "push $0x10\n\tpush $0x80000\n\tpush $0x102\n\tpush $8\n\tpush $(0x10000 + 1f - "
           "code_iret_sets)\n\tiretq\n1:\tnop\n\tnop");
GUEST_CODE(iret_clears, 64,
           "push $0x10\n\tpush $0x80000\n\tpush $2\n\tpush $8\n\tpush $(0x10000 + 1f - "
           "code_iret_clears)\n\tiretq\n1:\tnop\n\tnop");
GUEST_CODE(interrupt, 64, "int $0x80\n\tnop\n\tnop");
GUEST_CODE(ud2, 64, "ud2\n\tnop\n\tnop");
GUEST_CODE(rep_movs, 64, "rep movsb\n\tnop");
GUEST_CODE(rep_stos, 64, "rep stosq\n\tnop");
GUEST_CODE(rep_lods, 64, "rep lodsb\n\tnop");
GUEST_CODE(repe_cmps, 64, "add $8, %esi\n\trepe cmpsb\n\tnop");
GUEST_CODE(repne_scas, 64, "xor %eax, %eax\n\trepne scasb\n\tnop");
GUEST_CODE(rep_outs, 64, "rep outsb\n\tnop");
GUEST_CODE(rep_ins, 64, "rep insb\n\tnop");
GUEST_CODE(halt, 64, "hlt\n\tnop");
GUEST_CODE(system_call, 64, "syscall\n\tnop\n\tnop");
GUEST_CODE(sysret_sets, 64,
           "mov $0x102, %r11d\n\tmov $(0x10000 + 1f - code_sysret_sets), %ecx\n\t"
           "sysretq\n1:\tnop\n\tnop");
GUEST_CODE(sysret_clears, 64,
           "mov $2, %r11d\n\tmov $(0x10000 + 1f - code_sysret_clears), %ecx\n\t"
           "sysretq\n1:\tnop\n\tnop");

/* Where traps come from: offsets in the code, or addresses. -1 ends. */
typedef struct Step {
    const char *name;
    const uint8_t *code, *end;
    unsigned how;
    int traps[MAX_TRAPS];
} Step;

#define STEP(name, how, ...)                        \
    {                                               \
#name, code_##name, code_##name##_end, how, \
        {                                           \
            __VA_ARGS__, -1                         \
        }                                           \
    }

static const Step steps[] = {
    STEP(plain, 0, 1, 2),
    STEP(mov_ss, 0, 3, 4),
    STEP(mov_ss, USER, 3, 4),
    STEP(mov_ss_twice, 0, 5),
    STEP(mov_ss_thrice, 0, 7),
    STEP(mov_ds, 0, 2, 3),
    STEP(lss, 0, 3, 4),
    STEP(mov_ss_int, 0, 5, 6),
    STEP(sti, 0, 1, 2), /* the shadow of STI is for interrupts only */
    STEP(popf_sets, NOT_STEPPING, 10, 11),
    STEP(popf_clears, 0, 1, 8, 9),
    STEP(iret_sets, NOT_STEPPING, 22, 23),
    STEP(iret_clears, 0, 2, 7, 9, 11, 16, 18),
    STEP(interrupt, 0, 3, 4),
    STEP(interrupt, USER, 3, 4),
    STEP(ud2, 0, 3, 4),
    STEP(ud2, USER, 3, 4),
    STEP(rep_movs, 0, 0, 0, 2, 3),
    STEP(rep_stos, 0, 0, 0, 3, 4),
    STEP(rep_lods, 0, 0, 0, 2, 3),
    STEP(repe_cmps, 0, 3, 3, 3, 5, 6),
    STEP(repne_scas, 0, 2, 4, 5),
    STEP(rep_outs, 0, 0, 0, 2, 3),
    STEP(rep_ins, 0, 0, 0, 2, 3),
    STEP(halt, 0, 1, 2),
    STEP(system_call, USER | MASK_TF, 2, 3, 4),
    STEP(system_call, USER, ON_SYSCALL, ON_SYSCALL + 1, ON_SYSCALL + 2, 2, 3, 4),
    STEP(sysret_sets, NOT_STEPPING, 14, 15, 16),
    STEP(sysret_clears, 0, 6, 11),
};

static uint64_t trap_rip(unsigned i)
{
    return get64(TRACE + 16 + 8 * i);
}

static void run_step(const Step *st)
{
    size_t len = (size_t)(st->end - st->code);

    prepare(st->how & USER ? HARNESS_USER64 : HARNESS_LONG64);
    harness_load(h, st->code, len);
    h->cpu->msr.fmask = st->how & MASK_TF ? RFLAGS_TF : 0;
    if (!(st->how & NOT_STEPPING)) {
        h->cpu->rflags |= RFLAGS_TF;
    }
    soft_update_mode(h->s);
    put64(TRACE + 8, HARNESS_CODE + len);
    g_assert_cmpint(harness_run(h, 1000), ==, -1);

    unsigned count = (unsigned)get64(TRACE), wanted = 0;
    g_autoptr(GString) found = g_string_new(NULL);
    bool same = true;
    for (; st->traps[wanted] >= 0; wanted++) {
        uint64_t rip = (uint64_t)st->traps[wanted];
        rip += rip < 0x1000 ? HARNESS_CODE : 0;
        same = same && trap_rip(wanted) == rip;
    }
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(found, " %d", (int)(trap_rip(i) - HARNESS_CODE));
    }
    if (count != wanted || !same) {
        g_test_message("%s: traps at%s", st->name, found->str);
        g_test_fail();
    }
    g_assert_cmphex(h->cpu->dr[6] & (DR6_BS | DR6_BD), ==, DR6_BS);
}

static void test_steps(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        run_step(&steps[i]);
    }
}

/* POP SS is gone in 64-bit mode; IRET into virtual 8086 mode and back is not needed to see it. */
GUEST_CODE(pop_ss, 32, "pop %ss\n\tnop\n\tnop");
GUEST_CODE(pop_ds, 32, "pop %ds\n\tnop\n\tnop");

static uint32_t first_trap_32(const uint8_t *code, const uint8_t *end)
{
    uint32_t eip;

    harness_reset(h, HARNESS_FLAT32);
    h->deliver = true;
    put64(HARNESS_IDT + 8 * EXC_DB,
          (ON_TRAP & 0xffff) | 0x18 << 16 | (uint64_t)(SYS_INT << 8 | SEG_P | ON_TRAP) << 32);
    memset(h->ram + ON_TRAP, 0xf4, 1);
    memset(h->ram + HARNESS_STACK, 0x10, 1);
    harness_load(h, code, (size_t)(end - code));
    h->cpu->rflags |= RFLAGS_TF;
    soft_update_mode(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    memcpy(&eip, h->ram + h->cpu->regs[X86_RSP], 4);
    return eip - HARNESS_CODE;
}

static void test_pop(void)
{
    g_assert_cmpuint(first_trap_32(code_pop_ss, code_pop_ss_end), ==, 2);
    g_assert_cmpuint(first_trap_32(code_pop_ds, code_pop_ds_end), ==, 1);
}

/* ---- interrupts ---- */

GUEST_CODE(sti_nop, 64, "sti\n\tnop\n\tnop");
GUEST_CODE(sti_sti, 64, "sti\n\tsti\n\tnop\n\tnop");
GUEST_CODE(sti_mov_ss, 64, "sti\n\tmov %eax, %ss\n\tnop\n\tnop");
GUEST_CODE(sti_lss, 64, "sti\n\tlss (%rbx), %esp\n\tnop\n\tnop");
GUEST_CODE(sti_mov_ss_twice, 64, "sti\n\tmov %eax, %ss\n\tmov %eax, %ss\n\tnop");
GUEST_CODE(sti_cli, 64, "sti\n\tcli\n\tnop");
GUEST_CODE(sti_hlt, 64, "sti\n\thlt\n\tnop");
GUEST_CODE(popf_if, 64, "push $0x202\n\tpopfq\n\tnop");
/* Unblocks NMIs. */
GUEST_CODE(iret_mov_ss, 64,
           "mov $0x10, %edi\n\tpush %rdi\n\tpush $0x80000\n\tpush $2\n\tpush $8\n\t"
           "push $(0x10000 + 1f - code_iret_mov_ss)\n\tiretq\n1:\tmov %eax, %ss\n\tnop\n\tnop");

static const struct {
    const char *name;
    const uint8_t *code, *end;
    uint64_t at; /* offset that it returns to; 0: it does not come */
} shadows[] = {
#define SHADOW(name, at)                          \
    {                                             \
#name, code_##name, code_##name##_end, at \
    }
    SHADOW(sti_nop, 2),          SHADOW(sti_sti, 2), SHADOW(sti_mov_ss, 4), SHADOW(sti_lss, 4),
    SHADOW(sti_mov_ss_twice, 6), SHADOW(sti_cli, 0), SHADOW(sti_hlt, 2),    SHADOW(popf_if, 6),
};

static void test_shadows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shadows); i++) {
        prepare(HARNESS_LONG64);
        harness_load(h, shadows[i].code, (size_t)(shadows[i].end - shadows[i].code));
        x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
        int vector = harness_run(h, 100);
        if (vector == -1 && shadows[i].code == code_sti_hlt) {
            vector = harness_run(h, 100); /* the interrupt ends HLT */
        }
        g_assert_cmpint(vector, ==, -1);
        uint64_t at = h->cpu->regs[X86_R15];
        if (at != (shadows[i].at ? HARNESS_CODE + shadows[i].at : 0)) {
            g_test_message("%s: interrupt at %d", shadows[i].name, (int)(at - HARNESS_CODE));
            g_test_fail();
        }
        x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    }
}

/* An NMI waits for MOV SS too. It is unblocked by the IRET before. */
static void test_nmi_shadow(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, iret_mov_ss);
    h->cpu->nmi_blocked = true;
    x86_cpu_interrupt(h->cpu, CPU_INT_NMI);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    size_t len = (size_t)(code_iret_mov_ss_end - code_iret_mov_ss);
    g_assert_cmphex(h->cpu->regs[X86_R15], ==, HARNESS_CODE + len - 4);

    prepare(HARNESS_LONG64); /* in the shadow already */
    GUEST_LOAD(h, mov_ss);
    h->cpu->rip += 2;
    h->cpu->interrupt_shadow = true;
    x86_cpu_interrupt(h->cpu, CPU_INT_NMI);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_R15], ==, HARNESS_CODE + 3);
}

/* Trap and interrupt after the same instruction: the trap first, and none is lost. */
static void test_trap_and_interrupt(void)
{
    prepare(HARNESS_LONG64);
    GUEST_LOAD(h, sti_mov_ss);
    put64(TRACE + 8, HARNESS_CODE + (uint64_t)(code_sti_mov_ss_end - code_sti_mov_ss));
    h->cpu->rip += 1; /* from MOV SS on */
    h->cpu->rflags |= RFLAGS_TF | RFLAGS_IF;
    h->cpu->interrupt_shadow = true;
    soft_update_mode(h->s);
    x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_R15], ==, HARNESS_CODE + 4);
    g_assert_cmpuint(get64(TRACE), ==, 2);
    g_assert_cmphex(trap_rip(0), ==, HARNESS_CODE + 4);
    g_assert_cmphex(trap_rip(1), ==, HARNESS_CODE + 5);
}

/* Where a machine is saved between any two turns of the engine, traps and shadows are what they
 * were. */
static void test_moved(void)
{
    h->moved = true;
    test_steps();
    test_pop();
    test_shadows();
    test_nmi_shadow();
    test_trap_and_interrupt();
    h->moved = false;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-step/traps", test_steps);
    g_test_add_func("/soft-step/pop-ss", test_pop);
    g_test_add_func("/soft-step/shadow/interrupt", test_shadows);
    g_test_add_func("/soft-step/shadow/nmi", test_nmi_shadow);
    g_test_add_func("/soft-step/shadow/trap", test_trap_and_interrupt);
    g_test_add_func("/soft-step/moved", test_moved);
    int status = g_test_run();
    harness_free(h);
    return status;
}
