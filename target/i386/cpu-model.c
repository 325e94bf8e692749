/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CPU model is made of, and what -cpu says of it. */
#include "target/i386/cpuid.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#include "qapi/qapi-types.h"
#include "target/i386/cpu-named.h"
#include "target/i386/hyperv.h"
#include "util/error.h"
#include "util/keyval.h"

typedef enum Made {
    MADE_BY_NAME, /* of the table, with its engine's changes */
    MADE_MAX,     /* of all that the engine has */
    MADE_HOST,    /* the same, only with an engine that runs guests on the host CPU */
    MADE_EMPTY,
} Made;

typedef struct Known {
    X86CpuModelInfo info; /* first: x86_cpu_model_info() returns it */
    Made made;
    const X86NamedCpu *named;
} Known;

static const Known without_table[] = {
    { { "max", "everything that the engine can offer on this host", NULL, false, false },
      MADE_MAX,
      NULL },
    { { "host", "the processor of this host, with all that the kvm engine can offer", NULL, false,
        false },
      MADE_HOST,
      NULL },
    { { "base", "no feature at all: those that follow are the only ones", NULL, true, true },
      MADE_EMPTY,
      NULL },
};

/* What engines add to every processor of the table, as far as it has the leaves that tell them. */
static const char soft_has[] = "x2apic arat tsc-deadline hypervisor";
static const char soft_has_32[] = "x2apic hypervisor"; /* if it has no long mode */
static const char host_has[] = "x2apic hypervisor";
/* What would be missed although it is of no use to guests. */
static const char soft_lacks[] = "-monitor -acpi";
static const char host_lacks[] = "-svm -monitor -acpi";

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

/* All that the engine can offer. */
static X86FeatureSet offered(void)
{
    X86FeatureSet set;

    if (!has_engine_host) {
        return x86_features_soft();
    }
    memcpy(set.words, engine_host.features, sizeof(set.words));
    return set;
}

static const char *engine_name(void)
{
    return has_engine_host ? "kvm engine" : "software CPU";
}

static uint8_t host_phys_bits(void)
{
    unsigned eax, ebx, ecx, edx;

    if (!__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx)) {
        return 40;
    }
    return CLAMP(eax & 0xff, 36, 52);
}

/* ---- the models ---- */

static void add_known(GArray *list, const char *name, char *description, const char *alias_of,
                      const X86NamedCpu *named)
{
    Known k = { { g_intern_string(name), g_intern_string(description), alias_of, true, false },
                MADE_BY_NAME,
                named };

    g_array_append_val(list, k);
    g_free(description);
}

/* A version, and its other names. */
static void add_named(GArray *list, const X86NamedCpu *named)
{
    X86FeatureSet set = { 0 };
    X86NamedCpu all = x86_named_cpu_resolve(named, &set);
    g_autofree char *what = all.brand
                                ? g_strdup(all.brand)
                                : g_strdup_printf("family %u, model %u, without a name of its own",
                                                  all.id.family, all.id.model);

    add_known(list, named->name,
              named->brand || !all.brand || !named->features
                  ? g_strdup(what)
                  : g_strdup_printf("%s, with %s", what, named->features),
              NULL, named);
    if (g_str_has_suffix(named->name, "-v1")) {
        g_autofree char *plain = g_strndup(named->name, strlen(named->name) - strlen("-v1"));
        add_known(list, plain, g_strdup_printf("the same as %s", named->name), named->name, named);
    }
    if (named->alias) {
        add_known(list, named->alias, g_strdup_printf("the same as %s", named->name), named->name,
                  named);
    }
}

/* Made once, kept as long as the program runs. Ends with a NULL name. */
static const GArray *known_models(void)
{
    static GArray *list;

    if (!list) {
        list = g_array_new(true, false, sizeof(Known));
        g_array_append_vals(list, without_table, G_N_ELEMENTS(without_table));
        for (size_t i = 0; x86_named_cpu(i); i++) {
            add_named(list, x86_named_cpu(i));
        }
    }
    return list;
}

