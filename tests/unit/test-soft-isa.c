/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPUID announces executes, and what it does not announce raises #UD: for each feature its
 * instructions, run with it switched on and off. A feature that has no line here fails the test.
 */
#include <string.h>

#include "tests/unit/soft-harness.h"

static SoftHarness *h;

enum {
    KERNEL = 0x30000, /* SYSCALL and SYSENTER go here: a HLT */
    SYSRET_TO = 0x31000,
};

typedef struct Feature {
    const char *name;
    /* Instructions, in hexadecimal, separated by blanks. RBX is the address of an aligned buffer of
     * zeros, EDX:EAX is 0, RCX the number of an MSR that can be written to. */
    const char *code;
    HarnessMode mode;
    const char *also; /* what else the model must be given, or NULL */
} Feature;

static const Feature features[] = {
    { "fpu", "d9e8 9b dbe3 dbe2 d93b dfe0 dd33 d803 d9ee dec1", HARNESS_LONG64, NULL },
    { "tsc", "0f31", HARNESS_LONG64, NULL },
    { "msr", "0f32 0f30", HARNESS_LONG64, NULL },
    { "cx8", "0fc70b f00fc70b", HARNESS_LONG64, NULL },
    { "sep", "0f34 0f35", HARNESS_FLAT32, NULL },
    { "sep", "0f34 0f35 480f35", HARNESS_LONG64, "vendor=GenuineIntel" },
    { "cmov", "0f44c1 0f4003 dac1 dbd1 dbe9 dff1", HARNESS_LONG64, NULL },
    { "clflush", "0fae3b", HARNESS_LONG64, NULL },
    { "clflush", "0fae3b", HARNESS_FLAT32, NULL },
    { "clflush", "0fae3f", HARNESS_REAL, NULL },
    { "mmx", "0f6fc1 0f6ec1 0ffcc1 0f77 0f7f03", HARNESS_LONG64, NULL },
    { "mmx", "0f6fc1 0ffcc1 0f77", HARNESS_LONG64, "-sse" },
    { "fxsr", "0fae03 0fae0b 480fae03 480fae0b", HARNESS_LONG64, NULL },
    { "sse", "0f58c1 0f28c1 0f2803 0fae13 0fae1b 0faef8 0ff6c1 0f70c100 0fc5c101 0fe703 0fdac1",
      HARNESS_LONG64, NULL },
    { "sse2", "660f58c1 660f6fc1 f30f6f03 0faee8 0faef0 0fd4c1 0fc303 f20f10c1 f20f2ac1 660fe703",
      HARNESS_LONG64, NULL },
    { "sse3", "f20fd0c1 f20ff003 df0b f20f12c1", HARNESS_LONG64, NULL },
    { "pni", "f30f16c1", HARNESS_LONG64, NULL },
    { "ssse3", "660f3800c1 0f3800c1 660f3a0fc101", HARNESS_LONG64, NULL },
    { "cx16", "480fc70b f0480fc70b", HARNESS_LONG64, NULL },
    { "sse4.1", "660f3a0dc101 660f3a40c101 660f3a14c001 660f382a03", HARNESS_LONG64, NULL },
    { "sse4-1", "660f3810c1", HARNESS_LONG64, NULL },
    { "sse4.2", "f20f38f1c1 f20f38f0c1 660f3837c1 660f3a63c100", HARNESS_LONG64, NULL },
    { "sse4-2", "660f3a60c100", HARNESS_LONG64, NULL },
    { "movbe", "0f38f003 0f38f103 660f38f003", HARNESS_LONG64, NULL },
    { "popcnt", "f30fb8c1 f30fb803", HARNESS_LONG64, NULL },
    { "fsgsbase", "f3480faec0 f3480faec8 f3480faed0 f3480faed8 f30faec0", HARNESS_LONG64, NULL },
    { "smap", "0f01ca 0f01cb", HARNESS_LONG64, NULL },
    { "aes", "660f38dcc1 660f3adfc101 660f38db03", HARNESS_LONG64, NULL },
    { "aes", "c4e271dcc1", HARNESS_LONG64, "+xsave,+avx" },
    { "pclmulqdq", "660f3a44c100", HARNESS_LONG64, NULL },
    { "pclmulqdq", "c4e37144c100", HARNESS_LONG64, "+xsave,+avx" },
    { "bmi1", "c4e278f3c9 c4e270f2c1 c4e268f7c1", HARNESS_LONG64, NULL },
    { "bmi2", "c4e37bf0c105 c4e268f5c1 c4e2f3f5c1 c4e2f1f7c1", HARNESS_LONG64, NULL },
    { "adx", "660f38f6c1 f30f38f6c1", HARNESS_LONG64, NULL },
    { "rdrand", "0fc7f0 480fc7f0", HARNESS_LONG64, NULL },
    { "rdseed", "0fc7f8", HARNESS_LONG64, NULL },
    { "sha-ni", "0f38c8c1 0f3accc100 0f38cb03", HARNESS_LONG64, NULL },
    { "clflushopt", "660fae3b", HARNESS_LONG64, NULL },
    { "clwb", "660fae33", HARNESS_LONG64, NULL },
    { "rdpid", "f30fc7f8", HARNESS_LONG64, NULL },
    { "rdtscp", "0f01f9", HARNESS_LONG64, NULL },
    { "syscall", "0f05 0f07 480f07", HARNESS_LONG64, NULL },
    { "syscall", "0f05", HARNESS_FLAT32, NULL },
    { "lahf-lm", "9f 9e", HARNESS_LONG64, NULL },
    { "3dnowprefetch", "0f0d03 0f0d0b", HARNESS_LONG64, "-lm" },
    { "lm", "0f0d03 0f0d0b", HARNESS_LONG64, "-3dnowprefetch" },
    { "fma", "c4e2f198c1 c4e2f59803", HARNESS_LONG64, NULL },
    { "xsave", "0fae23 0fae2b 480fae23 0f01d0 0f01d1", HARNESS_LONG64, NULL },
    { "avx", "c5f058c2 c5fc28c1 c5f877 c5fc2803 c5fc1103 c4e3714bc230 c5f8ae13 c4e26d2c03",
      HARNESS_LONG64, NULL },
    { "f16c", "c4e27913c1", HARNESS_LONG64, NULL },
    { "monitor", "0f01c8 0f01c9", HARNESS_LONG64, NULL },
    { "svm", "0f01d8 0f01da 0f01db 0f01dc 0f01dd 0f01df", HARNESS_LONG64, NULL },
    { "vmx", "0f01c1 0f01c2 0f01c3 0f01c4 0f01d4 f30fc733 660fc733 0f78c1 0f79c1", HARNESS_LONG64,
      NULL },
    { "avx2", "c5fdfcc1 c4e27d58c1 c4e26d90043b c4e26d8c03 c4e37d39c101", HARNESS_LONG64, NULL },
    { "invpcid", "660f388203", HARNESS_LONG64, NULL },
    { "rtm", "c7f800000000 c6f800 0f01d5 0f01d6", HARNESS_LONG64, NULL },
    { "avx512f", "62f17c4858c2", HARNESS_LONG64, NULL },
    { "avx512dq", "62f1fd4854c2", HARNESS_LONG64, NULL },
    { "avx512bw", "62f17d48fcc2", HARNESS_LONG64, NULL },
    { "pku", "0f01ee 0f01ef", HARNESS_LONG64, NULL },
    { "gfni", "660f38cfc1", HARNESS_LONG64, NULL },
    { "vaes", "c4e275dcc1", HARNESS_LONG64, NULL },
    { "vpclmulqdq", "c4e37544c100", HARNESS_LONG64, NULL },
    { "serialize", "0f01e8", HARNESS_LONG64, NULL },
    { "avx-vnni", "c4e27150c2", HARNESS_LONG64, NULL },
    { "xsaveopt", "0fae33", HARNESS_LONG64, NULL },
    { "xsavec", "0fc723", HARNESS_LONG64, NULL },
    { "xsaves", "0fc72b 0fc71b", HARNESS_LONG64, NULL },
    { "3dnow", "0f0fc19e 0f0e", HARNESS_LONG64, NULL },
    { "sse4a", "f20f79c1 660f79c1 f20f2b03 f30f2b03", HARNESS_LONG64, NULL },
    { "xop", "8fe878c0c100", HARNESS_LONG64, NULL },
    { "fma4", "c4e3f16bc120", HARNESS_LONG64, NULL },
    { "tbm", "8fe97801c9", HARNESS_LONG64, NULL },
    { "clzero", "0f01fc", HARNESS_LONG64, NULL },
    { "3dnowext", "0f0fc1bb", HARNESS_LONG64, NULL },
    { "smx", "0f37", HARNESS_LONG64, NULL },
    { "waitpkg", "f30faef0 660faef0 f20faef0", HARNESS_LONG64, NULL },
    { "movdiri", "0f38f90b", HARNESS_LONG64, NULL },
    { "movdir64b", "660f38f803", HARNESS_LONG64, NULL },
};

