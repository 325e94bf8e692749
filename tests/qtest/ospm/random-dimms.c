/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random steps: DIMMs. */
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/ospm/random.h"
#include "util/units.h"

/* docs/memory-hotplug-registers.md */
enum { SELECT = 0xa00, OST_EVENT = 0xa04, OST_STATUS = 0xa08, FLAGS = 0xa14 };

/* Serials of DIMMs that a memory target has added, target<n>, have this bit; and this one, as long
 * as it is the same program: whose they are, and who deletes their backends. */
#define TARGET (1u << 31)
#define OWN    (1u << 30)

static char *dimm_id(unsigned serial)
{
    return g_strdup_printf(serial & TARGET ? "target%u" : "d%u", serial & ~(TARGET | OWN));
}

static char *backend_id(unsigned serial)
{
    return g_strdup_printf(serial & TARGET ? "target%u-ram" : "m%u", serial & ~(TARGET | OWN));
}

/* The serial of the DIMM or, with @suffix, of the backend @id; 0: it is of another kind. */
static unsigned serial_of(const char *id, const char *prefix, const char *suffix, unsigned bits)
{
    const size_t len = strlen(prefix);
    char *end;
    unsigned n;

    if (strncmp(id, prefix, len) != 0 || !g_ascii_isdigit(id[len])) {
        return 0;
    }
    n = (unsigned)strtoul(id + len, &end, 10);
    return strcmp(end, suffix) == 0 ? n | bits : 0;
}

/* A slot that has a DIMM, or has nothing. */
static unsigned pick_slot(RandomTest *t, bool occupied)
{
    unsigned n = random_slot(t, &t->model, 0, MODEL_SLOTS, occupied);

    for (unsigned i = 0; !occupied && i < RANDOM_NVDIMMS; i++) {
        if (t->nvdimms[i].serial && t->nvdimms[i].slot == n) {
            return MODEL_SLOTS;
        }
    }
    return n;
}

/* ---- management ---- */

/* Memory that is its own: a mark at both ends. */
static uint64_t mark_of(const ModelSlot *s)
{
    return s->serial & ~OWN;
}

static void write_marks(RandomTest *t, const ModelSlot *s)
{
    qtest_writeq(t->qt, s->base, mark_of(s));
    qtest_writeq(t->qt, s->base + s->size - 8, ~mark_of(s));
}

static void add_backend(RandomTest *t, const char *id, uint64_t size)
{
    qtest_qmp_ok(t->qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" G_GINT64_MODIFIER "u}",
                 id, size);
}

static bool step_plug(RandomTest *t)
{
    unsigned slot = pick_slot(t, false), node = random_pick(t, RANDOM_NODES);
    uint64_t size = 128 * MIB * (1 + random_pick(t, 3)), base;
    g_autofree char *id = g_strdup_printf("d%u", t->serial + 1);
    g_autofree char *backend = g_strdup_printf("m%u", t->serial + 1);

    if (slot == MODEL_SLOTS) {
        return false;
    }
    t->serial++;
    add_backend(t, backend, size);
    qtest_qmp_ok(t->qt, "device_add",
                 "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s, 'slot': %u, 'node': %u}", id,
                 backend, slot, node);
    base = random_place(t, id);
    random_check_place(t, base, size);
    model_plug(&t->model, slot, t->serial, base, size, node);
    write_marks(t, &t->model.slots[slot]);
    return true;
}

