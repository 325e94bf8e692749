/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enlightenments of Hyper-V: CPUID leaves, MSRs and hypercalls, and what a hostile guest may try
 * with them.
 */
#include "accel/soft/hyperv.h"
#include "accel/soft/msr.h"
#include "target/i386/hyperv.h"
#include "tests/unit/soft-guest.h"
#include "util/clock.h"

#define ALL "hv-relaxed,hv-vapic,hv-vpindex,hv-runtime,hv-time,hv-reset,hv-frequencies,hv-crash"

enum { PAGE = 0x200000, OS_ID = 0x8100, NOWHERE = 0x40000000 };

static X86HvVp vps[2];
static unsigned resets, crashes;
static uint64_t told[5];

static void on_reset(void)
{
    resets++;
}

static void on_crash(const uint64_t parameters[5])
{
    crashes++;
    memcpy(told, parameters, sizeof(told));
}

static X86HvPartition partition;

/* A CPU of @model, whose partition is as it is after a reset. */
static void begin(const char *model)
{
    g_autoptr(GError) err = NULL;

    harness_reset(h, HARNESS_LONG64);
    x86_cpu_model_parse(&h->cpu->model, model, &err);
    g_assert_no_error(err);
    memset(vps, 0, sizeof(vps));
    partition =
        (X86HvPartition){ .vp_count = 2, .vps = vps, .reset = on_reset, .crashed = on_crash };
    h->cpu->hv = &partition;
    resets = crashes = 0;
}

static uint64_t rd(uint32_t msr)
{
    uint64_t value = 0xdead;

    g_assert_true(soft_msr_read(h->s, msr, &value));
    return value;
}

static bool reads(uint32_t msr)
{
    uint64_t value;

    return soft_msr_read(h->s, msr, &value);
}

static bool wr(uint32_t msr, uint64_t value)
{
    return soft_msr_write(h->s, msr, value);
}

static X86CpuidRegs leaf(uint32_t number)
{
    X86CpuidRegs r;

    x86_cpuid(h->cpu, number, 0, &r);
    return r;
}

/* ---- CPUID ---- */

static void test_cpuid(void)
{
    begin("max," ALL ",hv-spinlocks=0x1fff");
    g_assert_cmphex(leaf(0x40000000).eax, ==, 0x40000006);
    g_assert_cmpint(
        memcmp(&(uint32_t[]){ leaf(0x40000000).ebx, leaf(0x40000000).ecx, leaf(0x40000000).edx },
               "Microsoft Hv", 12),
        ==, 0);
    g_assert_cmphex(leaf(0x40000001).eax, ==, 0x31237648); /* Hv#1 */
    g_assert_cmphex(leaf(0x40000003).eax, ==, 0xaf3);      /* all but SynIC and stimers */
    g_assert_cmphex(leaf(0x40000003).edx, ==, 1u << 8 | 1u << 10);
    g_assert_cmphex(leaf(0x40000004).eax, ==, 1u << 3 | 1u << 5);
    g_assert_cmphex(leaf(0x40000004).ebx, ==, 0x1fff);
    g_assert_cmphex(leaf(0x40000005).eax, ==, 2);
    g_assert_cmphex(leaf(0x40000006).eax, ==, 0);
    g_assert_cmphex(leaf(0x40000010).eax, ==, 0);
    g_assert_cmphex(leaf(0x40000100).eax, ==, 0x40000110); /* our own have moved */
    g_assert_cmphex(leaf(0x40000110).eax, ==, 1000000);
    g_assert_cmphex(leaf(0x4fffffff).eax, ==, 0);
}

