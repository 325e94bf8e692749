/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smp: how many CPUs, and how they are arranged in sockets, dies, cores and threads. */
#include <inttypes.h>

#include "hw/core/machine-config.h"
#include "qapi/qapi-types.h"
#include "util/error.h"

/* Each number by itself. */
static bool check_numbers(const SMPConfiguration *given, unsigned most, GError **errp)
{
    if (given->has_clusters && given->clusters != 1) {
        error_set(errp,
                  "clusters=%u is not there: cores of a PC are in dies, and not in clusters; "
                  "only clusters=1 is possible",
                  given->clusters);
        return false;
    }
    for (const QapiMember *m = SMPConfiguration_type.members; m->name; m++) {
        bool has = *(const bool *)((const char *)given + m->has_offset);
        uint32_t number = *(const uint32_t *)((const char *)given + m->offset);

        if (has && (number == 0 || number > most)) {
            error_set(errp, "%s=%u is not right: give a number from 1 to %u", m->name, number,
                      most);
            return false;
        }
    }
    return true;
}

/* Fill in what was not given: cores before sockets before threads, or with @prefers_sockets sockets
 * first. Products of three fit: each factor is at most MAX_CPUS. */
static void smp_complete(SmpTopology *smp, bool prefers_sockets)
{
    uint32_t total = smp->maxcpus ? smp->maxcpus : smp->cpus;

    smp->dies = smp->dies ? smp->dies : 1;
    if (total && !smp->sockets && prefers_sockets) {
        smp->cores = smp->cores ? smp->cores : 1;
        smp->threads = smp->threads ? smp->threads : 1;
        smp->sockets = total / (smp->dies * smp->cores * smp->threads);
    } else if (total && !smp->cores) {
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

bool machine_set_smp(Object *obj, const void *value, GError **errp)
{
    Machine *machine = MACHINE(obj);
    /* A machine without CPUs takes any number: it makes none. */
    const MachineOps *ops = machine_ops(machine);
    unsigned max_cpus = ops->max_cpus;
    unsigned most = max_cpus ? max_cpus : MAX_CPUS;
    g_autoptr(SMPConfiguration) all = g_new0(SMPConfiguration, 1);

    if (!check_numbers(value, most, errp)) {
        return false;
    }
    qapi_update(&SMPConfiguration_type, all, machine->smp_given);
    qapi_update(&SMPConfiguration_type, all, value);
    SmpTopology smp = {
        all->cpus, all->maxcpus, all->sockets, all->dies, all->cores, all->threads
    };
    smp_complete(&smp, ops->version && ops->version->smp_prefers_sockets);
    if (!smp_check(&smp, most, errp)) {
        return false;
    }
    qapi_update(&SMPConfiguration_type, machine->smp_given, value);
    machine->smp = smp;
    cpu_slots_arrange(&machine->cpu_slots, &smp);
    return true;
}

bool machine_parse_smp(Machine *machine, const char *text, GError **errp)
{
    g_autoptr(SMPConfiguration) given = NULL;

    if (!*text) {
        error_set(errp, "the number of CPUs is missing, as in 2");
        return false;
    }
    given = qapi_from_option(&SMPConfiguration_type, text, "cpus", errp);
    return given && machine_set_smp(OBJECT(machine), given, errp);
}

void *machine_get_smp(Object *obj)
{
    const SmpTopology *smp = &MACHINE(obj)->smp;
    SMPConfiguration *value = g_new0(SMPConfiguration, 1);

    *value = (SMPConfiguration){ .has_cpus = true,
                                 .cpus = smp->cpus,
                                 .has_maxcpus = true,
                                 .maxcpus = smp->maxcpus,
                                 .has_sockets = true,
                                 .sockets = smp->sockets,
                                 .has_dies = true,
                                 .dies = smp->dies,
                                 .has_clusters = true,
                                 .clusters = 1,
                                 .has_cores = true,
                                 .cores = smp->cores,
                                 .has_threads = true,
                                 .threads = smp->threads };
    return value;
}
