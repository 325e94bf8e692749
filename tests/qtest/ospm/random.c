/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/random.h"

#include <string.h>

#include "util/units.h"

void random_die(const RandomTest *t, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_error("%s, OSPM_RANDOM_SEED=%u, after step %u (%s): %s", t->machine, t->seed, t->step,
            t->action, text);
}

unsigned random_pick(RandomTest *t, unsigned below)
{
    return (unsigned)g_rand_int_range(t->rand, 0, (gint32)below);
}

bool random_chance(RandomTest *t, unsigned percent)
{
    return random_pick(t, 100) < percent;
}

uint32_t random_status(RandomTest *t)
{
    static const uint32_t statuses[] = { OSPM_FAILURE,     0x80,
                                         OSPM_LOAD_FAILED, OSPM_BUSY,
                                         OSPM_IN_PROGRESS, OSPM_EJECT_FAILED };

    return random_chance(t, 70) ? statuses[random_pick(t, G_N_ELEMENTS(statuses))]
                                : g_rand_int(t->rand);
}

unsigned random_slot(RandomTest *t, const Model *m, unsigned first, unsigned count, bool occupied)
{
    const unsigned start = random_pick(t, count - first);

    for (unsigned i = 0; i < count - first; i++) {
        unsigned n = first + (start + i) % (count - first);

        if (!!m->slots[n].serial == occupied) {
            return n;
        }
    }
    return MODEL_SLOTS;
}

/* ---- memory devices ---- */

void random_check_place(const RandomTest *t, uint64_t base, uint64_t size)
{
    if (base % (2 * MIB) || base < 4 * GIB || base + size > RANDOM_VMEM) {
        random_die(t, "a memory device at 0x%" G_GINT64_MODIFIER "x", base);
    }
    for (unsigned i = 0; i < t->ranges->len; i++) {
        const RandomRange *r = &g_array_index(t->ranges, RandomRange, i);

        if (base < r->base + r->size && r->base < base + size) {
            random_die(t,
                       "a memory device at 0x%" G_GINT64_MODIFIER
                       "x overlaps the one at 0x%" G_GINT64_MODIFIER "x",
                       base, r->base);
        }
    }
}

void random_add_range(RandomTest *t, uint64_t base, uint64_t size)
{
    const RandomRange range = { base, size };

    g_array_append_val(t->ranges, range);
}

json_object *random_find(json_object *list, const char *id)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *data = qtest_get(json_object_array_get_idx(list, i), "data");

        if (strcmp(qtest_get_str(data, "id"), id) == 0) {
            return data;
        }
    }
    return NULL;
}

uint64_t random_place(const RandomTest *t, const char *id)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    json_object *data = random_find(list, id);

    if (!data) {
        random_die(t, "%s is not in query-memory-devices", id);
    }
    return (uint64_t)qtest_get_int(data, "addr");
}

/* ---- requests ---- */

bool random_with_one(RandomTest *t, Model *m, unsigned slot, RandomNameFn *name, RandomOneFn *run)
{
    g_autofree char *id = NULL;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    id = name(m->slots[slot].serial);
    run(t, m, slot, id);
    return true;
}

void random_request(RandomTest *t, Model *m, unsigned slot, const char *id)
{
    int64_t timeout = random_chance(t, 40) ? 1 + random_pick(t, 5) : 0;

    if (timeout) {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s, 'timeout': %" G_GINT64_MODIFIER "d}", id,
                     timeout);
    } else {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s}", id);
    }
    model_request(m, slot, timeout * RANDOM_SECOND);
}

void random_cancel(RandomTest *t, Model *m, unsigned slot, const char *id)
{
    if (!model_pending(m, slot)) {
        json_object_put(qtest_qmp_error(t->qt, "device_del", "{'id': %s, 'cancel': true}", id));
        return;
    }
    qtest_qmp_ok(t->qt, "device_del", "{'id': %s, 'cancel': true}", id);
    model_withdraw(m, slot);
}

void random_check_count(const RandomTest *t, const char *name, unsigned expected)
{
    unsigned count = 0;
    json_object *event;

    while ((event = qtest_event_match(t->qt, name, NULL, NULL, 0))) {
        json_object_put(event);
        count++;
    }
    if (count != expected) {
        random_die(t, "%u events %s instead of %u", count, name, expected);
    }
}
