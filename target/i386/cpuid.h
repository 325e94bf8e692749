/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models: what CPUID answers. A model is one that has a name ("qemu64", "Haswell", "max") plus
 * features switched on or off; it offers only what the software CPU implements and, for
 * instructions that run natively, what the host can do; or, with an engine that runs guests on the
 * host CPU, what that can offer.
 */
#ifndef TARGET_I386_CPUID_H
#define TARGET_I386_CPUID_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct X86Cpu X86Cpu;

/* Feature words. One register of one CPUID leaf each. */
typedef enum X86FeatureWord {
    X86_FEAT_1_EDX,
    X86_FEAT_1_ECX,
    X86_FEAT_7_EBX,
    X86_FEAT_7_ECX,
    X86_FEAT_7_EDX,
    X86_FEAT_EXT1_EDX, /* 0x80000001 */
    X86_FEAT_EXT1_ECX,
    X86_FEAT_6_EAX,
    X86_FEAT_EXT7_EDX, /* 0x80000007 */
    X86_FEAT_7_1_EAX,
    X86_FEAT_D_1_EAX,
    X86_FEAT_EXT8_EBX, /* 0x80000008 */
    /* X86_FEAT_HV is for the software CPU; others only with an engine that runs guests on the host
     * CPU: */
    X86_FEAT_SVM_EDX,  /* 0x8000000a */
    X86_FEAT_KVM_EAX,  /* 0x40000001 of KVM's interface */
    X86_FEAT_ARCH_CAP, /* low half of MSR IA32_ARCH_CAPABILITIES */
    X86_FEAT_CORE_CAP, /* low half of MSR IA32_CORE_CAPABILITIES */
    X86_FEAT_HV,       /* enlightenments of Hyper-V: X86_HV_* of hyperv.h */
    X86_FEAT_OTHER,    /* what people switch as if it were a feature */
    X86_FEAT_WORDS,
} X86FeatureWord;

/* Bits of the words that code asks for. */
#define CPUID_1_EDX_VME               (1u << 1)
#define CPUID_1_EDX_DE                (1u << 2)
#define CPUID_1_EDX_PSE               (1u << 3)
#define CPUID_1_EDX_TSC               (1u << 4)
#define CPUID_1_EDX_MCE               (1u << 7)
#define CPUID_1_EDX_PAE               (1u << 6)
#define CPUID_1_EDX_APIC              (1u << 9)
#define CPUID_1_EDX_SEP               (1u << 11)
#define CPUID_1_EDX_PGE               (1u << 13)
#define CPUID_1_EDX_FXSR              (1u << 24)
#define CPUID_1_EDX_SSE               (1u << 25)
#define CPUID_1_ECX_MONITOR           (1u << 3)
#define CPUID_1_ECX_PCID              (1u << 17)
#define CPUID_1_ECX_X2APIC            (1u << 21)
#define CPUID_1_ECX_DEADLINE          (1u << 24)
#define CPUID_1_ECX_XSAVE             (1u << 26)
#define CPUID_1_ECX_OSXSAVE           (1u << 27)
#define CPUID_1_ECX_AVX               (1u << 28)
#define CPUID_1_ECX_HYPERVISOR        (1u << 31)
#define CPUID_6_EAX_ARAT              (1u << 2)
#define CPUID_7_EBX_FSGSBASE          (1u << 0)
#define CPUID_7_EBX_TSC_ADJUST        (1u << 1)
#define CPUID_7_EBX_SGX               (1u << 2)
#define CPUID_7_EBX_BMI1              (1u << 3)
#define CPUID_7_EBX_INVPCID           (1u << 10)
#define CPUID_7_EBX_SMEP              (1u << 7)
#define CPUID_7_EBX_AVX512F           (1u << 16)
#define CPUID_7_EBX_SMAP              (1u << 20)
#define CPUID_7_EBX_INTEL_PT          (1u << 25)
#define CPUID_7_ECX_UMIP              (1u << 2)
#define CPUID_7_ECX_PKU               (1u << 3)
#define CPUID_7_ECX_OSPKE             (1u << 4)
#define CPUID_D_1_EAX_XSAVEC          (1u << 1)
#define CPUID_D_1_EAX_XGETBV1         (1u << 2)
#define CPUID_D_1_EAX_XSAVES          (1u << 3)
#define CPUID_7_EDX_ARCH_CAPABILITIES (1u << 29)
#define CPUID_EXT1_ECX_LAHF_LM        (1u << 0)
#define CPUID_EXT1_ECX_SVM            (1u << 2)
#define CPUID_SVM_EDX_NPT             (1u << 0)
#define CPUID_SVM_EDX_NRIPS           (1u << 3)
#define CPUID_EXT1_ECX_ABM            (1u << 5)
#define CPUID_EXT1_EDX_SYSCALL        (1u << 11)
#define CPUID_EXT1_EDX_NX             (1u << 20)
#define CPUID_EXT1_EDX_1G             (1u << 26)
#define CPUID_EXT1_EDX_RDTSCP         (1u << 27)
#define CPUID_EXT1_EDX_LM             (1u << 29)
#define CPUID_EXT7_EDX_INVTSC         (1u << 8)

