/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system half of the software CPU: exceptions, interrupts, SYSCALL, IRET, mode switches, MSRs,
 * ports.
 */
#include <string.h>

#include "accel/accel.h"
#include "accel/soft/msr.h"
#include "memory/memory.h"
#include "tests/unit/soft-guest.h"
#include "util/machine-lock.h"

#define RUN(name) (GUEST_LOAD(h, name), harness_run(h, 1000))

/* Put a handler into guest memory. */
#define PLACE(name, addr) \
    memcpy(h->ram + (addr), code_##name, (size_t)(code_##name##_end - code_##name))

enum { HANDLER = 0x30000, RING0_STACK = 0x90000, IST_STACK = 0xa0000 };

static void set_gate64(unsigned vector, unsigned selector, uint64_t offset, unsigned type,
                       unsigned dpl, unsigned ist)
{
    put64(HARNESS_IDT + 16 * vector,
          (offset & 0xffff) | (uint64_t)selector << 16 |
              (uint64_t)(ist | type << 8 | dpl << 13 | SEG_P | (offset & 0xffff0000)) << 32);
    put64(HARNESS_IDT + 16 * vector + 8, offset >> 32);
}

static void set_gate32(unsigned vector, unsigned selector, uint32_t offset, unsigned type,
                       unsigned dpl)
{
    put64(HARNESS_IDT + 8 * vector,
          (offset & 0xffff) | (uint64_t)selector << 16 |
              (uint64_t)(type << 8 | dpl << 13 | SEG_P | (offset & 0xffff0000)) << 32);
}

static void reset(HarnessMode mode)
{
    harness_reset(h, mode);
    h->deliver = false;
    put64(HARNESS_TSS + 4, RING0_STACK);         /* RSP0; ESP0 in 32-bit mode */
    put64(HARNESS_TSS + 36, IST_STACK);          /* IST1 */
    memset(h->ram + HARNESS_TSS + 102, 0xff, 2); /* no I/O bitmap */
    if (mode == HARNESS_FLAT32) {
        put64(HARNESS_TSS + 8, 0x10); /* SS0 */
    }
}

/* ---- delivery ---- */

GUEST_CODE(ud2, 64, "nop\n\tud2");
GUEST_CODE(hlt, 64, "hlt");

static void test_fault_to_ring0(void)
{
    reset(HARNESS_USER64);
    h->deliver = true;
    set_gate64(EXC_UD, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(hlt, HANDLER);
    h->cpu->rflags |= RFLAGS_IF;
    g_assert_cmpint(RUN(ud2), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_cmpuint(soft_cpl(h->s), ==, 0);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, 0x08);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, 0);
    g_assert_false(h->cpu->rflags & RFLAGS_IF);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, RING0_STACK - 40);
    g_assert_cmphex(get64(RING0_STACK - 40), ==, HARNESS_CODE + 1);
    g_assert_cmphex(get64(RING0_STACK - 32), ==, 0x43);
    g_assert_cmphex(get64(RING0_STACK - 24) & (RFLAGS_IF | RFLAGS_RF), ==, RFLAGS_IF | RFLAGS_RF);
    g_assert_cmphex(get64(RING0_STACK - 16), ==, HARNESS_STACK);
    g_assert_cmphex(get64(RING0_STACK - 8), ==, 0x3b);
}

static void test_page_fault_on_ist(void)
{
    reset(HARNESS_USER64);
    h->deliver = true;
    set_gate64(EXC_PF, 0x08, HANDLER, SYS_INT, 0, 1);
    PLACE(hlt, HANDLER);
    const uint8_t code[] = { 0x48, 0xa1, 0x34, 0x12, 0, 0, 0xff, 0x7f, 0, 0 }; /* mov rax, [abs] */
    harness_load(h, code, sizeof(code));
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->cr2, ==, 0x7fff00001234);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, IST_STACK - 48);
    g_assert_cmphex(get64(IST_STACK - 48), ==, PF_U);
    g_assert_cmphex(get64(IST_STACK - 40), ==, HARNESS_CODE);
}

