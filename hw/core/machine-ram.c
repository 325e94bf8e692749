/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/machine-ram.h"

#include <inttypes.h>

#include "backends/host-memory-backend.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/units.h"

/* ---- which backends ---- */

static HostMemoryBackend *find_backend(const char *id, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    if (!obj || !object_is_a(obj, TYPE_MEMORY_BACKEND)) {
        error_set(errp, "there is no memory backend '%s'; make it with -object", id);
        return NULL;
    }
    if (host_memory_backend_is_mapped(backend)) {
        error_set(errp, "memory backend '%s' is boot memory already; a backend has one use", id);
        return NULL;
    }
    if (backend->readonly) {
        error_set(errp, "memory backend '%s' is read-only; boot memory needs one with readonly=off",
                  id);
        return NULL;
    }
    if (backend->size != backend->ram->size) {
        error_set(errp,
                  "memory backend '%s' has %" PRIu64
                  " bytes, as registers of a device do; boot memory must be whole pages",
                  id, backend->size);
        return NULL;
    }
    return backend;
}

/* Its size, or 0 with an error. */
static uint64_t take_backend(Machine *machine, const char *id, GError **errp)
{
    HostMemoryBackend *backend = find_backend(id, errp);

    if (!backend) {
        return 0;
    }
    if (!machine->ram.backends) {
        machine->ram.backends = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);
    }
    g_ptr_array_add(machine->ram.backends, object_ref(OBJECT(backend)));
    host_memory_backend_set_mapped(backend, OBJECT(machine));
    return backend->size;
}

static bool check_node(const Machine *machine, unsigned n, GError **errp)
{
    const NumaNode *node = &machine->numa.nodes[n];

    if (node->memdev && machine->ram.backend) {
        error_set(errp,
                  "-numa: memdev=%s and -machine memory-backend=%s exclude each other: boot "
                  "memory is either one backend, or one for each node",
                  node->memdev, machine->ram.backend);
        return false;
    }
    if (node->mem_given) {
        error_set(errp, "-numa: node %u has mem=, other nodes have memdev=; use one of them", n);
        return false;
    }
    return true;
}

static bool take_node_backends(Machine *machine, uint64_t *sum, GError **errp)
{
    bool any = false;

    for (unsigned i = 0; i < machine->numa.num_nodes; i++) {
        any |= machine->numa.nodes[i].memdev != NULL;
    }
    for (unsigned i = 0; any && i < machine->numa.num_nodes; i++) {
        NumaNode *node = &machine->numa.nodes[i];

        if (!check_node(machine, i, errp)) {
            return false;
        }
        if (node->memdev) {
            node->mem = take_backend(machine, node->memdev, errp);
            if (!node->mem) {
                g_prefix_error(errp, "-numa node,memdev=%s: ", node->memdev);
                return false;
            }
        }
        node->mem_given = true; /* nodes without one have no boot memory */
        *sum += node->mem;
    }
    return true;
}

static bool check_sizes(Machine *machine, uint64_t sum, GError **errp)
{
    bool has_max = machine->ram.max_size > machine->ram.size;

    if (machine->ram.size_given && sum != machine->ram.size) {
        g_autofree char *nodes = machine->ram.backend
                                     ? g_strdup("")
                                     : g_strdup_printf("total memory for NUMA nodes (0x%" PRIx64
                                                       ") should equal RAM size (0x%" PRIx64 "): ",
                                                       sum, machine->ram.size);

        error_set(errp,
                  "%sboot memory is %" PRIu64 " MiB (-m), but the memory backends that it "
                  "is made of have %" PRIu64 " MiB; they must be equal",
                  nodes, machine->ram.size / MIB, sum / MIB);
        return false;
    }
    if (has_max && sum > machine->ram.max_size) {
        error_set(errp,
                  "-m: maxmem (%" PRIu64 " MiB) is less than the boot memory (%" PRIu64
                  " MiB, the memory backends), which it includes; make it larger",
                  machine->ram.max_size / MIB, sum / MIB);
        return false;
    }
    machine->ram.size = sum;
    machine->ram.max_size = has_max ? machine->ram.max_size : sum;
    return true;
}

/* -mem-path, where there is no boot RAM of ours. */
static bool check_no_path(const Machine *machine, const char *why, GError **errp)
{
    if (machine->ram.path) {
        error_set(errp, "-mem-path: %s", why);
        return false;
    }
    return true;
}

/* May we make a backend, if we have to? */
static bool check_own(const Machine *machine, GError **errp)
{
    const char *id = machine_ops(machine)->ram_id;

    if (machine->ram.size == 0) {
        return check_no_path(machine,
                             "there is no boot memory; a machine of type none has some "
                             "only if -m says how much",
                             errp);
    }
    if (object_child(object_container("/objects"), id)) {
        error_set(errp,
                  "the id '%s' is that of boot memory: give the object another id, or make it boot "
                  "memory with -machine memory-backend=%s",
                  id, id);
        return false;
    }
    return true;
}

bool machine_ram_resolve(Machine *machine, GError **errp)
{
    uint64_t sum = 0;

    if (!take_node_backends(machine, &sum, errp)) {
        return false;
    }
    if (machine->ram.backend) {
        sum = take_backend(machine, machine->ram.backend, errp);
        if (!sum) {
            g_prefix_error(errp, "-machine memory-backend=%s: ", machine->ram.backend);
            return false;
        }
    }
    if (sum == 0) {
        return check_own(machine, errp);
    }
    return check_no_path(machine,
                         "boot memory is made of memory backends; make one of them a "
                         "memory-backend-file, with its own mem-path=",
                         errp) &&
           check_sizes(machine, sum, errp);
}

/* ---- the region ---- */

static bool make_own(Machine *machine, GError **errp)
{
    const char *id = machine_ops(machine)->ram_id;
    const char *type = machine->ram.path ? TYPE_MEMORY_BACKEND_FILE : TYPE_MEMORY_BACKEND_RAM;
    struct json_object *props = json_object_new_object();

    json_object_object_add(props, "size", json_object_new_uint64(machine->ram.size));
    if (machine->ram.path) {
        json_object_object_add(props, "mem-path", json_object_new_string(machine->ram.path));
    }
    bool ok = user_object_add(type, id, props, errp) && take_backend(machine, id, errp);
    json_object_put(props);
    if (!ok) {
        g_prefix_error(errp, "%s: ", machine->ram.path ? "-mem-path" : "boot memory");
        return false;
    }
    machine->ram.backend = g_strdup(id);
    return true;
}

MemoryRegion *machine_ram_make(Machine *machine, GError **errp)
{
    uint64_t at = 0;

    if (!machine->ram.backends && !make_own(machine, errp)) {
        return NULL;
    }
    const GPtrArray *backends = machine->ram.backends;
    if (backends->len == 1) {
        return host_memory_backend_region(backends->pdata[0]);
    }
    memory_region_init_container(&machine->ram.region, machine_ops(machine)->ram_id,
                                 machine->ram.size);
    for (unsigned i = 0; i < backends->len; i++) {
        HostMemoryBackend *backend = backends->pdata[i];

        memory_region_add(&machine->ram.region, at, host_memory_backend_region(backend));
        at += backend->size;
    }
    return &machine->ram.region;
}

void machine_ram_drop(Machine *machine)
{
    for (unsigned i = 0; machine->ram.backends && i < machine->ram.backends->len; i++) {
        host_memory_backend_set_mapped(machine->ram.backends->pdata[i], NULL);
    }
    g_clear_pointer(&machine->ram.backends, g_ptr_array_unref);
}
