/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine and a model (model.h) go through thousands of random steps: plug, unplug, time-out,
 * cancel, reset, and a guest with good and bad manners. After each step events, DIMMs and their
 * states must be as in the model; every now and then also the object tree, the memory map, what
 * _STA, _CRS and _PXM give, and what is in the memory. At the end nothing may have leaked.
 *
 * Environment: OSPM_RANDOM_SEED repeats a run (its seed is printed), OSPM_RANDOM_STEPS is its
 * length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/ospm/model.h"
#include "util/units.h"

#define SECOND INT64_C(1000000000)

enum { STEPS = 10000, FULL_EVERY = 25, WARM_UP = 200, SPARE_MAPPINGS = 4 };
enum { WINDOW_MIB = 8192, NODES = 2 };
/* docs/memory-hotplug-registers.md */
enum { SELECT = 0xa00, OST_EVENT = 0xa04, OST_STATUS = 0xa08, FLAGS = 0xa14 };

typedef struct Test {
    QTest *qt;
    Ospm *ospm;
    GRand *rand;
    Model model;
    unsigned step, serial;
    const char *action;
    unsigned counts[32]; /* of each kind of step that did something */
    guint32 seed;
} Test;

G_GNUC_NORETURN G_GNUC_PRINTF(2, 3) static void die(const Test *t, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_error("OSPM_RANDOM_SEED=%u, after step %u (%s): %s", t->seed, t->step, t->action, text);
}

static unsigned pick(Test *t, unsigned below)
{
    return (unsigned)g_rand_int_range(t->rand, 0, (gint32)below);
}

static bool chance(Test *t, unsigned percent)
{
    return pick(t, 100) < percent;
}

/* A slot that has a DIMM (or has none); MODEL_SLOTS if there is no such slot. */
static unsigned pick_slot(Test *t, bool occupied)
{
    unsigned first = pick(t, MODEL_SLOTS);

    for (unsigned i = 0; i < MODEL_SLOTS; i++) {
        unsigned n = (first + i) % MODEL_SLOTS;

        if (!!t->model.slots[n].serial == occupied) {
            return n;
        }
    }
    return MODEL_SLOTS;
}

/* ---- steps of management: true if they did something ---- */

static json_object *find_dimm(json_object *list, const char *id)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *data = qtest_get(json_object_array_get_idx(list, i), "data");

        if (strcmp(qtest_get_str(data, "id"), id) == 0) {
            return data;
        }
    }
    return NULL;
}

/* The machine chose an address: it must be free, aligned, and in the window. */
static uint64_t check_place(const Test *t, uint64_t base, uint64_t size)
{
    uint64_t window = UINT64_C(4) << 30;

    if (base % (2 * MIB) || base < window || base + size > window + (WINDOW_MIB + 8192) * MIB) {
        die(t, "a DIMM at 0x%" G_GINT64_MODIFIER "x", base);
    }
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];

        if (s->serial && base < s->base + s->size && s->base < base + size) {
            die(t, "a DIMM at 0x%" G_GINT64_MODIFIER "x overlaps d%u", base, s->serial);
        }
    }
    return base;
}

/* Memory that is its own: a mark at both ends. */
static void write_marks(Test *t, const ModelSlot *s)
{
    qtest_writeq(t->qt, s->base, s->serial);
    qtest_writeq(t->qt, s->base + s->size - 8, ~(uint64_t)s->serial);
}

static void add_backend(Test *t, const char *id, uint64_t size)
{
    qtest_qmp_ok(t->qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" G_GINT64_MODIFIER "u}",
                 id, size);
}

static bool step_plug(Test *t)
{
    unsigned slot = pick_slot(t, false), node = pick(t, NODES);
    uint64_t size = 128 * MIB * (1 + pick(t, 3)), base;
    g_autofree char *id = g_strdup_printf("d%u", t->serial + 1);
    g_autofree char *backend = g_strdup_printf("m%u", t->serial + 1);
    g_autoptr(json_object) list = NULL;
    json_object *data;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    t->serial++;
    add_backend(t, backend, size);
    qtest_qmp_ok(t->qt, "device_add",
                 "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s, 'slot': %u, 'node': %u}", id,
                 backend, slot, node);
    list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    data = find_dimm(list, id);
    if (!data) {
        die(t, "%s is not in query-memory-devices", id);
    }
    base = check_place(t, (uint64_t)qtest_get_int(data, "addr"), size);
    model_plug(&t->model, slot, t->serial, base, size, node);
    write_marks(t, &t->model.slots[slot]);
    return true;
}

