/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CPU model is made of, and what -cpu says of it. */
#include "target/i386/cpuid.h"

#include <cpuid.h>
#include <string.h>

#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/keyval.h"

/* Which models have a feature. */
enum {
    IN_QEMU64 = 1 << 0,
    IN_MAX = 1 << 1,
    IN_ALL = IN_QEMU64 | IN_MAX,
    /* The instructions run on the host CPU: it must have them too. */
    NEEDS_HOST = 1 << 2,
    /* A name users may switch off; the software CPU cannot have it on. */
    ABSENT = 1 << 3,
    /* Nothing can have it on. */
    NEVER = 1 << 4,
    /* It is all features of its word. */
    WHOLE = 1 << 5,
};

typedef struct Feature {
    const char *name;
    uint8_t word, bit;
    uint8_t how;
} Feature;

static const Feature features[] = {
    { "fpu", X86_FEAT_1_EDX, 0, IN_ALL | NEEDS_HOST },
    { "de", X86_FEAT_1_EDX, 2, IN_ALL },
    { "pse", X86_FEAT_1_EDX, 3, IN_ALL },
    { "tsc", X86_FEAT_1_EDX, 4, IN_ALL },
    { "msr", X86_FEAT_1_EDX, 5, IN_ALL },
    { "pae", X86_FEAT_1_EDX, 6, IN_ALL },
    { "mce", X86_FEAT_1_EDX, 7, IN_ALL },
    { "cx8", X86_FEAT_1_EDX, 8, IN_ALL },
    { "apic", X86_FEAT_1_EDX, 9, IN_ALL },
    { "sep", X86_FEAT_1_EDX, 11, IN_ALL },
    { "mtrr", X86_FEAT_1_EDX, 12, IN_ALL },
    { "pge", X86_FEAT_1_EDX, 13, IN_ALL },
    { "mca", X86_FEAT_1_EDX, 14, IN_ALL },
    { "cmov", X86_FEAT_1_EDX, 15, IN_ALL },
    { "pat", X86_FEAT_1_EDX, 16, IN_ALL },
    { "pse36", X86_FEAT_1_EDX, 17, IN_ALL },
    { "clflush", X86_FEAT_1_EDX, 19, IN_ALL },
    { "mmx", X86_FEAT_1_EDX, 23, IN_ALL | NEEDS_HOST },
    { "fxsr", X86_FEAT_1_EDX, 24, IN_ALL | NEEDS_HOST },
    { "sse", X86_FEAT_1_EDX, 25, IN_ALL | NEEDS_HOST },
    { "sse2", X86_FEAT_1_EDX, 26, IN_ALL | NEEDS_HOST },
    { "sse3", X86_FEAT_1_ECX, 0, IN_ALL | NEEDS_HOST },
    { "pni", X86_FEAT_1_ECX, 0, NEEDS_HOST },
    { "ssse3", X86_FEAT_1_ECX, 9, IN_MAX | NEEDS_HOST },
    { "cx16", X86_FEAT_1_ECX, 13, IN_ALL },
    { "sse4.1", X86_FEAT_1_ECX, 19, IN_MAX | NEEDS_HOST },
    { "sse4-1", X86_FEAT_1_ECX, 19, NEEDS_HOST },
    { "sse4.2", X86_FEAT_1_ECX, 20, IN_MAX | NEEDS_HOST },
    { "sse4-2", X86_FEAT_1_ECX, 20, NEEDS_HOST },
    { "x2apic", X86_FEAT_1_ECX, 21, IN_ALL },
    { "movbe", X86_FEAT_1_ECX, 22, IN_MAX },
    { "popcnt", X86_FEAT_1_ECX, 23, IN_MAX | NEEDS_HOST },
    { "tsc-deadline", X86_FEAT_1_ECX, 24, IN_ALL },
    { "hypervisor", X86_FEAT_1_ECX, 31, IN_ALL },
    { "fsgsbase", X86_FEAT_7_EBX, 0, IN_MAX },
    { "tsc-adjust", X86_FEAT_7_EBX, 1, IN_MAX },
    { "smep", X86_FEAT_7_EBX, 7, IN_MAX },
    { "erms", X86_FEAT_7_EBX, 9, IN_ALL },
    { "smap", X86_FEAT_7_EBX, 20, IN_MAX },
    { "umip", X86_FEAT_7_ECX, 2, IN_MAX },
    { "aes", X86_FEAT_1_ECX, 25, IN_MAX | NEEDS_HOST },
    { "pclmulqdq", X86_FEAT_1_ECX, 1, IN_MAX | NEEDS_HOST },
    { "bmi1", X86_FEAT_7_EBX, 3, IN_MAX | NEEDS_HOST },
    { "bmi2", X86_FEAT_7_EBX, 8, IN_MAX | NEEDS_HOST },
    { "adx", X86_FEAT_7_EBX, 19, IN_MAX | NEEDS_HOST },
    { "rdrand", X86_FEAT_1_ECX, 30, IN_MAX | NEEDS_HOST },
    { "rdseed", X86_FEAT_7_EBX, 18, IN_MAX | NEEDS_HOST },
    { "sha-ni", X86_FEAT_7_EBX, 29, IN_MAX | NEEDS_HOST },
    { "arat", X86_FEAT_6_EAX, 2, IN_ALL },
    { "syscall", X86_FEAT_EXT1_EDX, 11, IN_ALL },
    { "nx", X86_FEAT_EXT1_EDX, 20, IN_ALL },
    { "pdpe1gb", X86_FEAT_EXT1_EDX, 26, IN_MAX },
    { "rdtscp", X86_FEAT_EXT1_EDX, 27, IN_MAX },
    { "lm", X86_FEAT_EXT1_EDX, 29, IN_ALL },
    { "lahf-lm", X86_FEAT_EXT1_ECX, 0, IN_ALL },
    { "abm", X86_FEAT_EXT1_ECX, 5, IN_MAX | NEEDS_HOST },
    { "3dnowprefetch", X86_FEAT_EXT1_ECX, 8, IN_MAX },
    { "invtsc", X86_FEAT_EXT7_EDX, 8, IN_ALL },
    { "vme", X86_FEAT_1_EDX, 1, ABSENT },
    { "fma", X86_FEAT_1_ECX, 12, ABSENT },
    { "pcid", X86_FEAT_1_ECX, 17, ABSENT },
    { "xsave", X86_FEAT_1_ECX, 26, ABSENT },
    { "avx", X86_FEAT_1_ECX, 28, ABSENT },
    { "f16c", X86_FEAT_1_ECX, 29, ABSENT },
    { "monitor", 0, 0, NEVER },
    { "svm", 0, 0, NEVER },
    { "vmx", 0, 0, NEVER },
    { "topoext", 0, 0, NEVER },
    { "pmu", 0, 0, NEVER },
    { "hle", X86_FEAT_7_EBX, 4, ABSENT },
    { "avx2", X86_FEAT_7_EBX, 5, ABSENT },
    { "invpcid", X86_FEAT_7_EBX, 10, ABSENT },
    { "rtm", X86_FEAT_7_EBX, 11, ABSENT },
    { "mpx", X86_FEAT_7_EBX, 14, ABSENT },
    { "avx512f", X86_FEAT_7_EBX, 16, ABSENT },
    { "avx512dq", X86_FEAT_7_EBX, 17, ABSENT },
    { "avx512ifma", X86_FEAT_7_EBX, 21, ABSENT },
    { "clflushopt", X86_FEAT_7_EBX, 23, IN_MAX },
    { "clwb", X86_FEAT_7_EBX, 24, IN_MAX },
    { "avx512cd", X86_FEAT_7_EBX, 28, ABSENT },
    { "avx512bw", X86_FEAT_7_EBX, 30, ABSENT },
    { "avx512vl", X86_FEAT_7_EBX, 31, ABSENT },
    { "avx512vbmi", X86_FEAT_7_ECX, 1, ABSENT },
    { "pku", X86_FEAT_7_ECX, 3, ABSENT },
    { "avx512vbmi2", X86_FEAT_7_ECX, 6, ABSENT },
    { "gfni", X86_FEAT_7_ECX, 8, ABSENT },
    { "vaes", X86_FEAT_7_ECX, 9, ABSENT },
    { "vpclmulqdq", X86_FEAT_7_ECX, 10, ABSENT },
    { "avx512vnni", X86_FEAT_7_ECX, 11, ABSENT },
    { "avx512bitalg", X86_FEAT_7_ECX, 12, ABSENT },
    { "avx512-vpopcntdq", X86_FEAT_7_ECX, 14, ABSENT },
    { "la57", X86_FEAT_7_ECX, 16, ABSENT },
    { "rdpid", X86_FEAT_7_ECX, 22, IN_MAX },
    { "fsrm", X86_FEAT_7_EDX, 4, ABSENT },
    { "md-clear", X86_FEAT_7_EDX, 10, ABSENT },
    { "serialize", X86_FEAT_7_EDX, 14, ABSENT },
    { "spec-ctrl", X86_FEAT_7_EDX, 26, ABSENT },
    { "stibp", X86_FEAT_7_EDX, 27, ABSENT },
    { "arch-capabilities", X86_FEAT_7_EDX, 29, ABSENT },
    { "ssbd", X86_FEAT_7_EDX, 31, ABSENT },
    { "avx-vnni", X86_FEAT_7_1_EAX, 4, ABSENT },
    { "avx512-bf16", X86_FEAT_7_1_EAX, 5, ABSENT },
    { "xsaveopt", X86_FEAT_D_1_EAX, 0, ABSENT },
    { "xsavec", X86_FEAT_D_1_EAX, 1, ABSENT },
    { "xgetbv1", X86_FEAT_D_1_EAX, 2, ABSENT },
    { "xsaves", X86_FEAT_D_1_EAX, 3, ABSENT },
    { "mmxext", X86_FEAT_EXT1_EDX, 22, ABSENT },
    { "fxsr-opt", X86_FEAT_EXT1_EDX, 25, ABSENT },
    { "3dnow", X86_FEAT_EXT1_EDX, 31, ABSENT },
    { "cr8legacy", X86_FEAT_EXT1_ECX, 4, ABSENT },
    { "sse4a", X86_FEAT_EXT1_ECX, 6, ABSENT },
    { "misalignsse", X86_FEAT_EXT1_ECX, 7, ABSENT },
    { "osvw", X86_FEAT_EXT1_ECX, 9, ABSENT },
    { "xop", X86_FEAT_EXT1_ECX, 11, ABSENT },
    { "fma4", X86_FEAT_EXT1_ECX, 16, ABSENT },
    { "tbm", X86_FEAT_EXT1_ECX, 21, ABSENT },
    { "clzero", X86_FEAT_EXT8_EBX, 0, ABSENT },
    { "xsaveerptr", X86_FEAT_EXT8_EBX, 2, ABSENT },
    { "wbnoinvd", X86_FEAT_EXT8_EBX, 9, ABSENT },
    { "ibpb", X86_FEAT_EXT8_EBX, 12, ABSENT },
    { "amd-stibp", X86_FEAT_EXT8_EBX, 15, ABSENT },
    { "amd-ssbd", X86_FEAT_EXT8_EBX, 24, ABSENT },
    { "virt-ssbd", X86_FEAT_EXT8_EBX, 25, ABSENT },
    { "kvmclock", X86_FEAT_KVM_EAX, 3, ABSENT },
    { "kvm-nopiodelay", X86_FEAT_KVM_EAX, 1, ABSENT },
    { "kvm-asyncpf", X86_FEAT_KVM_EAX, 4, ABSENT },
    { "kvm-steal-time", X86_FEAT_KVM_EAX, 5, ABSENT },
    { "kvm-pv-eoi", X86_FEAT_KVM_EAX, 6, ABSENT },
    { "kvm-pv-unhalt", X86_FEAT_KVM_EAX, 7, ABSENT },
    { "kvm-pv-tlb-flush", X86_FEAT_KVM_EAX, 9, ABSENT },
    { "kvm-asyncpf-vmexit", X86_FEAT_KVM_EAX, 10, ABSENT },
    { "kvm-pv-ipi", X86_FEAT_KVM_EAX, 11, ABSENT },
    { "kvm-poll-control", X86_FEAT_KVM_EAX, 12, ABSENT },
    { "kvm-pv-sched-yield", X86_FEAT_KVM_EAX, 13, ABSENT },
    { "kvm-asyncpf-int", X86_FEAT_KVM_EAX, 14, ABSENT },
    { "kvm-msi-ext-dest-id", X86_FEAT_KVM_EAX, 15, ABSENT },
    { "kvmclock-stable-bit", X86_FEAT_KVM_EAX, 24, ABSENT },
    { "kvm", X86_FEAT_KVM_EAX, 0, ABSENT | WHOLE },
};