/* These change what registers, page tables or CPUID leaves mean, or only what is fast; or their
 * encodings are older instructions or NOPs where they are not there. */
static const char without_instructions[] =
    "de pse pae mce apic mtrr pge mca pat pse36 x2apic tsc-deadline hypervisor tsc-adjust smep "
    "erms umip arat nx pdpe1gb invtsc vme pcid topoext pmu hle mpx avx512ifma avx512cd avx512vl "
    "avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512-vpopcntdq avx512-bf16 la57 fsrm "
    "md-clear spec-ctrl stibp arch-capabilities ssbd xgetbv1 mmxext fxsr-opt cr8legacy "
    "misalignsse osvw xsaveerptr wbnoinvd ibpb amd-stibp amd-ssbd virt-ssbd kvm abm ds acpi ss "
    "ht tm pbe dtes64 ds-cpl est tm2 xtpr pdcm dca sgx pcommit intel-pt avx512pf avx512er "
    "bus-lock-detect cldemote pks avx512-4vnniw avx512-4fmaps avx512-vp2intersect tsx-ldtrk "
    "amx-bf16 avx512-fp16 amx-tile amx-int8 core-capability cmp-legacy extapic ibs skinit wdt "
    "lwp tce perfctr-core perfctr-nb ibrs amd-no-ssb npt lbrv svm-lock nrip-save tsc-scale "
    "vmcb-clean flushbyasid decodeassists pause-filter pfthreshold avic v-vmsave-vmload vgif "
    "svme-addr-chk rdctl-no ibrs-all rsba skip-l1dfl-vmentry ssb-no mds-no pschange-mc-no "
    "tsx-ctrl taa-no split-lock-detect i64 xd pclmuldq ffxsr "
    "hv-relaxed hv-vapic hv-vpindex hv-runtime hv-time hv-reset hv-frequencies hv-crash ";

