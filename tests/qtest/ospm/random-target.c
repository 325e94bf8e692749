/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random steps: memory targets. One step is a whole run, from set-memory-target to its end: on the
 * way the guest answers, in any manner or not at all, time passes, the driver of virtio-mem
 * follows, users set another target, cancel it, and plug and ask for DIMMs themselves, and the
 * machine is reset. What the machine asks for and when is not in the model, so the model of DIMMs
 * is made anew from what there is at the end. But: a run ends, and in time; it has reached what it
 * says; what it took away is gone with its backend; and what it left is as good as any other DIMM.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/ospm/random.h"
#include "util/units.h"

#define BLOCK       (128 * MIB) /* of Linux */
#define CHANGE      "MEMORY_TARGET_CHANGE"
#define MOST_EVENTS 300 /* on the way; then it is cancelled */
/* A machine that is started anew with a larger DIMM than that warns that RANDOM_BOOT_MIB are too
 * few for it; and there are to be no messages. */
#define MOST_MIB 2048

/* A run as it is known here. */
typedef struct Run {
    uint64_t size;
    int64_t deadline; /* ns; 0: none */
    bool was_reset;
} Run;

static json_object *info(const RandomTest *t)
{
    return qtest_qmp(t->qt, "query-memory-target", NULL);
}

static bool is_running(const RandomTest *t)
{
    g_autoptr(json_object) now = info(t);

    return strcmp(qtest_get_str(now, "status"), "running") == 0;
}

/* ---- what happens on the way ---- */

static void set_target(RandomTest *t, Run *run)
{
    const unsigned timeout = random_chance(t, 30) ? 1 + random_pick(t, 20) : 0;
    json_object *policy = qtest_json("{'answer-timeout': %u, 'node': %u}", 1 + random_pick(t, 4),
                                     random_pick(t, RANDOM_NODES));
    json_object *arguments;

    run->size = MIB + random_pick(t, MOST_MIB) * MIB;
    run->deadline = timeout ? t->model.now + timeout * RANDOM_SECOND : 0;
    if (random_chance(t, 30)) {
        json_object_object_add(policy, "dimms", json_object_new_boolean(false));
    } else if (random_chance(t, 50)) {
        json_object_object_add(policy, "dimm-size",
                               json_object_new_uint64(BLOCK * (1 + random_pick(t, 4))));
    }
    arguments = qtest_json("{'size': %" G_GINT64_MODIFIER "u, 'policy': %p}", run->size, policy);
    if (timeout) {
        json_object_object_add(arguments, "timeout", json_object_new_int64(timeout));
    }
    json_object_put(qtest_qmp_raw(t->qt, qtest_json("{'execute': 'set-memory-target', "
                                                    "'arguments': %p}",
                                                    arguments)));
}

static void guest_runs(RandomTest *t, Run *run)
{
    static const OspmManners all[] = {
        { 0 },
        { .no_progress = true },
        { .silent = true },
        { .insert_status = OSPM_LOAD_FAILED },
        { .eject_status = OSPM_BUSY },
        { .insert_status = OSPM_FAILURE, .eject_status = OSPM_EJECT_FAILED },
        { .eject_twice = true, .eject_on_insertion = true },
    };

    random_guest(t, &all[random_chance(t, 60) ? 0 : random_pick(t, G_N_ELEMENTS(all))]);
}

static void time_passes(RandomTest *t, Run *run)
{
    random_time(t, RANDOM_SECOND / 2 * (1 + random_pick(t, 4)));
    if (run->deadline && t->model.now >= run->deadline && is_running(t)) {
        random_die(t, "the target's time was over %g s ago",
                   (double)(t->model.now - run->deadline) / (double)RANDOM_SECOND);
    }
}

static void driver_follows(RandomTest *t, Run *run)
{
    random_vmem_follow(t);
}

static void cancel(RandomTest *t, Run *run)
{
    json_object_put(qtest_qmp_reply(t->qt, "cancel-memory-target", NULL));
    if (is_running(t)) {
        random_die(t, "a target is under way that was cancelled");
    }
}

