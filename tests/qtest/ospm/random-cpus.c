/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random steps: CPUs. */
#include <string.h>

#include "tests/qtest/ospm/random.h"

#define CPU_TYPE "qemu64-x86_64-cpu"

/* docs/cpu-hotplug.md: offsets */
enum { SELECT = 0, FLAGS = 4, COMMAND = 5, DATA = 8 };
enum { FIRST_SERIAL = G_MAXUINT32 }; /* CPU 0 has no id */

/* ---- management ---- */

static bool step_plug(RandomTest *t)
{
    unsigned n = random_slot(t, &t->cpus, 1, RANDOM_CPUS, false);
    g_autofree char *id = g_strdup_printf("c%u", t->serial + 1);

    if (n == MODEL_SLOTS) {
        return false;
    }
    qtest_qmp_ok(t->qt, "device_add",
                 "{'driver': '" CPU_TYPE "', 'id': %s, 'socket-id': %u, 'core-id': 0, "
                 "'thread-id': 0}",
                 id, n);
    model_plug(&t->cpus, n, ++t->serial, 0, 0, 0);
    return true;
}

/* What must fail: a place that is taken, or that is not there. */
static bool step_bad_plug(RandomTest *t)
{
    unsigned n = random_slot(t, &t->cpus, 0, RANDOM_CPUS, true);

    json_object_put(qtest_qmp_error(t->qt, "device_add",
                                    "{'driver': '" CPU_TYPE "', 'id': 'bad-cpu', 'socket-id': %u, "
                                    "'core-id': %u, 'thread-id': 0}",
                                    n, random_pick(t, 2)));
    return true;
}

static char *cpu_id(unsigned serial)
{
    return g_strdup_printf("c%u", serial);
}

static bool with_one(RandomTest *t, RandomOneFn *run)
{
    return random_with_one(t, &t->cpus, random_slot(t, &t->cpus, 1, RANDOM_CPUS, true), cpu_id,
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
    unsigned n = 1 + random_pick(t, RANDOM_CPUS - 1);

    ospm_cpu_eject(t->ospm, n);
    model_eject(&t->cpus, n);
    return true;
}

static bool step_nonsense_ost(RandomTest *t)
{
    static const uint32_t events[] = { 0, 1, 2, 3, 0x103, 0x200 };
    unsigned n = random_pick(t, RANDOM_CPUS);
    uint32_t event = events[random_pick(t, G_N_ELEMENTS(events))];
    uint32_t status = random_chance(t, 30) ? OSPM_SUCCESS : random_status(t);

    ospm_cpu_ost(t->ospm, n, event, status);
    model_ost(&t->cpus, n, event, status);
    return true;
}

/* Any bits to the flags of any CPU. */
static bool step_raw_flags(RandomTest *t)
{
    unsigned n = random_pick(t, RANDOM_CPUS);
    uint8_t bits = (uint8_t)random_pick(t, 256);

    qtest_outl(t->qt, (uint16_t)(t->cpu_port + SELECT), n);
    qtest_outb(t->qt, (uint16_t)(t->cpu_port + FLAGS), bits);
    model_flags(&t->cpus, n, bits);
    return true;
}

static bool step_out_of_range(RandomTest *t)
{
    qtest_outl(t->qt, (uint16_t)(t->cpu_port + SELECT), RANDOM_CPUS + random_pick(t, 300));
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(t->qt, (uint16_t)(t->cpu_port + FLAGS + random_pick(t, 8)),
                   (uint8_t)g_rand_int(t->rand));
    }
    if (qtest_inb(t->qt, (uint16_t)(t->cpu_port + FLAGS))) {
        random_die(t, "a CPU that is not there has flags");
    }
    return true;
}

static const RandomStep cpu_steps[] = {
    { "plug a CPU", 12, step_plug },
    { "bad plug of a CPU", 1, step_bad_plug },
    { "request a CPU", 9, step_request },
    { "cancel a CPU", 3, step_cancel },
    { "eject a CPU unasked", 1, step_eject_unasked },
    { "nonsense _OST of a CPU", 2, step_nonsense_ost },
    { "raw flags of a CPU", 2, step_raw_flags },
    { "CPU out of range", 1, step_out_of_range },
    {},
};

