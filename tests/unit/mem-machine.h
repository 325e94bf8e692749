/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with a device memory window, DIMM slots and the hot-plug registers, and nothing else;
 * for the unit tests of hw/mem and hw/acpi. Include once, from the test program.
 */
#ifndef TESTS_MEM_MACHINE_H
#define TESTS_MEM_MACHINE_H

#include <string.h>

#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "memory/address-space.h"
#include "qapi/event.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/keyval.h"

static AcpiPm *pm;
static MemoryHotplug *memhp;
static int sci_level;
static GString *events; /* "NAME DATA" without time stamps, one a line */
static GString
    *states; /* MEMORY_DEVICE_STATE_CHANGE in short: "d0 inserted -> noticed", one a line */

/* ---- the machine ---- */

static void set_sci(void *opaque, int n, int level)
{
    sci_level = level;
}

static void notify_gpe(void *opaque, bool pending)
{
    acpi_pm_set_gpe(pm, ACPI_GPE_MEMORY_HOTPLUG, pending);
}

static bool test_machine_init(Machine *machine, GError **errp)
{
    Irq sci = { .set = set_sci };

    memory_device_window_init(machine, memory_device_window_base(machine, 0),
                              memory_device_window_size(machine));
    pm = acpi_pm_create(memory_io(), sci, &acpi_pm_piix4);
    memhp = memory_hotplug_create(machine, memory_io(), MEMHP_IO_BASE, notify_gpe, NULL);
    return true;
}

static void test_plug(Machine *machine, Device *dev)
{
    pc_dimm_plug(machine, dev);
    memory_unplug_plugged(&memhp->slots, dev);
}

static bool test_unplug_request(Machine *machine, Device *dev, GError **errp)
{
    return memory_unplug_request(&memhp->slots, dev, errp);
}

static void test_unplug(Machine *machine, Device *dev)
{
    memory_unplug_unplugged(&memhp->slots, dev);
    pc_dimm_unplug(machine, dev);
}

static const HotplugHandler test_hotplug[] = {
    { TYPE_PC_DIMM, pc_dimm_pre_plug, test_plug, test_unplug_request, test_unplug },
    { 0 },
};

static const MachineOps test_machine_ops = {
    .name = "test",
    .description = "DIMM slots only",
    .max_cpus = 1,
    .ram_id = "pc.ram",
    .default_ram_size = 128 << 20,
    .init = test_machine_init,
    .hotplug = test_hotplug,
};

static const ObjectType test_machine_type = {
    .name = "test-machine",
    .parent = TYPE_MACHINE,
    .description = "DIMM slots only",
    .ops = &test_machine_ops,
};
OBJECT_TYPE_REGISTER(test_machine_type)

static inline Machine *mem_machine_new(const char *memory)
{
    g_autoptr(GError) err = NULL;
    Machine *machine = machine_new(&test_machine_type, &err);

    g_assert_no_error(err);
    machine_parse_memory(machine, memory, &err);
    g_assert_no_error(err);
    machine_init(machine, &err);
    g_assert_no_error(err);
    machine_reset(machine);
    return machine;
}

static inline void mem_machine_make_ready(Machine *machine)
{
    machine->ready = true;
}

/* Unplug everything, take the machine apart. */
static inline void mem_machine_free(Machine *machine)
{
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);

    for (unsigned i = 0; i < dimms->len; i++) {
        device_unplug(g_ptr_array_index(dimms, i));
    }
    device_unplug(&memhp->parent);
    device_unplug(&pm->parent);
    if (machine->device_memory.size) {
        memory_region_remove(&machine->device_memory.region);
        memory_region_destroy(&machine->device_memory.region);
    }
    object_unparent(OBJECT(machine));
}

/* ---- what users do ---- */

static inline void add_backend(const char *id, const char *size)
{
    g_autoptr(GError) err = NULL;
    struct json_object *props = json_object_new_object();

    json_object_object_add(props, "size", keyval_text_new(size));
    user_object_add("memory-backend-ram", id, props, &err);
    g_assert_no_error(err);
    json_object_put(props);
}

static inline void del_backend(const char *id)
{
    g_autoptr(GError) err = NULL;

    user_object_del(id, &err);
    g_assert_no_error(err);
}

static inline Device *try_add_dimm(const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "driver", NULL);
    Device *dev = device_add(props, errp);

    json_object_put(props);
    return dev;
}

static inline PcDimm *add_dimm(const char *text)
{
    g_autoptr(GError) err = NULL;
    Device *dev = try_add_dimm(text, &err);

    g_assert_no_error(err);
    g_assert_nonnull(dev);
    return PC_DIMM(dev);
}

/* ---- events ---- */

static const char *event_word(struct json_object *data, const char *key)
{
    return json_object_get_string(json_object_object_get(data, key));
}

static void record_state(struct json_object *data)
{
    const char *device = event_word(data, "device"), *previous = event_word(data, "previous");

    g_string_append(states, device ? device : event_word(data, "path"));
    if (previous) {
        g_string_append_printf(states, " %s ->", previous);
    }
    g_string_append_printf(states, " %s", event_word(data, "state"));
    if (event_word(data, "status")) {
        g_string_append_printf(states, " %s: %s", event_word(data, "status"),
                               event_word(data, "meaning"));
    }
    g_string_append_c(states, '\n');
}

static void record_event(const char *name, struct json_object *event)
{
    struct json_object *data;

    json_object_object_get_ex(event, "data", &data);
    if (!strcmp(name, "MEMORY_DEVICE_STATE_CHANGE")) {
        record_state(data);
        return;
    }
    g_string_append(events, name);
    if (data) {
        g_string_append_printf(events, " %s",
                               json_object_to_json_string_ext(
                                   data, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    g_string_append_c(events, '\n');
}

static inline void events_start(void)
{
    events = g_string_new(NULL);
    states = g_string_new(NULL);
    qapi_event_set_emitter(record_event);
}

static inline void events_stop(void)
{
    qapi_event_set_emitter(NULL);
    g_string_free(events, TRUE);
    g_string_free(states, TRUE);
}

/* Exactly these events since the last call, but for changes of state. */
static inline void assert_events(const char *expected)
{
    g_assert_cmpstr(events->str, ==, expected);
    g_string_truncate(events, 0);
}

/* Exactly these changes of state since the last call. */
static inline void assert_states(const char *expected)
{
    g_assert_cmpstr(states->str, ==, expected);
    g_string_truncate(states, 0);
}

/* ---- what the guest does ---- */

static inline uint32_t in(hwaddr port, unsigned size)
{
    return (uint32_t)address_space_load(&address_space_io, port, size);
}

static inline void out(hwaddr port, uint32_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

#endif