/* What must fail, and change nothing: a slot that is taken, a place that is taken. */
static bool step_bad_plug(RandomTest *t)
{
    unsigned slot = pick_slot(t, true);
    const ModelSlot *s;

    if (slot == MODEL_SLOTS) {
        return false;
    }
    s = &t->model.slots[slot];
    add_backend(t, "bad", 128 * MIB);
    if (random_chance(t, 50)) {
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

static bool with_one(RandomTest *t, RandomOneFn *run)
{
    return random_with_one(t, &t->model, random_slot(t, &t->model, 0, MODEL_SLOTS, true), dimm_id,
                           run);
}

static bool step_request(RandomTest *t)
{
    return with_one(t, random_request);
}

static bool step_cancel(RandomTest *t)
{
    return with_one(t, random_cancel);
}

/* ---- the guest ---- */

static bool step_eject_unasked(RandomTest *t)
{
    unsigned slot = random_pick(t, MODEL_SLOTS);

    ospm_eject(t->ospm, slot);
    model_eject(&t->model, slot);
    return true;
}

static bool step_nonsense_ost(RandomTest *t)
{
    static const uint32_t events[] = { 0, 1, 2, 3, 0x103, 0x200 };
    unsigned slot = random_pick(t, MODEL_SLOTS);
    uint32_t event =
        random_chance(t, 80) ? events[random_pick(t, G_N_ELEMENTS(events))] : g_rand_int(t->rand);
    uint32_t status = random_chance(t, 30) ? OSPM_SUCCESS : random_status(t);

    ospm_ost(t->ospm, slot, event, status);
    model_ost(&t->model, slot, event, status);
    return true;
}

/* Any bits to the flags of any slot. */
static bool step_raw_flags(RandomTest *t)
{
    unsigned slot = random_pick(t, MODEL_SLOTS);
    uint8_t bits = (uint8_t)random_pick(t, 256);

    qtest_outl(t->qt, SELECT, slot);
    qtest_outb(t->qt, FLAGS, bits);
    model_flags(&t->model, slot, bits);
    return true;
}

/* A status first, so that it is about the event before; then the event, byte by byte. */
static bool step_wrong_order(RandomTest *t)
{
    unsigned slot = random_pick(t, MODEL_SLOTS);
    uint8_t status = (uint8_t)random_status(t);
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

static bool step_out_of_range(RandomTest *t)
{
    uint32_t slot =
        random_chance(t, 50) ? MODEL_SLOTS + random_pick(t, 300) : g_rand_int(t->rand) | 0x100;

    qtest_outl(t->qt, SELECT, slot);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(t->qt, (uint16_t)(OST_EVENT + random_pick(t, 0x1c)),
                   (uint8_t)g_rand_int(t->rand));
    }
    if (qtest_inl(t->qt, SELECT) != UINT32_MAX) {
        random_die(t, "slot %u can be read", slot);
    }
    return true;
}

static const RandomStep dimm_steps[] = {
    { "plug", 24, step_plug },
    { "bad plug", 3, step_bad_plug },
    { "request", 18, step_request },
    { "cancel", 5, step_cancel },
    { "eject unasked", 2, step_eject_unasked },
    { "nonsense _OST", 5, step_nonsense_ost },
    { "raw flags", 3, step_raw_flags },
    { "wrong order", 3, step_wrong_order },
    { "out of range", 3, step_out_of_range },
    {},
};

/* ---- what must hold ---- */

static bool has_backend(const RandomTest *t, const char *id)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memdev", NULL);

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!g_strcmp0(qtest_get_str(json_object_array_get_idx(list, i), "id"), id)) {
            return true;
        }
    }
    return false;
}

/* That of a DIMM which is gone; one that a target has made is deleted without us, soon. */
static void delete_backend(const RandomTest *t, unsigned serial)
{
    const gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * INT64_C(1000);
    g_autofree char *id = backend_id(serial);

    if (!(serial & OWN)) {
        qtest_qmp_ok(t->qt, "object-del", "{'id': %s}", id);
        return;
    }
    while (has_backend(t, id)) {
        if (g_get_monotonic_time() > end) {
            g_autoptr(json_object) all = qtest_qmp(t->qt, "query-memory-devices", NULL);

            random_die(t, "%s is there, and its DIMM is gone; there are %s", id,
                       json_object_to_json_string(all));
        }
    }
}

/* Those that had to go went; their backends go too, which says that nobody has them. */
static void check_deleted(RandomTest *t)
{
    Model *m = &t->model;

    for (unsigned i = 0; i < m->num_deleted; i++) {
        g_autofree char *id = dimm_id(m->deleted[i]);

        json_object_put(qtest_event_with(t->qt, "DEVICE_DELETED", "device", id));
        delete_backend(t, m->deleted[i]);
    }
    m->num_deleted = 0;
}