typedef struct BaseModel {
    const char *name;
    const char *brand;
    uint8_t in;        /* IN_* */
    uint8_t phys_bits; /* 0: the host's */
    uint8_t family, model, stepping;
} BaseModel;

static const BaseModel base_models[] = {
    { "qemu64", "QEMU Virtual CPU version 2.5+", IN_QEMU64, 40, 15, 107, 1 },
    { "max", "Dimmable Virtual CPU", IN_MAX, 0, 15, 107, 1 },
    { "host", "", IN_MAX, 0, 0, 0, 0 },
    { "base", "", 0, 40, 0, 0, 0 },
};

static const X86CpuModelInfo model_infos[] = {
    { "qemu64", "the common 64-bit processor: x86-64 with SSE3, as QEMU has it (default)",
      .migration_safe = true },
    { "max", "everything that the software CPU implements and this host can run" },
    { "host", "the processor of this host, with all that the kvm engine can offer" },
    { "base", "no feature at all: those that follow are the only ones", .migration_safe = true,
      .is_static = true },
    { NULL, NULL },
};

/* Of the engine that runs guests on the host CPU. */
static X86CpuHost engine_host;
static bool has_engine_host;

void x86_cpu_set_host(const X86CpuHost *host)
{
    has_engine_host = host != NULL;
    engine_host = host ? *host : (X86CpuHost){ 0 };
}

