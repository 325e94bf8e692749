/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/cpu-features.h"

#include <cpuid.h>

/* What the software CPU has. */
enum {
    SOFT = 1 << 0,
    ON_HOST = 1 << 1, /* SOFT, if the host has it too: its instructions run there */
    WHOLE = 1 << 2,   /* it stands for its whole word */
};

typedef struct Row {
    const char *name;
    uint8_t word, bit;
    uint8_t how;
} Row;

static const Row rows[] = {
    { "fpu", X86_FEAT_1_EDX, 0, ON_HOST },
    { "vme", X86_FEAT_1_EDX, 1, SOFT },
    { "de", X86_FEAT_1_EDX, 2, SOFT },
    { "pse", X86_FEAT_1_EDX, 3, SOFT },
    { "tsc", X86_FEAT_1_EDX, 4, SOFT },
    { "msr", X86_FEAT_1_EDX, 5, SOFT },
    { "pae", X86_FEAT_1_EDX, 6, SOFT },
    { "mce", X86_FEAT_1_EDX, 7, SOFT },
    { "cx8", X86_FEAT_1_EDX, 8, SOFT },
    { "apic", X86_FEAT_1_EDX, 9, SOFT },
    { "sep", X86_FEAT_1_EDX, 11, SOFT },
    { "mtrr", X86_FEAT_1_EDX, 12, SOFT },
    { "pge", X86_FEAT_1_EDX, 13, SOFT },
    { "mca", X86_FEAT_1_EDX, 14, SOFT },
    { "cmov", X86_FEAT_1_EDX, 15, SOFT },
    { "pat", X86_FEAT_1_EDX, 16, SOFT },
    { "pse36", X86_FEAT_1_EDX, 17, SOFT },
    { "clflush", X86_FEAT_1_EDX, 19, SOFT },
    { "ds", X86_FEAT_1_EDX, 21, 0 },
    { "acpi", X86_FEAT_1_EDX, 22, 0 },
    { "mmx", X86_FEAT_1_EDX, 23, ON_HOST },
    { "fxsr", X86_FEAT_1_EDX, 24, ON_HOST },
    { "sse", X86_FEAT_1_EDX, 25, ON_HOST },
    { "sse2", X86_FEAT_1_EDX, 26, ON_HOST },
    { "ss", X86_FEAT_1_EDX, 27, SOFT },
    { "ht", X86_FEAT_1_EDX, 28, 0 },
    { "tm", X86_FEAT_1_EDX, 29, 0 },
    { "pbe", X86_FEAT_1_EDX, 31, 0 },
    { "pni", X86_FEAT_1_ECX, 0, ON_HOST },
    { "pclmulqdq", X86_FEAT_1_ECX, 1, ON_HOST },
    { "dtes64", X86_FEAT_1_ECX, 2, 0 },
    { "monitor", X86_FEAT_1_ECX, 3, 0 },
    { "ds-cpl", X86_FEAT_1_ECX, 4, 0 },
    { "vmx", X86_FEAT_1_ECX, 5, 0 },
    { "smx", X86_FEAT_1_ECX, 6, 0 },
    { "est", X86_FEAT_1_ECX, 7, 0 },
    { "tm2", X86_FEAT_1_ECX, 8, 0 },
    { "ssse3", X86_FEAT_1_ECX, 9, ON_HOST },
    { "fma", X86_FEAT_1_ECX, 12, ON_HOST },
    { "cx16", X86_FEAT_1_ECX, 13, SOFT },
    { "xtpr", X86_FEAT_1_ECX, 14, 0 },
    { "pdcm", X86_FEAT_1_ECX, 15, 0 },
    { "pcid", X86_FEAT_1_ECX, 17, SOFT },
    { "dca", X86_FEAT_1_ECX, 18, 0 },
    { "sse4.1", X86_FEAT_1_ECX, 19, ON_HOST },
    { "sse4.2", X86_FEAT_1_ECX, 20, ON_HOST },
    { "x2apic", X86_FEAT_1_ECX, 21, SOFT },
    { "movbe", X86_FEAT_1_ECX, 22, SOFT },
    { "popcnt", X86_FEAT_1_ECX, 23, ON_HOST },
    { "tsc-deadline", X86_FEAT_1_ECX, 24, SOFT },
    { "aes", X86_FEAT_1_ECX, 25, ON_HOST },
    { "xsave", X86_FEAT_1_ECX, 26, SOFT },
    { "avx", X86_FEAT_1_ECX, 28, ON_HOST },
    { "f16c", X86_FEAT_1_ECX, 29, ON_HOST },
    { "rdrand", X86_FEAT_1_ECX, 30, ON_HOST },
    { "hypervisor", X86_FEAT_1_ECX, 31, SOFT },
    { "fsgsbase", X86_FEAT_7_EBX, 0, SOFT },
    { "tsc-adjust", X86_FEAT_7_EBX, 1, SOFT },
    { "sgx", X86_FEAT_7_EBX, 2, 0 },
    { "bmi1", X86_FEAT_7_EBX, 3, ON_HOST },
    { "hle", X86_FEAT_7_EBX, 4, 0 },
    { "avx2", X86_FEAT_7_EBX, 5, ON_HOST },
    { "smep", X86_FEAT_7_EBX, 7, SOFT },
    { "bmi2", X86_FEAT_7_EBX, 8, ON_HOST },
    { "erms", X86_FEAT_7_EBX, 9, SOFT },
    { "invpcid", X86_FEAT_7_EBX, 10, SOFT },
    { "rtm", X86_FEAT_7_EBX, 11, 0 },
    { "mpx", X86_FEAT_7_EBX, 14, 0 },
    { "avx512f", X86_FEAT_7_EBX, 16, 0 },
    { "avx512dq", X86_FEAT_7_EBX, 17, 0 },
    { "rdseed", X86_FEAT_7_EBX, 18, ON_HOST },
    { "adx", X86_FEAT_7_EBX, 19, ON_HOST },
    { "smap", X86_FEAT_7_EBX, 20, SOFT },
    { "avx512ifma", X86_FEAT_7_EBX, 21, 0 },
    { "pcommit", X86_FEAT_7_EBX, 22, 0 },
    { "clflushopt", X86_FEAT_7_EBX, 23, SOFT },
    { "clwb", X86_FEAT_7_EBX, 24, SOFT },
    { "intel-pt", X86_FEAT_7_EBX, 25, 0 },
    { "avx512pf", X86_FEAT_7_EBX, 26, 0 },
    { "avx512er", X86_FEAT_7_EBX, 27, 0 },
    { "avx512cd", X86_FEAT_7_EBX, 28, 0 },
    { "sha-ni", X86_FEAT_7_EBX, 29, ON_HOST },
    { "avx512bw", X86_FEAT_7_EBX, 30, 0 },
    { "avx512vl", X86_FEAT_7_EBX, 31, 0 },
    { "avx512vbmi", X86_FEAT_7_ECX, 1, 0 },
    { "umip", X86_FEAT_7_ECX, 2, SOFT },
    { "pku", X86_FEAT_7_ECX, 3, SOFT },
    { "waitpkg", X86_FEAT_7_ECX, 5, 0 },
    { "avx512vbmi2", X86_FEAT_7_ECX, 6, 0 },
    { "gfni", X86_FEAT_7_ECX, 8, ON_HOST },
    { "vaes", X86_FEAT_7_ECX, 9, ON_HOST },
    { "vpclmulqdq", X86_FEAT_7_ECX, 10, ON_HOST },
    { "avx512vnni", X86_FEAT_7_ECX, 11, 0 },
    { "avx512bitalg", X86_FEAT_7_ECX, 12, 0 },
    { "avx512-vpopcntdq", X86_FEAT_7_ECX, 14, 0 },
    { "la57", X86_FEAT_7_ECX, 16, 0 },
    { "rdpid", X86_FEAT_7_ECX, 22, SOFT },
    { "bus-lock-detect", X86_FEAT_7_ECX, 24, 0 },
    { "cldemote", X86_FEAT_7_ECX, 25, 0 },
    { "movdiri", X86_FEAT_7_ECX, 27, 0 },
    { "movdir64b", X86_FEAT_7_ECX, 28, 0 },
    { "pks", X86_FEAT_7_ECX, 31, 0 },
    { "avx512-4vnniw", X86_FEAT_7_EDX, 2, 0 },
    { "avx512-4fmaps", X86_FEAT_7_EDX, 3, 0 },
    { "fsrm", X86_FEAT_7_EDX, 4, SOFT },
    { "avx512-vp2intersect", X86_FEAT_7_EDX, 8, 0 },
    { "md-clear", X86_FEAT_7_EDX, 10, 0 },
    { "serialize", X86_FEAT_7_EDX, 14, 0 },
    { "tsx-ldtrk", X86_FEAT_7_EDX, 16, 0 },
    { "amx-bf16", X86_FEAT_7_EDX, 22, 0 },
    { "avx512-fp16", X86_FEAT_7_EDX, 23, 0 },
    { "amx-tile", X86_FEAT_7_EDX, 24, 0 },
    { "amx-int8", X86_FEAT_7_EDX, 25, 0 },
    { "spec-ctrl", X86_FEAT_7_EDX, 26, 0 },
    { "stibp", X86_FEAT_7_EDX, 27, 0 },
    { "arch-capabilities", X86_FEAT_7_EDX, 29, 0 },
    { "core-capability", X86_FEAT_7_EDX, 30, 0 },
    { "ssbd", X86_FEAT_7_EDX, 31, 0 },
    { "avx-vnni", X86_FEAT_7_1_EAX, 4, ON_HOST },
    { "avx512-bf16", X86_FEAT_7_1_EAX, 5, 0 },
    { "xsaveopt", X86_FEAT_D_1_EAX, 0, SOFT },
    { "xsavec", X86_FEAT_D_1_EAX, 1, SOFT },
    { "xgetbv1", X86_FEAT_D_1_EAX, 2, SOFT },
    { "xsaves", X86_FEAT_D_1_EAX, 3, SOFT },
    { "arat", X86_FEAT_6_EAX, 2, SOFT },
    { "syscall", X86_FEAT_EXT1_EDX, 11, SOFT },
    { "nx", X86_FEAT_EXT1_EDX, 20, SOFT },
    { "mmxext", X86_FEAT_EXT1_EDX, 22, 0 },
    { "fxsr-opt", X86_FEAT_EXT1_EDX, 25, 0 },
    { "pdpe1gb", X86_FEAT_EXT1_EDX, 26, SOFT },
    { "rdtscp", X86_FEAT_EXT1_EDX, 27, SOFT },
    { "lm", X86_FEAT_EXT1_EDX, 29, SOFT },
    { "3dnowext", X86_FEAT_EXT1_EDX, 30, 0 },
    { "3dnow", X86_FEAT_EXT1_EDX, 31, 0 },
    { "lahf-lm", X86_FEAT_EXT1_ECX, 0, SOFT },
    { "cmp-legacy", X86_FEAT_EXT1_ECX, 1, 0 },
    { "svm", X86_FEAT_EXT1_ECX, 2, SOFT },
    { "extapic", X86_FEAT_EXT1_ECX, 3, 0 },
    { "cr8legacy", X86_FEAT_EXT1_ECX, 4, 0 },
    { "abm", X86_FEAT_EXT1_ECX, 5, ON_HOST },
    { "sse4a", X86_FEAT_EXT1_ECX, 6, 0 },
    { "misalignsse", X86_FEAT_EXT1_ECX, 7, 0 },
    { "3dnowprefetch", X86_FEAT_EXT1_ECX, 8, SOFT },
    { "osvw", X86_FEAT_EXT1_ECX, 9, 0 },
    { "ibs", X86_FEAT_EXT1_ECX, 10, 0 },
    { "xop", X86_FEAT_EXT1_ECX, 11, 0 },
    { "skinit", X86_FEAT_EXT1_ECX, 12, 0 },
    { "wdt", X86_FEAT_EXT1_ECX, 13, 0 },
    { "lwp", X86_FEAT_EXT1_ECX, 15, 0 },
    { "fma4", X86_FEAT_EXT1_ECX, 16, 0 },
    { "tce", X86_FEAT_EXT1_ECX, 17, 0 },
    { "tbm", X86_FEAT_EXT1_ECX, 21, 0 },
    { "topoext", X86_FEAT_EXT1_ECX, 22, 0 },
    { "perfctr-core", X86_FEAT_EXT1_ECX, 23, 0 },
    { "perfctr-nb", X86_FEAT_EXT1_ECX, 24, 0 },
    { "invtsc", X86_FEAT_EXT7_EDX, 8, SOFT },
    { "clzero", X86_FEAT_EXT8_EBX, 0, 0 },
    { "xsaveerptr", X86_FEAT_EXT8_EBX, 2, 0 },
    { "wbnoinvd", X86_FEAT_EXT8_EBX, 9, 0 },
    { "ibpb", X86_FEAT_EXT8_EBX, 12, 0 },
    { "ibrs", X86_FEAT_EXT8_EBX, 14, 0 },
    { "amd-stibp", X86_FEAT_EXT8_EBX, 15, 0 },
    { "amd-ssbd", X86_FEAT_EXT8_EBX, 24, 0 },
    { "virt-ssbd", X86_FEAT_EXT8_EBX, 25, 0 },
    { "amd-no-ssb", X86_FEAT_EXT8_EBX, 26, 0 },
    { "npt", X86_FEAT_SVM_EDX, 0, SOFT },
    { "lbrv", X86_FEAT_SVM_EDX, 1, 0 },
    { "svm-lock", X86_FEAT_SVM_EDX, 2, 0 },
    { "nrip-save", X86_FEAT_SVM_EDX, 3, SOFT },
    { "tsc-scale", X86_FEAT_SVM_EDX, 4, 0 },
    { "vmcb-clean", X86_FEAT_SVM_EDX, 5, SOFT },
    { "flushbyasid", X86_FEAT_SVM_EDX, 6, SOFT },
    { "decodeassists", X86_FEAT_SVM_EDX, 7, 0 },
    { "pause-filter", X86_FEAT_SVM_EDX, 10, SOFT },
    { "pfthreshold", X86_FEAT_SVM_EDX, 12, SOFT },
    { "avic", X86_FEAT_SVM_EDX, 13, 0 },
    { "v-vmsave-vmload", X86_FEAT_SVM_EDX, 15, 0 },
    { "vgif", X86_FEAT_SVM_EDX, 16, 0 },
    { "svme-addr-chk", X86_FEAT_SVM_EDX, 28, SOFT },
    { "rdctl-no", X86_FEAT_ARCH_CAP, 0, 0 },
    { "ibrs-all", X86_FEAT_ARCH_CAP, 1, 0 },
    { "rsba", X86_FEAT_ARCH_CAP, 2, 0 },
    { "skip-l1dfl-vmentry", X86_FEAT_ARCH_CAP, 3, 0 },
    { "ssb-no", X86_FEAT_ARCH_CAP, 4, 0 },
    { "mds-no", X86_FEAT_ARCH_CAP, 5, 0 },
    { "pschange-mc-no", X86_FEAT_ARCH_CAP, 6, 0 },
    { "tsx-ctrl", X86_FEAT_ARCH_CAP, 7, 0 },
    { "taa-no", X86_FEAT_ARCH_CAP, 8, 0 },
    { "split-lock-detect", X86_FEAT_CORE_CAP, 5, 0 },
    { "kvm-nopiodelay", X86_FEAT_KVM_EAX, 1, 0 },
    { "kvmclock", X86_FEAT_KVM_EAX, 3, 0 },
    { "kvm-asyncpf", X86_FEAT_KVM_EAX, 4, 0 },
    { "kvm-steal-time", X86_FEAT_KVM_EAX, 5, 0 },
    { "kvm-pv-eoi", X86_FEAT_KVM_EAX, 6, 0 },
    { "kvm-pv-unhalt", X86_FEAT_KVM_EAX, 7, 0 },
    { "kvm-pv-tlb-flush", X86_FEAT_KVM_EAX, 9, 0 },
    { "kvm-asyncpf-vmexit", X86_FEAT_KVM_EAX, 10, 0 },
    { "kvm-pv-ipi", X86_FEAT_KVM_EAX, 11, 0 },
    { "kvm-poll-control", X86_FEAT_KVM_EAX, 12, 0 },
    { "kvm-pv-sched-yield", X86_FEAT_KVM_EAX, 13, 0 },
    { "kvm-asyncpf-int", X86_FEAT_KVM_EAX, 14, 0 },
    { "kvm-msi-ext-dest-id", X86_FEAT_KVM_EAX, 15, 0 },
    { "kvmclock-stable-bit", X86_FEAT_KVM_EAX, 24, 0 },
    { "kvm", X86_FEAT_KVM_EAX, 0, WHOLE },
    /* Bits of X86_HV_*. */
    { "hv-relaxed", X86_FEAT_HV, 0, SOFT },
    { "hv-vapic", X86_FEAT_HV, 1, SOFT },
    { "hv-vpindex", X86_FEAT_HV, 2, SOFT },
    { "hv-runtime", X86_FEAT_HV, 3, SOFT },
    { "hv-time", X86_FEAT_HV, 4, SOFT },
    { "hv-reset", X86_FEAT_HV, 5, SOFT },
    { "hv-frequencies", X86_FEAT_HV, 6, SOFT },
    { "hv-crash", X86_FEAT_HV, 7, SOFT },
    /* Not CPUID's. */
    { "pmu", X86_FEAT_OTHER, 0, 0 },
};

