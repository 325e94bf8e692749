/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both ends of a migration must agree on. It is read from the objects, never from the command
 * line: what counts is what there is.
 */
#include "migration/config.h"

#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/core/machine.h"
#include "hw/cxl/cxl-host.h"
#include "hw/cxl/pxb-cxl.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/x86.h"
#include "memory/ram-block.h"
#include "migration/devices.h"
#include "util/error.h"

static void put_uint(struct json_object *obj, const char *name, uint64_t value)
{
    json_object_object_add(obj, name, json_object_new_uint64(value));
}

/* ---- what there is ---- */

/* Where CXL memory may be seen, and whose accesses go where: committed decoders are of that. */
static void put_windows(struct json_object *obj, const CxlHost *host)
{
    struct json_object *windows = json_object_new_object();

    for (unsigned i = 0; i < host->windows->len; i++) {
        const CxlWindow *window = host->windows->pdata[i];
        struct json_object *one = json_object_new_object(), *targets = json_object_new_array();
        g_autofree char *number = g_strdup_printf("%u", i);

        for (unsigned n = 0; n < window->ways; n++) {
            json_object_array_add(targets, json_object_new_string(window->targets[n]));
        }
        put_uint(one, "base", window->base);
        put_uint(one, "size", window->size);
        put_uint(one, "interleave-granularity", window->granularity);
        json_object_object_add(one, "targets", targets);
        json_object_object_add(windows, number, one);
    }
    json_object_object_add(obj, "cxl-fmw", windows);
}

/* Host bridges have their registers in the order in which they were made. */
static void put_bridges(struct json_object *obj)
{
    const GPtrArray *roots = pci_root_bus()->extra_roots;
    struct json_object *bridges = json_object_new_object();

    for (guint i = 0; i < roots->len; i++) {
        const PciBus *bus = roots->pdata[i];

        if (pxb_cxl_component(bus)) {
            put_uint(bridges, bus->parent.parent.name, pxb_cxl_registers(bus));
        }
    }
    json_object_object_add(obj, "cxl-registers", bridges);
}

/* Where boot memory lies, if that is not as always. */
static void put_layout(struct json_object *obj, const X86Machine *x86)
{
    if (x86->max_ram_below_4g != x86_machine_ops(&x86->parent)->low_ram_limit) {
        put_uint(obj, "below-4g", x86->below_4g);
    }
    if (x86->high_base != FOUR_GIB) {
        put_uint(obj, "above-4g-at", x86->high_base);
    }
    if (x86->cxl) {
        put_windows(obj, x86->cxl);
        put_bridges(obj);
    }
}

/* The names of what boot memory is made of: contents go by them. */
static struct json_object *backends_config(const GPtrArray *backends)
{
    struct json_object *names = json_object_new_array();

    for (unsigned i = 0; i < backends->len; i++) {
        HostMemoryBackend *backend = backends->pdata[i];

        json_object_array_add(names,
                              json_object_new_string(host_memory_backend_region(backend)->name));
    }
    return names;
}

static struct json_object *memory_config(const Machine *machine)
{
    struct json_object *obj = json_object_new_object();

    put_uint(obj, "size", machine->ram.size);
    put_uint(obj, "maxmem", machine->ram.max_size);
    put_uint(obj, "slots", machine->ram.slots);
    if (machine->ram.backends && machine->ram.backends->len > 1) {
        json_object_object_add(obj, "backends", backends_config(machine->ram.backends));
    }
    if (object_is_a(&machine->parent, TYPE_X86_MACHINE)) {
        put_layout(obj, X86_MACHINE((Object *)&machine->parent));
    }
    return obj;
}

static struct json_object *ram_config(void)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list_used();
    struct json_object *obj = json_object_new_object();

    for (unsigned i = 0; i < blocks->len; i++) {
        const RamBlock *block = blocks->pdata[i];
        put_uint(obj, block->name, block->size);
    }
    return obj;
}

/* What only few CPUs are given, so that others are saved as ever. */
static void put_rare(struct json_object *obj, const X86CpuModel *model)
{
    uint32_t xlevel2 = x86_cpu_last_leaf(model, X86_RANGE_CENTAUR);

    if (xlevel2) {
        put_uint(obj, "xlevel2", xlevel2);
    }
    if (model->host_cache_info) {
        json_object_object_add(obj, "host-cache-info", json_object_new_boolean(true));
    }
    if (model->hv_spinlocks) {
        put_uint(obj, "hv-spinlocks", model->hv_spinlocks);
    }
    if (model->hv_vendor[0]) {
        json_object_object_add(obj, "hv-vendor-id", json_object_new_string(model->hv_vendor));
    }
}

