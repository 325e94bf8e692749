/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cpuid.h>
#include <glib.h>
#include <string.h>

#include "target/i386/cpu.h"
#include "util/keyval.h"

static bool set(X86CpuModel *model, const char *name, const char *value, GError **errp)
{
    struct json_object *props = json_object_new_object();

    json_object_object_add(props, name, keyval_text_new(value));
    bool ok = x86_cpu_model_set(model, props, errp);
    json_object_put(props);
    return ok;
}

static void test_vendor_and_brand(void)
{
    X86Cpu cpu = { 0 };
    X86CpuidRegs r;
    char vendor[13] = "";

    g_assert_true(x86_cpu_model_parse(&cpu.model, "qemu64", NULL));
    x86_cpuid(&cpu, 0, 0, &r);
    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.edx, 4);
    memcpy(vendor + 8, &r.ecx, 4);
    g_assert_cmpstr(vendor, ==, "AuthenticAMD");
    x86_cpuid(&cpu, 1, 0, &r);
    g_assert_cmphex(r.eax, ==, 0x60fb1); /* family 15, model 107, stepping 1 */
    x86_cpuid(&cpu, 0x80000002, 0, &r);
    g_assert_cmpint(memcmp(&r, "QEMU Virtual CPU", 16), ==, 0);
    x86_cpuid(&cpu, 0x80000008, 0, &r);
    g_assert_cmpuint(r.eax & 0xff, ==, 40);
    x86_cpuid(&cpu, 0x12345678, 0, &r);
    g_assert_cmphex(r.eax | r.ebx | r.ecx | r.edx, ==, 0);
}

static void test_features(void)
{
    X86CpuModel m;

    g_assert_true(x86_cpu_model_parse(&m, "qemu64,+smep,-nx,tsc_deadline=off,sse4.2=on", NULL));
    g_assert_true(x86_cpu_model_has(&m, X86_FEAT_7_EBX, CPUID_7_EBX_SMEP));
    g_assert_false(x86_cpu_model_has(&m, X86_FEAT_EXT1_EDX, CPUID_EXT1_EDX_NX));
    g_assert_false(x86_cpu_model_has(&m, X86_FEAT_1_ECX, CPUID_1_ECX_DEADLINE));
    g_assert_true(x86_cpu_model_has(&m, X86_FEAT_1_ECX, 1u << 20));
    /* What is not there can be switched off. */
    g_assert_true(x86_cpu_model_parse(&m, "max,-avx,svm=off", NULL));
    g_assert_true(x86_cpu_model_parse(&m, "max,phys-bits=39", NULL));
    g_assert_cmpuint(x86_cpu_model_phys_bits(&m), ==, 39);
}

/* "base" and all that another model has make the same model. */
static void test_base(void)
{
    X86CpuModel max, m;
    bool on;

    g_assert_true(x86_cpu_model_parse(&max, "max", NULL));
    g_assert_true(x86_cpu_model_parse(&m,
                                      "base,vendor=AuthenticAMD,model-id=Dimmable Virtual CPU,"
                                      "min-level=0xd,min-xlevel=0x80000008",
                                      NULL));
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        g_assert_cmphex(m.features[w], ==, 0);
    }
    for (size_t i = 0; x86_cpu_feature(i, &max, &on); i++) {
        g_assert_true(set(&m, x86_cpu_feature(i, &max, &on), on ? "on" : "off", NULL));
    }
    x86_cpu_model_settle(&m);
    g_assert_true(set(&m, "family", "15", NULL));
    g_assert_true(set(&m, "model", "107", NULL));
    g_assert_true(set(&m, "stepping", "1", NULL));
    m.name = max.name;
    m.phys_bits = max.phys_bits;
    m.host_phys_bits = m.migratable = m.steady_tsc = true;
    g_assert_cmpmem(&m, sizeof(m), &max, sizeof(max));
}

/* Instructions that run on the host are there if it has them: by their own CPUID leaf. */
static void test_host_features(void)
{
    static const uint32_t on_host = 1u << 3 | 1u << 8 | 1u << 18 | 1u << 19 | 1u << 29;
    unsigned eax, ebx, ecx, edx;
    X86CpuModel m;

    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        ebx = 0;
    }
    g_assert_true(x86_cpu_model_parse(&m, "max", NULL));
    g_assert_cmphex(m.features[X86_FEAT_7_EBX] & on_host, ==, ebx & on_host);
}