static void test_cpuid_single(void)
{
    static const struct {
        const char *model;
        uint32_t privileges, misc, hints;
    } cases[] = {
        { "max,hv_relaxed", 0x20, 0, 0x20 },     { "max,hv-vapic", 0x30, 0, 8 },
        { "max,+hv-vpindex", 0x60, 0, 0 },       { "max,hv-runtime=on", 0x21, 0, 0 },
        { "max,hv-time", 0x222, 0, 0 },          { "max,hv_reset=on", 0xa0, 0, 0 },
        { "max,hv-frequencies", 0x820, 256, 0 }, { "max,hv-crash", 0x20, 1024, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        begin(cases[i].model);
        g_assert_cmphex(leaf(0x40000003).eax, ==, cases[i].privileges);
        g_assert_cmphex(leaf(0x40000003).edx, ==, cases[i].misc);
        g_assert_cmphex(leaf(0x40000004).eax, ==, cases[i].hints);
        g_assert_cmphex(leaf(0x40000004).ebx, ==, UINT32_MAX);
    }
    begin("max,hv-relaxed,hv_vendor_id=KVM");
    g_assert_cmphex(leaf(0x40000000).ebx, ==, 'K' | 'V' << 8 | 'M' << 16);
    g_assert_cmphex(leaf(0x40000000).ecx, ==, 0);
    begin("max,hv-spinlocks=4095"); /* alone */
    g_assert_cmphex(leaf(0x40000004).ebx, ==, 4095);
}

/* Where nobody asks for any, or there is no hypervisor to be seen: not even MSRs. */
static void test_off(void)
{
    static const char *const models[] = { "max", "qemu64", "max,hv-vendor-id=Somebody",
                                          "max,hv-time,-hypervisor", "max,+hv-time,-hv-time" };

    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        begin(models[i]);
        g_assert_cmphex(leaf(0x40000001).eax, ==, 0);
        for (uint32_t msr = HV_MSR_FIRST; msr <= HV_MSR_LAST; msr++) {
            g_assert_false(reads(msr));
            g_assert_false(wr(msr, UINT64_MAX));
        }
    }
    begin("max," ALL);
    h->cpu->hv = NULL; /* a machine that is no partition */
    g_assert_cmphex(leaf(0x40000000).eax, ==, 0x40000010);
    g_assert_false(reads(HV_MSR_GUEST_OS_ID));
}

/* ---- MSRs ---- */

/* Each is there with its enlightenment only. */
static void test_needs(void)
{
    static const struct {
        const char *model;
        uint32_t msr;
    } cases[] = {
        { "hv-vpindex", HV_MSR_VP_INDEX },
        { "hv-reset", HV_MSR_RESET },
        { "hv-runtime", HV_MSR_VP_RUNTIME },
        { "hv-time", HV_MSR_TIME_REF_COUNT },
        { "hv-time", HV_MSR_REFERENCE_TSC },
        { "hv-frequencies", HV_MSR_TSC_FREQUENCY },
        { "hv-frequencies", HV_MSR_APIC_FREQUENCY },
        { "hv-crash", HV_MSR_CRASH_P0 },
        { "hv-crash", HV_MSR_CRASH_P4 },
        { "hv-crash", HV_MSR_CRASH_CTL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *with = g_strconcat("max,", cases[i].model, NULL);
        begin(with);
        g_assert_true(reads(cases[i].msr));
        begin("max,hv-relaxed");
        g_assert_false(reads(cases[i].msr));
        g_assert_false(wr(cases[i].msr, 1));
    }
    begin("max," ALL);
    for (uint32_t msr = HV_MSR_EOI; msr <= HV_MSR_TPR; msr++) { /* no local APIC here */
        g_assert_false(reads(msr));
        g_assert_false(wr(msr, 0));
    }
    for (uint32_t msr = 0x40000080; msr <= 0x400000ff; msr++) { /* SynIC, timers, ... */
        g_assert_false(reads(msr));
        g_assert_false(wr(msr, 1));
    }
}

static void test_read_only(void)
{
    begin("max," ALL);
    h->cpu->index = 1;
    g_assert_cmphex(rd(HV_MSR_VP_INDEX), ==, 1);
    h->cpu->index = 0;
    g_assert_cmpuint(rd(HV_MSR_TSC_FREQUENCY), ==, 1000000000);
    g_assert_cmpuint(rd(HV_MSR_APIC_FREQUENCY), ==, 1000000000);
    static const uint32_t none[] = { HV_MSR_VP_INDEX, HV_MSR_VP_RUNTIME, HV_MSR_TIME_REF_COUNT,
                                     HV_MSR_TSC_FREQUENCY, HV_MSR_APIC_FREQUENCY };
    for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_false(wr(none[i], 0));
    }
}

