/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random steps: NVDIMMs, which come and stay, and what is in them after the power was off. */
#include <string.h>

#include "tests/qtest/ospm/random.h"
#include "util/units.h"

/* docs/nvdimm.md */
enum { HANDLE = 0xfef10000, OFFSET = HANDLE + 4, LENGTH = HANDLE + 8, RUN = HANDLE + 12 };
enum { DATA = HANDLE + 16, READ_LABELS = 2, WRITE_LABELS = 3 };

#define SIZE       (130 * MIB) /* with labels; the guest sees 2 MiB less */
#define LABEL_SIZE (128 * KIB)
#define SEEN       (SIZE - 2 * MIB)

static uint32_t labels(RandomTest *t, const RandomNvdimm *nv, uint32_t command)
{
    qtest_writel(t->qt, HANDLE, nv->slot + 1);
    qtest_writel(t->qt, OFFSET, LABEL_SIZE - 4);
    qtest_writel(t->qt, LENGTH, 4);
    qtest_writel(t->qt, RUN, command);
    return qtest_readl(t->qt, RUN);
}

/* Marks at both ends, and in the last label. */
static void write_marks(RandomTest *t, const RandomNvdimm *nv)
{
    qtest_writeq(t->qt, nv->base, nv->serial);
    qtest_writeq(t->qt, nv->base + SEEN - 8, ~(uint64_t)nv->serial);
    qtest_writel(t->qt, DATA, nv->serial);
    g_assert_cmpuint(labels(t, nv, WRITE_LABELS), ==, 0);
}

static char *object_options(const RandomTest *t, unsigned serial)
{
    return g_strdup_printf("memory-backend-file,id=f%u,size=%u,share=on,mem-path=%s/f%u", serial,
                           (unsigned)SIZE, t->folder, serial);
}

static RandomNvdimm *find(RandomTest *t, bool there)
{
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        if (!!t->nvdimms[i].serial == there) {
            return &t->nvdimms[i];
        }
    }
    return NULL;
}

static bool step_plug(RandomTest *t)
{
    RandomNvdimm *nv = find(t, false);
    const RandomNvdimm *other = find(t, true);
    unsigned slot = random_slot(t, &t->model, 0, MODEL_SLOTS, false);
    g_autofree char *id = g_strdup_printf("n%u", t->serial + 1);
    g_autofree char *backend = g_strdup_printf("f%u", t->serial + 1);
    g_autofree char *path = g_strdup_printf("%s/%s", t->folder, backend);

    if (!nv || slot == MODEL_SLOTS || (other && other->slot == slot)) {
        return false;
    }
    qtest_qmp_ok(t->qt, "object-add",
                 "{'qom-type': 'memory-backend-file', 'id': %s, 'size': %u, 'mem-path': %s, "
                 "'share': true}",
                 backend, (unsigned)SIZE, path);
    qtest_qmp_ok(t->qt, "device_add",
                 "{'driver': 'nvdimm', 'id': %s, 'memdev': %s, 'slot': %u, 'label-size': %u}", id,
                 backend, slot, (unsigned)LABEL_SIZE);
    *nv = (RandomNvdimm){ .serial = ++t->serial, .slot = slot };
    nv->base = random_place(t, id);
    random_check_place(t, nv->base, SEEN);
    random_add_range(t, nv->base, SEEN);
    write_marks(t, nv);
    return true;
}

/* It cannot be asked for. */
static bool step_request(RandomTest *t)
{
    const RandomNvdimm *nv = find(t, true);
    g_autofree char *id = nv ? g_strdup_printf("n%u", nv->serial) : NULL;

    if (nv) {
        json_object_put(qtest_qmp_error(t->qt, "device_del", "{'id': %s}", id));
    }
    return nv;
}

/* Any value to any register of the mailbox but the one that carries out a command, and a command
 * that changes nothing. */
static bool step_raw_registers(RandomTest *t)
{
    static const uint32_t commands[] = { 0, 1, READ_LABELS, 4, 5, 6, 7, UINT32_MAX };

    qtest_writel(t->qt, HANDLE, random_pick(t, MODEL_SLOTS + 2));
    qtest_writel(t->qt, OFFSET, g_rand_int(t->rand));
    qtest_writel(t->qt, LENGTH, g_rand_int(t->rand) & (random_chance(t, 50) ? 0xfff : UINT32_MAX));
    qtest_writel(t->qt, RUN, commands[random_pick(t, G_N_ELEMENTS(commands))]);
    return true;
}

static const RandomStep nvdimm_steps[] = {
    { "plug an NVDIMM", 1, step_plug },
    { "request an NVDIMM", 1, step_request },
    { "NVDIMM registers", 2, step_raw_registers },
    {},
};

static void check_nvdimms(RandomTest *t)
{
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        const RandomNvdimm *nv = &t->nvdimms[i];
        g_autofree char *id = g_strdup_printf("n%u", nv->serial);
        json_object *data;

        if (!nv->serial) {
            continue;
        }
        data = random_find(t->devices, id);
        if (!data || (uint64_t)qtest_get_int(data, "addr") != nv->base ||
            qtest_get_int(data, "slot") != nv->slot) {
            random_die(t, "%s is %s", id, json_object_to_json_string(data));
        }
        random_add_range(t, nv->base, SEEN);
        t->peripherals++;
    }
}

static void check_marks(RandomTest *t)
{
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        const RandomNvdimm *nv = &t->nvdimms[i];

        if (nv->serial &&
            (qtest_readq(t->qt, nv->base) != nv->serial ||
             qtest_readq(t->qt, nv->base + SEEN - 8) != ~(uint64_t)nv->serial ||
             labels(t, nv, READ_LABELS) != 0 || qtest_readl(t->qt, DATA) != nv->serial)) {
            random_die(t, "what is in n%u has been changed", nv->serial);
        }
    }
}

static void nvdimm_options(const RandomTest *t, GString *line)
{
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        const RandomNvdimm *nv = &t->nvdimms[i];
        g_autofree char *object = object_options(t, nv->serial);

        if (nv->serial) {
            g_string_append_printf(line,
                                   " -object %s -device nvdimm,id=n%u,memdev=f%u,slot=%u,"
                                   "label-size=%u,addr=%" G_GINT64_MODIFIER "u",
                                   object, nv->serial, nv->serial, nv->slot, (unsigned)LABEL_SIZE,
                                   nv->base);
        }
    }
}

/* What lasts, lasts. */
static void nvdimms_booted(RandomTest *t, bool anew)
{
    check_marks(t);
}

/* None can be given back: so there are all. */
static void plug_all(RandomTest *t)
{
    while (find(t, false)) {
        step_plug(t); /* at random: its slot may be taken */
    }
}

const RandomPart random_nvdimms = {
    .steps = nvdimm_steps,
    .check = check_nvdimms,
    .check_all = check_marks,
    .options = nvdimm_options,
    .booted = nvdimms_booted,
    .moved = check_marks,
    .empty = plug_all,
};