const X86CpuModelInfo *x86_cpu_model_info(size_t i)
{
    const GArray *list = known_models();

    return i < list->len ? &g_array_index(list, Known, i).info : NULL;
}

static const Known *find_model(const char *name, GError **errp)
{
    const GArray *list = known_models();
    const char *near = NULL;

    for (unsigned i = 0; i < list->len; i++) {
        const Known *k = &g_array_index(list, Known, i);

        if (strcmp(k->info.name, name) == 0) {
            if (k->made == MADE_HOST && !has_engine_host) {
                error_set(errp, "CPU model 'host' needs the kvm engine (-accel kvm); use 'max'");
                return NULL;
            }
            return k;
        }
        near = g_ascii_strcasecmp(k->info.name, name) == 0 ? k->info.name : near;
    }
    if (near) {
        error_set(errp, "there is no CPU model '%s', but there is '%s'", name, near);
    } else {
        error_set(errp,
                  "there is no CPU model '%s'; '-cpu help' lists them: qemu64, max and others",
                  name);
    }
    return NULL;
}

/* "max" and "host": the host CPU itself, and features for which there is no name, too. */
static void take_host(X86CpuModel *m)
{
    memcpy(m->brand, engine_host.brand, sizeof(engine_host.brand));
    m->family = engine_host.family;
    m->model = engine_host.model;
    m->stepping = engine_host.stepping;
}

static void add_of_engine(const X86CpuModel *m, X86FeatureSet *set, const char *names)
{
    X86FeatureSet more = { 0 };

    x86_features_change(&more, names);
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        uint32_t leaf = x86_feature_place((X86FeatureWord)w).leaf;
        bool told =
            leaf <= m->levels[leaf >= 0x80000000 ? X86_RANGE_EXTENDED : X86_RANGE_BASIC].min;

        set->words[w] |= told ? more.words[w] : 0;
    }
}

static void take_named(X86CpuModel *m, X86FeatureSet *set, const X86NamedCpu *named)
{
    X86NamedCpu all = x86_named_cpu_resolve(named, set);
    X86Feature lm;

    m->family = all.id.family;
    m->model = all.id.model;
    m->stepping = all.id.stepping;
    m->levels[X86_RANGE_BASIC].min = all.level;
    m->levels[X86_RANGE_EXTENDED].min = all.xlevel;
    /* An engine that runs guests on the host CPU cannot make it one of another vendor: they
     * differ in how system calls work. */
    g_strlcpy(m->vendor, has_engine_host ? engine_host.vendor : all.vendor, sizeof(m->vendor));
    g_strlcpy(m->brand, all.brand ? all.brand : "", sizeof(m->brand));
    bool is_64 = x86_feature_find("lm", &lm) && (set->words[lm.word] & lm.bits);
    m->phys_bits = is_64 ? 40 : 36;
    x86_features_change(set, has_engine_host ? host_lacks : soft_lacks);
    add_of_engine(m, set, has_engine_host ? host_has : is_64 ? soft_has : soft_has_32);
    if (has_engine_host) {
        set->words[X86_FEAT_KVM_EAX] = engine_host.features[X86_FEAT_KVM_EAX];
    }
}

/* Made of what the host, or the engine, has. */
static bool is_made_of_host(const Known *known)
{
    return known->made == MADE_MAX || known->made == MADE_HOST;
}

/* "migratable": without what would be missed on another host. That is the invariant TSC. */
static void make_migratable(X86CpuModel *m, bool on)
{
    X86Feature invtsc;

    m->migratable = on;
    if (x86_feature_find("invtsc", &invtsc)) {
        uint32_t can = offered().words[invtsc.word] & invtsc.bits;
        m->features[invtsc.word] &= ~invtsc.bits;
        m->features[invtsc.word] |= on ? 0 : can;
    }
}