/* No stack to deliver #UD on: double fault, on its IST stack. */
static void test_double_fault(void)
{
    reset(HARNESS_USER64);
    h->deliver = true;
    put64(HARNESS_TSS + 4, 0x7fff00000000); /* not mapped */
    set_gate64(EXC_UD, 0x08, HANDLER, SYS_INT, 0, 0);
    set_gate64(EXC_PF, 0x08, HANDLER, SYS_INT, 0, 0);
    set_gate64(EXC_DF, 0x08, HANDLER + 16, SYS_INT, 0, 1);
    PLACE(hlt, HANDLER + 16);
    g_assert_cmpint(RUN(ud2), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 17);
    g_assert_cmphex(get64(IST_STACK - 48), ==, 0);
}

static unsigned shutdowns;
static void count_shutdown(X86Cpu *cpu)
{
    shutdowns++;
}

static void test_triple_fault(void)
{
    shutdowns = 0;
    accel_set_shutdown_handler(count_shutdown);
    reset(HARNESS_LONG64);
    h->deliver = true;
    h->cpu->idt.limit = 0;
    g_assert_cmpint(RUN(ud2), !=, -2);
    g_assert_cmpuint(shutdowns, ==, 1);
    g_assert_true(h->cpu->halted);
    accel_set_shutdown_handler(NULL);
}

GUEST_CODE(int80, 64, "int $0x80\n\tmov $7, %ebx");
GUEST_CODE(iretq, 64, "mov $5, %ecx\n\tiretq");

static void test_software_interrupt(void)
{
    reset(HARNESS_USER64);
    h->deliver = true;
    set_gate64(0x80, 0x08, HANDLER, SYS_TRAP, 3, 0);
    PLACE(iretq, HANDLER);
    h->cpu->rflags |= RFLAGS_IF;
    g_assert_cmpint(RUN(int80), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 7);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
    g_assert_cmpuint(soft_cpl(h->s), ==, 3);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, 0x3b);
    g_assert_true(h->cpu->rflags & RFLAGS_IF);

    /* A gate of ring 0 is out of reach. */
    reset(HARNESS_USER64);
    set_gate64(0x80, 0x08, HANDLER, SYS_TRAP, 0, 0);
    g_assert_cmpint(RUN(int80), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x80 * 8 + 2);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
}

GUEST_CODE(int80_32, 32, "int $0x80\n\tmov $7, %ebx");
GUEST_CODE(iretd, 32, "mov $5, %ecx\n\tiretl");

static void test_legacy_interrupt(void)
{
    reset(HARNESS_FLAT32);
    h->deliver = true;
    set_gate32(0x80, 0x18, HANDLER, SYS_TRAP, 3);
    PLACE(iretd, HANDLER);
    /* from ring 3 */
    h->cpu->segs[X86_SEG_CS].selector = 0x33;
    h->cpu->segs[X86_SEG_CS].flags |= SEG_DPL_MASK;
    h->cpu->segs[X86_SEG_SS].selector = 0x3b;
    h->cpu->segs[X86_SEG_SS].flags |= SEG_DPL_MASK;
    soft_update_mode(h->s);
    g_assert_cmpint(RUN(int80_32), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 7);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
    g_assert_cmpuint(soft_cpl(h->s), ==, 3);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
    uint32_t frame[5];
    memcpy(frame, h->ram + RING0_STACK - sizeof(frame), sizeof(frame));
    g_assert_cmphex(frame[0], ==, HARNESS_CODE + 2);
    g_assert_cmphex(frame[1], ==, 0x33);
    g_assert_cmphex(frame[3], ==, HARNESS_STACK);
    g_assert_cmphex(frame[4], ==, 0x3b);
}

GUEST_CODE(real_int, 16, "int $0x21\n\tmov $7, %bx");
GUEST_CODE(real_iret, 16, "mov $5, %cx\n\tiretw");

static void test_real_interrupt(void)
{
    const uint16_t vector[2] = { 0, HANDLER >> 4 };

    reset(HARNESS_REAL);
    h->deliver = true;
    memcpy(h->ram + 0x21 * 4, vector, 4);
    PLACE(real_iret, HANDLER);
    g_assert_cmpint(RUN(real_int), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 7);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_REAL_STACK);
}

/* ---- external interrupts ---- */

static int acknowledge(void *apic)
{
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    return 0x40;
}
static uint64_t apic_base;
static uint64_t base_get(void *apic)
{
    return apic_base;
}
static const X86ApicOps apic_ops = { .acknowledge = acknowledge, .base_get = base_get };

GUEST_CODE(sti_window, 64, "sti\n\tinc %eax\n\tcli\n\tinc %edx");