static void test_unavailable(void)
{
    g_autofree const char **max = x86_cpu_model_unavailable("max");
    g_autofree const char **qemu64 = x86_cpu_model_unavailable("qemu64");

    g_assert_null(max[0]);
    g_assert_null(qemu64[0]); /* every x86-64 host has SSE3 */
}

/* CPUID says that the TSC is invariant, of which `features` say nothing unless it was asked for. */
static void test_steady_tsc(void)
{
    static const struct {
        const char *cpu;
        bool feature, steady;
    } cases[] = {
        { "qemu64", false, true },
        { "Haswell", false, true },
        { "EPYC", false, true },
        { "max", false, true },
        { "max,migratable=on", false, true },
        { "max,migratable=off", true, true },
        { "qemu64,+invtsc", true, true },
        { "qemu64,-invtsc", false, false },
        { "max,invtsc=off", false, false },
        { "base", false, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        X86Cpu cpu = { 0 };
        X86CpuidRegs r;

        g_assert_true(x86_cpu_model_parse(&cpu.model, cases[i].cpu, NULL));
        g_assert_cmpint(x86_cpu_model_has(&cpu.model, X86_FEAT_EXT7_EDX, CPUID_EXT7_EDX_INVTSC), ==,
                        cases[i].feature);
        x86_cpuid(&cpu, 0x80000007, 0, &r);
        g_assert_cmphex(r.edx, ==, cases[i].steady ? CPUID_EXT7_EDX_INVTSC : 0);
    }
}

/* What people and management tools write for other emulators. */
static void test_switches(void)
{
    X86CpuModel m, host;

    g_assert_true(x86_cpu_model_parse(&host, "max", NULL));
    g_assert_true(x86_cpu_model_parse(&m, "qemu64,host-phys-bits=on", NULL));
    g_assert_cmpuint(m.phys_bits, ==, host.phys_bits);
    g_assert_true(x86_cpu_model_parse(&m, "qemu64,host-phys-bits=off", NULL));
    g_assert_cmpuint(m.phys_bits, ==, 40);
    /* The limit is for the host's bits only. */
    g_assert_true(x86_cpu_model_parse(&m, "max,host-phys-bits-limit=36", NULL));
    g_assert_cmpuint(m.phys_bits, ==, 36);
    g_assert_true(x86_cpu_model_parse(&m, "qemu64,host-phys-bits-limit=36,host-phys-bits", NULL));
    g_assert_cmpuint(m.phys_bits, ==, 36);
    g_assert_true(x86_cpu_model_parse(&m, "qemu64,host-phys-bits-limit=36", NULL));
    g_assert_cmpuint(m.phys_bits, ==, 40);
    g_assert_true(x86_cpu_model_parse(&m, "max,phys-bits=41,host-phys-bits-limit=36", NULL));
    g_assert_cmpuint(m.phys_bits, ==, 41);
    g_assert_true(x86_cpu_model_parse(&m, "max,host-phys-bits-limit=0", NULL));
    g_assert_cmpuint(m.phys_bits, ==, host.phys_bits);
    g_assert_true(x86_cpu_model_parse(&m, "max,host-phys-bits-limit=52", NULL));
    g_assert_cmpuint(m.phys_bits, ==, host.phys_bits);
}

/* Leaves 4 and 0x80000006 tell of a third level, or do not. */
static void test_l3_cache(void)
{
    for (unsigned on = 0; on < 2; on++) {
        X86Cpu cpu = { 0 };
        X86CpuidRegs r;

        g_assert_true(x86_cpu_model_parse(&cpu.model, on ? "max" : "max,l3-cache=off", NULL));
        x86_cpuid(&cpu, 4, 2, &r);
        g_assert_cmphex(r.eax & 0xff, ==, 2 << 5 | 3);
        x86_cpuid(&cpu, 4, 3, &r);
        g_assert_cmphex(r.eax & 0xff, ==, on ? 3 << 5 | 3 : 0);
        g_assert_cmphex(r.ecx, ==, on ? 16383 : 0);
        x86_cpuid(&cpu, 0x80000006, 0, &r);
        g_assert_cmpuint(r.edx >> 18, ==, on ? 32 : 0);
    }
}

/* "vendor": leaves 0 and 0x80000000; Intel's do not repeat leaf 1 in 0x80000001. */
static void test_vendor(void)
{
    X86Cpu cpu = { 0 };
    X86CpuidRegs r;

    g_assert_true(x86_cpu_model_parse(&cpu.model, "qemu64,vendor=GenuineIntel", NULL));
    g_assert_false(x86_cpu_model_is_amd(&cpu.model));
    for (unsigned i = 0; i < 2; i++) {
        x86_cpuid(&cpu, i ? 0x80000000 : 0, 0, &r);
        g_assert_cmpmem(&r.ebx, 4, "Genu", 4);
        g_assert_cmpmem(&r.edx, 4, "ineI", 4);
        g_assert_cmpmem(&r.ecx, 4, "ntel", 4);
    }
    x86_cpuid(&cpu, 0x80000001, 0, &r);
    g_assert_cmphex(r.edx & 1, ==, 0);
    g_assert_true(x86_cpu_model_parse(&cpu.model, "qemu64", NULL));
    g_assert_true(x86_cpu_model_is_amd(&cpu.model));
    x86_cpuid(&cpu, 0x80000001, 0, &r);
    g_assert_cmphex(r.edx & 1, ==, 1);
    g_assert_true(x86_cpu_model_parse(&cpu.model, "qemu64,vendor=HygonGenuine", NULL));
    g_assert_true(x86_cpu_model_is_amd(&cpu.model));
}

static void test_errors(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "pentium9", "*no CPU model 'pentium9'; '-cpu help' lists them*" },
        { "epyc-rome", "*no CPU model 'epyc-rome', but there is 'EPYC-Rome'" },
        { "Haswell-v5", "*no CPU model 'Haswell-v5'*" },
        { "host", "-cpu: CPU model 'host' needs the kvm engine*" },
        { "qemu64,family=256", "-cpu: family=256 is not right: expects an integer from 0 to 255*" },
        { "qemu64,stepping=16", "*from 0 to 15*" },
        { "qemu64,vendor=Intel", "*vendor must have 12 characters*'Intel'" },
        { "qemu64,vendor=GenuineIntel2", "*vendor must have 12 characters*" },
        { "qemu64,enforce=perhaps", "-cpu: enforce=perhaps is not right: expects on or off*" },
        { "qemu64,check=2", "-cpu: check=2 is not right: expects on or off*" },
        { "qemu64,host-phys-bits-limit=20", "*0 (no limit) or a number from 36 to 52, not 20" },
        { "qemu64,host-phys-bits-limit=53", "*from 36 to 52, not 53" },
        { "max,+avx512f,enforce", "-cpu: the software CPU cannot offer on this host: avx512f;*" },
        { "max,enforce,+skinit,avx512f=on",
          "*cannot offer on this host: avx512f, skinit; without 'enforce'*" },
        { "max,enforce,+frobnicate", "*no CPU feature 'frobnicate'*" },
        { "qemu64,model-id=01234567890123456789012345678901234567890123456789", "*at most 48*" },
        { "", "*no CPU model ''*" },
        { "qemu64,+frobnicate", "*no CPU feature 'frobnicate'*" },
        { "qemu64,hv-relaxed=maybe", "*hv-relaxed=maybe is not right: expects on or off*" },
        { "qemu64,hv-synic", "*no 'hv-synic'; of Hyper-V's enlightenments there are hv-relaxed,*" },
        { "qemu64,hv_stimer=on", "*no 'hv-stimer'; of Hyper-V's*" },
        { "qemu64,hv-passthrough", "*no 'hv-passthrough'; of Hyper-V's*" },
        { "qemu64,hv-spinlocks", "*hv-spinlocks=on is not right*" },
        { "qemu64,hv-spinlocks=0xffe", "*from 4095 (0xfff) to 4294967295, not 4094" },
        { "qemu64,hv-spinlocks=0x100000000", "*hv-spinlocks=0x100000000 is not right*" },
        { "qemu64,hv-vendor-id=0123456789abc", "*hv-vendor-id must have at most 12*" },
        { "qemu64,smep=maybe", "*smep=maybe is not right: expects on or off*" },
        { "max,phys-bits=99", "*36 to 52*" },
        { "qemu64,migratable=on", "*'migratable' is for the models host and max*" },
        { "max,migratable=perhaps", "*expects on or off*" },
        { "qemu64,family=x,family=6,+smep,family=y", "*family=y is not right*" },
        { "qemu64,tsc-frequency=5", "*from 1000000 to 100000000000, not 5" },
        { "qemu64,=5", "*no CPU feature ''*" },
        { "qemu64,,", "*no CPU feature ''*" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        X86CpuModel m = { .family = 77 };
        g_autoptr(GError) err = NULL;
        g_assert_false(x86_cpu_model_parse(&m, cases[i].text, &err));
        g_assert_true(g_pattern_match_simple(cases[i].message, err->message));
        g_assert_cmpuint(m.family, ==, 77);
    }
}

