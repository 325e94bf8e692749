/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -m: size, slots, maxmem. */
#include <inttypes.h>

#include "hw/core/machine-config.h"
#include "qapi/qapi-types.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

/* No x86 CPU has more physical address bits (SDM vol. 3 section 4.1.4). */
#define MAX_PHYS_BITS 52
#define MAX_RAM       (UINT64_C(1) << MAX_PHYS_BITS)
#define RAM_ALIGN     (8 * KIB)

/* -m's own name of the largest size is the one that people know. */
#define MAX_KEYS "maxmem= (memory.max-size=)"

static bool round_size(const char *key, uint64_t size, uint64_t *out, GError **errp)
{
    if (size > MAX_RAM) {
        error_set(errp, "%s: %" PRIu64 " is more than any x86 CPU can address: the most is 4P", key,
                  size);
        return false;
    }
    *out = (size + RAM_ALIGN - 1) / RAM_ALIGN * RAM_ALIGN;
    return true;
}

static bool check_slots(uint64_t slots, GError **errp)
{
    if (slots > MAX_RAM_SLOTS) {
        error_set(errp, "slots=%" PRIu64 " is too many: a machine has at most %d slots", slots,
                  MAX_RAM_SLOTS);
        return false;
    }
    return true;
}

/* @given: as the user wrote it, before it was rounded. */
static bool check_maximum(uint64_t size, uint64_t max, uint64_t given, uint64_t slots,
                          GError **errp)
{
    if (max < size) {
        error_set(errp,
                  "maxmem=%" PRIu64 " is less than the boot memory (%" PRIu64
                  " MiB), which it includes; make it larger, and mind the suffix: only size is in "
                  "MiB without one",
                  given, size / MIB);
        return false;
    }
    if (max == size && slots > 0) {
        error_set(errp,
                  "maxmem is equal to the boot memory (%" PRIu64 " MiB), so that nothing can go "
                  "into the %" PRIu64 " slots; make maxmem larger or leave slots out",
                  size / MIB, slots);
        return false;
    }
    return true;
}

/* What is not given stays as an earlier option said. */
bool machine_set_memory(Object *obj, const void *value, GError **errp)
{
    const MemorySizeConfiguration *given = value;
    Machine *machine = MACHINE(obj);
    uint64_t size = 0, max = 0, slots = given->has_slots ? given->slots : machine->ram.slots;
    bool has_max = given->has_max_size || machine->ram.max_given;
    bool size_given = given->has_size ? given->size != 0 : machine->ram.size_given;

    if (!round_size("size", given->size, &size, errp) ||
        !round_size("maxmem", given->max_size, &max, errp) || !check_slots(slots, errp)) {
        return false;
    }
    if (!given->has_size) {
        size = machine->ram.size;
    } else if (size == 0) { /* the old way to ask for the default */
        size = machine_ops(machine)->default_ram_size;
    }
    max = given->has_max_size ? max : machine->ram.max_size;
    if (given->has_slots && !has_max) {
        error_set(errp,
                  "slots=%" PRIu64 " needs " MAX_KEYS " too: the most memory there may be, boot "
                  "memory and DIMMs together",
                  slots);
        return false;
    }
    if (has_max &&
        !check_maximum(size, max, given->has_max_size ? given->max_size : max, slots, errp)) {
        return false;
    }
    machine->ram.size = size;
    machine->ram.size_given = size_given;
    machine->ram.max_size = has_max ? max : size;
    machine->ram.max_given = has_max;
    machine->ram.slots = slots;
    return true;
}

/* The keys of -m: "maxmem" is "max-size", and the size alone is in MiB. */
bool machine_parse_memory(Machine *machine, const char *text, GError **errp)
{
    g_autoptr(MemoryOptions) given = NULL;
    struct json_object *json;

    if (!*text) {
        error_set(errp, "the size is missing, as in 2G");
        return false;
    }
    json = keyval_or_json_parse(text, "size", errp);
    if (json) {
        keyval_default_suffix(json, "size", "M");
        given = MemoryOptions_from_json(json, NULL, errp);
        json_object_put(json);
    }
    if (!given) {
        return false;
    }
    const MemorySizeConfiguration memory = {
        .has_size = given->has_size,
        .size = given->size,
        .has_slots = given->has_slots,
        .slots = given->slots,
        .has_max_size = given->has_maxmem,
        .max_size = given->maxmem,
    };
    return machine_set_memory(OBJECT(machine), &memory, errp);
}

void *machine_get_memory(Object *obj)
{
    const Machine *machine = MACHINE(obj);
    MemorySizeConfiguration *value = g_new0(MemorySizeConfiguration, 1);

    value->has_size = true;
    value->size = machine->ram.size;
    value->has_slots = value->has_max_size = machine->ram.max_size > machine->ram.size;
    value->slots = machine->ram.slots;
    value->max_size = machine->ram.max_size;
    return value;
}

bool machine_check_memory(const Machine *machine, GError **errp)
{
    const MachineOps *ops = machine_ops(machine);

    if (!ops->hotplug && (machine->ram.slots || machine->ram.max_size > machine->ram.size)) {
        error_set(errp, "machine '%s' takes no DIMMs: leave slots and maxmem out of -m", ops->name);
        return false;
    }
    return true;
}
