/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's secure virtual machine on the software CPU (APM vol. 2 sections 15.12 to 15.25): faults,
 * events that are injected or interrupted, interrupts, real and virtual, nested paging and its
 * faults.
 */
#include "accel/soft/engine.h"
#include "tests/unit/soft-svm-guest.h"

/* ---- faults and events ---- */

static void test_page_fault(void)
{
    setup();
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    h->cpu->cr2 = BEFORE;
    vmcb()->cr2 = 0x77;
    g_assert_cmphex(guest("c60425000000400a"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_info1, ==, PF_W);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0x40000000);
    g_assert_cmphex(vmcb()->cr2, ==, 0x77); /* not yet */
    g_assert_cmphex(vmcb()->rip, ==, GUEST);
}

typedef struct Injected {
    uint64_t event;
    bool error;   /* on the stack */
    uint64_t rip; /* pushed */
} Injected;

static void test_inject(void)
{
    enum { NEXT = GUEST + 0x100 };
    static const Injected cases[] = {
        { SVM_EVENT_VALID | SVM_EVENT_INTR << 8 | 0x55, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_NMI << 8 | 2, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_UD, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_HAS_ERROR | SVM_EVENT_EXCEPTION << 8 | EXC_GP |
              0x1234ull << 32,
          true, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_SOFTWARE << 8 | 0x80, false, NEXT },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_BP, false, NEXT },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_DB, false, GUEST },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned broken = 0; broken < 2; broken++) {
            setup();
            vmcb()->event_inj = cases[i].event;
            vmcb()->next_rip = NEXT;
            vmcb()->intercepts[2] = UINT32_MAX; /* the event itself is not intercepted */
            vmcb()->rflags |= RFLAGS_IF;
            vmcb()->idtr.limit = broken ? 0 : 0xfff;
            uint64_t code = guest("");
            if (broken) {
                g_assert_cmphex(code, ==, SVM_EXIT_EXCEPTION + EXC_GP);
                g_assert_cmphex(vmcb()->exit_int_info, ==, cases[i].event);
                g_assert_cmphex(vmcb()->rip, ==, GUEST);
                continue;
            }
            g_assert_cmphex(code, ==, SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->exit_int_info, ==, 0);
            g_assert_cmphex(vmcb()->event_inj & SVM_EVENT_VALID, ==, 0);
            g_assert_cmphex(vmcb()->rip, ==, HANDLER);
            uint64_t sp = vmcb()->rsp;
            g_assert_cmphex(sp, ==, GUEST_STACK - (cases[i].error ? 48 : 40));
            if (cases[i].error) {
                g_assert_cmphex(get64(sp), ==, 0x1234);
                sp += 8;
            }
            g_assert_cmphex(get64(sp), ==, cases[i].rip);
        }
    }
}

/* A fault on the way of an exception that the guest itself had. */
static void test_int_info(void)
{
    setup();
    vmcb()->idtr.base = 0x40000000;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    g_assert_cmphex(guest("0f0b"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_int_info, ==,
                    (SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_UD));
    g_assert_cmphex(vmcb()->exit_info2, ==, 0x40000000 + 16 * EXC_UD);

    setup(); /* INT n */
    vmcb()->idtr.base = 0x40000000;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    g_assert_cmphex(guest("cd33"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_int_info, ==, (SVM_EVENT_VALID | SVM_EVENT_SOFTWARE << 8 | 0x33));
    g_assert_cmphex(vmcb()->rip, ==, GUEST);
}

static void test_double_fault_and_shutdown(void)
{
    setup();
    vmcb()->idtr.limit = 0;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_DF, true);
    g_assert_cmphex(guest("31c9f7f1"), ==, SVM_EXIT_EXCEPTION + EXC_DF);

    setup();
    vmcb()->idtr.limit = 0;
    set_intercept(SVM_EXIT_SHUTDOWN, true);
    g_assert_cmphex(guest("0f0b"), ==, SVM_EXIT_SHUTDOWN);
}

static void test_single_step(void)
{
    setup();
    set_intercept(SVM_EXIT_EXCEPTION + EXC_DB, true);
    vmcb()->rflags |= RFLAGS_TF;
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_EXCEPTION + EXC_DB);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
    g_assert_cmphex(vmcb()->dr6 & DR6_BS, ==, DR6_BS);
}

