/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/cpu-properties.h"

#include <json-c/json.h>

#include "hw/i386/cpu.h"
#include "target/i386/cpu-features.h"

static const X86CpuModel *model_of(Object *obj)
{
    return &X86_CPU_DEVICE(obj)->model;
}

/* ---- features ---- */

/* Feature number @prop->default_int. */
static struct json_object *get_feature(Object *obj, const Property *prop, GError **errp)
{
    bool on = false;

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

static struct json_object *get_filtered(Object *obj, const Property *prop, GError **errp)
{
    return words_to_json(model_of(obj)->missing);
}

/* ---- the rest ---- */

static struct json_object *get_vendor(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_string(model_of(obj)->vendor);
}

static struct json_object *get_brand(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_string(model_of(obj)->brand);
}

#define NUMBER(function, member)                                                          \
    static struct json_object *function(Object *obj, const Property *prop, GError **errp) \
    {                                                                                     \
        return json_object_new_uint64(model_of(obj)->member);                             \
    }
NUMBER(get_family, family)
NUMBER(get_model, model)
NUMBER(get_stepping, stepping)
NUMBER(get_level, level)
NUMBER(get_xlevel, xlevel)
NUMBER(get_phys_bits, phys_bits)
NUMBER(get_tsc_hz, tsc_hz)

#define READ(text, type, function, what)                                           \
    {                                                                              \
        .name = text, .kind = PROP_CUSTOM, .custom_type = type, .read_only = true, \
        .get = function, .description = what                                       \
    }

static const Property others[] = {
    READ("family", "int", get_family, "family"),
    READ("model", "int", get_model, "model"),
    READ("stepping", "int", get_stepping, "stepping"),
    READ("vendor", "string", get_vendor, "12 characters, as GenuineIntel"),
    READ("model-id", "string", get_brand, "name of the processor"),
    READ("level", "uint32", get_level, "the last leaf of CPUID"),
    READ("xlevel", "uint32", get_xlevel, "the last extended leaf"),
    READ("phys-bits", "uint32", get_phys_bits, "bits of physical addresses"),
    READ("tsc-frequency", "int", get_tsc_hz, "Hz of the time stamp counter; 0: as it comes"),
    READ("filtered-features", "X86CPUFeatureWordInfo", get_filtered,
         "what was asked for and is not there, by registers of CPUID"),
};

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
        Property prop = READ(name, "bool", get_feature, "a feature, as -cpu takes it");

        prop.default_int = (int64_t)i;
        g_array_append_val(all, prop);
    }
    return (const Property *)(void *)g_array_free(all, FALSE);
}