/* Ranges of leaves: from 0, from 0x80000000, and Centaur's from 0xc0000000. */
typedef enum X86CpuidRange {
    X86_RANGE_BASIC,
    X86_RANGE_EXTENDED,
    X86_RANGE_CENTAUR,
    X86_RANGES,
} X86CpuidRange;

/* No last leaf of the user's: the one that the features need. */
#define X86_LEVEL_AUTO UINT32_MAX

/* The last leaf of a range; 0: there is none. */
typedef struct X86CpuLevel {
    uint32_t min;    /* this one or a later one, says the model, or the user */
    uint32_t needed; /* the same, with what the features need: x86_cpu_raise_levels() */
    uint32_t given;  /* this one, says the user; X86_LEVEL_AUTO: `needed` */
} X86CpuLevel;

typedef struct X86CpuModel {
    const char *name; /* static */
    uint32_t features[X86_FEAT_WORDS];
    uint32_t missing[X86_FEAT_WORDS]; /* asked for, and not to be had here */
    X86CpuLevel levels[X86_RANGES];
    bool auto_levels;  /* all features count for `needed`; else those of leaf 7's EBX alone */
    uint8_t phys_bits; /* guest-physical address width, 36-52 */
    uint8_t family, model, stepping;
    char brand[49];
    char vendor[13];
    uint32_t hv_spinlocks; /* tries before a guest of Hyper-V tells that it spins; 0: not given */
    char hv_vendor[13];    /* of Hyper-V's leaves; empty: its own */
    uint64_t tsc_hz;       /* what the user wants; 0: as it comes */
    /* What else the user said, or what is so by itself; it has had its effect already. */
    bool check, enforce, migratable, host_phys_bits;
    /* The guest is told that its TSC is invariant, as the software CPU's always is, though that is
     * none of `features`: programs that manage machines keep one which has it where it is. */
    bool steady_tsc;
    uint8_t host_phys_bits_limit;
    bool no_l3_cache;
    bool host_cache_info; /* the caches are the host's */
    /* Topology, for leaves 1, 4, 0xb, 0x8000001e. 0 counts as 1. */
    uint16_t threads_per_core, cores_per_die, dies_per_socket;
} X86CpuModel;

typedef struct X86CpuidRegs {
    uint32_t eax, ebx, ecx, edx;
} X86CpuidRegs;

/* What CPUID leaf 0 answers for models of the software CPU, unless the user says something else. */
#define X86_CPU_VENDOR "AuthenticAMD"

/* The software CPU's TSC. */
#define X86_SOFT_TSC_HZ UINT64_C(1000000000)

/* What an engine that runs guests on the host CPU can offer. */
typedef struct X86CpuHost {
    uint32_t features[X86_FEAT_WORDS];
    uint8_t family, model, stepping;
    char brand[48];
    char vendor[13];
} X86CpuHost;

/* From now on models are made for such an engine, and there is one called "host"; NULL: for the
 * software CPU. @host is copied. Before models are parsed. */
void x86_cpu_set_host(const X86CpuHost *host);
/* Does this host's CPU have vmx or svm? */
bool x86_host_has_virtualisation(void);

