/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -m: size, slots, maxmem. */
#include <inttypes.h>
#include <string.h>

#include "hw/core/machine-config.h"
#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

/* No x86 CPU has more physical address bits (SDM vol. 3 section 4.1.4). */
#define MAX_PHYS_BITS 52
#define MAX_RAM       (UINT64_C(1) << MAX_PHYS_BITS)
#define RAM_ALIGN     (8 * KIB)

/* A size by its key; *given tells whether it is there. A text without suffix counts @unit bytes, a
 * number in JSON is bytes. */
static bool get_size(struct json_object *props, const char *key, uint64_t unit, uint64_t *out,
                     bool *given, GError **errp)
{
    struct json_object *value;
    g_autoptr(GError) err = NULL;

    *given = json_object_object_get_ex(props, key, &value);
    if (!*given) {
        return true;
    }
    unit = json_object_is_type(value, json_type_int) ? 1 : unit;
    if (!size_parse(json_object_get_string(value), unit, out, &err)) {
        error_set(errp, "%s=%s is not a size: give a number with k, M, G, T, P or E, as in 2G", key,
                  json_object_get_string(value));
        return false;
    }
    if (*out > MAX_RAM) {
        error_set(errp, "%s=%s is more than any x86 CPU can address: the most is 4P", key,
                  json_object_get_string(value));
        return false;
    }
    *out = (*out + RAM_ALIGN - 1) / RAM_ALIGN * RAM_ALIGN;
    return true;
}

static bool get_slots(struct json_object *props, uint64_t *out, bool *given, GError **errp)
{
    struct json_object *value;

    *given = json_object_object_get_ex(props, "slots", &value);
    if (!*given) {
        return true;
    }
    if (!uint_parse(json_object_get_string(value), UINT64_MAX, out)) {
        error_set(errp, "slots=%s is not a number: give one from 0 to %d",
                  json_object_get_string(value), MAX_RAM_SLOTS);
        return false;
    }
    if (*out > MAX_RAM_SLOTS) {
        error_set(errp, "slots=%" PRIu64 " is too many: a machine has at most %d slots", *out,
                  MAX_RAM_SLOTS);
        return false;
    }
    return true;
}

/* How the keys are called, and what a text without suffix counts. */
typedef struct MemoryKeys {
    const char *names[4]; /* size, slots, the most; NULL */
    uint64_t size_unit;
} MemoryKeys;

static const MemoryKeys option_keys = { { "size", "slots", "maxmem", NULL }, MIB };
static const MemoryKeys object_keys = { { "size", "slots", "max-size", NULL }, 1 };

static bool check_maximum(uint64_t size, uint64_t maxmem, uint64_t slots, struct json_object *given,
                          GError **errp)
{
    if (maxmem < size) {
        error_set(errp,
                  "maxmem%s%s is less than the boot memory (%" PRIu64
                  " MiB), which it includes; make it larger, and mind the suffix: only size is in "
                  "MiB without one",
                  given ? "=" : "", given ? json_object_get_string(given) : "", size / MIB);
        return false;
    }
    if (maxmem == size && slots > 0) {
        error_set(errp,
                  "maxmem is equal to the boot memory (%" PRIu64 " MiB), so that nothing can go "
                  "into the %" PRIu64 " slots; make maxmem larger or leave slots out",
                  size / MIB, slots);
        return false;
    }
    return true;
}

/* What is not given stays as an earlier option said. */
static bool memory_from_props(Machine *machine, struct json_object *props, const MemoryKeys *keys,
                              GError **errp)
{
    uint64_t size = 0, maxmem = 0, slots = machine->ram_slots;
    bool has_size, has_max, has_slots;

    if (!opts_check_keys(props, keys->names, errp) ||
        !get_size(props, keys->names[0], keys->size_unit, &size, &has_size, errp) ||
        !get_size(props, keys->names[2], 1, &maxmem, &has_max, errp) ||
        !get_slots(props, &slots, &has_slots, errp)) {
        return false;
    }
    bool size_given = has_size ? size != 0 : machine->ram_size_given;
    if (!has_size) {
        size = machine->ram_size;
    } else if (size == 0) { /* the old way to ask for the default */
        size = machine_ops(machine)->default_ram_size;
    }
    if (!has_max && machine->maxram_given) {
        maxmem = machine->maxram_size;
    }
    has_max |= machine->maxram_given;
    if (has_slots && !has_max) {
        error_set(errp,
                  "slots=%" PRIu64 " needs %s= too: the most memory there may be, boot memory "
                  "and DIMMs together",
                  slots, keys->names[2]);
        return false;
    }
    if (has_max &&
        !check_maximum(size, maxmem, slots, json_object_object_get(props, keys->names[2]), errp)) {
        return false;
    }
    machine->ram_size = size;
    machine->ram_size_given = size_given;
    machine->maxram_size = has_max ? maxmem : size;
    machine->maxram_given = has_max;
    machine->ram_slots = slots;
    return true;
}

bool machine_parse_memory(Machine *machine, const char *text, GError **errp)
{
    if (!*text) {
        error_set(errp, "the size is missing, as in 2G");
        return false;
    }
    struct json_object *props = keyval_parse(text, "size", errp);
    bool ok = props && memory_from_props(machine, props, &option_keys, errp);

    json_object_put(props);
    return ok;
}

bool machine_set_memory(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (json_object_is_type(value, json_type_object)) {
        return memory_from_props(MACHINE(obj), value, &object_keys, errp);
    }
    if (json_object_is_type(value, json_type_string)) {
        return machine_parse_memory(MACHINE(obj), json_object_get_string(value), errp);
    }
    error_set(errp, "'%s' takes an object or a string, as in \"2G,slots=8,maxmem=16G\"",
              prop->name);
    return false;
}

struct json_object *machine_get_memory(Object *obj, const Property *prop, GError **errp)
{
    const Machine *machine = MACHINE(obj);
    struct json_object *value = json_object_new_object();

    json_object_object_add(value, "size", json_object_new_uint64(machine->ram_size));
    if (machine->maxram_size > machine->ram_size) {
        json_object_object_add(value, "slots", json_object_new_uint64(machine->ram_slots));
        json_object_object_add(value, "max-size", json_object_new_uint64(machine->maxram_size));
    }
    return value;
}

bool machine_check_memory(const Machine *machine, GError **errp)
{
    const MachineOps *ops = machine_ops(machine);

    if (!ops->hotplug && (machine->ram_slots || machine->maxram_size > machine->ram_size)) {
        error_set(errp, "machine '%s' takes no DIMMs: leave slots and maxmem out of -m", ops->name);
        return false;
    }
    return true;
}