static void test_hypercall_page(void)
{
    begin("max," ALL);
    g_assert_true(wr(HV_MSR_HYPERCALL, PAGE | 1)); /* without a name it has no effect */
    g_assert_cmphex(rd(HV_MSR_HYPERCALL), ==, 0);
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, OS_ID));
    g_assert_false(wr(HV_MSR_HYPERCALL, NOWHERE | 1));
    g_assert_false(wr(HV_MSR_HYPERCALL, UINT64_MAX));
    g_assert_cmphex(rd(HV_MSR_HYPERCALL), ==, 0);
    put32(PAGE, 0);
    g_assert_true(wr(HV_MSR_HYPERCALL, PAGE | 0xffd)); /* reserved bits do not stay */
    g_assert_cmphex(rd(HV_MSR_HYPERCALL), ==, PAGE | 1);
    g_assert_cmphex(get32(PAGE), ==, 0xc3d9010f); /* vmmcall; ret */
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, 0));
    g_assert_cmphex(rd(HV_MSR_HYPERCALL), ==, PAGE);
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, OS_ID));
    g_assert_true(wr(HV_MSR_HYPERCALL, PAGE | 3)); /* locked */
    g_assert_true(wr(HV_MSR_HYPERCALL, 0));
    g_assert_cmphex(rd(HV_MSR_HYPERCALL), ==, PAGE | 3);
    begin("max,vendor=GenuineIntel," ALL);
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, OS_ID));
    g_assert_true(wr(HV_MSR_HYPERCALL, PAGE | 1));
    g_assert_cmphex(get32(PAGE), ==, 0xc3c1010f); /* vmcall; ret */
}

static uint64_t page_time(uint64_t tsc)
{
    return (uint64_t)((unsigned __int128)tsc * get64(PAGE + 8) >> 64) + get64(PAGE + 16);
}

/* The page and the counter tell the same time, also where the guest has set its TSC. */
static void test_time(void)
{
    static const uint64_t tscs[] = { 0, 1000000000, 12345678901, UINT64_C(1) << 50,
                                     UINT64_MAX - (UINT64_C(1) << 50) };

    begin("max," ALL);
    g_assert_false(wr(HV_MSR_REFERENCE_TSC, NOWHERE | 1));
    g_assert_cmphex(rd(HV_MSR_REFERENCE_TSC), ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(tscs); i++) {
        memset(h->ram + PAGE, 0xff, 24);
        g_assert_true(soft_msr_write(h->s, MSR_TSC, tscs[i]));
        g_assert_true(wr(HV_MSR_REFERENCE_TSC, PAGE | 1));
        g_assert_cmphex(rd(HV_MSR_REFERENCE_TSC), ==, PAGE | 1);
        g_assert_cmphex(get32(PAGE), ==, 1);
        uint64_t before = rd(HV_MSR_TIME_REF_COUNT);
        uint64_t by_page = page_time(soft_tsc(h->s));
        uint64_t after = rd(HV_MSR_TIME_REF_COUNT);
        g_assert_cmpuint(by_page + 1, >=, before); /* rounding */
        g_assert_cmpuint(by_page, <=, after + 1);
    }
}

/* When the guest changes its TSC, the page that tells of it is of use no more. */
static void test_time_changed(void)
{
    static const uint32_t msrs[] = { MSR_TSC, MSR_TSC_ADJUST };

    begin("max," ALL);
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        g_assert_true(wr(HV_MSR_REFERENCE_TSC, PAGE | 1));
        g_assert_true(wr(MSR_TSC_ADJUST, rd(MSR_TSC_ADJUST))); /* no change */
        g_assert_cmphex(get32(PAGE), ==, 1);
        g_assert_true(wr(msrs[i], UINT64_C(1) << (40 + i)));
        g_assert_cmphex(get32(PAGE), ==, 0);
        g_assert_cmphex(rd(HV_MSR_REFERENCE_TSC), ==, PAGE | 1);
    }
    g_assert_true(wr(HV_MSR_REFERENCE_TSC, PAGE)); /* not there: it is the guest's own memory */
    put32(PAGE, 7);
    g_assert_true(wr(MSR_TSC, 0));
    g_assert_cmphex(get32(PAGE), ==, 7);
    partition.reference_tsc = NOWHERE | 1; /* a DIMM has gone */
    g_assert_true(wr(MSR_TSC, 0));
}

