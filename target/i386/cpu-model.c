/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CPU model is made of, and what -cpu says of it. */
#include "target/i386/cpuid.h"
#include "util/parse.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#include "target/i386/cpu-named.h"
#include "util/error.h"

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
static const char soft_has[] = "x2apic arat tsc-deadline invtsc hypervisor";
static const char soft_has_32[] = "x2apic hypervisor"; /* if it has no long mode */
static const char host_has[] = "x2apic hypervisor";
/* What would be missed although it is of no use to guests. */
static const char soft_lacks[] = "-svm -monitor -acpi";
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
        bool told = leaf >= 0x80000000 ? leaf <= m->xlevel : leaf <= m->level;

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
    m->level = all.level;
    m->xlevel = all.xlevel;
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

/* The model as it is without further words; `features` has all that it should have. */
static void make_model(X86CpuModel *m, const Known *known)
{
    X86FeatureSet set = { 0 };

    *m = (X86CpuModel){ .name = known->info.name, .level = 0xd, .xlevel = 0x80000008 };
    g_strlcpy(m->vendor, has_engine_host ? engine_host.vendor : X86_CPU_VENDOR, sizeof(m->vendor));
    if (known->made == MADE_BY_NAME) {
        take_named(m, &set, known->named);
    } else if (known->made == MADE_EMPTY) {
        m->phys_bits = 40;
    } else {
        set = offered();
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
}

bool x86_cpu_model_make(X86CpuModel *model, const char *name, GError **errp)
{
    const Known *known = find_model(name, errp);

    if (known) {
        make_model(model, known);
    }
    return known != NULL;
}

/* The leaves that tell what the model has are there. */
static void raise_levels(X86CpuModel *m)
{
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        uint32_t leaf = x86_feature_place((X86FeatureWord)w).leaf;

        if (m->features[w] && leaf < 0x40000000) {
            m->level = MAX(m->level, leaf);
        } else if (m->features[w] && leaf >= 0x80000000) {
            m->xlevel = MAX(m->xlevel, leaf);
        }
    }
    if (x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_XSAVE)) {
        m->level = MAX(m->level, 0xd);
    }
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
    raise_levels(m);
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

/* Properties of a model that are numbers. */
static const struct {
    const char *name;
    size_t offset;
    uint8_t size; /* of the member: 1 or 4 */
    uint32_t min, max;
} numbers[] = {
    { "phys-bits", offsetof(X86CpuModel, phys_bits), 1, 36, 52 },
    { "family", offsetof(X86CpuModel, family), 1, 0, 255 },
    { "model", offsetof(X86CpuModel, model), 1, 0, 255 },
    { "stepping", offsetof(X86CpuModel, stepping), 1, 0, 15 },
    { "level", offsetof(X86CpuModel, level), 4, 1, 0xff },
    { "xlevel", offsetof(X86CpuModel, xlevel), 4, 0, 0x800000ff },
};

static bool set_number(X86CpuModel *model, size_t i, const char *text, GError **errp)
{
    uint8_t *to = (uint8_t *)model + numbers[i].offset;
    uint64_t value;

    if (!parse_uint(text, UINT32_MAX, &value) || value < numbers[i].min || value > numbers[i].max) {
        error_set(errp, "%s must be a number from %u to %u, not '%s'", numbers[i].name,
                  numbers[i].min, numbers[i].max, text);
        return false;
    }
    if (numbers[i].size == 1) {
        *to = (uint8_t)value;
    } else {
        uint32_t wide = (uint32_t)value;
        memcpy(to, &wide, sizeof(wide));
    }
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

    if (!parse_uint(text, max, &hz) || hz < min) {
        error_set(errp,
                  "tsc-frequency must be a number of Hz from %" PRIu64 " to %" PRIu64 ", not '%s'",
                  min, max, text);
        return false;
    }
    if (!has_engine_host && hz != X86_SOFT_TSC_HZ) {
        error_set(errp, "tsc-frequency: the software CPU's TSC runs at %" PRIu64 " Hz",
                  X86_SOFT_TSC_HZ);
        return false;
    }
    model->tsc_hz = hz;
    return true;
}

static bool set_feature(X86CpuModel *model, const char *name, bool on, GError **errp)
{
    X86Feature f;

    if (!x86_feature_find(name, &f)) {
        error_set(errp,
                  "there is no CPU feature '%s'; features are given as +NAME, -NAME or "
                  "NAME=on|off, and '-cpu help' lists them",
                  name);
        return false;
    }
    if (!on) {
        model->features[f.word] &= ~f.bits;
    } else if (f.bits == f.mark) {
        model->features[f.word] |= f.bits;
    } else { /* all that there is of its word */
        uint32_t all = offered().words[f.word];
        model->features[f.word] |= all ? all : f.mark;
    }
    return true;
}