/* The model as it is without further words; `features` has all that it should have. */
static void make_model(X86CpuModel *m, const Known *known)
{
    X86FeatureSet set = { 0 };

    *m = (X86CpuModel){ .name = known->info.name, .check = true, .auto_levels = true };
    for (unsigned r = 0; r < X86_RANGES; r++) {
        m->levels[r].given = X86_LEVEL_AUTO;
    }
    g_strlcpy(m->vendor, has_engine_host ? engine_host.vendor : X86_CPU_VENDOR, sizeof(m->vendor));
    if (known->made == MADE_BY_NAME) {
        take_named(m, &set, known->named);
    } else if (known->made == MADE_EMPTY) {
        m->phys_bits = 40;
    } else {
        set = offered();
        m->levels[X86_RANGE_BASIC].min = 0xd;
        m->levels[X86_RANGE_EXTENDED].min = 0x80000008;
        set.words[X86_FEAT_HV] = 0; /* only for who asks */
        m->phys_bits = host_phys_bits();
        m->family = 15;
        m->model = 107;
        m->stepping = 1;
        g_strlcpy(m->brand, "Dimmable Virtual CPU", sizeof(m->brand));
        if (has_engine_host) {
            take_host(m);
        }
    }
    memcpy(m->features, set.words, sizeof(m->features));
    m->steady_tsc = !has_engine_host && known->made != MADE_EMPTY;
    if (is_made_of_host(known)) {
        m->host_phys_bits = true;
        make_migratable(m, true);
    }
}

bool x86_cpu_model_make(X86CpuModel *model, const char *name, GError **errp)
{
    const Known *known = find_model(name, errp);

    if (known) {
        make_model(model, known);
        x86_cpu_raise_levels(model);
    }
    return known != NULL;
}

void x86_cpu_model_settle(X86CpuModel *m)
{
    X86FeatureSet can = offered(), set;

    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        m->missing[w] |= m->features[w];
        set.words[w] = m->features[w] & can.words[w];
    }
    /* What depends on something that was not asked for is not asked for either. */
    X86FeatureSet asked;
    memcpy(asked.words, m->missing, sizeof(asked.words));
    x86_features_drop_dependent(&asked);
    x86_features_drop_dependent(&set);
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        m->features[w] = set.words[w];
        m->missing[w] = asked.words[w] & ~set.words[w];
    }
    x86_cpu_raise_levels(m);
}