bool x86_host_has_virtualisation(void)
{
    const unsigned vmx = 1u << 5, svm = 1u << 2;
    unsigned eax, ebx, ecx, edx;

    return (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & vmx)) ||
           (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & svm));
}

/* The bits of its word that a feature is. */
static uint32_t feature_bits(const Feature *f)
{
    return f->how & NEVER ? 0 : f->how & WHOLE ? UINT32_MAX : 1u << f->bit;
}

const X86CpuModelInfo *x86_cpu_model_list(void)
{
    return model_infos;
}

const char **x86_cpu_feature_list(void)
{
    GPtrArray *names = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        if (!(features[i].how & (has_engine_host ? NEVER : NEVER | ABSENT))) {
            g_ptr_array_add(names, (gpointer)features[i].name);
        }
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static bool host_has(const Feature *f)
{
    /* Words in which a feature may need the host: its leaf, and EAX EBX ECX or EDX by number. */
    static const struct {
        uint32_t leaf;
        uint8_t reg;
    } places[X86_FEAT_WORDS] = {
        [X86_FEAT_1_EDX] = { 1, 3 },
        [X86_FEAT_1_ECX] = { 1, 2 },
        [X86_FEAT_7_EBX] = { 7, 1 },
        [X86_FEAT_EXT1_ECX] = { 0x80000001, 2 },
    };
    unsigned regs[4];

    if (has_engine_host) {
        return engine_host.features[f->word] & feature_bits(f);
    }
    if (!(f->how & NEEDS_HOST)) {
        return true;
    }
    if (!__get_cpuid_count(places[f->word].leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3])) {
        return false;
    }
    return regs[places[f->word].reg] >> f->bit & 1;
}