static void test_interrupt_shadow(void)
{
    reset(HARNESS_LONG64);
    h->deliver = true;
    h->cpu->apic_ops = &apic_ops;
    set_gate64(0x40, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(iretq, HANDLER);
    h->cpu->regs[X86_RDX] = 0;
    x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
    g_assert_cmpint(RUN(sti_window), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 1);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 1);
    /* It came right after the instruction that follows STI. */
    g_assert_cmphex(get64(HARNESS_STACK - 40), ==, HARNESS_CODE + 3);
    h->cpu->apic_ops = NULL;
}

GUEST_CODE(sti_loop, 64, "mov $100, %r8d\n1:\tsti\n\tinc %eax\n\tcli\n\tdec %r8d\n\tjnz 1b");
GUEST_CODE(popf_loop, 64,
           "mov $100, %r8d\n1:\tpush $0x202\n\tpopf\n\tinc %eax\n\tcli\n\tdec %r8d\n\tjnz 1b");
GUEST_CODE(iret_loop, 64,
           "mov $100, %r8d\n"
           "1:\tmov %rsp, %rdx\n\tpush $0x10\n\tpush %rdx\n\tpush $0x202\n\tpush $8\n\t"
           "lea 2f(%rip), %rbx\n\tpush %rbx\n\tiretq\n"
           "2:\tinc %eax\n\tcli\n\tdec %r8d\n\tjnz 1b");

GUEST_CODE(tell_rip, 64, "mov $5, %ecx\n\tmov (%rsp), %rbp\n\tiretq");

/* What sets IF finds an interrupt that waited, also in code that has run often. */
static void window_after(const uint8_t *code, const uint8_t *end, uint64_t offset)
{
    reset(HARNESS_LONG64);
    h->deliver = true;
    h->cpu->apic_ops = &apic_ops;
    set_gate64(0x40, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(tell_rip, HANDLER);
    h->cpu->regs[X86_RAX] = 0;
    harness_load(h, code, (size_t)(end - code));
    g_assert_cmpint(harness_run(h, 10000), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 100);
    g_assert_cmphex(h->cpu->regs[X86_RCX], !=, 5);
    h->cpu->halted = false;
    h->cpu->rip = HARNESS_CODE;
    x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
    atomic_store(&h->cpu->exit_request, false);
    g_assert_cmpint(harness_run(h, 10000), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 200);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, HARNESS_CODE + offset);
    h->cpu->apic_ops = NULL;
}

static void test_interrupt_window(void)
{
    window_after(code_sti_loop, code_sti_loop_end, 9);
    window_after(code_popf_loop, code_popf_loop_end, 12);
    window_after(code_iret_loop, code_iret_loop_end, 29);
}

GUEST_CODE(sti_hlt, 64, "sti\n\thlt\n\tcli\n\thlt");

/* STI HLT is over with the interrupt, whatever comes behind it. */
static void test_halt(void)
{
    reset(HARNESS_LONG64);
    h->deliver = true;
    h->cpu->apic_ops = &apic_ops;
    set_gate64(0x40, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(tell_rip, HANDLER);
    GUEST_LOAD(h, sti_hlt);
    for (unsigned i = 0; i < 100; i++) {
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RCX] = 0;
        g_assert_cmpint(harness_run(h, 100), ==, -1);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 2);
        h->cpu->halted = false;
        x86_cpu_interrupt(h->cpu, CPU_INT_HARD);
        atomic_store(&h->cpu->exit_request, false);
        g_assert_cmpint(harness_run(h, 100), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 5);
        g_assert_cmphex(h->cpu->regs[X86_RBP], ==, HARNESS_CODE + 2);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 4);
        h->cpu->halted = false;
    }
    h->cpu->apic_ops = NULL;
}

GUEST_CODE(cpuid_apic, 64,
           "mov $1, %eax\n\tcpuid\n\tmov %edx, %esi\n\tmov $0x80000001, %eax\n\tcpuid");

/* CPUID.APIC is there while the APIC is enabled in IA32_APIC_BASE, in both leaves that have it. */
static void test_cpuid_apic(void)
{
    for (unsigned enabled = 0; enabled < 2; enabled++) {
        uint32_t bit = enabled ? CPUID_1_EDX_APIC : 0;

        reset(HARNESS_LONG64);
        h->cpu->apic_ops = &apic_ops;
        apic_base = 0xfee00000 | (enabled ? APIC_BASE_ENABLE : 0);
        g_assert_cmpint(RUN(cpuid_apic), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RSI] & CPUID_1_EDX_APIC, ==, bit);
        g_assert_cmphex(h->cpu->regs[X86_RDX] & CPUID_1_EDX_APIC, ==, bit);
        h->cpu->apic_ops = NULL;
    }
}

