/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users say of how a memory target may be reached. */
#include <inttypes.h>
#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/core/machine.h"
#include "hw/memtarget/internal.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/units.h"

#define ANSWER_S   60.0
#define TRIAL_SIZE GIB /* whole pages, of any size that hosts have */

void target_policy_free(TargetPolicy *policy)
{
    json_object_put(policy->backend);
    g_free(policy->backend_type);
    g_free(policy);
}

static bool check_numbers(const TargetPolicy *policy, GError **errp)
{
    if (!(policy->answer_s > 0 && policy->answer_s <= DEVICE_DEL_MAX_SECONDS)) {
        error_set(errp,
                  "'answer-timeout' is %g: it must be a number of seconds above 0 and at most %g",
                  policy->answer_s, DEVICE_DEL_MAX_SECONDS);
        return false;
    }
    if (!numa_node_exists(&machine_current()->numa, policy->node)) {
        error_set(errp, "'node' is %u, and this machine has no such node", policy->node);
        return false;
    }
    return true;
}

static void take_numbers(TargetPolicy *policy, const MemoryTargetPolicy *given)
{
    policy->dimms = given->has_dimms ? given->dimms : policy->dimms;
    policy->dimm_most = given->has_dimm_size ? given->dimm_size : policy->dimm_most;
    policy->node = given->has_node ? given->node : policy->node;
    policy->balloon = given->has_balloon && given->balloon;
    policy->answer_s = given->has_answer_timeout ? given->answer_timeout : policy->answer_s;
}

/* ---- the backend ---- */

static bool check_type(const char *type, GError **errp)
{
    if (strcmp(type, TYPE_MEMORY_BACKEND_RAM) != 0 &&
        strcmp(type, TYPE_MEMORY_BACKEND_MEMFD) != 0) {
        error_set(errp,
                  "'backend': DIMMs can be made of a " TYPE_MEMORY_BACKEND_RAM
                  " or a " TYPE_MEMORY_BACKEND_MEMFD ", each of its own, and not of a '%s'",
                  type);
        return false;
    }
    return true;
}

static bool check_members(struct json_object *backend, GError **errp)
{
    static const char *const chosen[] = { "id", "size" };

    if (!json_object_is_type(backend, json_type_object)) {
        error_set(errp, "'backend' must be an object, such as {\"qom-type\": "
                        "\"" TYPE_MEMORY_BACKEND_MEMFD "\", \"hugetlb\": true}");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(chosen); i++) {
        if (json_object_object_get_ex(backend, chosen[i], NULL)) {
            error_set(errp, "'backend': leave '%s' out, it is chosen for each DIMM", chosen[i]);
            return false;
        }
    }
    return true;
}

/* The size of its pages, if it says one. */
static uint64_t page_size(Object *backend)
{
    struct json_object *value = object_property_find(backend, "hugetlbsize")
                                    ? object_property_get(backend, "hugetlbsize", NULL)
                                    : NULL;
    const uint64_t size = json_object_get_uint64(value);

    json_object_put(value);
    return size;
}

/* The properties of one that takes no memory, made of those that @backend was given. What is wrong
 * with those stays so. */
static struct json_object *trial_properties(const TargetPolicy *policy, Object *backend)
{
    const HostMemoryBackend *memory = MEMORY_BACKEND(backend);
    struct json_object *props = NULL;

    json_object_deep_copy(policy->backend, &props, NULL);
    json_object_object_add(props, "size",
                           json_object_new_uint64(MAX(page_size(backend), TRIAL_SIZE)));
    if (!memory->prealloc || memory->reserve) {
        json_object_object_add(props, "prealloc", json_object_new_boolean(false));
        json_object_object_add(props, "reserve", json_object_new_boolean(false));
    }
    return props;
}

/* Make one, and let it go: what cannot be is known before the first step. */
static bool make_trial(TargetPolicy *policy, struct json_object *props, GError **errp)
{
    g_autofree char *id = NULL;
    unsigned n = 0;
    Object *trial;

    do {
        g_free(id);
        id = g_strdup_printf("target-trial%u", n++);
    } while (object_child(object_container("/objects"), id));
    trial = user_object_add(policy->backend_type, id, props, errp);
    if (!trial) {
        return false;
    }
    policy->backend_align = host_memory_backend_alignment(MEMORY_BACKEND(trial));
    user_object_del(id, NULL);
    return true;
}

static bool try_backend(TargetPolicy *policy, GError **errp)
{
    static const char *const skip[] = { "qom-type", NULL };
    g_autoptr(Object) backend = object_new(policy->backend_type, errp);
    struct json_object *props = NULL;
    bool ok = backend && object_set_properties(backend, policy->backend, skip, errp);

    if (ok) {
        props = trial_properties(policy, backend);
        ok = make_trial(policy, props, errp);
        json_object_put(props);
    }
    if (!ok) {
        g_prefix_error(errp, "'backend': ");
    }
    return ok;
}

static bool take_backend(TargetPolicy *policy, struct json_object *given, GError **errp)
{
    struct json_object *type = NULL;

    policy->backend_type = g_strdup(TYPE_MEMORY_BACKEND_RAM);
    if (!given) {
        policy->backend = json_object_new_object();
        return true;
    }
    if (!check_members(given, errp)) {
        return false;
    }
    if (json_object_object_get_ex(given, "qom-type", &type)) {
        if (!json_object_is_type(type, json_type_string)) {
            error_set(errp, "'backend': 'qom-type' must be a string, and not %s",
                      json_object_to_json_string(type));
            return false;
        }
        g_free(policy->backend_type);
        policy->backend_type = g_strdup(json_object_get_string(type));
    }
    json_object_deep_copy(given, &policy->backend, NULL);
    return check_type(policy->backend_type, errp) && try_backend(policy, errp);
}

TargetPolicy *target_policy_new(const MemoryTargetPolicy *given, GError **errp)
{
    g_autoptr(TargetPolicy) policy = g_new0(TargetPolicy, 1);

    policy->dimms = true;
    policy->dimm_most = UINT64_MAX;
    policy->answer_s = ANSWER_S;
    if (given) {
        take_numbers(policy, given);
    }
    if (!check_numbers(policy, errp) ||
        !take_backend(policy, given ? given->backend : NULL, errp)) {
        return NULL;
    }
    if (policy->dimm_most < target_survey_unit(policy)) {
        error_set(errp,
                  "'dimm-size' must be %" PRIu64
                  " MiB or more, the least that the guest can take, or leave DIMMs out "
                  "with 'dimms': false",
                  target_survey_unit(policy) / MIB);
        return NULL;
    }
    return g_steal_pointer(&policy);
}