/* It does not go back, also in another thread, to which a migration has brought it. */
static void test_runtime(void)
{
    begin("max," ALL);
    uint64_t first = rd(HV_MSR_VP_RUNTIME);
    g_assert_cmpuint(rd(HV_MSR_VP_RUNTIME), >=, first);
    vps[0].runtime = UINT64_C(1) << 60;
    vps[0].runtime_stale = true;
    first = rd(HV_MSR_VP_RUNTIME);
    g_assert_cmpuint(first, ==, UINT64_C(1) << 60);
    g_assert_cmpuint(rd(HV_MSR_VP_RUNTIME), >=, first);
}

static void test_assist_page(void)
{
    begin("max,hv-relaxed"); /* whatever is asked for */
    put64(PAGE, UINT64_MAX);
    g_assert_true(wr(HV_MSR_VP_ASSIST_PAGE, PAGE | 1));
    g_assert_cmphex(get64(PAGE), ==, 0xffffffff00000000);
    g_assert_cmphex(rd(HV_MSR_VP_ASSIST_PAGE), ==, PAGE | 1);
    g_assert_false(wr(HV_MSR_VP_ASSIST_PAGE, NOWHERE | 1));
    h->cpu->index = 1; /* each has its own */
    g_assert_cmphex(rd(HV_MSR_VP_ASSIST_PAGE), ==, 0);
    h->cpu->index = 0;
}

/* Pages are in RAM or nowhere, and what is refused changes nothing. */
static void test_places(void)
{
    static const uint32_t msrs[] = { HV_MSR_HYPERCALL, HV_MSR_REFERENCE_TSC,
                                     HV_MSR_VP_ASSIST_PAGE };
    static const uint64_t nowhere[] = { HARNESS_RAM_SIZE, NOWHERE, UINT64_C(1) << 52,
                                        UINT64_C(1) << 63, -(uint64_t)0x1000 };
    const uint64_t last = HARNESS_RAM_SIZE - 0x1000;

    begin("max," ALL);
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, OS_ID));
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        g_assert_true(wr(msrs[i], last | 1));
        for (size_t n = 0; n < G_N_ELEMENTS(nowhere); n++) {
            g_assert_false(wr(msrs[i], nowhere[n] | 1));
            g_assert_cmphex(rd(msrs[i]), ==, last | 1);
            g_assert_true(wr(msrs[i], nowhere[n])); /* off: any address will do */
            g_assert_cmphex(rd(msrs[i]), ==, nowhere[n]);
            g_assert_true(wr(msrs[i], last | 1));
        }
    }
}

static void test_reset_and_crash(void)
{
    begin("max," ALL);
    g_assert_cmphex(rd(HV_MSR_RESET), ==, 0);
    g_assert_true(wr(HV_MSR_RESET, 2));
    g_assert_cmpuint(resets, ==, 0);
    g_assert_true(wr(HV_MSR_RESET, 1));
    g_assert_cmpuint(resets, ==, 1);
    for (uint32_t i = 0; i < 5; i++) {
        g_assert_true(wr(HV_MSR_CRASH_P0 + i, UINT64_MAX - i));
        g_assert_cmphex(rd(HV_MSR_CRASH_P0 + i), ==, UINT64_MAX - i);
    }
    g_assert_cmphex(rd(HV_MSR_CRASH_CTL), ==, HV_CRASH_NOTIFY);
    g_assert_true(wr(HV_MSR_CRASH_CTL, 1));
    g_assert_cmpuint(crashes, ==, 0);
    g_assert_true(wr(HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY));
    g_assert_cmpuint(crashes, ==, 1);
    g_assert_cmphex(told[0], ==, UINT64_MAX);
    g_assert_cmphex(told[4], ==, UINT64_MAX - 4);
}

/* ---- hypercalls ---- */

/* RAX after VMMCALL, or VMCALL, with @input in RCX. */
static uint64_t call(const char *hex, uint64_t input)
{
    h->cpu->rip = HARNESS_CODE;
    h->cpu->halted = false;
    h->cpu->regs[X86_RCX] = input;
    h->cpu->regs[X86_RAX] = 0xdead;
    g_assert_cmpint(run(hex), ==, -1);
    return h->cpu->regs[X86_RAX];
}

static void enable(void)
{
    g_assert_true(wr(HV_MSR_GUEST_OS_ID, OS_ID));
    g_assert_true(wr(HV_MSR_HYPERCALL, PAGE | 1));
}