static uint8_t host_phys_bits(void)
{
    unsigned eax, ebx, ecx, edx;

    if (!__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx)) {
        return 40;
    }
    return CLAMP(eax & 0xff, 36, 52);
}

static const BaseModel *find_base(const char *name, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(base_models); i++) {
        bool needs_engine = !strcmp(base_models[i].name, "host");

        if (needs_engine && !has_engine_host) {
            continue;
        }
        if (!strcmp(base_models[i].name, name)) {
            return &base_models[i];
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", base_models[i].name);
    }
    if (!strcmp(name, "host")) {
        error_set(errp, "CPU model 'host' needs the kvm engine (-accel kvm); use 'max'");
        return NULL;
    }
    error_set(errp, "there is no CPU model '%s'; there are: %s", name, known->str);
    return NULL;
}

static const Feature *find_feature(const char *text)
{
    g_autofree char *name = g_strdelimit(g_ascii_strdown(text, -1), "_", '-');

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        if (!strcmp(features[i].name, name)) {
            return &features[i];
        }
    }
    return NULL;
}

/* Properties of a model that are numbers. */
static const struct {
    const char *name;
    size_t offset; /* of a uint8_t */
    uint8_t min, max;
} numbers[] = {
    { "phys-bits", offsetof(X86CpuModel, phys_bits), 36, 52 },
    { "family", offsetof(X86CpuModel, family), 0, 255 },
    { "model", offsetof(X86CpuModel, model), 0, 255 },
    { "stepping", offsetof(X86CpuModel, stepping), 0, 15 },
};