static void test_task_switch(void)
{
    setup(); /* 32-bit code; a task gate */
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cr4 = 0;
    vmcb()->cs.attributes = 0xc9b;
    vmcb()->cs.selector = 0x18;
    set_intercept(SVM_EXIT_TASK_SWITCH, true);
    put32(GUEST_IDT + 8 * 0x20, 0x48 << 16);
    put32(GUEST_IDT + 8 * 0x20 + 4, SEG_P | SYS_TASK_GATE << SEG_TYPE_SHIFT);
    g_assert_cmphex(guest("cd20"), ==, SVM_EXIT_TASK_SWITCH);
    g_assert_cmphex(vmcb()->exit_info1, ==, 0x48);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0);

    setup();
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cr4 = 0;
    vmcb()->cs.attributes = 0xc9b;
    set_intercept(SVM_EXIT_TASK_SWITCH, true);
    g_assert_cmphex(guest("ea000000004800"), ==, SVM_EXIT_TASK_SWITCH); /* ljmp */
    g_assert_cmphex(vmcb()->exit_info2, ==, 1ull << 38);
}

/* ---- interrupts ---- */

static int acknowledged;
static int acknowledge(void *apic)
{
    acknowledged++;
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    return 0x77;
}
static uint64_t base_get(void *apic)
{
    return 0;
}
static const X86ApicOps apic_ops = { .acknowledge = acknowledge, .base_get = base_get };

static void test_interrupts(void)
{
    static const struct {
        uint64_t host_if, guest_if;
        bool masking, intercepted, taken;
    } cases[] = {
        { 0, RFLAGS_IF, false, true, true },  { 0, 0, false, true, false },
        { RFLAGS_IF, 0, true, true, true },   { 0, RFLAGS_IF, true, true, false },
        { 0, RFLAGS_IF, false, false, true }, { RFLAGS_IF, 0, true, false, true },
        { RFLAGS_IF, 0, false, true, false },
    };

    h->cpu->apic_ops = &apic_ops;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        setup();
        acknowledged = 0;
        h->cpu->rflags |= cases[i].host_if;
        h->cpu->svm.gif_clear = true; /* VMRUN sets GIF */
        vmcb()->rflags |= cases[i].guest_if;
        vmcb()->int_ctl = cases[i].masking ? SVM_V_INTR_MASKING : 0;
        set_intercept(SVM_EXIT_INTR, cases[i].intercepted);
        atomic_store(&h->cpu->interrupts, CPU_INT_HARD);
        uint64_t code = guest("90");
        if (!cases[i].taken) {
            g_assert_cmphex(code, ==, SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
        } else if (cases[i].intercepted) {
            g_assert_cmphex(code, ==, SVM_EXIT_INTR);
            g_assert_cmphex(vmcb()->rip, ==, GUEST);
        } else {
            g_assert_cmphex(vmcb()->rip, ==, HANDLER);
        }
        g_assert_cmpint(acknowledged, ==, cases[i].taken && !cases[i].intercepted);
        atomic_store(&h->cpu->interrupts, 0);
    }
    h->cpu->apic_ops = NULL;
}

/* An NMI and an INIT wait for STGI, and leave a guest if that is wanted. */
static void test_nmi_init(void)
{
    static const uint32_t bits[] = { CPU_INT_NMI, CPU_INT_INIT };
    static const unsigned codes[] = { SVM_EXIT_NMI, SVM_EXIT_INIT };

    for (unsigned i = 0; i < 2; i++) {
        setup();
        h->cpu->svm.gif_clear = true;
        set_intercept(codes[i], true);
        atomic_store(&h->cpu->interrupts, bits[i]);
        g_assert_cmphex(guest("90"), ==, codes[i]);
        g_assert_cmphex(vmcb()->rip, ==, GUEST);
        g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, bits[i]); /* still there */
        g_assert_false(x86_cpu_init_sipi(h->cpu) || x86_takes_nmi(h->cpu));
        atomic_store(&h->cpu->interrupts, 0);
    }
}