/* What must fail, and change nothing: a slot that is taken, a place that is taken. */
static bool step_bad_plug(Test *t)
{
    unsigned slot = pick_slot(t, true);
    const ModelSlot *s;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    s = &t->model.slots[slot];
    add_backend(t, "bad", 128 * MIB);
    if (chance(t, 50)) {
        json_object_put(qtest_qmp_error(t->qt, "device_add",
                                        "{'driver': 'pc-dimm', 'id': 'bad-dimm', 'memdev': 'bad',"
                                        " 'slot': %u}",
                                        slot));
    } else {
        json_object_put(qtest_qmp_error(t->qt, "device_add",
                                        "{'driver': 'pc-dimm', 'id': 'bad-dimm', 'memdev': 'bad',"
                                        " 'addr': %" G_GINT64_MODIFIER "u}",
                                        s->base));
    }
    qtest_qmp_ok(t->qt, "object-del", "{'id': 'bad'}");
    return true;
}

static bool step_request(Test *t)
{
    unsigned slot = pick_slot(t, true);
    int64_t timeout = chance(t, 40) ? 1 + pick(t, 5) : 0;
    g_autofree char *id = NULL;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    id = g_strdup_printf("d%u", t->model.slots[slot].serial);
    if (timeout) {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s, 'timeout': %" G_GINT64_MODIFIER "d}", id,
                     timeout);
    } else {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s}", id);
    }
    model_request(&t->model, slot, timeout * SECOND);
    return true;
}

static bool step_cancel(Test *t)
{
    unsigned slot = pick_slot(t, true);
    g_autofree char *id = NULL;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    id = g_strdup_printf("d%u", t->model.slots[slot].serial);
    if (!model_pending(&t->model, slot)) {
        json_object_put(qtest_qmp_error(t->qt, "device_del", "{'id': %s, 'cancel': true}", id));
        return true;
    }
    qtest_qmp_ok(t->qt, "device_del", "{'id': %s, 'cancel': true}", id);
    model_withdraw(&t->model, slot);
    return true;
}

static bool step_time(Test *t)
{
    model_time(&t->model, qtest_clock_step(t->qt, SECOND / 2 * (1 + pick(t, 4))));
    return true;
}

static bool step_reset(Test *t)
{
    qtest_qmp_ok(t->qt, "system_reset", NULL);
    json_object_put(qtest_event(t->qt, "RESET"));
    model_reset(&t->model);
    ospm_reboot(t->ospm);
    model_boot(&t->model);
    return true;
}

/* ---- steps of the guest ---- */

static uint32_t pick_status(Test *t)
{
    static const uint32_t statuses[] = { OSPM_FAILURE,     0x80,
                                         OSPM_LOAD_FAILED, OSPM_BUSY,
                                         OSPM_IN_PROGRESS, OSPM_EJECT_FAILED };

    return chance(t, 70) ? statuses[pick(t, G_N_ELEMENTS(statuses))] : g_rand_int(t->rand);
}

static bool run_with(Test *t, OspmManners manners)
{
    t->ospm->manners = manners;
    ospm_run(t->ospm);
    model_run(&t->model, &manners);
    return true;
}

static bool step_good_guest(Test *t)
{
    return run_with(t, (OspmManners){ .no_progress = chance(t, 20), .bytes = chance(t, 10) });
}

static bool step_refusing_guest(Test *t)
{
    return run_with(t, (OspmManners){ .eject_status = pick_status(t) });
}

static bool step_rejecting_guest(Test *t)
{
    return run_with(t, (OspmManners){ .insert_status = pick_status(t) });
}

static bool step_silent_guest(Test *t)
{
    return run_with(t, (OspmManners){ .silent = true });
}