/* Other names that people use. */
static const struct {
    const char *name, *usual;
} aliases[] = {
    { "sse3", "pni" }, { "sse4-1", "sse4.1" },      { "sse4-2", "sse4.2" },  { "i64", "lm" },
    { "xd", "nx" },    { "pclmuldq", "pclmulqdq" }, { "ffxsr", "fxsr-opt" },
};

static const X86FeaturePlace places[X86_FEAT_WORDS] = {
    [X86_FEAT_1_EDX] = { 1, 0, 3 },
    [X86_FEAT_1_ECX] = { 1, 0, 2 },
    [X86_FEAT_7_EBX] = { 7, 0, 1 },
    [X86_FEAT_7_ECX] = { 7, 0, 2 },
    [X86_FEAT_7_EDX] = { 7, 0, 3 },
    [X86_FEAT_7_1_EAX] = { 7, 1, 0 },
    [X86_FEAT_D_1_EAX] = { 0xd, 1, 0 },
    [X86_FEAT_6_EAX] = { 6, 0, 0 },
    [X86_FEAT_EXT1_EDX] = { 0x80000001, 0, 3 },
    [X86_FEAT_EXT1_ECX] = { 0x80000001, 0, 2 },
    [X86_FEAT_EXT7_EDX] = { 0x80000007, 0, 3 },
    [X86_FEAT_EXT8_EBX] = { 0x80000008, 0, 1 },
    [X86_FEAT_SVM_EDX] = { 0x8000000a, 0, 3 },
    [X86_FEAT_KVM_EAX] = { 0x40000001, 0, 0 },
};