static struct json_object *cpu_config(const X86CpuDevice *cpu)
{
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "vendor", json_object_new_string(cpu->model.vendor));
    put_uint(obj, "family", cpu->model.family);
    put_uint(obj, "model", cpu->model.model);
    put_uint(obj, "stepping", cpu->model.stepping);
    put_uint(obj, "level", x86_cpu_last_leaf(&cpu->model, X86_RANGE_BASIC));
    put_uint(obj, "xlevel", x86_cpu_last_leaf(&cpu->model, X86_RANGE_EXTENDED));
    put_uint(obj, "phys-bits", cpu->model.phys_bits);
    put_uint(obj, "apic-id", cpu->apic_id);
    put_rare(obj, &cpu->model);
    const char *name;
    bool on;
    for (size_t i = 0; (name = x86_cpu_feature(i, &cpu->model, &on)); i++) {
        if (on) {
            json_object_object_add(obj, name, json_object_new_boolean(true));
        }
    }
    return obj;
}

/* Numbers and choices that a user may give. Texts and links name things of this host; what may
 * change while the machine runs is the device's to save, if the guest can tell. */
static bool is_shared(const Property *prop)
{
    return !prop->read_only && !prop->live && prop->kind != PROP_STRING &&
           prop->kind != PROP_LINK && (prop->kind != PROP_CUSTOM || prop->get);
}

/* The RAM block of the memory backend that @prop of @dev is a link to, as contents go by its name;
 * NULL: it is none. */
static struct json_object *backend_of(Device *dev, const Property *prop)
{
    /* By its path: it may be the property of a device within @dev. */
    struct json_object *path =
        prop->kind == PROP_LINK ? object_property_get(OBJECT(dev), prop->name, NULL) : NULL;
    Object *obj = path ? object_resolve(json_object_get_string(path), NULL) : NULL;

    json_object_put(path);
    if (!obj || !object_is_a(obj, TYPE_MEMORY_BACKEND)) {
        return NULL;
    }
    return json_object_new_string(host_memory_backend_region(MEMORY_BACKEND(obj))->name);
}

static struct json_object *device_config(Device *dev)
{
    struct json_object *obj = json_object_new_object();
    g_autoptr(GPtrArray) props = object_type_properties(dev->parent.type);

    json_object_object_add(obj, "type", json_object_new_string(object_typename(OBJECT(dev))));
    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];
        struct json_object *value = is_shared(prop)
                                        ? object_property_get(OBJECT(dev), prop->name, NULL)
                                        : backend_of(dev, prop);
        if (value) {
            json_object_object_add(obj, prop->name, value);
        }
    }
    return obj;
}

static bool add_device(Device *dev, void *devices)
{
    g_autofree char *path = object_path(OBJECT(dev));

    json_object_object_add(devices, path,
                           object_is_a(OBJECT(dev), TYPE_X86_CPU) ? cpu_config(X86_CPU_DEVICE(dev))
                                                                  : device_config(dev));
    return true;
}

struct json_object *migration_config(void)
{
    const Machine *machine = machine_current();
    struct json_object *obj = json_object_new_object(), *devices = json_object_new_object();

    json_object_object_add(obj, "machine", json_object_new_string(machine_ops(machine)->name));
    json_object_object_add(obj, "memory", memory_config(machine));
    put_uint(obj, "cpus", machine->smp.cpus);
    put_uint(obj, "maxcpus", machine->smp.maxcpus);
    devices_foreach(add_device, devices);
    json_object_object_add(obj, "devices", devices);
    json_object_object_add(obj, "ram", ram_config());
    return obj;
}

/* NULL: it has none. */
static struct json_object *uuid_config(void)
{
    static const uint8_t none[16];
    const uint8_t *uuid = machine_current()->uuid;
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < sizeof(none); i++) {
        g_string_append_printf(text, "%s%02x", i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", uuid[i]);
    }
    return memcmp(uuid, none, sizeof(none)) == 0 ? NULL : json_object_new_string(text->str);
}

void migration_config_add_uuid(struct json_object *config)
{
    struct json_object *uuid = uuid_config();

    if (uuid) {
        json_object_object_add(config, "uuid", uuid);
    }
}