static bool step_bad_guest(Test *t)
{
    return run_with(t, (OspmManners){ .eject_twice = chance(t, 50),
                                      .eject_on_insertion = chance(t, 50),
                                      .bytes = chance(t, 50) });
}

static bool step_eject_unasked(Test *t)
{
    unsigned slot = pick(t, MODEL_SLOTS);

    ospm_eject(t->ospm, slot);
    model_eject(&t->model, slot);
    return true;
}

static bool step_nonsense_ost(Test *t)
{
    static const uint32_t events[] = { 0, 1, 2, 3, 0x103, 0x200 };
    unsigned slot = pick(t, MODEL_SLOTS);
    uint32_t event = chance(t, 80) ? events[pick(t, G_N_ELEMENTS(events))] : g_rand_int(t->rand);
    uint32_t status = chance(t, 30) ? OSPM_SUCCESS : pick_status(t);

    ospm_ost(t->ospm, slot, event, status);
    model_ost(&t->model, slot, event, status);
    return true;
}

/* Any bits to the flags of any slot. */
static bool step_raw_flags(Test *t)
{
    unsigned slot = pick(t, MODEL_SLOTS);
    uint8_t bits = (uint8_t)pick(t, 256);

    qtest_outl(t->qt, SELECT, slot);
    qtest_outb(t->qt, FLAGS, bits);
    model_flags(&t->model, slot, bits);
    return true;
}

/* A status first, so that it is about the event before; then the event, byte by byte. */
static bool step_wrong_order(Test *t)
{
    unsigned slot = pick(t, MODEL_SLOTS);
    uint8_t status = (uint8_t)pick_status(t);
    uint32_t before = t->model.ost_event;

    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(t->qt, (uint16_t)(SELECT + i), (uint8_t)(slot >> (i * 8)));
    }
    qtest_outb(t->qt, OST_STATUS, status);
    model_ost(&t->model, slot, before, status);
    for (unsigned i = 4; i > 0; i--) {
        qtest_outb(t->qt, (uint16_t)(OST_EVENT + i - 1), i == 1 ? OSPM_EJECT_REQUEST : 0);
    }
    t->model.ost_event = OSPM_EJECT_REQUEST;
    return true;
}

static bool step_out_of_range(Test *t)
{
    uint32_t slot = chance(t, 50) ? MODEL_SLOTS + pick(t, 300) : g_rand_int(t->rand) | 0x100;

    qtest_outl(t->qt, SELECT, slot);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(t->qt, (uint16_t)(OST_EVENT + pick(t, 0x1c)), (uint8_t)g_rand_int(t->rand));
    }
    if (qtest_inl(t->qt, SELECT) != UINT32_MAX) {
        die(t, "slot %u can be read", slot);
    }
    return true;
}

static const struct {
    const char *name;
    unsigned weight;
    bool (*run)(Test *t);
} steps[] = {
    { "plug", 24, step_plug },
    { "bad plug", 3, step_bad_plug },
    { "request", 18, step_request },
    { "cancel", 5, step_cancel },
    { "time", 6, step_time },
    { "reset", 2, step_reset },
    { "good guest", 14, step_good_guest },
    { "refusing guest", 6, step_refusing_guest },
    { "rejecting guest", 4, step_rejecting_guest },
    { "silent guest", 4, step_silent_guest },
    { "bad guest", 4, step_bad_guest },
    { "eject unasked", 2, step_eject_unasked },
    { "nonsense _OST", 5, step_nonsense_ost },
    { "raw flags", 3, step_raw_flags },
    { "wrong order", 3, step_wrong_order },
    { "out of range", 3, step_out_of_range },
};

/* ---- what must hold ---- */

/* All events that follow from the last command are here: it was answered by the same monitor. */
static void check_count(const Test *t, const char *name, unsigned expected)
{
    unsigned count = 0;
    json_object *event;

    while ((event = qtest_event_match(t->qt, name, NULL, NULL, 0))) {
        json_object_put(event);
        count++;
    }
    if (count != expected) {
        die(t, "%u events %s instead of %u", count, name, expected);
    }
}

/* Those that had to go went, and no others; their backends go too, which says that nobody has them.
 */