X86FeaturePlace x86_feature_place(X86FeatureWord word)
{
    return places[word];
}

/* ---- names ---- */

static X86Feature feature_of(const Row *row)
{
    return (X86Feature){ .name = row->name,
                         .word = (X86FeatureWord)row->word,
                         .bits = row->how & WHOLE ? UINT32_MAX : 1u << row->bit,
                         .mark = 1u << row->bit };
}

bool x86_feature_get_usual(size_t i, X86Feature *feature)
{
    if (i >= G_N_ELEMENTS(rows)) {
        return false;
    }
    *feature = feature_of(&rows[i]);
    return true;
}

bool x86_feature_find(const char *text, X86Feature *feature)
{
    g_autofree char *name = g_strdelimit(g_ascii_strdown(text, -1), "_", '-');
    const char *usual = name;

    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        usual = strcmp(aliases[i].name, name) == 0 ? aliases[i].usual : usual;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, usual) == 0) {
            *feature = feature_of(&rows[i]);
            return true;
        }
    }
    return false;
}

bool x86_feature_get(size_t i, X86Feature *feature)
{
    if (x86_feature_get_usual(i, feature)) {
        return true;
    }
    i -= G_N_ELEMENTS(rows);
    if (i >= G_N_ELEMENTS(aliases)) {
        return false;
    }
    bool known = x86_feature_find(aliases[i].usual, feature);
    feature->name = aliases[i].name;
    return known;
}