static void check_dimm(const RandomTest *t, const ModelSlot *s, unsigned slot, json_object *data)
{
    bool has_status;
    uint32_t status;
    const char *state = model_state(s, &has_status, &status);

    if ((uint64_t)qtest_get_int(data, "addr") != s->base ||
        (uint64_t)qtest_get_int(data, "size") != s->size || qtest_get_int(data, "slot") != slot ||
        qtest_get_int(data, "node") != s->node) {
        random_die(t, "the DIMM in slot %u is %s", slot, json_object_to_json_string(data));
    }
    if (strcmp(qtest_get_str(data, "state"), state) != 0 ||
        !!qtest_get(data, "status") != has_status ||
        (has_status && qtest_get_int(data, "status") != status)) {
        random_die(t, "the DIMM in slot %u should be %s (0x%x), and is %s", slot, state,
                   has_status ? status : 0, json_object_to_json_string(data));
    }
}

static void check_dimms(RandomTest *t)
{
    check_deleted(t);
    random_check_count(t, "MEM_UNPLUG_ERROR", t->model.refusals);
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];
        g_autofree char *id = dimm_id(s->serial);
        json_object *data;

        if (!s->serial) {
            continue;
        }
        if (!(data = random_find(t->devices, id))) {
            random_die(t, "%s is lost", id);
        }
        check_dimm(t, s, n, data);
        random_add_range(t, s->base, s->size);
        t->peripherals++;
    }
}

/* What is in the memory is what was written there; what is beside is nothing. */
static void check_marks(RandomTest *t)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];

        if (s->serial && (qtest_readq(t->qt, s->base) != mark_of(s) ||
                          qtest_readq(t->qt, s->base + s->size - 8) != ~mark_of(s))) {
            random_die(t, "the memory of the DIMM in slot %u has been changed", n);
        }
    }
}

/* _STA, _CRS and _PXM. To look is to notice: the model is told. */
static void check_aml(RandomTest *t)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];
        uint64_t sta = ospm_sta(t->ospm, n);
        OspmDimm crs;

        if (sta != (s->serial ? 0xf : 0)) {
            random_die(t, "_STA of slot %u is 0x%x", n, (unsigned)sta);
        }
        if (!s->serial) {
            continue;
        }
        crs = ospm_crs(t->ospm, n);
        model_read_place(&t->model, n);
        if (crs.base != s->base || crs.size != s->size || crs.node != s->node) {
            random_die(t,
                       "_CRS and _PXM of slot %u: 0x%" G_GINT64_MODIFIER "x, 0x%" G_GINT64_MODIFIER
                       "x, %u",
                       n, crs.base, crs.size, crs.node);
        }
    }
}

static void check_all_dimms(RandomTest *t)
{
    check_marks(t);
    check_aml(t);
}

/* ---- other programs ---- */

static void dimm_options(const RandomTest *t, GString *line)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        const ModelSlot *s = &t->model.slots[n];
        g_autofree char *id = dimm_id(s->serial), *backend = backend_id(s->serial);

        if (s->serial) {
            g_string_append_printf(line,
                                   " -object memory-backend-ram,id=%s,size=%" G_GINT64_MODIFIER
                                   "u -device pc-dimm,id=%s,memdev=%s,slot=%u,node=%u,"
                                   "addr=%" G_GINT64_MODIFIER "u",
                                   backend, s->size, id, backend, n, s->node, s->base);
        }
    }
}

static void dimms_booted(RandomTest *t, bool anew)
{
    model_boot(&t->model);
}

/* DIMMs of targets are those of the command line now. */
static void dimms_moved(RandomTest *t)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        t->model.slots[n].serial &= ~OWN;
    }
}

/* ---- after others ---- */

/* Withdraw a request that is pending, and forget a refusal. */
static void withdraw(RandomTest *t, const char *id, const char *state)
{
    if (strcmp(state, "unplug-refused") == 0) {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s}", id);
    }
    if (g_str_has_prefix(state, "unplug-")) {
        qtest_qmp_ok(t->qt, "device_del", "{'id': %s, 'cancel': true}", id);
    }
}

