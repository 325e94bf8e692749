/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SVM and system management mode on one software CPU (APM vol. 2 sections 15.13.3 and 15.17): SMIs
 * where the global interrupt flag is clear and where a guest runs, SVM in a handler, INIT and reset
 * in between, and states that another machine cannot take over.
 */
#include "accel/accel.h"
#include "accel/soft/engine.h"
#include "tests/unit/smram.h"
#include "tests/unit/soft-svm-guest.h"
#include "util/error.h"

enum { SAVED_RIP = 0xff78 };

static void on_shutdown(X86Cpu *cpu)
{
}

/* incl %cs:0xfff0, the saved RCX; rsm */
#define COUNT "662eff06f0ff0faa"

static void handler_is(const char *hex)
{
    for (unsigned i = 0; hex[2 * i]; i++) {
        smram->host[X86_SMM_ENTRY + i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    harness_flush(h);
}

static uint64_t saved_rip(void)
{
    uint64_t rip;

    memcpy(&rip, smram->host + SAVED_RIP, sizeof(rip));
    return rip;
}

/* A host with an SMI that waits while it is about to run its guest, as hosts are: GIF clear. */
static void setup_smi(void)
{
    setup();
    memset(smram->host, 0, smram->size);
    handler_is(COUNT);
    h->cpu->svm.gif_clear = true;
    x86_cpu_smi(h->cpu);
}

static bool smi_pending(void)
{
    return atomic_load(&h->cpu->interrupts) & CPU_INT_SMI;
}

static uint64_t handled(void)
{
    return h->cpu->regs[X86_RCX];
}

/* The host's STGI lets the handler run, once, between that and what follows. */
static void let_in(void)
{
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run("0f01dc90"), ==, -1);
    g_assert_cmphex(handled(), ==, 1);
    g_assert_cmphex(saved_rip(), ==, HARNESS_CODE + 3);
    g_assert_false(smi_pending() || h->cpu->smm || h->cpu->svm.gif_clear);
    g_assert_true(h->cpu->efer & EFER_SVME);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 5);
}

static void test_gif(void)
{
    setup_smi();
    g_assert_false(x86_cpu_smi_waits(h->cpu));
    g_assert_cmpint(run("9090"), ==, -1);
    g_assert_true(smi_pending() && !h->cpu->smm);
    g_assert_cmphex(handled(), ==, 0);
    g_assert_false(soft_engine_turn(h->s)); /* nor does it end HLT */
    let_in();
}

static void test_intercepted(void)
{
    setup_smi();
    set_intercept(SVM_EXIT_SMI, true);
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_SMI);
    g_assert_cmphex(vmcb()->rip, ==, GUEST);
    g_assert_cmphex(vmcb()->exit_info1 | vmcb()->exit_info2 | vmcb()->exit_int_info, ==, 0);
    g_assert_true(smi_pending() && !h->cpu->smm);
    g_assert_cmphex(handled(), ==, 0);
    let_in();
}

/* What the host has injected is delivered before. */
static void test_injected(void)
{
    setup_smi();
    set_intercept(SVM_EXIT_SMI, true);
    vmcb()->event_inj = SVM_EVENT_VALID | 0x40;
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_SMI);
    g_assert_cmphex(vmcb()->rip, ==, HANDLER);
    g_assert_cmphex(vmcb()->event_inj & SVM_EVENT_VALID, ==, 0);
    g_assert_cmphex(vmcb()->exit_int_info, ==, 0);
}

/* After the instruction that STI or MOV SS protects. */
static void test_shadow(void)
{
    setup_smi();
    set_intercept(SVM_EXIT_SMI, true);
    vmcb()->shadow = 1;
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_SMI);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
    g_assert_cmphex(vmcb()->shadow, ==, 0);
}

/* It waits until the guest is left for something else, and the host lets it in. */
static void test_not_intercepted(void)
{
    setup_smi();
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_VMMCALL);
    g_assert_true(smi_pending() && !h->cpu->smm);
    g_assert_cmphex(handled(), ==, 0);
    let_in();
}

