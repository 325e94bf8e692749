/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DIMMs that memory targets add: "target0" with the backend "target0-ram", and so on. */
#include <json-c/json.h>

#include "hw/acpi/memory-hotplug.h"
#include "hw/core/machine.h"
#include "hw/memtarget/internal.h"
#include "qom/user-object.h"
#include "util/error.h"

typedef struct OwnDimm {
    char *id, *memdev;
} OwnDimm;

static GPtrArray *own; /* of OwnDimm *: those that were made here; NULL: none yet */

static void own_free(void *opaque)
{
    OwnDimm *dimm = opaque;

    g_free(dimm->id);
    g_free(dimm->memdev);
    g_free(dimm);
}

static void own_add(const char *id, const char *memdev)
{
    OwnDimm *dimm = g_new0(OwnDimm, 1);

    dimm->id = g_strdup(id);
    dimm->memdev = g_strdup(memdev);
    if (!own) {
        own = g_ptr_array_new_with_free_func(own_free);
    }
    g_ptr_array_add(own, dimm);
}

static bool is_free(const char *id, const char *memdev)
{
    return !object_child(object_container("/machine/peripheral"), id) &&
           !object_child(object_container("/objects"), memdev);
}

static bool make_backend(const TargetPolicy *policy, const char *id, uint64_t size, GError **errp)
{
    struct json_object *props = NULL;
    bool ok;

    json_object_deep_copy(policy->backend, &props, NULL);
    json_object_object_add(props, "size", json_object_new_uint64(size));
    ok = user_object_add(policy->backend_type, id, props, errp) != NULL;
    json_object_put(props);
    return ok;
}

static Device *plug(const char *id, const char *memdev, uint64_t addr, uint32_t node, GError **errp)
{
    struct json_object *props = json_object_new_object();
    Device *dev;

    json_object_object_add(props, "driver", json_object_new_string(TYPE_PC_DIMM));
    json_object_object_add(props, "id", json_object_new_string(id));
    json_object_object_add(props, "memdev", json_object_new_string(memdev));
    json_object_object_add(props, "addr", json_object_new_uint64(addr));
    json_object_object_add(props, "node", json_object_new_uint64(node));
    dev = device_add(props, errp);
    json_object_put(props);
    return dev;
}

Device *target_dimm_add(const TargetPolicy *policy, uint64_t size, GError **errp)
{
    const uint64_t addr = target_survey_place(machine_current(), size, target_survey_unit(policy));
    g_autofree char *id = NULL, *memdev = NULL;
    unsigned n = 0;
    Device *dev;

    do {
        g_free(id);
        g_free(memdev);
        id = g_strdup_printf("target%u", n++);
        memdev = g_strdup_printf("%s-ram", id);
    } while (!is_free(id, memdev));
    if (!make_backend(policy, memdev, size, errp)) {
        return NULL;
    }
    dev = plug(id, memdev, addr, policy->node, errp);
    if (!dev) {
        user_object_del(memdev, NULL);
        return NULL;
    }
    own_add(id, memdev);
    return dev;
}

void target_dimms_sweep(void)
{
    for (unsigned i = own ? own->len : 0; i-- > 0;) {
        const char *id = ((const OwnDimm *)g_ptr_array_index(own, i))->memdev;
        Object *obj = object_child(object_container("/objects"), id);

        /* One that somebody else has deleted is not there any more. */
        if (!obj || !host_memory_backend_is_mapped(MEMORY_BACKEND(obj))) {
            if (obj) {
                user_object_del(id, NULL);
            }
            g_ptr_array_remove_index(own, i);
        }
    }
}

static const MemoryHotplugSlot *slot_of(const PcDimm *dimm)
{
    const MemoryHotplug *mh = memory_hotplug_of(machine_current());

    return mh ? memory_hotplug_slot_of(mh, &dimm->parent) : NULL;
}

bool target_dimm_is_declined(const PcDimm *dimm)
{
    const MemoryHotplugSlot *slot = slot_of(dimm);

    return slot && dimm_state_is_declined(&slot->state);
}

const char *target_dimm_meaning(const PcDimm *dimm)
{
    const MemoryHotplugSlot *slot = slot_of(dimm);
    uint32_t status;

    return slot ? dimm_state_meaning(&slot->state, &status) : NULL;
}

/* One that is there to be found at boot is like boot memory, also before the guest finds it. */
bool target_dimm_is_taken(const PcDimm *dimm)
{
    const MemoryHotplugSlot *slot = slot_of(dimm);

    return !slot || dimm_state_is_taken(&slot->state) ||
           (slot->state.insertion == MEMORY_DEVICE_STATE_INSERTED && !slot->insert_event);
}