/* What cannot be had is a warning, as "check" asks for, which is on by itself. */
static const char *const with_warning[] = { "max,+avx512f", "max,+avx512f,check",
                                            "max,check=on,avx512f",
                                            "qemu64,+avx512f,-xop,enforce=off" };

static void test_parse_only(gconstpointer text)
{
    X86CpuModel m;

    g_assert_true(x86_cpu_model_parse(&m, text, NULL));
    g_assert_false(x86_cpu_model_has(&m, X86_FEAT_7_EBX, CPUID_7_EBX_AVX512F));
}

static char *parse_only_path(size_t i)
{
    return g_strdup_printf("/cpuid/check/subprocess/%zu", i);
}

static void test_check(void)
{
    static const char *const without[] = { "max,check", "max,enforce", "qemu64,check,enforce",
                                           "max,+avx512f,check=off", "max,-avx512f,enforce" };
    const uint32_t skinit = 1u << 12;
    X86CpuModel m;

    for (size_t i = 0; i < G_N_ELEMENTS(with_warning); i++) {
        g_autofree char *path = parse_only_path(i);
        g_test_trap_subprocess(path, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr("*warning: -cpu: the software CPU cannot offer on this host: "
                                  "avx512f; the guest runs without them*");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(without); i++) {
        test_parse_only(without[i]);
    }
    /* One element at a time: nothing is lost until it is settled. */
    g_assert_true(x86_cpu_model_make(&m, "max", NULL));
    g_assert_true(set(&m, "skinit", "on", NULL));
    g_assert_true(x86_cpu_model_has(&m, X86_FEAT_EXT1_ECX, skinit));
    x86_cpu_model_settle(&m);
    g_assert_false(x86_cpu_model_has(&m, X86_FEAT_EXT1_ECX, skinit));
    g_autofree const char **missing = x86_cpu_model_missing(&m);
    g_assert_cmpstr(missing[0], ==, "skinit");
    g_assert_null(missing[1]);
}

/* Every name makes a model, and other names the same one. */
static void test_named(void)
{
    const X86CpuModelInfo *info;
    unsigned aliases = 0;

    for (size_t i = 0; (info = x86_cpu_model_info(i)); i++) {
        X86CpuModel m, other;

        if (strcmp(info->name, "host") == 0) {
            continue;
        }
        g_assert_true(x86_cpu_model_make(&m, info->name, NULL));
        g_assert_cmpstr(m.name, ==, info->name);
        if (info->alias_of) {
            g_assert_true(x86_cpu_model_make(&other, info->alias_of, NULL));
            other.name = m.name;
            g_assert_cmpmem(&m, sizeof(m), &other, sizeof(other));
            aliases++;
        }
        if (info->alias_of || g_str_has_suffix(info->name, "-v1")) {
            g_assert_cmpuint(strlen(m.vendor), ==, 12);
            g_assert_cmpuint(m.family, >=, 4);
        }
    }
    g_assert_cmpuint(aliases, >=, 50);
}

/* A version is the one before with its changes. */
static void test_versions(void)
{
    const uint32_t rtm = 1u << 11;
    X86CpuModel v1, v2, alias;

    g_assert_true(x86_cpu_model_make(&v1, "Haswell-v1", NULL));
    g_assert_true(x86_cpu_model_make(&v2, "Haswell-v2", NULL));
    g_assert_true(x86_cpu_model_make(&alias, "Haswell-noTSX", NULL));
    g_assert_cmphex(v1.features[X86_FEAT_7_EBX] & rtm, ==, rtm);
    g_assert_cmphex(v2.features[X86_FEAT_7_EBX] & rtm, ==, 0);
    g_assert_cmphex(alias.features[X86_FEAT_7_EBX], ==, v2.features[X86_FEAT_7_EBX]);
    g_assert_cmpstr(v2.vendor, ==, "GenuineIntel");
    g_assert_cmpuint(v2.model, ==, 60);
    g_assert_cmpuint(v2.stepping, ==, 1);
}

/* Leaves beyond the last are empty; the last one goes up with features that are told there. */
static void test_levels(void)
{
    X86Cpu cpu = { 0 };
    X86CpuidRegs r;

    g_assert_true(x86_cpu_model_parse(&cpu.model, "486,check=off", NULL));
    x86_cpuid(&cpu, 0, 0, &r);
    g_assert_cmphex(r.eax, ==, 1);
    x86_cpuid(&cpu, 0x80000000, 0, &r);
    g_assert_cmphex(r.eax | r.ebx | r.ecx | r.edx, ==, 0);
    x86_cpuid(&cpu, 4, 0, &r);
    g_assert_cmphex(r.eax | r.ebx | r.ecx | r.edx, ==, 0);
    g_assert_true(x86_cpu_model_parse(&cpu.model, "486,check=off,+smep", NULL));
    x86_cpuid(&cpu, 0, 0, &r);
    g_assert_cmphex(r.eax, ==, 7);
    g_assert_true(
        x86_cpu_model_parse(&cpu.model, "486,check=off,+smep,level=5,xlevel=0x80000004", NULL));
    x86_cpuid(&cpu, 0, 0, &r);
    g_assert_cmphex(r.eax, ==, 5);
    x86_cpuid(&cpu, 7, 0, &r);
    g_assert_cmphex(r.ebx, ==, 0);
    x86_cpuid(&cpu, 0x80000000, 0, &r);
    g_assert_cmphex(r.eax, ==, 0x80000004);
}

/* The least that the last leaf may be, and what raises it. */
static void test_min_levels(void)
{
    static const struct {
        const char *model;
        uint32_t last[X86_RANGES], needed[X86_RANGES];
    } cases[] = {
        { "486,min-level=9", { 9, 0, 0 }, { 9, 0, 0 } },
        { "486,min-level=2,+smep", { 7, 0, 0 }, { 7, 0, 0 } },
        { "486,level=3,+smep", { 3, 0, 0 }, { 7, 0, 0 } },
        { "486,level=3,level=0xffffffff,+arat", { 6, 0, 0 }, { 6, 0, 0 } },
        { "486,+svm", { 1, 0x8000000a, 0 }, { 1, 0x8000000a, 0 } },
        { "486,+npt", { 1, 0, 0 }, { 1, 0, 0 } },
        { "486,+intel-pt", { 0x14, 0, 0 }, { 0x14, 0, 0 } }, /* though nobody has it */
        { "486,+clzero,+smep,+arat,full-cpuid-auto-level=off", { 7, 0, 0 }, { 7, 0, 0 } },
        { "486,+umip,full-cpuid-auto-level=off", { 1, 0, 0 }, { 1, 0, 0 } },
        { "486,min-xlevel=0x80000004,xlevel2=0xc0000001",
          { 1, 0x80000004, 0xc0000001 },
          { 1, 0x80000004, 0 } },
        { "base", { 0, 0, 0 }, { 0, 0, 0 } },
        { "base,+fpu,+lm", { 1, 0x80000001, 0 }, { 1, 0x80000001, 0 } },
        { "base,level=0,+smep", { 0, 0, 0 }, { 7, 0, 0 } },
        { "486,+avx512f", { 7, 0, 0 }, { 7, 0, 0 } }, /* of no use without XSAVE, but named */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("%s,check=off", cases[i].model);
        X86CpuModel m;

        g_assert_true(x86_cpu_model_parse(&m, text, NULL));
        for (unsigned r = 0; r < X86_RANGES; r++) {
            g_test_message("%s, range %u", text, r);
            g_assert_cmphex(x86_cpu_last_leaf(&m, (X86CpuidRange)r), ==, cases[i].last[r]);
            g_assert_cmphex(m.levels[r].needed, ==, cases[i].needed[r]);
        }
    }
}

static void test_bad_levels(void)
{
    static const char *const bad[] = { "level=0x100",        "min-level=0x40000000",
                                       "xlevel=5",           "min-xlevel=0x80000100",
                                       "xlevel2=0x80000001", "min-xlevel2=1",
                                       "host-cache-info=on" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = g_strdup_printf("486,%s", bad[i]);
        g_autofree char *name = g_strndup(bad[i], strcspn(bad[i], "="));
        g_autoptr(GError) err = NULL;
        X86CpuModel m;

        g_assert_false(x86_cpu_model_parse(&m, text, &err));
        g_assert_nonnull(strstr(err->message, name));
    }
}

/* Dies need another leaf with Intel's processors, which tells of them. */
static void test_dies(void)
{
    static const uint32_t wanted[4][3] = { /* shift, CPUs, type */
                                           { 1, 2, 1 },
                                           { 2, 4, 2 },
                                           { 3, 8, 5 },
                                           { 0, 0, 0 }
    };
    X86Cpu cpu = { .apic_id = 5 };
    X86CpuidRegs r;

    g_assert_true(x86_cpu_model_parse(&cpu.model, "Haswell,check=off", NULL));
    g_assert_cmphex(x86_cpu_last_leaf(&cpu.model, X86_RANGE_BASIC), ==, 0xd);
    cpu.model.threads_per_core = cpu.model.cores_per_die = cpu.model.dies_per_socket = 2;
    x86_cpu_raise_levels(&cpu.model);
    g_assert_cmphex(x86_cpu_last_leaf(&cpu.model, X86_RANGE_BASIC), ==, 0x1f);
    for (uint32_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        x86_cpuid(&cpu, 0x1f, i, &r);
        g_assert_cmphex(r.eax, ==, wanted[i][0]);
        g_assert_cmphex(r.ebx, ==, wanted[i][1]);
        g_assert_cmphex(r.ecx, ==, wanted[i][2] << 8 | i);
        g_assert_cmphex(r.edx, ==, 5);
    }
    g_assert_true(x86_cpu_model_parse(&cpu.model, "EPYC,check=off", NULL));
    cpu.model.dies_per_socket = 2;
    x86_cpu_raise_levels(&cpu.model);
    g_assert_cmphex(x86_cpu_last_leaf(&cpu.model, X86_RANGE_BASIC), ==, 0xd);
}

/* The host's caches; how many CPUs share them is as the machine has it. */
static void test_host_caches(void)
{
    unsigned eax, ebx, ecx, edx;
    X86Cpu cpu = { 0 };
    X86CpuidRegs r;

    g_assert_true(x86_cpu_model_parse(&cpu.model, "max,host-cache-info=on", NULL));
    g_assert_true(cpu.model.host_cache_info);
    x86_cpuid(&cpu, 0x80000006, 0, &r);
    __cpuid(0x80000006, eax, ebx, ecx, edx);
    g_assert_cmphex(r.ecx, ==, ecx);
    if (!__get_cpuid_count(4, 0, &eax, &ebx, &ecx, &edx) || !(eax & 0x1f)) {
        g_test_message("leaf 4 of this host tells of no caches");
        return;
    }
    for (uint32_t i = 0; i < 6; i++) {
        __cpuid_count(4, i, eax, ebx, ecx, edx);
        x86_cpuid(&cpu, 4, i, &r);
        g_assert_cmphex(r.eax, ==, eax & 0x1f ? eax & 0x3ff : 0);
        g_assert_cmphex(r.ecx, ==, eax & 0x1f ? ecx : 0);
    }
}

/* What is of no use without another feature goes with it, and nobody is told. */
static void test_dependent(void)
{
    X86CpuModel m;
    g_autoptr(GError) err = NULL;

    g_assert_true(x86_cpu_model_make(&m, "Skylake-Server", NULL));
    g_assert_true(set(&m, "xsave", "off", NULL));
    x86_cpu_model_settle(&m);
    g_assert_false(x86_cpu_model_has(&m, X86_FEAT_1_ECX, CPUID_1_ECX_AVX));
    g_assert_cmphex((m.features[X86_FEAT_D_1_EAX] | m.missing[X86_FEAT_D_1_EAX]) & 15, ==, 0);
    g_assert_cmphex(m.missing[X86_FEAT_7_EBX] & (CPUID_7_EBX_AVX512F | 1u << 5), ==, 0);
    g_assert_true(x86_cpu_model_parse(&m, "max,-xsave,enforce", NULL));
    /* But not what the user named. */
    g_assert_false(x86_cpu_model_parse(&m, "base,+f16c,enforce", &err));
    g_assert_true(g_pattern_match_simple("*cannot offer on this host: f16c;*", err->message));
}

static void test_topology(void)
{
    X86Cpu cpu = { 0 };
    X86CpuidRegs r;

    g_assert_true(x86_cpu_model_parse(&cpu.model, "qemu64", NULL));
    cpu.model.threads_per_core = 2;
    cpu.model.cores_per_die = 3;
    cpu.model.dies_per_socket = 1;
    cpu.apic_id = x86_topology_apic_id(&cpu.model, 1, 0, 2, 1);
    g_assert_cmphex(cpu.apic_id, ==, 1 << 3 | 2 << 1 | 1);
    x86_cpuid(&cpu, 0xb, 0, &r);
    g_assert_cmpuint(r.eax, ==, 1);
    g_assert_cmpuint(r.ebx, ==, 2);
    g_assert_cmphex(r.ecx, ==, 0x100);
    g_assert_cmphex(r.edx, ==, cpu.apic_id);
    x86_cpuid(&cpu, 0xb, 1, &r);
    g_assert_cmpuint(r.eax, ==, 3);
    g_assert_cmpuint(r.ebx, ==, 6);
    x86_cpuid(&cpu, 0xb, 2, &r);
    g_assert_cmpuint(r.eax, ==, 0);
    g_assert_cmphex(r.ecx, ==, 2);
    x86_cpuid(&cpu, 1, 0, &r);
    g_assert_cmpuint(r.ebx >> 24, ==, cpu.apic_id);
    g_assert_cmpuint(r.ebx >> 16 & 0xff, ==, 6);
    g_assert_true(r.edx & 1u << 28);
}

static void test_reset(void)
{
    static X86Cpu place;
    place.index = 1;
    g_assert_true(x86_cpu_model_parse(&place.model, "max", NULL));
    x86_cpu_reset(&place);
    g_assert_cmphex(place.rip, ==, 0xfff0);
    g_assert_cmphex(place.segs[X86_SEG_CS].base, ==, 0xffff0000);
    g_assert_true(place.wait_for_sipi);
    place.msr.lstar = 5;
    x86_cpu_init_reset(&place);
    g_assert_cmphex(place.msr.lstar, ==, 5);
    x86_cpu_sipi(&place, 0x9a);
    g_assert_false(place.wait_for_sipi);
    g_assert_cmphex(place.segs[X86_SEG_CS].base, ==, 0x9a000);
    g_assert_cmphex(place.segs[X86_SEG_CS].selector, ==, 0x9a00);
    g_autofree char *dump = x86_cpu_dump(&place);
    g_assert_nonnull(strstr(dump, "RIP=0000000000000000"));
    g_assert_null(strstr(dump, "YMM"));
    place.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    place.ymm_high[15][0] = 0x5a;
    g_autofree char *wide = x86_cpu_dump(&place);
    g_assert_nonnull(strstr(wide, "YMM15[255:128]=0000000000000000000000000000005a\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpuid/vendor", test_vendor_and_brand);
    g_test_add_func("/cpuid/features", test_features);
    g_test_add_func("/cpuid/steady-tsc", test_steady_tsc);
    g_test_add_func("/cpuid/switches", test_switches);
    g_test_add_func("/cpuid/errors", test_errors);
    g_test_add_func("/cpuid/check", test_check);
    for (size_t i = 0; i < G_N_ELEMENTS(with_warning); i++) {
        g_autofree char *path = parse_only_path(i);
        g_test_add_data_func(path, with_warning[i], test_parse_only);
    }
    g_test_add_func("/cpuid/choosing-the-vendor", test_vendor);
    g_test_add_func("/cpuid/topology", test_topology);
    g_test_add_func("/cpuid/reset", test_reset);
    g_test_add_func("/cpuid/base", test_base);
    g_test_add_func("/cpuid/named", test_named);
    g_test_add_func("/cpuid/versions", test_versions);
    g_test_add_func("/cpuid/levels", test_levels);
    g_test_add_func("/cpuid/min-levels", test_min_levels);
    g_test_add_func("/cpuid/bad-levels", test_bad_levels);
    g_test_add_func("/cpuid/dies", test_dies);
    g_test_add_func("/cpuid/host-caches", test_host_caches);
    g_test_add_func("/cpuid/dependent", test_dependent);
    g_test_add_func("/cpuid/host-features", test_host_features);
    g_test_add_func("/cpuid/l3-cache", test_l3_cache);
    g_test_add_func("/cpuid/unavailable", test_unavailable);
    return g_test_run();
}