/* The serial with which @m has the DIMM of @serial; 0: it has none. */
static unsigned known_as(const Model *m, unsigned serial)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        if ((m->slots[n].serial & ~OWN) == serial) {
            return m->slots[n].serial;
        }
    }
    return 0;
}

/* @serial with its bit OWN; @before: as the model was before the others came. */
static unsigned with_owner(const Model *before, unsigned serial)
{
    const unsigned known = known_as(before, serial);

    return known ? known : serial & TARGET ? serial | OWN : serial;
}

/* The one of @data. */
static void adopt(RandomTest *t, const Model *before, json_object *data)
{
    const char *id = qtest_get_str(data, "id"), *state = qtest_get_str(data, "state");
    const unsigned slot = (unsigned)qtest_get_int(data, "slot");
    const unsigned serial = serial_of(id, "d", "", 0) | serial_of(id, "target", "", TARGET);
    ModelSlot *s = &t->model.slots[slot];

    if (!serial || slot >= MODEL_SLOTS || s->serial) {
        random_die(t, "a DIMM is %s", json_object_to_json_string(data));
    }
    *s = (ModelSlot){
        .serial = with_owner(before, serial),
        .base = (uint64_t)qtest_get_int(data, "addr"),
        .size = (uint64_t)qtest_get_int(data, "size"),
        .node = (unsigned)qtest_get_int(data, "node"),
    };
    while (strcmp(model_state(s, &(bool){ 0 }, &s->reject_status), state) != 0) {
        if (s->insertion++ == M_REJECTED) {
            random_die(t, "a DIMM that is settled is %s", json_object_to_json_string(data));
        }
    }
    if (s->insertion == M_REJECTED) {
        s->reject_status = (uint32_t)qtest_get_int(data, "status");
    }
    write_marks(t, s);
}

/* The backends of DIMMs that are gone. */
static void delete_backends(RandomTest *t, const Model *before)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memdev", NULL);

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *id = qtest_get(json_object_array_get_idx(list, i), "id");
        const char *name = id ? json_object_get_string(id) : "";
        const unsigned serial =
            serial_of(name, "m", "", 0) | serial_of(name, "target", "-ram", TARGET);

        if (serial && !known_as(&t->model, serial)) {
            delete_backend(t, with_owner(before, serial));
        }
    }
}

void random_settle(RandomTest *t, const Model *before)
{
    static const OspmManners good;
    g_autoptr(json_object) list = NULL;

    random_guest(t, &good);
    list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *state = qtest_get(json_object_array_get_idx(list, i), "data.state");

        if (state) {
            withdraw(t, qtest_get_str(json_object_array_get_idx(list, i), "data.id"),
                     json_object_get_string(state));
        }
    }
    random_guest(t, &good);
    qtest_outl(t->qt, SELECT, 0);
    qtest_outl(t->qt, OST_EVENT, OSPM_EJECT_REQUEST);
    json_object_put(list);
    list = qtest_qmp(t->qt, "query-memory-devices", NULL);
    t->model = (Model){ .now = t->model.now, .ost_event = OSPM_EJECT_REQUEST };
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *device = json_object_array_get_idx(list, i);

        if (strcmp(qtest_get_str(device, "type"), "dimm") == 0) {
            adopt(t, before, qtest_get(device, "data"));
        }
    }
    delete_backends(t, before);
    random_cpus.check(t); /* takes its events */
    t->cpus.osts = t->cpus.refusals = 0;
    qtest_events_clear(t->qt);
}

static void eject_all(RandomTest *t)
{
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        ospm_eject(t->ospm, n);
        model_eject(&t->model, n);
    }
}

const RandomPart random_dimms = {
    .steps = dimm_steps,
    .check = check_dimms,
    .check_all = check_all_dimms,
    .options = dimm_options,
    .booted = dimms_booted,
    .moved = dimms_moved,
    .empty = eject_all,
};
