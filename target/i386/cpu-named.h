/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors that have a name: which features each has, and what CPUID says it is. Versions of a
 * model ("Haswell-v1", "Haswell-v2") differ in features; the name alone means the first, and some
 * versions have another name as well ("Haswell-noTSX").
 */
#ifndef TARGET_I386_CPU_NAMED_H
#define TARGET_I386_CPU_NAMED_H

#include "target/i386/cpu-features.h"

typedef struct X86NamedCpu {
    const char *name;  /* with its version */
    const char *alias; /* another name, or NULL */
    const char *from;  /* the model that it is made from, or NULL: what is not here is as there */
    const char *features; /* changes of the other's features, or NULL: x86_features_change() */
    struct {
        uint8_t family, model, stepping; /* family 0: the other's */
    } id;
    uint32_t level, xlevel; /* highest leaves that CPUID has; level 0: both are the other's */
    const char *vendor;     /* 12 characters, or NULL */
    const char *brand;      /* at most 48 characters, or NULL */
} X86NamedCpu;

/* Version number @i of all models, from 0; NULL after the last. */
const X86NamedCpu *x86_named_cpu(size_t i);
/* By the name with its version; NULL if there is none. */
const X86NamedCpu *x86_named_cpu_find(const char *name);
/* Everything of it, nothing inherited any more. `features` is NULL then, and they are added to
 * @set. */
X86NamedCpu x86_named_cpu_resolve(const X86NamedCpu *cpu, X86FeatureSet *set);

#endif