static void test_halted(void)
{
    for (unsigned intercepted = 0; intercepted < 2; intercepted++) {
        setup_smi();
        x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
        set_intercept(SVM_EXIT_SMI, intercepted);
        put_hex(GUEST, "f4");
        g_assert_cmpint(run("0f01d8"), ==, -1);
        g_assert_true(h->cpu->halted && h->cpu->svm.guest);
        x86_cpu_smi(h->cpu);
        g_assert_cmpint(x86_cpu_smi_waits(h->cpu), ==, intercepted);
        g_assert_cmpint(soft_engine_turn(h->s), ==, intercepted);
        g_assert_cmpint(h->cpu->svm.guest, ==, !intercepted);
        g_assert_cmpint(h->cpu->halted, ==, !intercepted);
        g_assert_true(smi_pending() && !h->cpu->smm);
        if (intercepted) {
            g_assert_cmphex(vmcb()->exit_code, ==, SVM_EXIT_SMI);
            g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
            let_in();
        }
        x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
    }
}

/* A guest whose host lets it clear GIF keeps out everything, and an interrupt of its host's. */
static void test_guest_clears_gif(void)
{
    static const unsigned codes[] = { SVM_EXIT_SMI, SVM_EXIT_INIT, SVM_EXIT_VINTR };

    for (unsigned halts = 0; halts < 2; halts++) {
        setup_smi();
        x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
        for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
            set_intercept(codes[i], true);
        }
        put_hex(GUEST, "0f01ddfbf4f4"); /* clgi; sti; hlt; hlt */
        g_assert_cmpint(run("0f01d8"), ==, -1);
        g_assert_true(h->cpu->halted && h->cpu->svm.guest && h->cpu->svm.gif_clear);
        h->cpu->svm.int_ctl = SVM_V_IRQ | SVM_V_IGN_TPR | 0x55ull << SVM_V_VECTOR_SHIFT;
        x86_cpu_interrupt(h->cpu, CPU_INT_VIRTUAL | CPU_INT_INIT | CPU_INT_SMI);
        g_assert_false(x86_takes_virtual(h->cpu) || x86_svm_leaves_for_init(h->cpu) ||
                       x86_cpu_smi_waits(h->cpu) || x86_cpu_init_sipi(h->cpu));
        h->cpu->halted = halts;
        g_assert_cmpint(soft_engine_turn(h->s), ==, !halts);
        g_assert_true(h->cpu->svm.guest);
        atomic_store(&h->cpu->interrupts, 0);
    }
}

/* ---- in a handler ---- */

static int in_handler(const char *hex)
{
    setup_smi();
    h->cpu->svm.gif_clear = false;
    h->deliver = false;
    handler_is(hex);
    int vector = run("90");
    g_assert_true(h->cpu->smm);
    return vector;
}

static void test_handler(void)
{
    /* mov $0xc0000080,%ecx; rdmsr; or $0x1000,%eax; wrmsr */
    g_assert_cmpint(in_handler("66b9800000c00f32660d001000000f30"), ==, EXC_GP);
    g_assert_cmphex(h->cpu->efer, ==, 0);
    /* clgi, stgi, vmrun */
    g_assert_cmpint(in_handler("0f01dd"), ==, EXC_UD);
    g_assert_cmpint(in_handler("0f01dc"), ==, EXC_UD);
    g_assert_cmpint(in_handler("0f01d8"), ==, EXC_UD);

    /* A processor without long mode does not lose EFER, and has no guests in a handler either. */
    setup_smi();
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
    h->deliver = false;
    h->cpu->smm = true;
    accel_soft.put_state(h->cpu);
    g_assert_cmpint(run("0f01d8"), ==, EXC_UD);
    g_assert_false(h->cpu->svm.guest);
}

/* RSM to real mode: privilege 0, whatever the map has in SS. */
static void test_real_mode(void)
{
    setup_smi();
    h->cpu->svm.gif_clear = false;
    handler_is("0faa");
    put_hex(HARNESS_CODE, "9090");
    g_assert_true(soft_engine_turn(h->s));
    const uint64_t cr0 = CR0_ET, none = 0;
    memcpy(smram->host + 0xff58, &cr0, sizeof(cr0));
    memcpy(smram->host + 0xff48, &none, sizeof(none));
    memcpy(smram->host + 0xfed0, &none, sizeof(none));
    smram->host[0xfe22] |= 0x60; /* SS's attributes: DPL 3 */
    g_assert_true(soft_engine_turn(h->s));
    g_assert_false(h->cpu->smm);
    g_assert_cmphex(h->cpu->segs[X86_SEG_SS].flags & SEG_DPL_MASK, ==, 0);
}