GUEST_CODE(nmi_wait, 64, "nop\n\tnop");

static void test_nmi(void)
{
    reset(HARNESS_LONG64);
    h->deliver = true;
    set_gate64(EXC_NMI, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(hlt, HANDLER);
    x86_cpu_interrupt(h->cpu, CPU_INT_NMI);
    g_assert_cmpint(RUN(nmi_wait), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_true(h->cpu->nmi_blocked);
    g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, 0);
}

GUEST_CODE(step, 64, "nop\n\tnop\n\tnop");

static void test_single_step(void)
{
    reset(HARNESS_LONG64);
    h->deliver = true;
    set_gate64(EXC_DB, 0x08, HANDLER, SYS_INT, 0, 0);
    PLACE(hlt, HANDLER);
    GUEST_LOAD(h, step);
    h->cpu->rflags |= RFLAGS_TF;
    soft_update_mode(h->s);
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_true(h->cpu->dr[6] & DR6_BS);
    g_assert_cmphex(get64(h->cpu->regs[X86_RSP]), ==, HARNESS_CODE + 1);
}

/* ---- SYSCALL ---- */

GUEST_CODE(syscall, 64, "syscall\n\tmov $7, %ebx");
GUEST_CODE(sysret, 64, "mov $9, %edx\n\tsysretq");

static void test_syscall(void)
{
    reset(HARNESS_USER64);
    /* SYSRET's CS is that plus 16: user 64-bit code at 0x40, data at 0x38. */
    h->cpu->msr.star = (uint64_t)0x30 << 48 | (uint64_t)0x08 << 32;
    h->cpu->msr.lstar = HANDLER;
    h->cpu->msr.fmask = RFLAGS_IF | RFLAGS_DF;
    h->cpu->rflags |= RFLAGS_IF | RFLAGS_DF;
    PLACE(sysret, HANDLER);
    g_assert_cmpint(RUN(syscall), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 7);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 9);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, HARNESS_CODE + 2);
    g_assert_cmphex(h->cpu->regs[X86_R11] & (RFLAGS_IF | RFLAGS_DF), ==, RFLAGS_IF | RFLAGS_DF);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, 0x43);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].selector, ==, 0x3b);
    g_assert_true(h->cpu->rflags & RFLAGS_IF);

    reset(HARNESS_USER64);
    h->cpu->msr.lstar = HANDLER;
    h->cpu->msr.star = (uint64_t)0x08 << 32;
    h->cpu->msr.fmask = RFLAGS_IF;
    h->cpu->rflags |= RFLAGS_IF;
    PLACE(hlt, HANDLER);
    g_assert_cmpint(RUN(syscall), ==, -1);
    g_assert_cmpuint(soft_cpl(h->s), ==, 0);
    g_assert_false(h->cpu->rflags & RFLAGS_IF);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);

    reset(HARNESS_USER64);
    h->cpu->efer &= ~(uint64_t)EFER_SCE;
    g_assert_cmpint(RUN(syscall), ==, EXC_UD);
}

/* ---- modes ---- */

/* From real mode through protected mode to long mode, as a boot loader does it. The harness' GDT
 * and page tables are there; the GDT's pointer is at 0x800. */
GUEST_CODE(to_long, 16,
           "cli\n\t"
           "lgdtl 0x800\n\t"
           "mov %cr0, %eax\n\tor $1, %eax\n\tmov %eax, %cr0\n\t"
           "ljmpl $0x18, $(0x7c00 + 1f - code_to_long)\n\t"
           ".code32\n1:\n\t"
           "mov $0x10, %eax\n\tmov %eax, %ds\n\tmov %eax, %ss\n\tmov $0x80000, %esp\n\t"
           "mov %cr4, %eax\n\tor $0x20, %eax\n\tmov %eax, %cr4\n\t"
           "mov $0x4000, %eax\n\tmov %eax, %cr3\n\t"
           "mov $0xc0000080, %ecx\n\trdmsr\n\tor $0x100, %eax\n\twrmsr\n\t"
           "mov %cr0, %eax\n\tor $0x80000000, %eax\n\tmov %eax, %cr0\n\t"
           "ljmpl $0x08, $(0x7c00 + 2f - code_to_long)\n\t"
           ".code64\n2:\n\t"
           "mov $0x123456789abcdef0, %rax\n\tpush %rax\n\tpop %rbx");