static bool set_number(X86CpuModel *model, size_t i, const char *text, GError **errp)
{
    uint64_t value;

    if (!uint_parse(text, UINT8_MAX, &value) || value < numbers[i].min || value > numbers[i].max) {
        error_set(errp, "%s must be a number from %d to %d, not '%s'", numbers[i].name,
                  numbers[i].min, numbers[i].max, text);
        return false;
    }
    *((uint8_t *)model + numbers[i].offset) = (uint8_t)value;
    return true;
}

static bool set_brand(X86CpuModel *model, const char *text, GError **errp)
{
    if (strlen(text) >= sizeof(model->brand)) {
        error_set(errp, "model-id must have at most %zu bytes: '%s' is longer",
                  sizeof(model->brand) - 1, text);
        return false;
    }
    memset(model->brand, 0, sizeof(model->brand));
    memcpy(model->brand, text, strlen(text));
    return true;
}

static bool set_vendor(X86CpuModel *model, const char *text, GError **errp)
{
    if (strlen(text) != sizeof(model->vendor) - 1) {
        error_set(errp,
                  "vendor must have %zu characters, as GenuineIntel and AuthenticAMD do: '%s'",
                  sizeof(model->vendor) - 1, text);
        return false;
    }
    memcpy(model->vendor, text, sizeof(model->vendor));
    return true;
}

static bool set_tsc(X86CpuModel *model, const char *text, GError **errp)
{
    const uint64_t min = 1000000, max = UINT64_C(100000000000);
    uint64_t hz;

    if (!uint_parse(text, max, &hz) || hz < min) {
        error_set(errp,
                  "tsc-frequency must be a number of Hz from %" G_GUINT64_FORMAT
                  " to %" G_GUINT64_FORMAT ", not '%s'",
                  min, max, text);
        return false;
    }
    if (!has_engine_host && hz != X86_SOFT_TSC_HZ) {
        error_set(errp, "tsc-frequency: the software CPU's TSC runs at %" G_GUINT64_FORMAT " Hz",
                  X86_SOFT_TSC_HZ);
        return false;
    }
    model->tsc_hz = hz;
    return true;
}

/* Does the engine have it at all, whatever the host? */
static bool implemented(const Feature *f)
{
    return !(f->how & NEVER) && (has_engine_host || !(f->how & ABSENT));
}

static const char *engine_name(void)
{
    return has_engine_host ? "kvm engine" : "software CPU";
}

/* @missing: gets the name of a feature that cannot be offered; NULL: that is an error. */
static bool set_feature(X86CpuModel *model, const char *name, bool on, GPtrArray *missing,
                        GError **errp)
{
    const Feature *f = find_feature(name);

    if (!f) {
        error_set(errp,
                  "there is no CPU feature '%s'; features are given as +NAME, -NAME or "
                  "NAME=on|off, and '-cpu help' lists them",
                  name);
        return false;
    }
    uint32_t bits = feature_bits(f);
    if (on && missing && !(implemented(f) && host_has(f))) {
        g_ptr_array_add(missing, (gpointer)f->name);
        return true;
    }
    if (on && !implemented(f)) {
        error_set(errp, "the %s does not implement feature '%s'; leave it out", engine_name(),
                  f->name);
        return false;
    }
    if (on && !host_has(f)) {
        error_set(errp, "feature '%s' runs on the host CPU, which does not have it%s", f->name,
                  has_engine_host ? ", or KVM does not offer it" : "");
        return false;
    }
    if (on) {
        model->features[f->word] |= has_engine_host ? engine_host.features[f->word] & bits : bits;
    } else {
        model->features[f->word] &= ~bits;
    }
    return true;
}