/* ---- INIT and reset ---- */

static void test_reset(void)
{
    for (unsigned init = 0; init < 2; init++) {
        setup_smi();
        h->cpu->svm.gif_clear = false;
        g_assert_true(soft_engine_turn(h->s));
        g_assert_true(h->cpu->smm && h->cpu->nmi_blocked);
        h->cpu->smbase = 0x40000;
        (init ? x86_cpu_init_reset : x86_cpu_reset)(h->cpu);
        accel_soft.put_state(h->cpu);
        g_assert_false(h->cpu->smm || h->cpu->nmi_blocked || h->cpu->smm_nmi_blocked);
        g_assert_cmphex(h->cpu->smbase, ==, init ? 0x40000 : SMRAM);
        g_assert_cmphex(h->s->mode_key & SOFT_KEY_SMM, ==, 0);

        setup_smi(); /* GIF is set, so that the SMI comes; but for a reset, which forgets it */
        (init ? x86_cpu_init_reset : x86_cpu_reset)(h->cpu);
        g_assert_false(h->cpu->svm.gif_clear);
        g_assert_cmpint(x86_cpu_smi_waits(h->cpu), ==, init);

        setup_smi(); /* a guest */
        put_hex(GUEST, "f4");
        g_assert_cmpint(run("0f01d8"), ==, -1);
        g_assert_true(h->cpu->svm.guest);
        (init ? x86_cpu_init_reset : x86_cpu_reset)(h->cpu);
        accel_soft.put_state(h->cpu);
        g_assert_false(h->cpu->svm.guest || h->cpu->efer);
        g_assert_cmphex(h->s->mode_key & SOFT_KEY_SVM, ==, 0);
        atomic_store(&h->cpu->interrupts, 0);
    }
    harness_reset(h, HARNESS_LONG64);
}

/* ---- states ---- */

typedef enum Kind { IN_SMM, SMI_WAITS, IN_GUEST, GIF_CLEAR, SVM_ON, KINDS } Kind;

static void make_state(Kind kind)
{
    setup_smi();
    if (kind == IN_SMM) {
        h->cpu->svm.gif_clear = false;
        g_assert_true(soft_engine_turn(h->s));
    }
    if (kind != SMI_WAITS) {
        x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
    }
    if (kind == IN_GUEST) {
        put_hex(GUEST, "f4");
        g_assert_cmpint(run("0f01d8"), ==, -1);
    }
    h->cpu->svm.gif_clear = kind == GIF_CLEAR;
}

static void assert_loads(const GByteArray *saved, const char *why)
{
    g_autoptr(GError) err = NULL;
    bool ok = state_load(&x86_cpu_state, h->cpu, saved->data, saved->len, &err);

    if (!why) {
        g_assert_no_error(err);
        g_assert_true(ok);
        return;
    }
    g_assert_false(ok);
    g_assert_nonnull(strstr(err->message, why));
}

/* A machine with the same, and one with neither, as those of KVM are. */
static void test_states(void)
{
    static const char *const refused[KINDS] = {
        [IN_SMM] = "would have system management mode, which this machine is without",
        [SMI_WAITS] = "would have system management mode, which this machine is without",
        [IN_GUEST] = "would have a guest of SVM, which its model does not have here",
        [GIF_CLEAR] = "would have SVM in use, which its model does not have here",
        [SVM_ON] = "would have SVM in use, which its model does not have here",
    };
    uint32_t *feature = &h->cpu->model.features[X86_FEAT_EXT1_ECX];

    for (Kind kind = 0; kind < KINDS; kind++) {
        g_autoptr(GByteArray) saved = g_byte_array_new();

        make_state(kind);
        accel_soft.get_state(h->cpu);
        state_save(&x86_cpu_state, h->cpu, saved);
        h->s->flags_out = false;
        h->cpu->has_smm = false;
        *feature &= ~CPUID_EXT1_ECX_SVM;
        assert_loads(saved, refused[kind]);
        h->cpu->has_smm = true;
        *feature |= CPUID_EXT1_ECX_SVM;
        assert_loads(saved, NULL);
        if (kind == IN_SMM) {
            h->cpu->svm.gif_clear = true;
            g_byte_array_set_size(saved, 0);
            state_save(&x86_cpu_state, h->cpu, saved);
            assert_loads(saved, "interrupts held back by SVM in system management mode");
        }
        atomic_store(&h->cpu->interrupts, 0);
    }
    setup();
    g_autoptr(GByteArray) saved = g_byte_array_new();
    atomic_store(&h->cpu->interrupts, CPU_INT_VIRTUAL);
    state_save(&x86_cpu_state, h->cpu, saved);
    assert_loads(saved, "an interrupt for a guest of SVM, and no guest");
    atomic_store(&h->cpu->interrupts, 0);
    harness_reset(h, HARNESS_LONG64);
}