/* ---- comparing ---- */

/* "memory slots = 4", or "no device /machine/peripheral/dimm0": one that lacks it has NULL. */
static char *describe(const char *path, struct json_object *value)
{
    return !value ? g_strdup_printf("no %s", path)
           : json_object_is_type(value, json_type_object)
               ? g_strdup(path)
               : g_strdup_printf("%s = %s", path, json_object_to_json_string(value));
}

static bool differs(const char *path, struct json_object *theirs, struct json_object *ours,
                    GError **errp)
{
    g_autofree char *saved = describe(path, theirs), *here = describe(path, ours);

    error_set(errp,
              "the machine that was saved has %s, and this one has %s: start this one with "
              "the same options, devices and memory",
              saved, here);
    return false;
}

/* Both are objects. */
static bool compare(const char *path, struct json_object *theirs, struct json_object *ours,
                    GError **errp);

static bool compare_member(const char *path, struct json_object *theirs, struct json_object *ours,
                           GError **errp)
{
    if (json_object_is_type(theirs, json_type_object) &&
        json_object_is_type(ours, json_type_object)) {
        return compare(path, theirs, ours, errp);
    }
    return json_object_equal(theirs, ours) || differs(path, theirs, ours, errp);
}

static bool compare(const char *path, struct json_object *theirs, struct json_object *ours,
                    GError **errp)
{
    json_object_object_foreach(theirs, name, value)
    {
        g_autofree char *full = g_strdup_printf("%s%s%s", path, *path ? " " : "", name);
        struct json_object *mine = NULL;
        json_object_object_get_ex(ours, name, &mine);
        if (!mine ? !differs(full, value, NULL, errp) : !compare_member(full, value, mine, errp)) {
            return false;
        }
    }
    json_object_object_foreach(ours, own, unused)
    {
        g_autofree char *full = g_strdup_printf("%s%s%s", path, *path ? " " : "", own);
        if (!json_object_object_get_ex(theirs, own, NULL)) {
            return differs(full, NULL, unused, errp);
        }
    }
    return true;
}

static bool is_default(const Property *prop, struct json_object *value)
{
    return prop->has_default && (json_object_is_type(value, json_type_boolean)
                                     ? json_object_get_boolean(value) == (prop->default_int != 0)
                                     : json_object_is_type(value, json_type_int) &&
                                           json_object_get_int64(value) == prop->default_int);
}

typedef struct Devices {
    struct json_object *theirs, *ours;
} Devices;

/* What an older program did not know of @dev is as it was there, unless somebody has set it: it is
 * not compared. */
static bool leave_out_new(Device *dev, void *opaque)
{
    const Devices *devices = opaque;
    g_autofree char *path = object_path(OBJECT(dev));
    g_autoptr(GPtrArray) props = object_type_properties(dev->parent.type);
    struct json_object *theirs = json_object_object_get(devices->theirs, path);
    struct json_object *ours = json_object_object_get(devices->ours, path), *value;

    if (!json_object_is_type(theirs, json_type_object) || object_is_a(OBJECT(dev), TYPE_X86_CPU)) {
        return true;
    }
    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];

        if (!json_object_object_get_ex(theirs, prop->name, NULL) &&
            json_object_object_get_ex(ours, prop->name, &value) && is_default(prop, value)) {
            json_object_object_del(ours, prop->name);
        }
    }
    return true;
}

bool migration_config_check(struct json_object *theirs, GError **errp)
{
    struct json_object *ours = migration_config(), *uuid;
    Devices devices = { .ours = json_object_object_get(ours, "devices") };
    bool same;

    if (!json_object_is_type(theirs, json_type_object)) {
        error_set(errp, "the configuration of the machine that was saved is no JSON object");
        json_object_put(ours);
        return false;
    }
    if (json_object_object_get_ex(theirs, "uuid", &uuid)) {
        struct json_object *own = uuid_config(); /* one that has none is any */

        json_object_object_add(ours, "uuid", own ? own : json_object_get(uuid));
    }
    devices.theirs = json_object_object_get(theirs, "devices");
    devices_foreach(leave_out_new, &devices);
    same = compare("", theirs, ours, errp);
    json_object_put(ours);
    return same;
}

bool migration_config_write(struct json_object *config, Stream *stream, GError **errp)
{
    const char *text = json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN);

    return stream_put_record(stream, RECORD_CONFIG, "config", text, strlen(text), errp);
}