/* No feature of ours announces them. */
static const char never[] =
    "0f01fd 0f01fa 0f01fb f30faef0 660faef0 f20faef0 0f38f90b 660f38f803 f30fae23 0f01c5 0f01cf "
    "0f37 0faa 0f0b 0fffc0 0fb9c0 f30fc7f0 0f01f8f0 0f36 0f24c0 "
    "0f01d9 0f01de"; /* VMMCALL is for the host of a guest */

static unsigned parse_hex(const char *text, uint8_t *bytes)
{
    unsigned len = 0;
    for (; g_ascii_isxdigit(text[0]); text += 2) {
        bytes[len++] =
            (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return len;
}

static void prepare(HarnessMode mode)
{
    X86Cpu *cpu = h->cpu;

    harness_reset(h, mode);
    memset(h->ram + HARNESS_DATA, 0, 0x1000);
    memset(h->ram + KERNEL, 0xf4, 1);
    memset(h->ram + SYSRET_TO, 0xf4, 1);
    if (mode != HARNESS_REAL) {
        cpu->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE | CR4_PKE;
        cpu->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    }
    cpu->efer |= EFER_SCE | EFER_SVME;
    cpu->msr.lstar = cpu->msr.cstar = KERNEL;
    cpu->msr.star = (uint64_t)0x30 << 48 | (uint64_t)0x08 << 32 | KERNEL;
    cpu->msr.sysenter_cs = 0x08;
    cpu->msr.sysenter_eip = KERNEL;
    cpu->msr.sysenter_esp = HARNESS_STACK;
    cpu->regs[X86_RBX] = mode == HARNESS_REAL ? 0x500 : HARNESS_DATA;
    cpu->regs[X86_RCX] = MSR_PAT;
    cpu->regs[X86_RAX] = cpu->regs[X86_RDX] = 0;
    cpu->regs[X86_RSI] = cpu->regs[X86_RDI] = HARNESS_DATA;
}

/* Vector that the instruction ends with, -1: none. */
static int run_code(const char *hex, HarnessMode mode)
{
    uint8_t bytes[15];
    unsigned len = parse_hex(hex, bytes);

    prepare(mode);
    if (g_str_has_suffix(hex, "0f07") || g_str_has_suffix(hex, "0f35")) { /* SYSRET, SYSEXIT */
        h->cpu->regs[X86_RCX] = SYSRET_TO;
        h->cpu->regs[X86_RDX] = SYSRET_TO;
    }
    if (g_str_has_prefix(hex, "0f01d") || g_str_has_prefix(hex, "0f01e")) { /* XCR0, PKRU */
        h->cpu->regs[X86_RCX] = 0;
        h->cpu->regs[X86_RAX] = XCR0_X87;
    }
    if (strstr("0f01d8 0f01da 0f01db", hex)) { /* of VMRUN and its kin: zeros */
        h->cpu->regs[X86_RAX] = HARNESS_DATA;
    }
    if (strcmp(hex, "0fc71b") == 0) { /* XRSTORS: the compact form */
        h->ram[HARNESS_DATA + 512 + 15] = 0x80;
    }
    harness_load(h, bytes, len);
    return harness_run(h, 10);
}

static bool set_model(const char *base, const char *also, char sign, const char *feature)
{
    g_autofree char *text = g_strdup_printf("%s,enforce%s%s,%c%s", base, also ? "," : "",
                                            also ? also : "", sign, feature);
    return x86_cpu_model_parse(&h->cpu->model, text, NULL);
}

static void check_codes(const char *codes, HarnessMode mode, const char *what, bool on)
{
    g_auto(GStrv) list = g_strsplit(codes, " ", -1);

    for (char **code = list; *code; code++) {
        int vector = run_code(*code, mode);
        if (vector != (on ? -1 : EXC_UD)) {
            g_test_message("%s %s, %s: ended with %d", what, on ? "on" : "off", *code, vector);
            g_test_fail();
        }
    }
}

static void test_features(gconstpointer base)
{
    unsigned on = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        const Feature *f = &features[i];
        if (set_model(base, f->also, '+', f->name)) {
            check_codes(f->code, f->mode, f->name, true);
            on++;
        }
        bool possible = set_model(base, f->also, '-', f->name);
        g_assert_true(possible || f->also);
        if (possible) {
            check_codes(f->code, f->mode, f->name, false);
        }
    }
    g_assert_cmpuint(on, >=, 30);
    check_codes(never, HARNESS_LONG64, "nothing", false);
}

/* What the plain model announces, it executes. */
static void test_announced(gconstpointer base)
{
    X86CpuModel model;

    g_assert_true(x86_cpu_model_parse(&model, base, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        const char *name;
        bool on;
        for (size_t n = 0; (name = x86_cpu_feature(n, &model, &on)); n++) {
            if (strcmp(name, features[i].name) == 0 && !features[i].also) {
                h->cpu->model = model;
                check_codes(features[i].code, features[i].mode, name, on);
            }
        }
    }
}

static bool has_line(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        if (strcmp(features[i].name, name) == 0) {
            return true;
        }
    }
    g_auto(GStrv) others = g_strsplit(without_instructions, " ", -1);
    if (g_strv_contains((const char *const *)others, name)) {
        return true;
    }
    return g_str_has_prefix(name, "kvm");
}

static void test_complete(void)
{
    const char *name;
    bool on;

    for (size_t i = 0; (name = x86_cpu_feature(i, &h->cpu->model, &on)); i++) {
        if (!has_line(name)) {
            g_test_message("what are the instructions of '%s'?", name);
            g_test_fail();
        }
    }
}

/* LZCNT and TZCNT are BSR and BSF where they are not there. */
static void test_count_zeros(void)
{
    static const struct {
        const char *model, *code;
        uint64_t source, result;
    } cases[] = {
        { "max", "f30fbdc1", 0x10, 27 },      { "max,-abm", "f30fbdc1", 0x10, 4 },
        { "max", "f30fbcc1", 0x10, 4 },       { "max", "f30fbcc1", 0, 32 },
        { "max,-bmi1", "f30fbcc1", 0x10, 4 }, { "max,-bmi1", "f30fbcc1", 0, 0x55 },
    };
    uint8_t bytes[15];

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(x86_cpu_model_parse(&h->cpu->model, cases[i].model, NULL));
        bool bmi = x86_cpu_model_has(&h->cpu->model, X86_FEAT_7_EBX, CPUID_7_EBX_BMI1);
        if (!bmi && strcmp(cases[i].model, "max") == 0 && cases[i].code[5] == 'c') {
            continue; /* a host without it */
        }
        prepare(HARNESS_LONG64);
        h->cpu->regs[X86_RCX] = cases[i].source;
        h->cpu->regs[X86_RAX] = 0x55;
        harness_load(h, bytes, parse_hex(cases[i].code, bytes));
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, cases[i].result);
    }
}

