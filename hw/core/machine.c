/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/machine.h"

#include <string.h>

#include "accel/choose.h"
#include "backends/host-memory-backend.h"
#include "hw/core/bus.h"
#include "hw/core/machine-config.h"
#include "hw/core/machine-ram.h"
#include "qom/fixed.h"
#include "util/error.h"

static Machine *the_machine;

Machine *machine_current(void)
{
    return the_machine;
}

const HotplugHandler *hotplug_handler_for(const Device *dev)
{
    const HotplugHandler *h = the_machine ? machine_ops(the_machine)->hotplug : NULL;

    if (dev->bus) {
        return dev->bus->hotplug;
    }
    for (; h && h->device_type; h++) {
        if (object_is_a(&dev->parent, h->device_type)) {
            return h;
        }
    }
    return NULL;
}

void machine_add_slot_keeper(Machine *machine, Device *keeper)
{
    g_ptr_array_add(machine->slot_keepers, keeper);
}

void machine_remove_slot_keeper(Machine *machine, Device *keeper)
{
    g_ptr_array_remove(machine->slot_keepers, keeper);
}

Device *machine_slot_keeper(const Machine *machine, const char *type)
{
    for (unsigned i = 0; i < machine->slot_keepers->len; i++) {
        Device *keeper = machine->slot_keepers->pdata[i];

        if (object_is_a(&keeper->parent, type)) {
            return keeper;
        }
    }
    return NULL;
}

/* ---- types ---- */

/* By name; the versions of a board, the newest first. */
static int compare_types(gconstpointer a, gconstpointer b)
{
    const ObjectType *x = *(const ObjectType *const *)a, *y = *(const ObjectType *const *)b;
    const MachineOps *ops_x = object_type_ops(x), *ops_y = object_type_ops(y);

    if (ops_x->version && strcmp(x->parent, y->parent) == 0) {
        return ops_x->version < ops_y->version ? -1 : ops_x->version > ops_y->version;
    }
    return strcmp(x->name, y->name);
}

/* Concrete machine types in that order; free the array only. */
static GPtrArray *machine_types(void)
{
    g_autoptr(GPtrArray) types = object_types();
    GPtrArray *machines = g_ptr_array_new();

    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];
        if (!type->abstract && object_type_is_a(type, TYPE_MACHINE)) {
            g_ptr_array_add(machines, (gpointer)type);
        }
    }
    g_ptr_array_sort(machines, compare_types);
    return machines;
}

const ObjectType *machine_type_find(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) types = machine_types();
    g_autoptr(GString) known = g_string_new(NULL);

    for (unsigned i = 0; i < types->len; i++) {
        const MachineOps *ops = object_type_ops(types->pdata[i]);
        if (strcmp(name, ops->name) == 0 || (ops->alias && strcmp(name, ops->alias) == 0)) {
            return types->pdata[i];
        }
        if (ops->alias) {
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", ops->alias);
        }
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", ops->name);
    }
    error_set(errp, "there is no machine type '%s'; use one of: %s", name, known->str);
    return NULL;
}

const ObjectType *machine_type_default(void)
{
    g_autoptr(GPtrArray) types = machine_types();

    for (unsigned i = 0; i < types->len; i++) {
        if (((const MachineOps *)object_type_ops(types->pdata[i]))->is_default) {
            return types->pdata[i];
        }
    }
    return NULL;
}

char *machine_help(void)
{
    g_autoptr(GPtrArray) types = machine_types();
    GString *text = g_string_new("Supported machines are:\n");

    for (unsigned i = 0; i < types->len; i++) {
        const MachineOps *ops = object_type_ops(types->pdata[i]);
        if (ops->alias) {
            g_string_append_printf(text, "%-20s %s (alias of %s)\n", ops->alias, ops->description,
                                   ops->name);
        }
        g_string_append_printf(text, "%-20s %s%s\n", ops->name, ops->description,
                               ops->is_default ? " (default)" : "");
    }
    return g_string_free(text, FALSE);
}

/* ---- properties ---- */

/* The id outside, until it is found, and then where it is. */
static struct json_object *get_memory_backend(Object *obj, const Property *prop, GError **errp)
{
    const char *id = MACHINE(obj)->ram.backend;
    Object *backend = id ? object_child(object_container("/objects"), id) : NULL;
    g_autofree char *path = backend ? object_path(backend) : g_strdup(id ? id : "");

    return json_object_new_string(path);
}