/* STGI lets in what waited; the host's handler for all is its HLT. */
static void test_gif(void)
{
    h->cpu->apic_ops = &apic_ops;
    setup();
    h->cpu->idt = (X86DescriptorTable){ GUEST_IDT, 0xfff };
    h->ram[HANDLER] = 0xf4;
    h->cpu->rflags |= RFLAGS_IF;
    atomic_store(&h->cpu->interrupts, CPU_INT_HARD);
    h->cpu->svm.gif_clear = true;
    acknowledged = 0;
    g_assert_cmpint(run("90900f01dc90"), ==, -1); /* nop; nop; stgi; nop */
    g_assert_cmpint(acknowledged, ==, 1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_cmphex(get64(h->cpu->regs[X86_RSP]), ==, HARNESS_CODE + 5);
    h->cpu->apic_ops = NULL;
}

static void test_virtual(void)
{
    static const struct {
        uint64_t ctl, rflags;
        bool taken;
    } cases[] = {
        { SVM_V_IRQ | 5ull << 16 | 4, RFLAGS_IF, true },
        { SVM_V_IRQ | 5ull << 16 | 5, RFLAGS_IF, false },
        { SVM_V_IRQ | SVM_V_IGN_TPR | 5, RFLAGS_IF, true },
        { SVM_V_IRQ | 5ull << 16 | 4, 0, false },
        { 5ull << 16, RFLAGS_IF, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned intercepted = 0; intercepted < 2; intercepted++) {
            setup();
            vmcb()->int_ctl = cases[i].ctl | 0x66ull << SVM_V_VECTOR_SHIFT;
            vmcb()->rflags |= cases[i].rflags;
            set_intercept(SVM_EXIT_VINTR, intercepted);
            uint64_t code = guest("90");
            bool taken = cases[i].taken;
            g_assert_cmphex(code, ==, taken && intercepted ? SVM_EXIT_VINTR : SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->rip, ==, !taken ? GUEST + 1 : intercepted ? GUEST : HANDLER);
            /* It is gone when it was delivered. */
            bool pending = cases[i].ctl & SVM_V_IRQ && !(taken && !intercepted);
            g_assert_cmpint(!!(vmcb()->int_ctl & SVM_V_IRQ), ==, pending);
            g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, 0);
        }
    }
    setup(); /* taken behind the instruction after STI */
    vmcb()->int_ctl = SVM_V_IRQ | SVM_V_IGN_TPR | 0x66ull << SVM_V_VECTOR_SHIFT;
    set_intercept(SVM_EXIT_VINTR, true);
    g_assert_cmphex(guest("fb9090"), ==, SVM_EXIT_VINTR);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 2);
    setup(); /* and so with a shadow that the host gives */
    vmcb()->int_ctl = SVM_V_IRQ | SVM_V_IGN_TPR;
    vmcb()->rflags |= RFLAGS_IF;
    vmcb()->shadow = 1;
    set_intercept(SVM_EXIT_VINTR, true);
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_VINTR);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
    g_assert_cmphex(vmcb()->shadow, ==, 0);
}