static void test_calls(void)
{
    begin("max," ALL);
    g_assert_cmpint(run("0f01d9"), ==, EXC_UD); /* not yet */
    begin("max," ALL);
    enable();
    g_assert_cmphex(call("0f01d9", 0x8), ==, HV_STATUS_SUCCESS);
    g_assert_cmphex(call("0f01d9", 0x10008), ==, HV_STATUS_SUCCESS); /* fast */
    g_assert_cmphex(call("0f01d9", 0x100000008), ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
    g_assert_cmphex(call("0f01d9", 0x5c), ==, HV_STATUS_INVALID_HYPERCALL_CODE);
    g_assert_cmphex(call("0f01d9", 0), ==, HV_STATUS_INVALID_HYPERCALL_CODE);
    g_assert_cmphex(call("0f01d9", UINT64_MAX), ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run("0f01c1"), ==, EXC_UD); /* the other vendor's */
    begin("max,vendor=GenuineIntel," ALL);
    enable();
    g_assert_cmphex(call("0f01c1", 0x8), ==, HV_STATUS_SUCCESS);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run("0f01d9"), ==, EXC_UD);
    begin("max,-svm,hv-relaxed"); /* that it has none does not matter */
    enable();
    g_assert_cmphex(call("0f01d9", 0x8), ==, HV_STATUS_SUCCESS);
    begin("max");
    h->cpu->regs[X86_RCX] = 8;
    g_assert_cmpint(run("0f01c1"), ==, EXC_UD);
}

/* The page comes over code that has been run. */
static void test_call_page(void)
{
    static const char *const call_page = "b800002000" /* mov eax, PAGE */
                                         "ffd0";      /* call rax */

    begin("max," ALL);
    memset(h->ram + PAGE, 0xc3, 8); /* ret */
    for (unsigned i = 0; i < 3; i++) {
        h->cpu->rip = HARNESS_CODE;
        h->cpu->halted = false;
        g_assert_cmpint(run(call_page), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, PAGE);
    }
    enable();
    h->cpu->rip = HARNESS_CODE;
    h->cpu->halted = false;
    h->cpu->regs[X86_RCX] = HV_CALL_NOTIFY_LONG_SPIN_WAIT;
    g_assert_cmpint(run(call_page), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, HV_STATUS_SUCCESS);
    g_assert_true(wr(HV_MSR_HYPERCALL, 0)); /* what is there stays, and is none any more */
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run(call_page), ==, EXC_UD);
}

static void test_calls_elsewhere(void)
{
    begin("max," ALL);
    enable();
    harness_reset(h, HARNESS_USER64);
    g_assert_cmpint(run("0f01d9"), ==, EXC_UD);
    harness_reset(h, HARNESS_REAL);
    g_assert_cmpint(run("0f01d9"), ==, EXC_UD);
    harness_reset(h, HARNESS_FLAT32); /* EDX:EAX */
    h->cpu->regs[X86_RDX] = 0x80000000;
    h->cpu->regs[X86_RAX] = 8;
    g_assert_cmpint(run("0f01d9"), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-hyperv/cpuid", test_cpuid);
    g_test_add_func("/soft-hyperv/cpuid-single", test_cpuid_single);
    g_test_add_func("/soft-hyperv/off", test_off);
    g_test_add_func("/soft-hyperv/needs", test_needs);
    g_test_add_func("/soft-hyperv/read-only", test_read_only);
    g_test_add_func("/soft-hyperv/hypercall-page", test_hypercall_page);
    g_test_add_func("/soft-hyperv/time", test_time);
    g_test_add_func("/soft-hyperv/time-changed", test_time_changed);
    g_test_add_func("/soft-hyperv/runtime", test_runtime);
    g_test_add_func("/soft-hyperv/assist-page", test_assist_page);
    g_test_add_func("/soft-hyperv/places", test_places);
    g_test_add_func("/soft-hyperv/reset-and-crash", test_reset_and_crash);
    g_test_add_func("/soft-hyperv/calls", test_calls);
    g_test_add_func("/soft-hyperv/call-page", test_call_page);
    g_test_add_func("/soft-hyperv/calls-elsewhere", test_calls_elsewhere);
    int ret = g_test_run();
    harness_free(h);
    return ret;
}
