/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last leaf of each range of CPUID: what a model or the user says, and what its features need.
 */
#include <inttypes.h>

#include "target/i386/cpu-features.h"
#include "util/error.h"

/* ---- what features need ---- */

/* Features whose leaves are others than the one that tells of them. */
static const struct {
    X86FeatureWord word;
    uint32_t bit;
    uint32_t leaf;
} with_leaves[] = {
    { X86_FEAT_1_ECX, CPUID_1_ECX_XSAVE, 0xd },
    { X86_FEAT_7_EBX, CPUID_7_EBX_SGX, 0x12 },
    { X86_FEAT_7_EBX, CPUID_7_EBX_INTEL_PT, 0x14 },
    { X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_SVM, 0x8000000a },
};

/* False: this is no leaf of a range (KVM's own are none). */
static bool range_of(uint32_t leaf, X86CpuidRange *range)
{
    *range = leaf >= 0xc0000000   ? X86_RANGE_CENTAUR
             : leaf >= 0x80000000 ? X86_RANGE_EXTENDED
                                  : X86_RANGE_BASIC;
    return leaf && (leaf < 0x40000000 || leaf >= 0x80000000);
}

static void need(X86CpuModel *m, uint32_t leaf)
{
    X86CpuidRange range;

    if (range_of(leaf, &range)) {
        m->levels[range].needed = MAX(m->levels[range].needed, leaf);
    }
}

void x86_cpu_raise_levels(X86CpuModel *m)
{
    for (unsigned r = 0; r < X86_RANGES; r++) {
        m->levels[r].needed = m->levels[r].min;
    }
    /* What cannot be had here counts as well: the leaves are the same on every host. */
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        bool always = w == X86_FEAT_7_EBX;

        /* SVM's are there with SVM alone, see above. */
        if ((m->features[w] | m->missing[w]) && (always || m->auto_levels) &&
            w != X86_FEAT_SVM_EDX) {
            need(m, x86_feature_place((X86FeatureWord)w).leaf);
        }
    }
    for (size_t i = 0; m->auto_levels && i < G_N_ELEMENTS(with_leaves); i++) {
        uint32_t asked = m->features[with_leaves[i].word] | m->missing[with_leaves[i].word];

        if (asked & with_leaves[i].bit) {
            need(m, with_leaves[i].leaf);
        }
    }
    if (m->auto_levels && m->dies_per_socket > 1 && !x86_cpu_model_is_amd(m)) {
        need(m, 0x1f); /* leaf 0xb cannot tell of dies */
    }
}

/* ---- properties ---- */

static bool check_level(const char *name, bool has, uint32_t value, X86CpuidRange range,
                        GError **errp)
{
    static const uint32_t first[X86_RANGES] = { 0, 0x80000000, 0xc0000000 };
    const uint32_t last = first[range] + 0xff;

    if (!has || value == 0 || value == X86_LEVEL_AUTO || (value >= first[range] && value <= last)) {
        return true;
    }
    error_set(errp,
              "%s must be a leaf of CPUID from 0x%" PRIx32 " to 0x%" PRIx32
              ", 0 or 0xffffffff (as the features need it), not 0x%" PRIx32,
              name, first[range], last, value);
    return false;
}

static void set_min(X86CpuLevel *level, bool has, uint32_t value)
{
    if (has) {
        level->min = value == X86_LEVEL_AUTO ? 0 : value;
    }
}

bool x86_cpu_set_levels(X86CpuModel *m, const CpuModelProperties *given, GError **errp)
{
    if (!check_level("level", given->has_level, given->level, X86_RANGE_BASIC, errp) ||
        !check_level("min-level", given->has_min_level, given->min_level, X86_RANGE_BASIC, errp) ||
        !check_level("xlevel", given->has_xlevel, given->xlevel, X86_RANGE_EXTENDED, errp) ||
        !check_level("min-xlevel", given->has_min_xlevel, given->min_xlevel, X86_RANGE_EXTENDED,
                     errp) ||
        !check_level("xlevel2", given->has_xlevel2, given->xlevel2, X86_RANGE_CENTAUR, errp) ||
        !check_level("min-xlevel2", given->has_min_xlevel2, given->min_xlevel2, X86_RANGE_CENTAUR,
                     errp)) {
        return false;
    }
    X86CpuLevel *basic = &m->levels[X86_RANGE_BASIC], *extended = &m->levels[X86_RANGE_EXTENDED],
                *centaur = &m->levels[X86_RANGE_CENTAUR];

    basic->given = given->has_level ? given->level : basic->given;
    extended->given = given->has_xlevel ? given->xlevel : extended->given;
    centaur->given = given->has_xlevel2 ? given->xlevel2 : centaur->given;
    set_min(basic, given->has_min_level, given->min_level);
    set_min(extended, given->has_min_xlevel, given->min_xlevel);
    set_min(centaur, given->has_min_xlevel2, given->min_xlevel2);
    m->auto_levels =
        given->has_full_cpuid_auto_level ? given->full_cpuid_auto_level : m->auto_levels;
    return true;
}