/* "migratable": without what would be missed on another host. That is the invariant TSC. */
static bool set_migratable(X86CpuModel *model, bool on, GError **errp)
{
    const BaseModel *base = find_base(model->name, errp);

    if (!base) {
        return false;
    }
    if (base->in != IN_MAX) {
        error_set(errp,
                  "'migratable' is for the models host and max, which are made of the host's CPU");
        return false;
    }
    return set_feature(model, "invtsc", !on && host_has(find_feature("invtsc")), NULL, errp);
}

/* "host-phys-bits": as many physical address bits as the host has, or those of the model. */
static bool set_host_phys_bits(X86CpuModel *model, bool on, GError **errp)
{
    const BaseModel *base = find_base(model->name, errp);

    if (!base) {
        return false;
    }
    model->phys_bits = on || !base->phys_bits ? host_phys_bits() : base->phys_bits;
    return true;
}

/* Properties that are on or off and no feature of the CPU. */
static const struct {
    const char *name;
    bool (*set)(X86CpuModel *model, bool on, GError **errp);
} switches[] = {
    { "migratable", set_migratable },
    { "host-phys-bits", set_host_phys_bits },
};

bool x86_cpu_model_set(X86CpuModel *model, const char *name, const char *value, GError **errp)
{
    bool on;

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!strcmp(name, numbers[i].name)) {
            return set_number(model, i, value, errp);
        }
    }
    if (!strcmp(name, "tsc-frequency")) {
        return set_tsc(model, value, errp);
    }
    if (!strcmp(name, "model-id")) {
        return set_brand(model, value, errp);
    }
    if (!strcmp(name, "vendor")) {
        return set_vendor(model, value, errp);
    }
    if (!bool_parse(value, &on)) {
        error_set(errp, "feature '%s' must be on or off, not '%s'", name, value);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (!strcmp(name, switches[i].name)) {
            return switches[i].set(model, on, errp);
        }
    }
    return set_feature(model, name, on, NULL, errp);
}

/* ---- -cpu ---- */

/* What -cpu says beside the model's own properties. */
typedef struct Request {
    X86CpuModel model;
    bool check;              /* a warning for what is missing */
    bool enforce;            /* an error */
    bool host_phys_bits;     /* phys_bits are the host's */
    uint8_t phys_bits_limit; /* and then at most this; 0: no limit */
    GPtrArray *missing;      /* names of features that cannot be offered, static */
    unsigned of_base;        /* the first so many are the base model's */
} Request;

static bool set_phys_bits_limit(Request *r, const char *text, GError **errp)
{
    uint64_t value;

    if (!uint_parse(text, 52, &value) || (value && value < 36)) {
        error_set(errp,
                  "host-phys-bits-limit must be 0 (no limit) or a number from 36 to 52, not '%s'",
                  text);
        return false;
    }
    r->phys_bits_limit = (uint8_t)value;
    return true;
}

static bool parse_named(Request *r, const char *name, const char *value, GError **errp)
{
    const struct {
        const char *name;
        bool *to;
    } flags[] = { { "check", &r->check }, { "enforce", &r->enforce } };
    bool on;

    if (!strcmp(name, "host-phys-bits-limit")) {
        return set_phys_bits_limit(r, value, errp);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (!strcmp(name, flags[i].name)) {
            if (!bool_parse(value, flags[i].to)) {
                error_set(errp, "%s must be on or off, not '%s'", name, value);
                return false;
            }
            return true;
        }
    }
    if (find_feature(name) && bool_parse(value, &on)) {
        return set_feature(&r->model, name, on, r->missing, errp);
    }
    if (!strcmp(name, "phys-bits")) {
        r->host_phys_bits = false;
    } else if (!strcmp(name, "host-phys-bits") && bool_parse(value, &on)) {
        r->host_phys_bits = on;
    }
    return x86_cpu_model_set(&r->model, name, value, errp);
}

/* One element after the model's name. */
static bool parse_element(Request *r, const char *text, GError **errp)
{
    const char *eq = strchr(text, '=');

    if (*text == '+' || *text == '-') {
        return set_feature(&r->model, text + 1, *text == '+', r->missing, errp);
    }
    g_autofree char *name = eq ? g_strndup(text, (gsize)(eq - text)) : g_strdup(text);
    return parse_named(r, name, eq ? eq + 1 : "on", errp);
}