static void check_deleted(Test *t)
{
    Model *m = &t->model;

    for (unsigned i = 0; i < m->num_deleted; i++) {
        g_autofree char *id = g_strdup_printf("d%u", m->deleted[i]);
        g_autofree char *backend = g_strdup_printf("m%u", m->deleted[i]);

        json_object_put(qtest_event_with(t->qt, "DEVICE_DELETED", "device", id));
        qtest_qmp_ok(t->qt, "object-del", "{'id': %s}", backend);
    }
    m->num_deleted = 0;
    check_count(t, "DEVICE_DELETED", 0);
}

static void check_events(Test *t)
{
    check_deleted(t);
    check_count(t, "MEM_UNPLUG_ERROR", t->model.refusals);
    check_count(t, "DEVICE_UNPLUG_GUEST_ERROR", t->model.refusals);
    check_count(t, "ACPI_DEVICE_OST", t->model.osts);
    t->model.refusals = t->model.osts = 0;
    qtest_events_clear(t->qt);
}

static void check_dimm(const Test *t, const ModelSlot *s, unsigned slot, json_object *data)
{
    bool has_status;
    uint32_t status;
    const char *state = model_state(s, &has_status, &status);

    if ((uint64_t)qtest_get_int(data, "addr") != s->base ||
        (uint64_t)qtest_get_int(data, "size") != s->size || qtest_get_int(data, "slot") != slot ||
        qtest_get_int(data, "node") != s->node) {
        die(t, "d%u is %s", s->serial, json_object_to_json_string(data));
    }
    if (strcmp(qtest_get_str(data, "state"), state) != 0 ||
        !!qtest_get(data, "status") != has_status ||
        (has_status && qtest_get_int(data, "status") != status)) {
        die(t, "d%u in slot %u should be %s (0x%x), and is %s", s->serial, slot, state,
            has_status ? status : 0, json_object_to_json_string(data));
    }
}

static unsigned model_count(const Model *m)
{
    unsigned count = 0;

    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        count += m->slots[n].serial != 0;
    }
    return count;
}

static void check_dimms(Test *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memory-devices", NULL);

    if (json_object_array_length(list) != model_count(&t->model)) {
        die(t, "%zu DIMMs instead of %u", json_object_array_length(list), model_count(&t->model));
    }
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];
        g_autofree char *id = g_strdup_printf("d%u", s->serial);
        json_object *data = s->serial ? find_dimm(list, id) : NULL;

        if (s->serial && !data) {
            die(t, "%s is lost", id);
        }
        if (data) {
            check_dimm(t, s, n, data);
        }
    }
}

/* ---- now and then ---- */

static void check_tree(Test *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "qom-list", "{'path': '/machine/peripheral'}");
    unsigned count = 0;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);

        count += g_str_has_prefix(qtest_get_str(item, "type"), "child<");
    }
    if (count != model_count(&t->model)) {
        die(t, "%u devices in the tree instead of %u", count, model_count(&t->model));
    }
}

/* The flat view's ranges from 4 GiB up are the DIMMs, each once. */
static void check_map(Test *t)
{
    g_autofree char *text = qtest_hmp(t->qt, "info mtree -f");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = 0;

    for (char **line = lines; *line; line++) {
        uint64_t first, last;
        bool found = false;

        if (sscanf(*line, " %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", &first, &last) != 2 ||
            first < UINT64_C(4) << 30) {
            continue;
        }
        for (unsigned n = 0; n < MODEL_SLOTS; n++) {
            const ModelSlot *s = &t->model.slots[n];

            found |= s->serial && s->base == first && s->base + s->size - 1 == last;
        }
        if (!found) {
            die(t, "in the memory map: %s", *line);
        }
        count++;
    }
    if (count != model_count(&t->model)) {
        die(t, "%u ranges in the memory map, of %u DIMMs", count, model_count(&t->model));
    }
}

/* What is in the memory is what was written there; what is beside is nothing. */
static void check_marks(Test *t)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];

        if (s->serial && (qtest_readq(t->qt, s->base) != s->serial ||
                          qtest_readq(t->qt, s->base + s->size - 8) != ~(uint64_t)s->serial)) {
            die(t, "the memory of d%u has been changed", s->serial);
        }
    }
}

