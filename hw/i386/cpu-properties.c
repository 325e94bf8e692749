/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/cpu-properties.h"

#include <json-c/json.h>

#include "hw/i386/cpu.h"
#include "target/i386/cpu-features.h"
#include "target/i386/hyperv.h"

static const X86CpuModel *model_of(Object *obj)
{
    return &X86_CPU_DEVICE(obj)->model;
}

/* ---- what is said of one CPU ---- */

/* Until it has its place, and with it its model. */
static bool set_given(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    X86CpuDevice *xdev = X86_CPU_DEVICE(obj);

    if (!xdev->given) {
        xdev->given = json_object_new_object();
    }
    json_object_object_del(xdev->given, prop->name);
    json_object_object_add(xdev->given, prop->name, json_object_get(value));
    return true;
}

/* A new reference; NULL: nothing was said, or the model tells it by now. */
static struct json_object *get_given(Object *obj, const Property *prop)
{
    const X86CpuDevice *xdev = X86_CPU_DEVICE(obj);

    return xdev->cpu || !xdev->given
               ? NULL
               : json_object_get(json_object_object_get(xdev->given, prop->name));
}

/* ---- features ---- */

/* Feature number @prop->default_int. */
static struct json_object *get_feature(Object *obj, const Property *prop, GError **errp)
{
    struct json_object *given = get_given(obj, prop);
    bool on = false;

    if (given) {
        return given;
    }
    x86_cpu_feature((size_t)prop->default_int, model_of(obj), &on);
    return json_object_new_boolean(on);
}

/* A set of features as CPUID would tell them. */
static struct json_object *words_to_json(const uint32_t words[X86_FEAT_WORDS])
{
    static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };
    enum { FIRST_WITH_SUBLEAVES = 7, FIRST_WITHOUT = 0x40000000 };
    struct json_object *list = json_object_new_array();

    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        X86FeaturePlace place = x86_feature_place((X86FeatureWord)w);
        struct json_object *word;

        if (!place.leaf) {
            continue;
        }
        word = json_object_new_object();
        json_object_object_add(word, "cpuid-register",
                               json_object_new_string(registers[place.reg]));
        json_object_object_add(word, "cpuid-input-eax", json_object_new_uint64(place.leaf));
        if (place.leaf >= FIRST_WITH_SUBLEAVES && place.leaf < FIRST_WITHOUT) {
            json_object_object_add(word, "cpuid-input-ecx", json_object_new_uint64(place.subleaf));
        }
        json_object_object_add(word, "features", json_object_new_uint64(words[w]));
        json_object_array_add(list, word);
    }
    return list;
}

static struct json_object *get_words(Object *obj, const Property *prop, GError **errp)
{
    return words_to_json(model_of(obj)->features);
}

static struct json_object *get_filtered(Object *obj, const Property *prop, GError **errp)
{
    return words_to_json(model_of(obj)->missing);
}

static struct json_object *get_unavailable(Object *obj, const Property *prop, GError **errp)
{
    g_autofree const char **names = x86_cpu_model_missing(model_of(obj));
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; names[i]; i++) {
        json_object_array_add(list, json_object_new_string(names[i]));
    }
    return list;
}

/* ---- the rest ---- */

#define GETTER(function, make, member)                                                    \
    static struct json_object *function(Object *obj, const Property *prop, GError **errp) \
    {                                                                                     \
        struct json_object *given = get_given(obj, prop);                                 \
                                                                                          \
        return given ? given : make(model_of(obj)->member);                               \
    }
GETTER(get_vendor, json_object_new_string, vendor)
GETTER(get_brand, json_object_new_string, brand)
GETTER(get_family, json_object_new_uint64, family)
GETTER(get_model, json_object_new_uint64, model)
GETTER(get_stepping, json_object_new_uint64, stepping)
GETTER(get_min_level, json_object_new_uint64, levels[X86_RANGE_BASIC].needed)
GETTER(get_min_xlevel, json_object_new_uint64, levels[X86_RANGE_EXTENDED].needed)
GETTER(get_min_xlevel2, json_object_new_uint64, levels[X86_RANGE_CENTAUR].needed)
GETTER(get_auto_levels, json_object_new_boolean, auto_levels)
GETTER(get_cache_info, json_object_new_boolean, host_cache_info)
GETTER(get_phys_bits, json_object_new_uint64, phys_bits)
GETTER(get_limit, json_object_new_uint64, host_phys_bits_limit)
GETTER(get_hv_vendor, json_object_new_string, hv_vendor)
GETTER(get_hv_spinlocks, json_object_new_uint64,
       hv_spinlocks ? model_of(obj)->hv_spinlocks : X86_HV_SPINLOCKS_NEVER)
