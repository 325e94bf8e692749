/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features of processors: their names, where CPUID tells them, and what the software CPU has of
 * them. SDM vol. 2, CPUID; APM vol. 3 appendices D and E.
 */
#ifndef TARGET_I386_CPU_FEATURES_H
#define TARGET_I386_CPU_FEATURES_H

#include "qapi/qapi-types.h"
#include "target/i386/cpuid.h"

/* Sets of features: a word for each register, as in X86CpuModel. */
typedef struct X86FeatureSet {
    uint32_t words[X86_FEAT_WORDS];
} X86FeatureSet;

/* Where CPUID tells the features of a word. */
typedef struct X86FeaturePlace {
    uint32_t leaf, subleaf; /* leaf 0: CPUID does not tell them */
    uint8_t reg;            /* 0 EAX ... 3 EDX */
} X86FeaturePlace;
X86FeaturePlace x86_feature_place(X86FeatureWord word);

/* A feature by name; case does not matter, and underscores are dashes. */
typedef struct X86Feature {
    const char *name; /* as it is printed: for other names of a feature, its usual one */
    X86FeatureWord word;
    uint32_t bits; /* one, or all of the word for those that stand for it */
    uint32_t mark; /* one of them */
} X86Feature;
bool x86_feature_find(const char *name, X86Feature *feature);
/* Feature number @i, from 0: those with their usual names, then other names. False after the last.
 */
bool x86_feature_get(size_t i, X86Feature *feature);
/* The same by usual names only. */
bool x86_feature_get_usual(size_t i, X86Feature *feature);
/* The features of @text, blanks between them, are added to @set; those with a dash before them are
 * taken away. For tables: a name that is not known ends the program. */
void x86_features_change(X86FeatureSet *set, const char *text);

/* The members of @given that tell last leaves are set in @model; an error leaves it as it is. */
bool x86_cpu_set_levels(X86CpuModel *model, const CpuModelProperties *given, GError **errp);

/* What the software CPU has on this host. */
X86FeatureSet x86_features_soft(void);
/* Take away features that are of no use without another one which @set has not. */
void x86_features_drop_dependent(X86FeatureSet *set);

#endif