static bool set_memory_backend(Object *obj, const Property *prop, struct json_object *value,
                               GError **errp)
{
    char **id = &MACHINE(obj)->ram.backend;

    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "memory-backend: expects the id of a memory backend");
        return false;
    }
    g_free(*id);
    *id = g_strdup(json_object_get_string(value));
    return true;
}

static struct json_object *machine_get_irqchip(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_string(
        accel_options.has_kernel_irqchip ? OnOffSplit_str(accel_options.kernel_irqchip) : "");
}

static bool machine_set_irqchip(Object *obj, const Property *prop, struct json_object *value,
                                GError **errp)
{
    OnOffSplit where;

    if (!qapi_place_from_json(&OnOffSplit_type, value, prop->name, &where, errp)) {
        return false;
    }
    accel_set_kernel_irqchip(where);
    return true;
}

/* A default of all memory backends: boot RAM, DIMMs and others. What one says itself wins. */
static bool set_for_backends(const char *prop, bool *field, struct json_object *value,
                             GError **errp)
{
    bool on = json_object_get_boolean(value);

    if (on == *field) {
        return true;
    }
    *field = on;
    return object_global_add(TYPE_MEMORY_BACKEND, prop, on ? "on" : "off", errp);
}

static bool set_dump_guest_core(Object *obj, const Property *prop, struct json_object *value,
                                GError **errp)
{
    return set_for_backends("dump", &MACHINE(obj)->ram.dump, value, errp);
}

static bool set_mem_merge(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp)
{
    return set_for_backends("merge", &MACHINE(obj)->ram.merge, value, errp);
}

static const Property machine_properties[] = {
    { .name = "memory",
      .kind = PROP_STRUCT,
      .struct_type = &MemorySizeConfiguration_type,
      .description = "boot memory, DIMM slots and the most memory there may be, as -m",
      .get_struct = machine_get_memory,
      .set_struct = machine_set_memory },
    { .name = "smp",
      .kind = PROP_STRUCT,
      .struct_type = &SMPConfiguration_type,
      .description = "number of CPUs and their topology, as -smp",
      .get_struct = machine_get_smp,
      .set_struct = machine_set_smp },
    { .name = "cpu-type",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, cpu_model),
      .description = "CPU model and features, as -cpu" },
    { .name = "kernel",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, kernel),
      .description = "file of the kernel to boot" },
    { .name = "initrd",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, initrd),
      .description = "file of the initial RAM disk" },
    { .name = "append",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, append),
      .description = "kernel command line" },
    { .name = "boot",
      .kind = PROP_STRUCT,
      .struct_type = &BootConfiguration_type,
      .description = "what to boot from, as -boot",
      .get_struct = machine_get_boot,
      .set_struct = machine_set_boot },
    { .name = "firmware",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, firmware),
      .description = "firmware file, as -bios; on: the default one, off: none" },
    { .name = "accel",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, accel),
      .description = "engines to try, separated by colons, as -accel" },
    { .name = "kernel-irqchip",
      .kind = PROP_CUSTOM,
      .custom_type = "on|split|off",
      .description = "where KVM's interrupt controllers are, as -accel kvm,kernel-irqchip=",
      .get = machine_get_irqchip,
      .set = machine_set_irqchip },
    { .name = "memory-backend",
      .kind = PROP_CUSTOM,
      .custom_type = "link<memory-backend>",
      .get = get_memory_backend,
      .set = set_memory_backend,
      .description = "id of the memory backend that boot memory is" },
    { .name = "hmat",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, numa.hmat),
      .has_default = true,
      .description = "an ACPI table of latencies, bandwidths and memory-side caches (HMAT)" },
    { .name = "dump-guest-core",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, ram.dump),
      .has_default = true,
      .default_int = true,
      .set = set_dump_guest_core,
      .description = "include guest memory in core dumps" },
    { .name = "mem-merge",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, ram.merge),
      .has_default = true,
      .default_int = true,
      .set = set_mem_merge,
      .description = "let the host merge equal pages of guest memory (KSM)" },
    { .name = "graphics",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, graphics),
      .has_default = true,
      .default_int = true,
      .description = "accepted: there is no display either way" },
    { .name = "usb",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, usb),
      .has_default = true,
      .description = "the board's USB controller, as -usb" },
    PROPERTY_NEVER("suppress-vmdesc", Machine, fixed,
                   "what is saved always says of which machine it is"),
    { .name = "dump-acpi",
      .kind = PROP_STRING,
      .offset = offsetof(Machine, dump_tables),
      .description = "write each ACPI table to a file in this directory, and exit" },
    { 0 },
};