/* ---- nested paging ---- */
static void test_nested(void)
{
    setup_nested();
    put64(0xc00010, 0x1122334455667788);
    put64(0xe00010, 0);
    /* mov 0xe00010,%rbp; movl $5,0xe00018 */
    g_assert_cmphex(guest("488b2c251000e000c704251800e00005000000"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x1122334455667788);
    g_assert_cmphex(get32(0xc00018), ==, 5);
    g_assert_cmphex(get32(0xe00018), ==, 0);
    g_assert_cmphex(get64(NPT + 0x2000 + 8 * 7) & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    g_assert_cmphex(get64(NPT + 0x2000 + 8 * 5) & (PTE_A | PTE_D), ==, 0);

    setup_nested(); /* a guest without paging of its own, in code of 32 bits */
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cs.attributes = 0xc9b;
    g_assert_cmphex(guest("8b2d1000e000"), ==, SVM_EXIT_VMMCALL); /* mov 0xe00010,%ebp */
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x55667788);
}

/* PAT is the guest's while it runs. */
static void test_nested_pat(void)
{
    setup_nested();
    uint64_t before = h->cpu->msr.pat;
    vmcb()->pat = 0x0606060606060606;
    h->cpu->regs[X86_RCX] = MSR_PAT;
    h->cpu->regs[X86_RDX] = 0;
    g_assert_cmphex(guest("0f3289c50f30"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x06060606);
    g_assert_cmphex(h->cpu->msr.pat, ==, before);
}

static void test_nested_faults(void)
{
    static const struct {
        const char *hex;
        uint64_t entry; /* of the nested directory for 0xe00000 */
        uint64_t info1;
        uint64_t address;
    } cases[] = {
        { "8a042510 00e000", 0, PF_U | SVM_NPF_FINAL, 0xe00010 },
        { "88042510 00e000", 0, PF_U | PF_W | SVM_NPF_FINAL, 0xe00010 },
        { "88042510 00e000", 0xc00000 | PTE_P | PTE_US | PTE_PS, PF_P | PF_U | PF_W | SVM_NPF_FINAL,
          0xe00010 },
        { "8a042510 00e000", 0xc00000 | PTE_P | PTE_RW | PTE_PS, PF_P | PF_U | SVM_NPF_FINAL,
          0xe00010 },
        { "8a042510 00e000", 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS | 0x2000,
          PF_P | PF_U | PF_RSVD | SVM_NPF_FINAL, 0xe00010 },
        /* mov $0xe00000,%eax; jmp *%rax */
        { "b80000e000ffe0", 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS | PTE_NX,
          PF_P | PF_U | PF_I | SVM_NPF_FINAL, 0xe00000 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].hex, " ", -1);
        g_autofree char *hex = g_strjoinv("", parts);

        setup_nested();
        set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
        put64(NPT + 0x2000 + 8 * 7, cases[i].entry);
        g_assert_cmphex(guest(hex), ==, SVM_EXIT_NPF);
        g_assert_cmphex(vmcb()->exit_info1, ==, cases[i].info1);
        g_assert_cmphex(vmcb()->exit_info2, ==, cases[i].address);
    }
    setup_nested(); /* the guest's own tables: always a write */
    vmcb()->cr3 = 0xe00000;
    g_assert_cmphex((put64(NPT + 0x2000 + 8 * 7, 0), guest("90")), ==, SVM_EXIT_NPF);
    g_assert_cmphex(vmcb()->exit_info1, ==, (PF_U | PF_W | SVM_NPF_WALK));
    g_assert_cmphex(vmcb()->exit_info2, ==, 0xe00000);
    g_assert_cmphex(vmcb()->rip, ==, GUEST);

    setup_nested(); /* in the middle of an injection */
    put64(NPT + 0x2000 + 8 * 7, 0);
    vmcb()->idtr.base = 0xe00000;
    vmcb()->event_inj = SVM_EVENT_VALID | 0x40;
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_NPF);
    g_assert_cmphex(vmcb()->exit_int_info, ==, SVM_EVENT_VALID | 0x40);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0xe00400);
}

/* Tables of the guest that lie elsewhere than they seem to: all of 0xe00000's are at 0xc00000. */
static void test_nested_tables(void)
{
    setup_nested();
    memcpy(h->ram + 0xc00000, h->ram + HARNESS_PT, 0x3000);
    memset(h->ram + 0xe00000, 0, 0x3000);
    put64(0xc00000, 0xe01000 | PTE_P | PTE_RW | PTE_US);
    put64(0xc01000, 0xe02000 | PTE_P | PTE_RW | PTE_US);
    vmcb()->cr3 = 0xe00000;
    /* Many pages, so that walks begin at the directory too. */
    g_assert_cmphex(guest("31ed8a042500001000032c2500001000032c2500005000032c2500007000"), ==,
                    SVM_EXIT_VMMCALL);
    g_assert_cmphex(get64(0xc02000 + 8 * 4) & PTE_A, ==, 0); /* that page was not touched */
    g_assert_cmphex(get64(0xc02000 + 8 * 3) & PTE_A, ==, PTE_A);
    g_assert_cmphex(get64(0xe02000 + 8 * 3), ==, 0);
}