/* Whatever is in the VMCB, the program stands it, also when an SMI and an INIT come; it ends. */
static void test_random(void)
{
    enum { STATE = 0x400, STATE_SIZE = 0x280, CONTROL_SIZE = 0xd0, ROUNDS = 300, MIB = 1 << 20 };

    memset(h->ram + MIB, 0xf4, HARNESS_RAM_SIZE - MIB); /* HLT, wherever the guest may come */
    harness_kick(h, true);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t *page = (uint8_t *)vmcb();

        setup_smi();
        if (g_test_rand_bit()) {
            x86_cpu_clear_interrupt(h->cpu, CPU_INT_SMI);
        }
        set_intercept(SVM_EXIT_SMI, g_test_rand_bit());
        vmcb()->nested_ctl = g_test_rand_bit();
        unsigned changes = 1 + (unsigned)g_test_rand_int_range(0, 8);
        for (unsigned i = 0; i < changes; i++) {
            int at = g_test_rand_int_range(0, STATE_SIZE + CONTROL_SIZE);
            at = at < STATE_SIZE ? STATE + at : at - STATE_SIZE;
            page[at] ^= (uint8_t)(1u << g_test_rand_int_range(0, 8));
        }
        put_hex(GUEST, "0f01d90f01d9");
        harness_load(h, "\x0f\x01\xd8\x0f\x01\xdc\xf4\xeb\xfd", 9); /* vmrun; stgi; hlt */
        harness_run(h, 40);
        x86_cpu_interrupt(h->cpu, CPU_INT_SMI);
        harness_run(h, 10);
        atomic_store(&h->cpu->interrupts, 0);
    }
    harness_kick(h, false);
    memset(h->ram + MIB, 0, HARNESS_RAM_SIZE - MIB);
    harness_reset(h, HARNESS_LONG64);
}

/* The same, saved and loaded after each of the engine's turns. */
static void test_moved(void)
{
    h->moved = true;
    test_gif();
    test_intercepted();
    test_injected();
    test_shadow();
    test_not_intercepted();
    h->moved = false;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    accel_set(&accel_soft);
    accel_set_shutdown_handler(on_shutdown);
    h = harness_new();
    h->cpu->has_smm = true;
    smram_make();
    g_test_add_func("/soft-svm-smm/gif", test_gif);
    g_test_add_func("/soft-svm-smm/intercepted", test_intercepted);
    g_test_add_func("/soft-svm-smm/injected", test_injected);
    g_test_add_func("/soft-svm-smm/shadow", test_shadow);
    g_test_add_func("/soft-svm-smm/not-intercepted", test_not_intercepted);
    g_test_add_func("/soft-svm-smm/halted", test_halted);
    g_test_add_func("/soft-svm-smm/guest-clears-gif", test_guest_clears_gif);
    g_test_add_func("/soft-svm-smm/handler", test_handler);
    g_test_add_func("/soft-svm-smm/real-mode", test_real_mode);
    g_test_add_func("/soft-svm-smm/reset", test_reset);
    g_test_add_func("/soft-svm-smm/states", test_states);
    g_test_add_func("/soft-svm-smm/random", test_random);
    g_test_add_func("/soft-svm-smm/moved", test_moved);
    int result = g_test_run();
    smram_remove();
    harness_free(h);
    return result;
}