/* Users do not know what the target does at the same time: they may be refused. */
static void user_plugs(RandomTest *t, Run *run)
{
    g_autofree char *id = g_strdup_printf("d%u", t->serial + 1);
    g_autofree char *backend = g_strdup_printf("m%u", t->serial + 1);

    t->serial++;
    qtest_qmp_ok(t->qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" G_GINT64_MODIFIER "u}",
                 backend, BLOCK);
    json_object_put(qtest_qmp_reply(t->qt, "device_add",
                                    "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s}", id, backend));
}

static void user_asks(RandomTest *t, Run *run)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    const unsigned count = (unsigned)json_object_array_length(list);
    json_object *device = json_object_array_get_idx(list, random_pick(t, count));
    const bool withdraw = random_chance(t, 30);

    json_object_put(qtest_qmp_reply(t->qt, "device_del", "{'id': %s, 'cancel': %i}",
                                    qtest_get_str(device, "data.id"), (int)withdraw));
}

static void save(RandomTest *t, Run *run)
{
    g_autofree char *uri = g_strdup_printf("file:%s/none", t->folder);

    if (is_running(t)) {
        json_object_put(qtest_qmp_error(t->qt, "migrate", "{'uri': %s}", uri));
    }
}

static void reset(RandomTest *t, Run *run)
{
    random_reset(t);
    run->was_reset = true;
}

static const struct {
    unsigned weight;
    void (*happens)(RandomTest *t, Run *run);
} on_the_way[] = {
    { 50, guest_runs }, { 15, time_passes }, { 20, driver_follows },
    { 3, set_target },  { 2, cancel },       { 3, user_plugs },
    { 5, user_asks },   { 1, save },         { 1, reset },
};

static void something_happens(RandomTest *t, Run *run)
{
    unsigned n = random_pick(t, 100), i = 0;

    for (; n >= on_the_way[i].weight; i++) {
        n -= on_the_way[i].weight;
    }
    on_the_way[i].happens(t, run);
}

/* ---- the end ---- */

/* All DIMMs and virtio-mem, and the memory of the boot. */
static uint64_t all_memory(RandomTest *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    uint64_t sum = RANDOM_BOOT_MIB * MIB;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *device = json_object_array_get_idx(list, i);

        if (strcmp(qtest_get_str(device, "type"), "nvdimm") != 0) {
            sum += (uint64_t)qtest_get_int(device, "data.size");
        }
    }
    return sum;
}

/* How far from what was asked for a run ended, by its own word: the guest may go on since. */
static uint64_t missing_at_end(const Run *run, json_object *last)
{
    const uint64_t actual = (uint64_t)qtest_get_int(last, "data.actual");

    return actual < run->size ? run->size - actual : actual - run->size;
}

static void check_end(RandomTest *t, const Run *run)
{
    g_autoptr(json_object) now = info(t);
    const char *status = qtest_get_str(now, "status");
    const uint64_t there = all_memory(t);
    json_object *event, *last = NULL;

    while ((event = qtest_event_match(t->qt, CHANGE, NULL, NULL, 0))) {
        json_object_put(last);
        last = event;
    }
    if (!last || strcmp(qtest_get_str(last, "data.status"), status) != 0 ||
        (strcmp(status, "reached") == 0 && missing_at_end(run, last) >= BLOCK) ||
        (uint64_t)qtest_get_int(now, "actual") > there ||
        (strcmp(status, "timed-out") == 0 && t->model.now < run->deadline) ||
        (strcmp(status, "reset") == 0 && !run->was_reset)) {
        random_die(t,
                   "the target of %" G_GINT64_MODIFIER "u ends so: %s, of %" G_GINT64_MODIFIER
                   "u bytes; the last event is %s",
                   run->size, json_object_to_json_string(now), there,
                   json_object_to_json_string(last));
    }
    json_object_put(last);
}

static bool step_target(RandomTest *t)
{
    const Model before = t->model;
    Run run = { 0 };

    set_target(t, &run);
    for (unsigned i = 0; is_running(t); i++) {
        if (i == MOST_EVENTS) {
            cancel(t, &run);
        }
        something_happens(t, &run);
    }
    check_end(t, &run);
    random_settle(t, &before);
    random_vmem_settle(t);
    return true;
}

static const RandomStep target_steps[] = {
    { "target", 2, step_target },
    {},
};

const RandomPart random_target = { .steps = target_steps };