static void test_to_long_mode(void)
{
    const uint16_t limit = 0x57;
    const uint32_t base = HARNESS_GDT;

    reset(HARNESS_LONG64); /* builds the tables below 1 MiB */
    g_autofree uint8_t *tables = g_memdup2(h->ram + HARNESS_GDT, 0x8000 - HARNESS_GDT);
    reset(HARNESS_REAL);
    memcpy(h->ram + HARNESS_GDT, tables, 0x7000 - HARNESS_GDT);
    memcpy(h->ram + 0x800, &limit, 2);
    memcpy(h->ram + 0x802, &base, 4);
    g_assert_cmpint(RUN(to_long), ==, -1);
    g_assert_true(h->cpu->efer & EFER_LMA);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 0x123456789abcdef0);
    g_assert_cmphex(h->s->mode_key & ((1 << SOFT_KEY_MMU_SHIFT) - 1), ==,
                    SOFT_KEY_CODE64 | SOFT_KEY_PE | SOFT_KEY_LMA);
}

GUEST_CODE(far_return, 64,
           "push $0x3b\n\tpush $0x70000\n\tpush $0x43\n\tlea 1f(%rip), %rax\n\tpush %rax\n\t"
           "lretq\n1:\tmov $7, %ebx");

static void test_far_return(void)
{
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(far_return), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 7);
    g_assert_cmpuint(soft_cpl(h->s), ==, 3);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, 0x70000);
}

/* To ring 3, where FS and GS are read through their bases; DS through its own in 32-bit code. */
GUEST_CODE(outer_iret, 64,
           "push $0x3b\n\tpush $0x70000\n\tpush $2\n\tpush $0x43\n\tlea 1f(%rip), %rax\n\t"
           "push %rax\n\tiretq\n1:\tmov %fs:0, %ebx\n\tmov %gs:0, %ecx");
GUEST_CODE(outer_iret32, 64,
           "push $0x3b\n\tpush $0x70000\n\tpush $2\n\tpush $0x33\n\tlea 1f(%rip), %rax\n\t"
           "push %rax\n\tiretq\n1:\t.code32\n\tmov %es:0x100000, %ebx\n\tmov %ds:0x100000, %ecx");
GUEST_CODE(inner_iret, 64,
           "push $0x10\n\tpush $0x70000\n\tpush $2\n\tpush $8\n\tlea 1f(%rip), %rax\n\t"
           "push %rax\n\tiretq\n1:\tnop");

static void check_segment(unsigned seg, unsigned selector, uint64_t base)
{
    g_assert_cmphex(h->cpu->segs[seg].selector, ==, selector);
    g_assert_cmphex(h->cpu->segs[seg].base, ==, base);
}

static void set_inner_segments(void)
{
    X86Segment *segs = h->cpu->segs;

    reset(HARNESS_LONG64);
    put64(HARNESS_DATA, 0x11111111);
    put64(HARNESS_DATA + 8, 0x22222222);
    segs[X86_SEG_FS].base = HARNESS_DATA; /* 0x10: of ring 0 */
    segs[X86_SEG_GS] = (X86Segment){ .selector = 3, .base = HARNESS_DATA + 8 }; /* null */
    segs[X86_SEG_ES] = segs[X86_SEG_DS];
    segs[X86_SEG_ES].selector = 0x3b;
    segs[X86_SEG_ES].flags |= SEG_DPL_MASK;
    soft_update_mode(h->s);
}

static void test_outer_segments(void)
{
    set_inner_segments();
    g_assert_cmpint(RUN(outer_iret), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 0x11111111);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0x22222222);
    check_segment(X86_SEG_FS, 0, HARNESS_DATA);
    check_segment(X86_SEG_GS, 0, HARNESS_DATA + 8);
    check_segment(X86_SEG_DS, 0, 0);
    check_segment(X86_SEG_ES, 0x3b, 0);

    set_inner_segments();
    g_assert_cmpint(RUN(outer_iret32), ==, EXC_GP); /* DS is null there */
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 0x11111111);
    g_assert_cmphex(h->ram[h->cpu->rip], ==, 0x8b);

    set_inner_segments(); /* the same ring: nothing changes */
    g_assert_cmpint(RUN(inner_iret), ==, -1);
    check_segment(X86_SEG_FS, 0x10, HARNESS_DATA);
    check_segment(X86_SEG_GS, 3, HARNESS_DATA + 8);
}