/* "migratable": without what would be missed on another host. That is the invariant TSC. */
static bool set_migratable(X86CpuModel *model, bool on, GError **errp)
{
    const Known *known = find_model(model->name, errp);
    X86Feature invtsc;

    if (!known) {
        return false;
    }
    if (known->made != MADE_MAX && known->made != MADE_HOST) {
        error_set(errp,
                  "'migratable' is for the models host and max, which are made of the host's CPU");
        return false;
    }
    if (x86_feature_find("invtsc", &invtsc)) {
        uint32_t can = offered().words[invtsc.word] & invtsc.bits;
        model->features[invtsc.word] &= ~invtsc.bits;
        model->features[invtsc.word] |= on ? 0 : can;
    }
    return true;
}

/* "host-phys-bits": as many physical address bits as the host has, or those of the model. */
static bool set_host_phys_bits(X86CpuModel *model, bool on, GError **errp)
{
    X86CpuModel fresh;

    if (!x86_cpu_model_make(&fresh, model->name, errp)) {
        return false;
    }
    model->phys_bits = on ? host_phys_bits() : fresh.phys_bits;
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
    if (!parse_bool(value, &on)) {
        error_set(errp, "feature '%s' must be on or off, not '%s'", name, value);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (!strcmp(name, switches[i].name)) {
            return switches[i].set(model, on, errp);
        }
    }
    return set_feature(model, name, on, errp);
}

/* ---- -cpu ---- */

/* What -cpu says beside the model's own properties. */
typedef struct Request {
    X86CpuModel model;
    bool check;              /* a warning for what is missing */
    bool enforce;            /* an error */
    bool host_phys_bits;     /* phys_bits are the host's */
    uint8_t phys_bits_limit; /* and then at most this; 0: no limit */
    bool level, xlevel;      /* the user's: they stay as they are */
} Request;

static bool set_phys_bits_limit(Request *r, const char *text, GError **errp)
{
    uint64_t value;

    if (!parse_uint(text, 52, &value) || (value && value < 36)) {
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
            if (!parse_bool(value, flags[i].to)) {
                error_set(errp, "%s must be on or off, not '%s'", name, value);
                return false;
            }
            return true;
        }
    }
    r->level |= !strcmp(name, "level");
    r->xlevel |= !strcmp(name, "xlevel");
    if (!strcmp(name, "phys-bits")) {
        r->host_phys_bits = false;
    } else if (!strcmp(name, "host-phys-bits") && parse_bool(value, &on)) {
        r->host_phys_bits = on;
    }
    return x86_cpu_model_set(&r->model, name, value, errp);
}

/* One element after the model's name. */
static bool parse_element(Request *r, const char *text, GError **errp)
{
    const char *eq = strchr(text, '=');

    if (*text == '+' || *text == '-') {
        return set_feature(&r->model, text + 1, *text == '+', errp);
    }
    g_autofree char *name = eq ? g_strndup(text, (gsize)(eq - text)) : g_strdup(text);
    return parse_named(r, name, eq ? eq + 1 : "on", errp);
}

/* Features that cannot be had: an error or a warning, as the user wants it. */
static bool report_missing(const Request *r, GError **errp)
{
    g_autofree const char **missing = x86_cpu_model_missing(&r->model);
    g_autofree char *names = g_strjoinv(", ", (char **)missing);

    if (*names && r->enforce) {
        error_set(errp,
                  "the %s cannot offer on this host: %s; without 'enforce' the guest runs without "
                  "them",
                  engine_name(), names);
        return false;
    }
    if (*names && r->check) {
        error_warn("-cpu: the %s cannot offer on this host: %s; the guest runs without them",
                   engine_name(), names);
    }
    return true;
}

/* What the user named, and @own has not, does not go without a word. */
static void settle_all(Request *r, const X86CpuModel *own)
{
    X86CpuModel asked = r->model;

    x86_cpu_model_settle(&r->model);
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        r->model.missing[w] |= asked.features[w] & ~own->features[w] & ~r->model.features[w];
    }
}

static bool parse_elements(Request *r, char **parts, GError **errp)
{
    const Known *known = find_model(parts[0] ? parts[0] : "", errp);

    if (!known) {
        return false;
    }
    make_model(&r->model, known);
    r->host_phys_bits = known->made == MADE_MAX || known->made == MADE_HOST;
    X86CpuModel own = r->model;
    for (char **p = parts + 1; parts[0] && *p; p++) {
        if (!parse_element(r, *p, errp)) {
            return false;
        }
    }
    uint32_t level = r->model.level, xlevel = r->model.xlevel;
    settle_all(r, &own);
    r->model.level = r->level ? level : r->model.level;
    r->model.xlevel = r->xlevel ? xlevel : r->model.xlevel;
    return report_missing(r, errp);
}

bool x86_cpu_model_parse(X86CpuModel *model, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    Request r = { .check = true };

    if (!parse_elements(&r, parts, errp)) {
        g_prefix_error(errp, "-cpu: ");
        return false;
    }
    if (r.host_phys_bits && r.phys_bits_limit) {
        r.model.phys_bits = MIN(r.model.phys_bits, r.phys_bits_limit);
    }
    *model = r.model;
    return true;
}