void x86_features_change(X86FeatureSet *set, const char *text)
{
    g_auto(GStrv) names = g_strsplit(text, " ", -1);

    for (char **p = names; *p; p++) {
        bool off = **p == '-';
        X86Feature f;

        if (!x86_feature_find(*p + off, &f)) {
            g_error("there is no CPU feature '%s'", *p + off);
        }
        set->words[f.word] = off ? set->words[f.word] & ~f.bits : set->words[f.word] | f.bits;
    }
}

/* ---- what there is ---- */

static uint32_t host_word(X86FeatureWord word)
{
    unsigned regs[4];

    if (!__get_cpuid_count(places[word].leaf, places[word].subleaf, &regs[0], &regs[1], &regs[2],
                           &regs[3])) {
        return 0;
    }
    return regs[places[word].reg];
}

/* Does the host's kernel keep the registers of AVX? */
static bool host_keeps_avx(void)
{
    unsigned eax, ebx, ecx, edx, low, high;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & CPUID_1_ECX_OSXSAVE)) {
        return false;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

X86FeatureSet x86_features_soft(void)
{
    X86FeatureSet set = { 0 }, on_host = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        set.words[rows[i].word] |= rows[i].how & SOFT ? 1u << rows[i].bit : 0;
        on_host.words[rows[i].word] |= rows[i].how & ON_HOST ? 1u << rows[i].bit : 0;
    }
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        set.words[w] |= on_host.words[w] ? on_host.words[w] & host_word(w) : 0;
    }
    if (!host_keeps_avx()) {
        x86_features_change(&set, "-avx");
    }
    x86_features_drop_dependent(&set);
    return set;
}