/* ---- what must hold ---- */

static void check_place(const RandomTest *t, unsigned n, json_object *place)
{
    const ModelSlot *s = &t->cpus.slots[n];
    g_autofree char *id = g_strdup_printf("/c%u", s->serial);
    json_object *device = qtest_get(place, "device"), *state = qtest_get(place, "state");
    bool has_status;
    uint32_t status;
    const char *wanted = s->serial ? model_state(s, &has_status, &status) : NULL;

    if (g_strcmp0(state ? json_object_get_string(state) : NULL, wanted) != 0 ||
        (wanted && n != 0 && !g_str_has_suffix(json_object_get_string(device), id))) {
        random_die(t, "CPU %u should be %s (%s), and is %s", n, wanted, id,
                   json_object_to_json_string(place));
    }
}

static void check_cpus(RandomTest *t)
{
    Model *m = &t->cpus;

    for (unsigned i = 0; i < m->num_deleted; i++) {
        g_autofree char *id = cpu_id(m->deleted[i]);

        json_object_put(qtest_event_with(t->qt, "DEVICE_DELETED", "device", id));
    }
    m->num_deleted = 0;
    g_autoptr(json_object) places =
        qtest_qmp(t->qt, "qom-get", "{'path': %s, 'property': 'slots'}", t->cpu_registers);
    g_assert_cmpuint(json_object_array_length(places), ==, RANDOM_CPUS);
    for (unsigned n = 0; n < RANDOM_CPUS; n++) {
        check_place(t, n, json_object_array_get_idx(places, n));
        t->peripherals += n && m->slots[n].serial;
    }
}

/* How many there are for management, and _STA and _MAT. */
static void check_all_cpus(RandomTest *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-cpus-fast", NULL);
    unsigned count = 0;

    for (unsigned n = 0; n < RANDOM_CPUS; n++) {
        const bool there = t->cpus.slots[n].serial;

        count += there;
        if (ospm_cpu_sta(t->ospm, n) != (there ? 0xf : 0) || ospm_cpu_apic_id(t->ospm, n) != n) {
            random_die(t, "_STA or _MAT of CPU %u", n);
        }
    }
    if (json_object_array_length(list) != count) {
        random_die(t, "%zu CPUs instead of %u", json_object_array_length(list), count);
    }
}

/* ---- other programs ---- */

static void cpu_options(const RandomTest *t, GString *line)
{
    for (unsigned n = 1; n < RANDOM_CPUS; n++) {
        if (t->cpus.slots[n].serial) {
            g_string_append_printf(
                line, " -device " CPU_TYPE ",id=c%u,socket-id=%u,core-id=0,thread-id=0",
                t->cpus.slots[n].serial, n);
        }
    }
}

static void find_registers(RandomTest *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "qom-list", "{'path': '/machine/unattached'}");

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *child = json_object_array_get_idx(list, i);

        if (strcmp(qtest_get_str(child, "type"), "child<acpi-cpu-hotplug>") == 0) {
            g_free(t->cpu_registers);
            t->cpu_registers =
                g_strconcat("/machine/unattached/", qtest_get_str(child, "name"), NULL);
            return;
        }
    }
    random_die(t, "there are no registers for CPUs");
}

static void cpus_booted(RandomTest *t, bool anew)
{
    if (anew) {
        t->cpus.cpus = true;
        t->cpus.slots[0].serial = FIRST_SERIAL;
        find_registers(t);
    }
    model_boot(&t->cpus);
}

static void eject_all(RandomTest *t)
{
    for (unsigned n = 1; n < RANDOM_CPUS; n++) {
        ospm_cpu_eject(t->ospm, n);
        model_eject(&t->cpus, n);
    }
}

const RandomPart random_cpus = {
    .steps = cpu_steps,
    .check = check_cpus,
    .check_all = check_all_cpus,
    .options = cpu_options,
    .booted = cpus_booted,
    .moved = find_registers,
    .empty = eject_all,
};