const char **x86_cpu_model_missing(const X86CpuModel *model)
{
    GPtrArray *names = g_ptr_array_new();
    X86Feature f;

    for (size_t i = 0; x86_feature_get_usual(i, &f); i++) {
        if (model->missing[f.word] & f.mark) {
            g_ptr_array_add(names, (gpointer)f.name);
        }
    }
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

const char **x86_cpu_model_unavailable(const char *name)
{
    static const char *const only_kvm[] = { "kvm", NULL };
    X86CpuModel m;

    if (!x86_cpu_model_make(&m, name, NULL)) { /* "host" without its engine */
        return g_memdup2(only_kvm, sizeof(only_kvm));
    }
    x86_cpu_model_settle(&m);
    return x86_cpu_model_missing(&m);
}

const char *x86_cpu_feature(size_t i, const X86CpuModel *model, bool *on)
{
    X86Feature f;

    if (!x86_feature_get(i, &f)) {
        return NULL;
    }
    *on = model->features[f.word] & f.bits;
    return f.name;
}

/* ---- properties ---- */

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

static bool set_tsc(X86CpuModel *model, uint64_t hz, GError **errp)
{
    if (!has_engine_host && hz != X86_SOFT_TSC_HZ) {
        error_set(errp, "tsc-frequency: the software CPU's TSC runs at %" PRIu64 " Hz",
                  X86_SOFT_TSC_HZ);
        return false;
    }
    model->tsc_hz = hz;
    return true;
}

/* Hyper-V's: not for engines of which CPUID would promise what they do not do. */
static bool set_hv(X86CpuModel *model, const CpuModelProperties *given, GError **errp)
{
    if (has_engine_host && (given->has_hv_spinlocks || given->hv_vendor_id)) {
        error_set(
            errp,
            "%s: with the kvm engine there are no enlightenments of Hyper-V; use -accel soft, "
            "or leave out what begins with hv-",
            given->has_hv_spinlocks ? "hv-spinlocks" : "hv-vendor-id");
        return false;
    }
    if (given->has_hv_spinlocks && given->hv_spinlocks < X86_HV_SPINLOCKS_MIN) {
        error_set(errp, "hv-spinlocks must be a number from %u (0x%x) to %u, not %u",
                  X86_HV_SPINLOCKS_MIN, X86_HV_SPINLOCKS_MIN, X86_HV_SPINLOCKS_NEVER,
                  given->hv_spinlocks);
        return false;
    }
    if (given->hv_vendor_id && strlen(given->hv_vendor_id) >= sizeof(model->hv_vendor)) {
        error_set(errp, "hv-vendor-id must have at most %zu characters: '%s' is longer",
                  sizeof(model->hv_vendor) - 1, given->hv_vendor_id);
        return false;
    }
    if (given->has_hv_spinlocks) {
        model->hv_spinlocks = given->hv_spinlocks;
    }
    if (given->hv_vendor_id) {
        g_strlcpy(model->hv_vendor, given->hv_vendor_id, sizeof(model->hv_vendor));
    }
    return true;
}

static bool set_migratable(X86CpuModel *model, bool on, GError **errp)
{
    const Known *known = find_model(model->name, errp);

    if (!known) {
        return false;
    }
    if (!is_made_of_host(known)) {
        error_set(errp,
                  "'migratable' is for the models host and max, which are made of the host's CPU");
        return false;
    }
    make_migratable(model, on);
    return true;
}

/* Caches of the host are for models that are made of it; that they are not is true of all. */
static bool set_cache_info(X86CpuModel *model, const CpuModelProperties *given, GError **errp)
{
    const Known *known = find_model(model->name, errp);

    if (!known) {
        return false;
    }
    if (given->host_cache_info && !is_made_of_host(known)) {
        error_set(errp, "'host-cache-info=on' is for the models host and max, which are made of "
                        "the host's CPU");
        return false;
    }
    model->host_cache_info =
        given->has_host_cache_info ? given->host_cache_info : model->host_cache_info;
    return true;
}

/* Physical address bits: the host's, those given, or the model's. */
static void set_phys_bits(X86CpuModel *model, const CpuModelProperties *given)
{
    const Known *known = find_model(model->name, NULL);

    model->host_phys_bits = given->has_host_phys_bits
                                ? given->host_phys_bits
                                : !given->has_phys_bits && model->host_phys_bits;
    if (given->has_host_phys_bits_limit) {
        model->host_phys_bits_limit = given->host_phys_bits_limit;
    }
    if (model->host_phys_bits) {
        model->phys_bits = host_phys_bits();
        if (model->host_phys_bits_limit) {
            model->phys_bits = MIN(model->phys_bits, model->host_phys_bits_limit);
        }
    } else if (given->has_phys_bits) {
        model->phys_bits = given->phys_bits;
    } else if (given->has_host_phys_bits && known) {
        X86CpuModel fresh;

        make_model(&fresh, known);
        model->phys_bits = fresh.phys_bits;
    }
}

/* Ranges that are narrower than the types in the schema. */
static bool check_ranges(const CpuModelProperties *given, GError **errp)
{
    const struct {
        const char *name;
        bool has;
        uint64_t value, min, max;
    } numbers[] = {
        { "phys-bits", given->has_phys_bits, given->phys_bits, 36, 52 },
        { "stepping", given->has_stepping, given->stepping, 0, 15 },
        { "tsc-frequency", given->has_tsc_frequency, given->tsc_frequency, 1000000,
          UINT64_C(100000000000) },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (numbers[i].has &&
            (numbers[i].value < numbers[i].min || numbers[i].value > numbers[i].max)) {
            error_set(errp, "%s must be a number from %" PRIu64 " to %" PRIu64 ", not %" PRIu64,
                      numbers[i].name, numbers[i].min, numbers[i].max, numbers[i].value);
            return false;
        }
    }
    if (given->host_phys_bits_limit &&
        (given->host_phys_bits_limit < 36 || given->host_phys_bits_limit > 52)) {
        error_set(errp,
                  "host-phys-bits-limit must be 0 (no limit) or a number from 36 to 52, not %u",
                  given->host_phys_bits_limit);
        return false;
    }
    return true;
}

static bool set_properties(X86CpuModel *model, const CpuModelProperties *given, GError **errp)
{
    if (!check_ranges(given, errp) ||
        (given->model_id && !set_brand(model, given->model_id, errp)) ||
        (given->vendor && !set_vendor(model, given->vendor, errp)) ||
        (given->has_tsc_frequency && !set_tsc(model, given->tsc_frequency, errp)) ||
        (given->has_migratable && !set_migratable(model, given->migratable, errp)) ||
        !set_cache_info(model, given, errp) || !x86_cpu_set_levels(model, given, errp) ||
        !set_hv(model, given, errp)) {
        return false;
    }
    model->family = given->has_family ? given->family : model->family;
    model->model = given->has_model ? given->model : model->model;
    model->stepping = given->has_stepping ? given->stepping : model->stepping;
    model->no_l3_cache = given->has_l3_cache ? !given->l3_cache : model->no_l3_cache;
    model->check = given->has_check ? given->check : model->check;
    model->enforce = given->has_enforce ? given->enforce : model->enforce;
    set_phys_bits(model, given);
    return true;
}

/* ---- features ---- */

static void set_feature(X86CpuModel *model, const X86Feature *f, bool on)
{
    if (!on) {
        model->features[f->word] &= ~f->bits;
    } else if (f->bits == f->mark) {
        model->features[f->word] |= f->bits;
    } else { /* all that there is of its word */
        uint32_t all = offered().words[f->word];
        model->features[f->word] |= all ? all : f->mark;
    }
}

static bool is_property(const char *name)
{
    for (const QapiMember *m = CpuModelProperties_type.members; m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void set_no_feature(const char *name, GError **errp)
{
    if (g_str_has_prefix(name, "hv-") || g_str_has_prefix(name, "hv_")) {
        error_set(errp,
                  "there is no '%s'; of Hyper-V's enlightenments there are hv-relaxed, hv-vapic, "
                  "hv-spinlocks, hv-vpindex, hv-runtime, hv-time, hv-reset, hv-frequencies, "
                  "hv-crash and hv-vendor-id",
                  name);
    } else {
        error_set(errp,
                  "there is no CPU feature '%s'; features are given as +NAME, -NAME or "
                  "NAME=on|off, and '-cpu help' lists them",
                  name);
    }
}

static bool set_features(X86CpuModel *model, struct json_object *props, GError **errp)
{
    json_object_object_foreach(props, name, value)
    {
        X86Feature feature;
        bool on;

        if (is_property(name)) {
            continue;
        }
        if (strcmp(name, "apic-id") == 0) { /* the first one's, which others are not given here */
            uint32_t id;

            if (!qapi_place_from_json(&qapi_uint32_type, value, name, &id, errp)) {
                return false;
            }
            if (id) {
                error_set(errp, "apic-id=%u: the first CPU's is 0; the machine gives others theirs",
                          id);
                return false;
            }
            continue;
        }
        if (!x86_feature_find(name, &feature)) {
            set_no_feature(name, errp);
            return false;
        }
        if (!qapi_place_from_json(&qapi_bool_type, value, name, &on, errp)) {
            return false;
        }
        set_feature(model, &feature, on);
        if (feature.word == X86_FEAT_EXT7_EDX && feature.bits & CPUID_EXT7_EDX_INVTSC && !on) {
            model->steady_tsc = false;
        }
    }
    return true;
}

/* What of @props are no features. */
static CpuModelProperties *take_properties(struct json_object *props, GError **errp)
{
    struct json_object *own = json_object_new_object();

    json_object_object_foreach(props, name, value)
    {
        if (is_property(name)) {
            json_object_object_add(own, name, json_object_get(value));
        }
    }
    CpuModelProperties *given = CpuModelProperties_from_json(own, NULL, errp);
    json_object_put(own);
    return given;
}

bool x86_cpu_model_set(X86CpuModel *model, struct json_object *props, GError **errp)
{
    g_autoptr(CpuModelProperties) given = take_properties(props, errp);
    X86CpuModel changed = *model;

    if (!given || !set_properties(&changed, given, errp) || !set_features(&changed, props, errp)) {
        return false;
    }
    x86_cpu_raise_levels(&changed);
    *model = changed;
    return true;
}

/* ---- -cpu ---- */

/* What comes again counts as if it came only there. */
static void add_pair(struct json_object *props, const char *name, const char *value)
{
    json_object_object_del(props, name);
    json_object_object_add(props, name, keyval_text_new(value));
}

/* The elements after the model's name; new reference. */
static struct json_object *parse_elements(char **parts)
{
    struct json_object *props = json_object_new_object();

    for (char **p = parts; *p; p++) {
        const char *equals = strchr(*p, '=');
        g_autofree char *name = equals ? g_strndup(*p, (gsize)(equals - *p)) : g_strdup(*p);

        if (**p == '+' || **p == '-') {
            add_pair(props, *p + 1, **p == '+' ? "on" : "off");
        } else if (g_str_has_prefix(name, "hv_")) { /* an older spelling */
            add_pair(props, g_strdelimit(name, "_", '-'), equals ? equals + 1 : "on");
        } else {
            add_pair(props, name, equals ? equals + 1 : "on");
        }
    }
    return props;
}

/* Features that cannot be had: an error or a warning, as the user wants it. */
static bool report_missing(const X86CpuModel *model, const char *where, GError **errp)
{
    g_autofree const char **missing = x86_cpu_model_missing(model);
    g_autofree char *names = g_strjoinv(", ", (char **)missing);

    if (*names && model->enforce) {
        error_set(errp,
                  "the %s cannot offer on this host: %s; without 'enforce' the guest runs without "
                  "them",
                  engine_name(), names);
        return false;
    }
    if (*names && model->check) {
        error_warn("%sthe %s cannot offer on this host: %s; the guest runs without them", where,
                   engine_name(), names);
    }
    return true;
}

/* @props are set in @model, which is not settled. What the user named does not go without a word.
 */
static bool set_and_settle(X86CpuModel *model, struct json_object *props, GError **errp)
{
    const X86CpuModel own = *model;
    X86CpuModel asked;

    if (!x86_cpu_model_set(model, props, errp)) {
        return false;
    }
    asked = *model;
    x86_cpu_model_settle(model);
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        model->missing[w] |= asked.features[w] & ~own.features[w] & ~model->features[w];
    }
    x86_cpu_raise_levels(model);
    return true;
}

bool x86_cpu_model_parse(X86CpuModel *model, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    struct json_object *props = parse_elements(parts[0] ? parts + 1 : parts);
    X86CpuModel made;
    bool ok = x86_cpu_model_make(&made, parts[0] ? parts[0] : "", errp) &&
              set_and_settle(&made, props, errp) && report_missing(&made, "-cpu: ", errp);

    json_object_put(props);
    if (ok) {
        *model = made;
    } else {
        g_prefix_error(errp, "-cpu: ");
    }
    return ok;
}

bool x86_cpu_model_change(X86CpuModel *model, struct json_object *props, GError **errp)
{
    X86CpuModel changed = *model, news;

    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        changed.features[w] |= changed.missing[w];
        changed.missing[w] = 0;
    }
    if (!set_and_settle(&changed, props, errp)) {
        return false;
    }
    news = changed; /* the others were reported with -cpu */
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        news.missing[w] &= changed.enforce ? ~0u : ~model->missing[w];
    }
    if (!report_missing(&news, "", errp)) {
        return false;
    }
    *model = changed;
    return true;
}