GETTER(get_tsc_hz, json_object_new_uint64, tsc_hz)
GETTER(get_host_bits, json_object_new_boolean, host_phys_bits)
GETTER(get_check, json_object_new_boolean, check)
GETTER(get_enforce, json_object_new_boolean, enforce)
GETTER(get_l3, json_object_new_boolean, no_l3_cache == false)
GETTER(get_migratable, json_object_new_boolean, migratable)

/* Range number @prop->default_int. */
static struct json_object *get_last_leaf(Object *obj, const Property *prop, GError **errp)
{
    struct json_object *given = get_given(obj, prop);
    X86CpuidRange range = (X86CpuidRange)prop->default_int;

    return given ? given : json_object_new_uint64(x86_cpu_last_leaf(model_of(obj), range));
}

#define TOLD(text, type, getter, what, ...)                                    \
    {                                                                          \
        .name = text, .kind = PROP_CUSTOM, .custom_type = type, .get = getter, \
        .description = what, __VA_ARGS__                                       \
    }
#define SAID(text, type, getter, what) TOLD(text, type, getter, what, .set = set_given)
#define READ(text, type, getter, what) TOLD(text, type, getter, what, .read_only = true)

#define LAST_LEAF(text, range, what) \
    TOLD(text, "uint32", get_last_leaf, what, .set = set_given, .default_int = (range))

static const Property others[] = {
    SAID("family", "int", get_family, "family"),
    SAID("model", "int", get_model, "model"),
    SAID("stepping", "int", get_stepping, "stepping"),
    SAID("vendor", "string", get_vendor, "12 characters, as GenuineIntel"),
    SAID("model-id", "string", get_brand, "name of the processor"),
    LAST_LEAF("level", X86_RANGE_BASIC, "the last leaf of CPUID"),
    SAID("min-level", "uint32", get_min_level, "and then this one or a later one"),
    LAST_LEAF("xlevel", X86_RANGE_EXTENDED, "the last extended leaf"),
    SAID("min-xlevel", "uint32", get_min_xlevel, "and then this one or a later one"),
    LAST_LEAF("xlevel2", X86_RANGE_CENTAUR, "the last of Centaur's leaves"),
    SAID("min-xlevel2", "uint32", get_min_xlevel2, "and then this one or a later one"),
    SAID("full-cpuid-auto-level", "bool", get_auto_levels,
         "the last leaves grow by every feature, not by those of leaf 7's EBX alone"),
    SAID("phys-bits", "uint32", get_phys_bits, "bits of physical addresses"),
    SAID("host-phys-bits", "bool", get_host_bits, "as many as the host has"),
    SAID("host-phys-bits-limit", "uint8", get_limit, "and then at most so many; 0: no limit"),
    SAID("tsc-frequency", "int", get_tsc_hz, "Hz of the time stamp counter; 0: as it comes"),
    SAID("l3-cache", "bool", get_l3, "CPUID tells of a third level of caches"),
    SAID("hv-spinlocks", "uint32", get_hv_spinlocks,
         "Hyper-V's: tries before a guest tells that it spins"),
    SAID("hv-vendor-id", "string", get_hv_vendor, "Hyper-V's: another name for it"),
    SAID("check", "bool", get_check, "a warning for features that cannot be had"),
    SAID("enforce", "bool", get_enforce, "an error for them"),
    READ("feature-words", "X86CPUFeatureWordInfo", get_words, "what it has, by registers of CPUID"),
    READ("filtered-features", "X86CPUFeatureWordInfo", get_filtered,
         "what was asked for and is not there, by registers of CPUID"),
    READ("unavailable-features", "strList", get_unavailable, "the same by names"),
};

/* Of models that are made of what the host has. */
static const Property of_host[] = {
    SAID("migratable", "bool", get_migratable,
         "without what would be missed elsewhere, the invariant TSC"),
    SAID("host-cache-info", "bool", get_cache_info, "CPUID tells of the host's caches"),
    {},
};

const Property *x86_cpu_properties_of(const X86CpuModelInfo *info)
{
    return info->migration_safe ? NULL : of_host;
}

const Property *x86_cpu_properties_with_features(const Property *own)
{
    GArray *all = g_array_new(true, true, sizeof(Property));
    const X86CpuModel none = { 0 };
    const char *name;
    bool on;

    for (; own->name; own++) {
        g_array_append_val(all, *own);
    }
    g_array_append_vals(all, others, G_N_ELEMENTS(others));
    for (size_t i = 0; (name = x86_cpu_feature(i, &none, &on)); i++) {
        Property prop = SAID(name, "bool", get_feature, "a feature, as -cpu takes it");

        prop.default_int = (int64_t)i;
        g_array_append_val(all, prop);
    }
    return (const Property *)(void *)g_array_free(all, FALSE);
}