/* _STA, _CRS and _PXM. To look is to notice: the model is told. */
static void check_aml(Test *t)
{
    t->ospm->manners = (OspmManners){ 0 };
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];
        uint64_t sta = ospm_sta(t->ospm, n);
        OspmDimm crs;

        if (sta != (s->serial ? 0xf : 0)) {
            die(t, "_STA of slot %u is 0x%x", n, (unsigned)sta);
        }
        if (!s->serial) {
            continue;
        }
        crs = ospm_crs(t->ospm, n);
        model_read_place(&t->model, n);
        if (crs.base != s->base || crs.size != s->size || crs.node != s->node) {
            die(t,
                "_CRS and _PXM of slot %u: 0x%" G_GINT64_MODIFIER "x, 0x%" G_GINT64_MODIFIER
                "x, %u",
                n, crs.base, crs.size, crs.node);
        }
    }
}

static void check_all(Test *t)
{
    check_tree(t);
    check_map(t);
    check_marks(t);
    check_aml(t);
    check_dimms(t);
    qtest_events_clear(t->qt);
}

/* ---- leaks ---- */

typedef struct Usage {
    unsigned mappings, descriptors;
} Usage;

/* Of the program when it has no DIMMs. */
static Usage usage_when_empty(Test *t)
{
    g_autofree char *maps = g_strdup_printf("/proc/%d/maps", (int)qtest_pid(t->qt));
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)qtest_pid(t->qt));
    g_autofree char *text = NULL;
    g_autoptr(GDir) dir = NULL;
    Usage usage = { 0 };

    t->action = "empty";
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        ospm_eject(t->ospm, n);
        model_eject(&t->model, n);
    }
    check_dimms(t);
    check_events(t);
    check_all(t);
    g_assert_true(g_file_get_contents(maps, &text, NULL, NULL));
    for (const char *p = text; (p = strchr(p, '\n')); p++) {
        usage.mappings++;
    }
    dir = g_dir_open(fds, 0, NULL);
    while (g_dir_read_name(dir)) {
        usage.descriptors++;
    }
    return usage;
}

/* ---- */

static void do_step(Test *t)
{
    unsigned total = 0, n, i;

    for (i = 0; i < G_N_ELEMENTS(steps); i++) {
        total += steps[i].weight;
    }
    n = pick(t, total);
    for (i = 0; n >= steps[i].weight; i++) {
        n -= steps[i].weight;
    }
    t->action = steps[i].name;
    t->counts[i] += steps[i].run(t);
    check_dimms(t);
    check_events(t);
    if (++t->step % FULL_EVERY == 0) {
        check_all(t);
    }
}

static unsigned from_env(const char *name, unsigned otherwise)
{
    const char *text = g_getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static void test_random(void)
{
    unsigned count = from_env("OSPM_RANDOM_STEPS", STEPS);
    Test t = { .action = "start" };
    Usage before, after;

    t.seed = from_env("OSPM_RANDOM_SEED", g_random_int());
    g_test_message("OSPM_RANDOM_SEED=%u, %u steps", t.seed, count);
    t.rand = g_rand_new_with_seed(t.seed);
    t.qt = qtest_start("-m 512M,slots=%u,maxmem=%uM -numa node,mem=256M -numa node,mem=256M",
                       MODEL_SLOTS, WINDOW_MIB);
    t.ospm = ospm_boot(t.qt);
    while (t.step < WARM_UP) {
        do_step(&t);
    }
    before = usage_when_empty(&t);
    while (t.step < count) {
        do_step(&t);
    }
    after = usage_when_empty(&t);
    if (after.mappings > before.mappings + SPARE_MAPPINGS ||
        after.descriptors > before.descriptors) {
        die(&t, "leaks: mappings %u -> %u, descriptors %u -> %u", before.mappings, after.mappings,
            before.descriptors, after.descriptors);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_test_message("%s: %u", steps[i].name, t.counts[i]);
        g_assert_true(count < STEPS || t.counts[i] > 0);
    }
    ospm_free(t.ospm);
    qtest_quit(t.qt);
    g_rand_free(t.rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ospm/random", test_random);
    return g_test_run();
}