/* Fill @model from a -cpu argument: NAME[,+feat][,-feat][,feat=on|off][,prop=value], where props
 * are CpuModelProperties of the schema; of what comes again the last counts, and features count
 * after properties. Underscores and dashes in feature names are the same. Topology members are zero
 * afterwards: the caller sets them. Features that cannot be offered here, the model's own too, are
 * left out, with a warning (check, which is on unless switched off); with enforce they are an
 * error. Unknown names are errors; @model is untouched after an error. */
bool x86_cpu_model_parse(X86CpuModel *model, const char *text, GError **errp);
/* @model, which was made so, is changed by @props, as if -cpu had said them too: for one CPU. It is
 * untouched after an error. */
bool x86_cpu_model_change(X86CpuModel *model, struct json_object *props, GError **errp);
/* The same by steps. First the model @name with all that it should have, */
bool x86_cpu_model_make(X86CpuModel *model, const char *name, GError **errp);
/* then @props, an object: features (true, false) and CpuModelProperties, */
bool x86_cpu_model_set(X86CpuModel *model, struct json_object *props, GError **errp);
/* and then features that cannot be offered here go from `features` to `missing`; those of no use
 * without another (AVX without XSAVE) go altogether. */
void x86_cpu_model_settle(X86CpuModel *model);
/* `needed` of each range, from `features`, `missing` and the topology. All of the above do it, but
 * the topology comes after them. */
void x86_cpu_raise_levels(X86CpuModel *model);

/* A model's name and what it is, by number, from 0; NULL after the last. */
typedef struct X86CpuModelInfo {
    const char *name;
    const char *description;
    const char *alias_of; /* the name with a version that this is another name for, or NULL */
    bool migration_safe;  /* the same features on every host */
    bool is_static;       /* the same features in every version */
} X86CpuModelInfo;
const X86CpuModelInfo *x86_cpu_model_info(size_t i);
/* Names of features in `missing`; NULL-terminated; g_free the array only. */
const char **x86_cpu_model_missing(const X86CpuModel *model);
/* The same of the model called @name as it is without further words. */
const char **x86_cpu_model_unavailable(const char *name);
/* Name of feature number @i, from 0, other names of features too, and whether `features` of @model
 * have it; NULL after the last. */
const char *x86_cpu_feature(size_t i, const X86CpuModel *model, bool *on);

/* The last leaf of a range; 0: there is none. */
static inline uint32_t x86_cpu_last_leaf(const X86CpuModel *model, X86CpuidRange range)
{
    const X86CpuLevel *level = &model->levels[range];

    return level->given == X86_LEVEL_AUTO ? level->needed : level->given;
}
static inline unsigned x86_cpu_model_phys_bits(const X86CpuModel *model)
{
    return model->phys_bits;
}
/* One of AMD's line: where its processors and Intel's differ, these are as AMD's. */
static inline bool x86_cpu_model_is_amd(const X86CpuModel *model)
{
    return !model->vendor[0] || !strcmp(model->vendor, X86_CPU_VENDOR) ||
           !strcmp(model->vendor, "HygonGenuine");
}
static inline bool x86_cpu_model_has(const X86CpuModel *model, X86FeatureWord word, uint32_t bit)
{
    return model->features[word] & bit;
}

/* State components of XSAVE that @model has (XCR0's bits), and where one lies in the standard form:
 * its size, 0 if there is none. */
uint64_t x86_xsave_components(const X86CpuModel *model);
unsigned x86_xsave_place(unsigned component, unsigned *offset);

/* The CPUID instruction. Any leaf. Own thread. */
void x86_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, X86CpuidRegs *out);

/* Width of the fields of an APIC ID: bits for the thread, and for thread and core together, etc.
 * Cumulative. */
unsigned x86_topology_core_shift(const X86CpuModel *model);   /* bits below the core number */
unsigned x86_topology_die_shift(const X86CpuModel *model);    /* bits below the die number */
unsigned x86_topology_socket_shift(const X86CpuModel *model); /* bits below the socket number */
/* APIC ID of a CPU by its place. */
uint32_t x86_topology_apic_id(const X86CpuModel *model, uint32_t socket, uint32_t die,
                              uint32_t core, uint32_t thread);

#endif