GUEST_CODE(iret_bad_cs, 64,
           "push $0x10\n\tpush $0x70000\n\tpush $2\n\tpush $0x43\n\tpush $0x1234\n\tiretq");
GUEST_CODE(iret_data_cs, 64,
           "push $0x10\n\tpush $0x70000\n\tpush $2\n\tpush $0x10\n\tpush $0x1234\n\tiretq");
GUEST_CODE(iret_noncanonical, 64,
           "push $0x10\n\tpush $0x70000\n\tpush $2\n\tpush $8\n\t"
           "mov $0x800000000000, %rax\n\tpush %rax\n\tiretq");

static void test_iret_checks(void)
{
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(iret_bad_cs), ==, EXC_GP); /* SS of ring 0 for ring 3 */
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x10);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK - 40);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(iret_data_cs), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x10);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(iret_noncanonical), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0);
}

GUEST_CODE(load_fs, 64, "mov $0x10, %eax\n\tmov %eax, %fs");
GUEST_CODE(load_bad, 64, "mov $0x100, %eax\n\tmov %eax, %ds");
GUEST_CODE(load_tss, 64, "mov $0x48, %eax\n\tltr %ax\n\tstr %ebx");

static void test_segments(void)
{
    reset(HARNESS_USER64);
    g_assert_cmpint(RUN(load_fs), ==, EXC_GP); /* DPL 0 at ring 3 */
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x10);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(load_fs), ==, -1);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(load_bad), ==, EXC_GP);
    g_assert_cmphex((uint64_t)h->error_code, ==, 0x100);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(load_tss), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 0x48);
    g_assert_cmphex(h->ram[HARNESS_GDT + 0x4d] & 0xf, ==, SYS_TSS_BUSY);
    GUEST_LOAD(h, load_tss);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run(h, 100), ==, EXC_GP); /* it is busy now */
}

/* ---- privilege, MSRs, control registers ---- */

GUEST_CODE(u_rdmsr, 64, "rdmsr");
GUEST_CODE(u_cr, 64, "mov %cr0, %rax");
GUEST_CODE(u_cli, 64, "cli");
GUEST_CODE(u_lgdt, 64, "lgdt (%rsp)");
GUEST_CODE(u_in, 64, "in $0x60, %al");
GUEST_CODE(u_invlpg, 64, "invlpg (%rsp)");

static void test_privilege(void)
{
    static const struct {
        const uint8_t *code, *end;
    } cases[] = {
        { code_u_rdmsr, code_u_rdmsr_end }, { code_u_cr, code_u_cr_end },
        { code_u_cli, code_u_cli_end },     { code_u_lgdt, code_u_lgdt_end },
        { code_u_in, code_u_in_end },       { code_u_invlpg, code_u_invlpg_end },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        reset(HARNESS_USER64);
        harness_load(h, cases[i].code, (size_t)(cases[i].end - cases[i].code));
        g_assert_cmpint(harness_run(h, 10), ==, EXC_GP);
        g_assert_cmphex((uint64_t)h->error_code, ==, 0);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    }
}

static void test_msrs(void)
{
    uint64_t value;

    reset(HARNESS_LONG64);
    h->cpu->regs[X86_RCX] = 0x12345678;
    g_assert_cmpint(RUN(u_rdmsr), ==, EXC_GP);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);

    g_assert_false(soft_msr_write(h->s, MSR_LSTAR, 0x800000000000));
    g_assert_true(soft_msr_write(h->s, MSR_LSTAR, 0xffffffff81000000));
    g_assert_true(soft_msr_read(h->s, MSR_LSTAR, &value));
    g_assert_cmphex(value, ==, 0xffffffff81000000);
    g_assert_false(soft_msr_write(h->s, MSR_PAT, 2));
    g_assert_false(soft_msr_write(h->s, MSR_EFER, 1ull << 40));
    g_assert_false(soft_msr_write(h->s, MSR_EFER, 0)); /* LME while paging */
    g_assert_true(soft_msr_write(h->s, MSR_FS_BASE, 0x1000));
    g_assert_cmphex(h->s->seg_base[X86_SEG_FS], ==, 0x1000);
    g_assert_true(soft_msr_write(h->s, MSR_MTRR_FIX4K_F8000, 0x0606060606060606));
    g_assert_cmphex(h->cpu->msr.mtrr_fixed[10], ==, 0x0606060606060606);
    g_assert_true(soft_msr_write(h->s, MSR_MTRR_PHYSMASK7, 5));
    g_assert_cmphex(h->cpu->msr.mtrr_var[15], ==, 5);
    g_assert_false(soft_msr_write(h->s, MSR_MTRRCAP, 0));
    g_assert_true(soft_msr_write(h->s, MSR_TSC, 1ull << 40));
    g_assert_true(soft_msr_read(h->s, MSR_TSC, &value));
    g_assert_cmphex(value >> 40, ==, 1);
    g_assert_false(soft_msr_read(h->s, MSR_APIC_BASE, &value)); /* no APIC here */
}