/* By the vendor: AMD's know SYSENTER only outside long mode, Intel's SYSCALL only in 64-bit code.
 */
static void test_vendors(void)
{
    g_assert_true(x86_cpu_model_parse(&h->cpu->model, "max,vendor=AuthenticAMD", NULL));
    check_codes("0f34 0f35", HARNESS_LONG64, "sysenter in long mode", false);
    check_codes("0f34 0f35", HARNESS_FLAT32, "sysenter", true);
    check_codes("0f05", HARNESS_FLAT32, "syscall", true);
    check_codes("0f05", HARNESS_USER32, "syscall", true);
    g_assert_true(x86_cpu_model_parse(&h->cpu->model, "max,vendor=GenuineIntel", NULL));
    check_codes("0f34 0f35", HARNESS_LONG64, "sysenter", true);
    check_codes("0f34 0f35", HARNESS_FLAT32, "sysenter", true);
    check_codes("0f05 0f07", HARNESS_FLAT32, "syscall in 32-bit code", false);
    check_codes("0f05", HARNESS_USER32, "syscall in 32-bit code", false);
}

/* CLFLUSH and its kin fault as a load of one byte does, and read nothing. */
static void test_flush_faults(void)
{
    static const char *const codes[] = { "0fae3b", "660fae3b", "660fae33" };
    static const struct {
        uint64_t address;
        int vector;
    } cases[] = {
        { HARNESS_RAM_SIZE - 1, -1 }, { HARNESS_RAM_SIZE, EXC_PF },   { 0x7fffffffffff, EXC_PF },
        { 0x800000000000, EXC_GP },   { 0xffff7fffffffffff, EXC_GP }, { HARNESS_DATA + 1, -1 },
    };
    uint8_t bytes[15];

    g_assert_true(x86_cpu_model_parse(&h->cpu->model, "max", NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        unsigned len = parse_hex(codes[i], bytes);
        for (size_t j = 0; j < G_N_ELEMENTS(cases); j++) {
            prepare(HARNESS_LONG64);
            h->cpu->regs[X86_RBX] = cases[j].address;
            harness_load(h, bytes, len);
            g_assert_cmpint(harness_run(h, 10), ==, cases[j].vector);
            if (cases[j].vector == EXC_PF) {
                g_assert_cmphex((uint64_t)h->error_code, ==, 0); /* a read by ring 0 */
                g_assert_cmphex(h->s->fault.cr2, ==, cases[j].address);
            }
        }
        prepare(HARNESS_FLAT32);
        h->cpu->segs[X86_SEG_DS].limit = HARNESS_DATA - 1;
        harness_load(h, bytes, len);
        g_assert_cmpint(harness_run(h, 10), ==, EXC_GP);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-isa/complete", test_complete);
    g_test_add_data_func("/soft-isa/on-and-off/qemu64", "qemu64", test_features);
    g_test_add_data_func("/soft-isa/on-and-off/max", "max", test_features);
    g_test_add_data_func("/soft-isa/announced/qemu64", "qemu64", test_announced);
    g_test_add_data_func("/soft-isa/announced/max", "max", test_announced);
    g_test_add_func("/soft-isa/count-zeros", test_count_zeros);
    g_test_add_func("/soft-isa/vendors", test_vendors);
    g_test_add_func("/soft-isa/flush-faults", test_flush_faults);
    int status = g_test_run();
    harness_free(h);
    return status;
}