/* An INIT that is not intercepted leaves a guest in real mode, whose nested page tables had other
 * memory where the CPU goes on. */
static void test_nested_init(void)
{
    setup_nested();
    vmcb()->cr0 = CR0_ET;
    vmcb()->cr3 = vmcb()->cr4 = 0; /* as INIT leaves them */
    h->s->resets = h->cpu->resets; /* that reset has been followed */
    vmcb()->efer = EFER_SVME;
    vmcb()->cs = (SvmSegment){ .limit = 0xffff, .attributes = 0x9b };
    vmcb()->rip = HARNESS_REAL_CODE;
    put64(NPT + 0x2000, 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS);
    h->cpu->regs[X86_RBP] = BEFORE;
    put_hex(0xc00000 + HARNESS_REAL_CODE, "bd0100f4"); /* mov $1,%bp; hlt */
    run("0f01d8");
    g_assert_true(h->cpu->halted && h->cpu->svm.guest);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 1);
    x86_cpu_init_reset(h->cpu);
    g_assert_false(h->cpu->svm.guest);
    x86_cpu_sipi(h->cpu, 0);
    h->cpu->cr0 = CR0_ET;
    h->cpu->rip = HARNESS_REAL_CODE;
    put_hex(HARNESS_REAL_CODE, "bd0200f4");
    accel_soft.put_state(h->cpu);
    h->s->flags_out = false;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 2);
}

/* Nested tables that point to themselves, or nowhere: whatever comes, it ends. */
static void test_nested_hostile(void)
{
    bool beyond = 0x12345678000 >> h->cpu->model.phys_bits;
    static const uint64_t roots[] = { NPT, 0xfffff000, 0xfee00000, 0x12345678000 & ~0xfffull };

    for (unsigned i = 0; i < G_N_ELEMENTS(roots); i++) {
        setup_nested();
        for (unsigned e = 0; e < 512; e++) {
            put64(NPT + 8 * e, NPT | PTE_P | PTE_RW | PTE_US);
        }
        vmcb()->nested_cr3 = roots[i];
        put_hex(GUEST, VMMCALL);
        run("0f01d8");
        if (i > 0) { /* else all of the guest's memory is that one page, and code of it runs */
            g_assert_false(h->cpu->svm.guest);
            g_assert_cmphex(vmcb()->exit_code, ==,
                            i == 3 && beyond ? SVM_EXIT_INVALID : SVM_EXIT_NPF);
        }
    }
}

/* A guest that is saved and loaded after each of the engine's turns. */
static void test_moved(void)
{
    h->moved = true;
    test_inject();
    test_virtual();
    test_nested();
    test_nested_pat();
    test_nested_faults();
    h->moved = false;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-svm-events/page-fault", test_page_fault);
    g_test_add_func("/soft-svm-events/inject", test_inject);
    g_test_add_func("/soft-svm-events/int-info", test_int_info);
    g_test_add_func("/soft-svm-events/double-fault-and-shutdown", test_double_fault_and_shutdown);
    g_test_add_func("/soft-svm-events/single-step", test_single_step);
    g_test_add_func("/soft-svm-events/task-switch", test_task_switch);
    g_test_add_func("/soft-svm-events/interrupts", test_interrupts);
    g_test_add_func("/soft-svm-events/nmi-init", test_nmi_init);
    g_test_add_func("/soft-svm-events/gif", test_gif);
    g_test_add_func("/soft-svm-events/virtual", test_virtual);
    g_test_add_func("/soft-svm-events/nested", test_nested);
    g_test_add_func("/soft-svm-events/nested-pat", test_nested_pat);
    g_test_add_func("/soft-svm-events/nested-faults", test_nested_faults);
    g_test_add_func("/soft-svm-events/nested-tables", test_nested_tables);
    g_test_add_func("/soft-svm-events/nested-init", test_nested_init);
    g_test_add_func("/soft-svm-events/nested-hostile", test_nested_hostile);
    g_test_add_func("/soft-svm-events/moved", test_moved);
    int result = g_test_run();
    harness_free(h);
    return result;
}