GUEST_CODE(rdpmc, 64, "rdpmc");

/* Performance counters of AMD's processors: written and read back; Intel's do not have them. */
static void test_perf_msrs(void)
{
    uint64_t value;
    GError *err = NULL;

    reset(HARNESS_LONG64);
    for (uint32_t msr = MSR_K7_EVNTSEL0; msr <= MSR_K7_PERFCTR3; msr++) {
        g_assert_true(soft_msr_write(h->s, msr, 0x530000 + msr));
    }
    for (uint32_t msr = MSR_K7_EVNTSEL0; msr <= MSR_K7_PERFCTR3; msr++) {
        g_assert_true(soft_msr_read(h->s, msr, &value));
        g_assert_cmphex(value, ==, 0x530000 + msr);
    }
    g_assert_false(soft_msr_read(h->s, MSR_K7_PERFCTR3 + 1, &value));
    g_assert_true(soft_msr_write(h->s, MSR_K7_PERFCTR3, UINT64_MAX));
    for (unsigned number = 3; number < 5; number++) {
        GUEST_LOAD(h, rdpmc);
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RCX] = number;
        g_assert_cmpint(harness_run(h, 10), ==, number == 3 ? -1 : EXC_GP);
    }
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0xffffffff);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 0xffff);
    for (unsigned pce = 0; pce < 2; pce++) {
        reset(HARNESS_USER64);
        h->cpu->cr4 |= pce ? CR4_PCE : 0;
        h->cpu->regs[X86_RCX] = 0;
        g_assert_cmpint(RUN(rdpmc), ==, pce ? -1 : EXC_GP);
    }

    X86CpuModel model = h->cpu->model;
    x86_cpu_model_parse(&h->cpu->model, "max,vendor=GenuineIntel", &err);
    g_assert_no_error(err);
    reset(HARNESS_LONG64);
    g_assert_false(soft_msr_read(h->s, MSR_K7_EVNTSEL0, &value));
    g_assert_false(soft_msr_write(h->s, MSR_K7_PERFCTR3, 0));
    g_assert_false(soft_msr_read(h->s, MSR_K7_HWCR, &value));
    h->cpu->regs[X86_RCX] = 0;
    g_assert_cmpint(RUN(rdpmc), ==, EXC_GP);
    h->cpu->model = model;
}

GUEST_CODE(cr4_bad, 64, "mov $0x80000000, %eax\n\tmov %rax, %cr4");
GUEST_CODE(cr0_nopg, 64, "mov $0x11, %eax\n\tmov %rax, %cr0");

static void test_control_registers(void)
{
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(cr4_bad), ==, EXC_GP);
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(cr0_nopg), ==, EXC_GP);
}

/* The four entries at the top of PAE tables, when MOV to CR0 or CR3 makes them count. */
static void test_pdptes(void)
{
    static const struct {
        uint64_t entry;
        bool bad;
    } cases[] = {
        { 0, false },
        { PTE_P, false },
        { PTE_P | 0x18, false }, /* PWT, PCD */
        { PTE_RW | PTE_US, false },
        { PTE_P | PTE_RW, true },
        { PTE_P | PTE_US, true },
        { PTE_P | PTE_A, true },
        { PTE_P | PTE_G, true },
        { PTE_P | PTE_NX, true },
    };
    enum { TABLE = 0x50000, DIRECTORY = 0x60000 };

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        bool bad = cases[i / 2].bad, cr3 = i % 2;
        reset(HARNESS_FLAT32);
        put64(DIRECTORY, PTE_P | PTE_RW | PTE_PS);
        put64(0, DIRECTORY | PTE_P); /* the tables before CR3 is loaded */
        put64(TABLE, DIRECTORY | PTE_P);
        put64(TABLE + 8 * 3, cases[i / 2].entry);
        h->cpu->cr4 = CR4_PAE;
        h->cpu->cr3 = cr3 ? 0 : TABLE;
        h->cpu->cr0 |= cr3 ? CR0_PG : 0;
        h->cpu->regs[X86_RAX] = cr3 ? (uint32_t)TABLE : h->cpu->cr0 | CR0_PG;
        g_assert_cmpint(run(cr3 ? "0f22d8" : "0f22c0"), ==, bad ? EXC_GP : -1);
        g_assert_cmphex(h->cpu->cr3, ==, bad && cr3 ? 0 : TABLE);
        g_assert_cmpint(!!(h->cpu->cr0 & CR0_PG), ==, cr3 || !bad);
    }
}