/* Features that cannot be had: an error or a warning, as the user wants it. A warning is for what
 * the user named: a model that is less here than elsewhere is nothing to warn of at every start. */
static bool report_missing(const Request *r, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = r->enforce ? 0 : r->of_base; i < r->missing->len; i++) {
        g_string_append_printf(names, "%s%s", names->len ? ", " : "",
                               (const char *)r->missing->pdata[i]);
    }
    if (names->len && r->enforce) {
        error_set(errp,
                  "the %s cannot offer on this host: %s; without 'enforce' the guest runs without "
                  "them",
                  engine_name(), names->str);
        return false;
    }
    if (names->len && r->check) {
        warn_report("-cpu: the %s cannot offer on this host: %s; the guest runs without them",
                    engine_name(), names->str);
    }
    return true;
}

const char *x86_cpu_feature(size_t i, const X86CpuModel *model, bool *on)
{
    if (i >= G_N_ELEMENTS(features)) {
        return NULL;
    }
    const Feature *f = &features[i];
    *on = model->features[f->word] & feature_bits(f);
    return f->name;
}

const char **x86_cpu_model_unavailable(const char *name)
{
    GPtrArray *names = g_ptr_array_new();
    const BaseModel *base = find_base(name, NULL);

    if (!base && !strcmp(name, "host")) {
        g_ptr_array_add(names, (gpointer) "kvm");
    }
    /* "max" has by definition only what is available. */
    for (size_t i = 0; base && base->in != IN_MAX && i < G_N_ELEMENTS(features); i++) {
        if ((features[i].how & base->in) && !host_has(&features[i])) {
            g_ptr_array_add(names, (gpointer)features[i].name);
        }
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

/* "max" and "host": the host CPU itself, and features for which there is no name, too. */
static void take_host(X86CpuModel *m)
{
    memcpy(m->features, engine_host.features, sizeof(m->features));
    memcpy(m->brand, engine_host.brand, sizeof(m->brand));
    m->family = engine_host.family;
    m->model = engine_host.model;
    m->stepping = engine_host.stepping;
}

/* The model as it is without further words; @missing gets what it should have and cannot. */
static void make_base(X86CpuModel *m, const BaseModel *base, GPtrArray *missing)
{
    *m = (X86CpuModel){
        .name = base->name,
        .phys_bits = base->phys_bits ? base->phys_bits : host_phys_bits(),
        .family = base->family,
        .model = base->model,
        .stepping = base->stepping,
    };
    g_strlcpy(m->brand, base->brand, sizeof(m->brand));
    g_strlcpy(m->vendor, has_engine_host ? engine_host.vendor : X86_CPU_VENDOR, sizeof(m->vendor));
    if (has_engine_host && base->in == IN_MAX) {
        take_host(m);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        const Feature *f = &features[i];
        if ((f->how & base->in) && host_has(f)) {
            m->features[f->word] |= feature_bits(f);
        } else if ((f->how & base->in) && base->in != IN_MAX) {
            g_ptr_array_add(missing, (gpointer)f->name);
        }
    }
    if (has_engine_host && base->in) {
        m->features[X86_FEAT_KVM_EAX] = engine_host.features[X86_FEAT_KVM_EAX];
    }
}

bool x86_cpu_model_parse(X86CpuModel *model, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    const BaseModel *base = find_base(parts[0] ? parts[0] : "", errp);
    if (!base) {
        g_prefix_error(errp, "-cpu: ");
        return false;
    }

    g_autoptr(GPtrArray) missing = g_ptr_array_new();
    Request r = { .check = true, .host_phys_bits = !base->phys_bits, .missing = missing };
    make_base(&r.model, base, missing);
    r.of_base = missing->len;
    for (char **p = parts + 1; parts[0] && *p; p++) {
        if (!parse_element(&r, *p, errp)) {
            g_prefix_error(errp, "-cpu: ");
            return false;
        }
    }
    if (!report_missing(&r, errp)) {
        g_prefix_error(errp, "-cpu: ");
        return false;
    }
    if (r.host_phys_bits && r.phys_bits_limit) {
        r.model.phys_bits = MIN(r.model.phys_bits, r.phys_bits_limit);
    }
    *model = r.model;
    return true;
}