static void machine_instance_init(Object *obj)
{
    Machine *machine = MACHINE(obj);
    const MachineOps *ops = machine_ops(machine);

    machine->ram.size = machine->ram.max_size = ops->default_ram_size;
    machine->smp = (SmpTopology){ 1, 1, 1, 1, 1, 1 };
    cpu_slots_arrange(&machine->cpu_slots, &machine->smp);
    machine->smp_given = g_new0(SMPConfiguration, 1);
    machine->slot_keepers = g_ptr_array_new();
    boot_config_init(&machine->boot);
    numa_init(&machine->numa);
}

static void machine_finalize(Object *obj)
{
    Machine *machine = MACHINE(obj);

    numa_drop(&machine->numa);
    machine_ram_drop(machine);
    g_clear_pointer(&machine->device_memory.devices, g_array_unref);
    g_ptr_array_unref(machine->slot_keepers);
    g_free(machine->guest_name);
    g_free(machine->ram.path);
    g_free(machine->ram.backend);
    boot_config_clear(&machine->boot);
    SMPConfiguration_free(machine->smp_given);
    cpu_slots_drop(&machine->cpu_slots);
    if (the_machine == machine) {
        the_machine = NULL;
    }
}

static const ObjectType machine_type = {
    .name = TYPE_MACHINE,
    .parent = "object",
    .description = "a machine",
    .instance_size = sizeof(Machine),
    .abstract = true,
    .properties = machine_properties,
    .init = machine_instance_init,
    .finalize = machine_finalize,
};
OBJECT_TYPE_REGISTER(machine_type)

/* ---- life ---- */

Machine *machine_new(const ObjectType *type, GError **errp)
{
    static const char *const containers[] = { "/machine/peripheral", "/machine/peripheral-anon",
                                              "/machine/unattached" };
    const MachineOps *ops = object_type_ops(type);

    for (const MachineVersion *v = ops->versions; v && v <= ops->version; v++) {
        for (const MachineDefault *d = v->defaults; d && d->type; d++) {
            object_default_add(d->type, d->prop, d->text);
        }
    }
    g_autoptr(Object) obj = object_new(type->name, errp);

    if (!obj || !object_add_child(object_root(), "machine", obj, errp)) {
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(containers); i++) {
        object_container(containers[i]);
    }
    the_machine = MACHINE(obj);
    return the_machine;
}

bool machine_init(Machine *machine, GError **errp)
{
    const MachineOps *ops = machine_ops(machine);

    if (!machine_check_memory(machine, errp) || !machine_ram_resolve(machine, errp) ||
        !numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, errp)) {
        return false;
    }
    if (!ops->max_cpus && (machine->firmware || machine->flash[0] || machine->flash[1])) {
        error_set(errp,
                  "machine '%s' has no firmware: leave out -bios and -drive if=pflash, or use "
                  "another one, such as pc",
                  ops->name);
        return false;
    }
    if (!machine->kernel && (machine->initrd || machine->append)) {
        error_set(errp, "%s is for a kernel, and there is none: give one with -kernel",
                  machine->initrd ? "-initrd" : "-append");
        return false;
    }
    if (machine->dump_tables && !ops->dump_tables) {
        error_set(errp, "machine '%s' has no ACPI tables: dump-acpi needs another one, such as pc",
                  ops->name);
        return false;
    }
    if (!machine->cpu_model && accel_current() && accel_current()->default_cpu_model) {
        machine->cpu_model = g_strdup(accel_current()->default_cpu_model);
    }
    if (!ops->init(machine, errp)) {
        return false;
    }
    object_settle(&machine->parent, true);
    return true;
}

bool machine_complete(Machine *machine, GError **errp)
{
    const MachineOps *ops = machine_ops(machine);

    if (ops->complete && !ops->complete(machine, errp)) {
        return false;
    }
    machine->ready = true;
    return true;
}

void machine_reset(Machine *machine)
{
    const MachineOps *ops = machine_ops(machine);

    devices_reset();
    if (ops->reset) {
        ops->reset(machine);
    }
}

bool machine_wake(Machine *machine)
{
    devices_wake();
    return machine_ops(machine)->wake(machine);
}

bool machine_can_suspend(const Machine *machine)
{
    const MachineOps *ops = machine_ops(machine);

    return ops->can_suspend && ops->can_suspend(machine);
}