/* ---- ports ---- */

static uint64_t port_value, port_addr;
static uint64_t port_read(void *opaque, hwaddr addr, unsigned size)
{
    port_addr = addr;
    return port_value;
}
static void port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    port_addr = addr;
    port_value = value;
}
static const MemoryRegionOps port_ops = { port_read, port_write, 1, 4 };

GUEST_CODE(ports, 64,
           "mov $0x60, %edx\n\tmov $0x11223344, %eax\n\tout %eax, %dx\n\t"
           "xor %eax, %eax\n\tin $0x62, %ax\n\t"
           "mov $0x100000, %edi\n\tmov $3, %ecx\n\tcld\n\trep insb");

static void test_ports(void)
{
    static MemoryRegion region;

    machine_lock();
    memory_region_init_io(&region, &port_ops, NULL, "ports", 8);
    memory_region_add(memory_io(), 0x60, &region);
    machine_unlock();
    reset(HARNESS_LONG64);
    g_assert_cmpint(RUN(ports), ==, -1);
    g_assert_cmphex(port_value, ==, 0x11223344);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x3344);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, 0x100003);
    g_assert_cmphex(h->ram[0x100002], ==, 0x44);

    /* At ring 3 the TSS's bitmap decides. */
    reset(HARNESS_USER64);
    memset(h->ram + HARNESS_TSS + 104, 0xff, 64);
    memcpy(h->ram + HARNESS_TSS + 102, (const uint8_t[]){ 104, 0 }, 2);
    h->ram[HARNESS_TSS + 104 + 0x60 / 8] = 0xfe; /* port 0x60, one byte */
    g_assert_cmpint(RUN(u_in), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX] & 0xff, ==, 0x44);
    reset(HARNESS_USER64);
    memset(h->ram + HARNESS_TSS + 104, 0xff, 64);
    memcpy(h->ram + HARNESS_TSS + 102, (const uint8_t[]){ 104, 0 }, 2);
    g_assert_cmpint(RUN(u_in), ==, EXC_GP);
    machine_lock();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    machine_unlock();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "/soft-sys/fault-to-ring0", test_fault_to_ring0 },
        { "/soft-sys/page-fault-on-ist", test_page_fault_on_ist },
        { "/soft-sys/double-fault", test_double_fault },
        { "/soft-sys/triple-fault", test_triple_fault },
        { "/soft-sys/software-interrupt", test_software_interrupt },
        { "/soft-sys/legacy-interrupt", test_legacy_interrupt },
        { "/soft-sys/real-interrupt", test_real_interrupt },
        { "/soft-sys/interrupt-shadow", test_interrupt_shadow },
        { "/soft-sys/interrupt-window", test_interrupt_window },
        { "/soft-sys/halt", test_halt },
        { "/soft-sys/cpuid-apic", test_cpuid_apic },
        { "/soft-sys/nmi", test_nmi },
        { "/soft-sys/single-step", test_single_step },
        { "/soft-sys/syscall", test_syscall },
        { "/soft-sys/to-long-mode", test_to_long_mode },
        { "/soft-sys/far-return", test_far_return },
        { "/soft-sys/iret-checks", test_iret_checks },
        { "/soft-sys/outer-segments", test_outer_segments },
        { "/soft-sys/segments", test_segments },
        { "/soft-sys/privilege", test_privilege },
        { "/soft-sys/msrs", test_msrs },
        { "/soft-sys/performance-msrs", test_perf_msrs },
        { "/soft-sys/control-registers", test_control_registers },
        { "/soft-sys/pdptes", test_pdptes },
        { "/soft-sys/ports", test_ports },
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