void x86_features_drop_dependent(X86FeatureSet *set)
{
    static const struct {
        const char *of, *needing;
    } needs[] = {
        { "xsave", "-avx -pku -mpx -xsaveopt -xsavec -xgetbv1 -xsaves -amx-tile" },
        { "avx", "-avx2 -fma -f16c -vaes -vpclmulqdq -avx-vnni -xop -fma4 -avx512f" },
        { "avx2", "-avx512f" },
        { "aes", "-vaes" },
        { "pclmulqdq", "-vpclmulqdq" },
        { "avx512f", "-avx512dq -avx512ifma -avx512pf -avx512er -avx512cd -avx512bw -avx512vl "
                     "-avx512vbmi -avx512vbmi2 -avx512vnni -avx512bitalg -avx512-vpopcntdq "
                     "-avx512-4vnniw -avx512-4fmaps -avx512-vp2intersect -avx512-fp16 "
                     "-avx512-bf16" },
        { "amx-tile", "-amx-int8 -amx-bf16" },
        { "svm", "-npt -lbrv -svm-lock -nrip-save -tsc-scale -vmcb-clean -flushbyasid "
                 "-decodeassists -pause-filter -pfthreshold -avic -v-vmsave-vmload -vgif "
                 "-svme-addr-chk" },
        { "arch-capabilities", "-rdctl-no -ibrs-all -rsba -skip-l1dfl-vmentry -ssb-no -mds-no "
                               "-pschange-mc-no -tsx-ctrl -taa-no" },
        { "core-capability", "-split-lock-detect" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        X86Feature f;

        if (x86_feature_find(needs[i].of, &f) && !(set->words[f.word] & f.bits)) {
            x86_features_change(set, needs[i].needing);
        }
    }
}
