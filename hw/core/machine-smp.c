/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smp: how many CPUs, and how they are arranged in sockets, dies, cores and threads. */
#include <inttypes.h>
#include <string.h>

#include "hw/core/machine-config.h"
#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

typedef struct SmpKey {
    const char *name;
    size_t offset;
} SmpKey;

static const SmpKey smp_keys[] = {
    { "cpus", offsetof(SmpTopology, cpus) },       { "maxcpus", offsetof(SmpTopology, maxcpus) },
    { "sockets", offsetof(SmpTopology, sockets) }, { "dies", offsetof(SmpTopology, dies) },
    { "cores", offsetof(SmpTopology, cores) },     { "threads", offsetof(SmpTopology, threads) },
};

static uint32_t *smp_field(SmpTopology *smp, const SmpKey *key)
{
    return (uint32_t *)((char *)smp + key->offset);
}

/* Put what is given into @smp. */
static bool smp_read(struct json_object *props, unsigned most, SmpTopology *smp, GError **errp)
{
    const char *known[G_N_ELEMENTS(smp_keys) + 2] = { NULL };
    const char *clusters = opts_get(props, "clusters");

    for (size_t i = 0; i < G_N_ELEMENTS(smp_keys); i++) {
        known[i] = smp_keys[i].name;
    }
    known[G_N_ELEMENTS(smp_keys)] = "clusters";
    if (!opts_check_keys(props, known, errp)) {
        return false;
    }
    if (clusters && strcmp(clusters, "1") != 0) {
        error_set(errp,
                  "clusters=%s is not there: cores of a PC are in dies, and not in clusters; "
                  "only clusters=1 is possible",
                  clusters);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(smp_keys); i++) {
        struct json_object *value;
        uint64_t number;

        if (!json_object_object_get_ex(props, smp_keys[i].name, &value)) {
            continue;
        }
        const char *text = json_object_get_string(value);
        if (!uint_parse(text, most, &number) || number == 0) {
            error_set(errp, "%s=%s is not right: give a number from 1 to %u", smp_keys[i].name,
                      text, most);
            return false;
        }
        *smp_field(smp, &smp_keys[i]) = number;
    }
    return true;
}

/* Fill in what was not given: cores before sockets before threads. Products of three fit: each
 * factor is at most MAX_CPUS. */
static void smp_complete(SmpTopology *smp)
{
    uint32_t total = smp->maxcpus ? smp->maxcpus : smp->cpus;

    smp->dies = smp->dies ? smp->dies : 1;
    if (total && !smp->cores) {
        smp->sockets = smp->sockets ? smp->sockets : 1;
        smp->threads = smp->threads ? smp->threads : 1;
        smp->cores = total / (smp->sockets * smp->dies * smp->threads);
    } else if (total && !smp->sockets) {
        smp->threads = smp->threads ? smp->threads : 1;
        smp->sockets = total / (smp->dies * smp->cores * smp->threads);
    } else if (total && !smp->threads) {
        smp->threads = total / (smp->sockets * smp->dies * smp->cores);
    }
    /* Too few CPUs for the topology leaves a 0 here; as 1, the product below tells. */
    smp->sockets = smp->sockets ? smp->sockets : 1;
    smp->cores = smp->cores ? smp->cores : 1;
    smp->threads = smp->threads ? smp->threads : 1;
    if (!total) {
        uint64_t product = (uint64_t)smp->sockets * smp->dies * smp->cores * smp->threads;
        total = MIN(product, UINT32_MAX);
    }
    smp->maxcpus = smp->maxcpus ? smp->maxcpus : total;
    smp->cpus = smp->cpus ? smp->cpus : smp->maxcpus;
}

static bool smp_check(const SmpTopology *smp, unsigned most, GError **errp)
{
    uint64_t product = (uint64_t)smp->sockets * smp->dies * smp->cores * smp->threads;

    if (smp->maxcpus > most) {
        error_set(errp, "%u CPUs are too many: the most is %u", smp->maxcpus, most);
        return false;
    }
    if (product != smp->maxcpus) {
        error_set(errp,
                  "sockets (%u) * dies (%u) * cores (%u) * threads (%u) is %" PRIu64
                  ", but it must be equal to maxcpus (%u)",
                  smp->sockets, smp->dies, smp->cores, smp->threads, product, smp->maxcpus);
        return false;
    }
    if (smp->cpus > smp->maxcpus) {
        error_set(errp, "cpus=%u is more than maxcpus=%u, which must be at least as large",
                  smp->cpus, smp->maxcpus);
        return false;
    }
    return true;
}

static bool smp_from_props(Machine *machine, struct json_object *props, GError **errp)
{
    /* A machine without CPUs takes any number: it makes none. */
    unsigned max_cpus = machine_ops(machine)->max_cpus;
    unsigned most = max_cpus ? max_cpus : MAX_CPUS;
    SmpTopology given = machine->smp_given;

    if (!smp_read(props, most, &given, errp)) {
        return false;
    }
    SmpTopology smp = given;
    smp_complete(&smp);
    if (!smp_check(&smp, most, errp)) {
        return false;
    }
    machine->smp_given = given;
    machine->smp = smp;
    return true;
}

bool machine_parse_smp(Machine *machine, const char *text, GError **errp)
{
    if (!*text) {
        error_set(errp, "the number of CPUs is missing, as in 2");
        return false;
    }
    struct json_object *props = keyval_parse(text, "cpus", errp);
    bool ok = props && smp_from_props(machine, props, errp);

    json_object_put(props);
    return ok;
}

bool machine_set_smp(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (json_object_is_type(value, json_type_object)) {
        return smp_from_props(MACHINE(obj), value, errp);
    }
    if (json_object_is_type(value, json_type_string)) {
        return machine_parse_smp(MACHINE(obj), json_object_get_string(value), errp);
    }
    error_set(errp, "'%s' takes an object or a string, as in \"2,sockets=1,cores=2\"", prop->name);
    return false;
}

struct json_object *machine_get_smp(Object *obj, const Property *prop, GError **errp)
{
    struct json_object *value = json_object_new_object();

    for (size_t i = 0; i < G_N_ELEMENTS(smp_keys); i++) {
        uint32_t number = *smp_field(&MACHINE(obj)->smp, &smp_keys[i]);
        json_object_object_add(value, smp_keys[i].name, json_object_new_int64(number));
    }
    json_object_object_add(value, "clusters", json_object_new_int(1));
    return value;
}
