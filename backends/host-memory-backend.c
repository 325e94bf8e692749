/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all memory backends have in common: properties, NUMA policy, advice to the host kernel.
 */
#include "backends/host-memory-backend.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <string.h>
#include <sys/mman.h>

#include "backends/thread-context.h"
#include "util/error.h"
#include "util/number-set.h"
#include "util/task.h"

/* By HostMemoryPolicy. */
static const char *const policy_names[] = { "default", "preferred", "bind", "interleave", NULL };

static const int mpol_of_policy[] = {
    [HOST_POLICY_DEFAULT] = MPOL_DEFAULT,
    [HOST_POLICY_PREFERRED] = MPOL_PREFERRED,
    [HOST_POLICY_BIND] = MPOL_BIND,
    [HOST_POLICY_INTERLEAVE] = MPOL_INTERLEAVE,
};

#define NODE_WORDS NUMBER_SET_WORDS(MAX_HOST_NODES - 1)

/* ---- host-nodes ---- */

static bool nodes_empty(const uint64_t *nodes)
{
    for (unsigned i = 0; i < NODE_WORDS; i++) {
        if (nodes[i]) {
            return false;
        }
    }
    return true;
}

static bool host_nodes_set(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);
    uint64_t nodes[NODE_WORDS] = { 0 };

    if (!number_set_add(nodes, MAX_HOST_NODES - 1, prop->name, value, errp)) {
        return false;
    }
    memcpy(backend->host_nodes, nodes, sizeof(nodes));
    return true;
}

static struct json_object *host_nodes_get(Object *obj, const Property *prop, GError **errp)
{
    const HostMemoryBackend *backend = MEMORY_BACKEND(obj);
    struct json_object *list = json_object_new_array();

    for (unsigned n = 0; n < MAX_HOST_NODES; n++) {
        if (number_set_has(backend->host_nodes, n)) {
            json_object_array_add(list, json_object_new_int((int)n));
        }
    }
    return list;
}

/* ---- making ---- */

static bool check_policy(const HostMemoryBackend *backend, GError **errp)
{
    bool none = nodes_empty(backend->host_nodes);
    const char *policy = policy_names[backend->policy];

    if (backend->policy == HOST_POLICY_DEFAULT) {
        if (!none) {
            error_set(errp, "host-nodes is given, but policy is 'default', which takes none: use "
                            "policy=bind, preferred or interleave");
            return false;
        }
        return true;
    }
    if (none) {
        error_set(
            errp,
            "host-nodes must be set for policy %s: they are the host nodes to take memory from",
            policy);
        return false;
    }
    if (numa_available() < 0) {
        error_set(errp, "policy '%s': this host has no NUMA support; use policy=default", policy);
        return false;
    }
    for (unsigned n = 0; n < MAX_HOST_NODES; n++) {
        if (number_set_has(backend->host_nodes, n) &&
            (n > (unsigned)numa_max_possible_node() ||
             !numa_bitmask_isbitset(numa_all_nodes_ptr, n))) {
            error_set(errp,
                      "cannot bind memory to host NUMA nodes: host-nodes has %u, and there is no "
                      "such host node with memory; the highest is %d",
                      n, numa_max_node());
            return false;
        }
    }
    return true;
}

static bool check_reserve(bool prealloc, bool reserve, GError **errp)
{
    if (prealloc && !reserve) {
        error_set(errp, "prealloc=on and reserve=off contradict each other: memory that is "
                        "allocated at once is reserved");
    }
    return !prealloc || reserve;
}

static bool check_settings(const HostMemoryBackend *backend, GError **errp)
{
    if (backend->size == 0) {
        error_set(
            errp,
            "property 'size' of %s doesn't take value '0', nor may it be left out: give it in "
            "bytes, or such as size=1G",
            object_typename(&backend->parent));
        return false;
    }
    return check_reserve(backend->prealloc, backend->reserve, errp) && check_policy(backend, errp);
}

static bool apply_policy(const HostMemoryBackend *backend, GError **errp)
{
    unsigned long mask[NODE_WORDS];

    if (backend->policy == HOST_POLICY_DEFAULT) {
        return true;
    }
    G_STATIC_ASSERT(sizeof(mask) == sizeof(backend->host_nodes));
    memcpy(mask, backend->host_nodes, sizeof(mask));
    if (mbind(backend->ram->host, backend->ram->size, mpol_of_policy[backend->policy], mask,
              MAX_HOST_NODES + 1, MPOL_MF_STRICT | MPOL_MF_MOVE) < 0) {
        error_set_errno(errp, errno, "cannot bind memory to host NUMA nodes with policy '%s'",
                        policy_names[backend->policy]);
        return false;
    }
    return true;
}

/* Registers of a device, rather than memory of a guest: a power of two from 8 bytes on, less than a
 * page, takes a whole one. */
static uint64_t bytes_to_map(uint64_t size, const RamBlockOptions *options)
{
    uint64_t page_size = ram_block_page_size(options->fd);

    return options->fd < 0 && size >= 8 && size < page_size && !(size & (size - 1)) ? page_size
                                                                                    : size;
}

bool host_memory_backend_map(HostMemoryBackend *backend, RamBlockOptions options, GError **errp)
{
    g_autofree char *path = backend->canonical_path ? object_path(OBJECT(backend)) : NULL;

    options.name = path ? path : host_memory_backend_name(backend);
    options.size = bytes_to_map(backend->size, &options);
    options.reserve = backend->reserve;
    backend->ram = ram_block_map(&options, errp);
    if (backend->ram) {
        atomic_store_explicit(&backend->ram->unused, true, memory_order_relaxed);
    }
    return backend->ram != NULL;
}

/* Advice, not orders: a kernel without KSM, for one, does without. */
static void advise(const HostMemoryBackend *backend, int advice)
{
    madvise(backend->ram->host, backend->ram->size, advice);
}

typedef struct Preallocation {
    const HostMemoryBackend *backend;
    bool ok;
    GError *err;
} Preallocation;

static void preallocate_now(void *opaque)
{
    Preallocation *p = opaque;
    Object *context = p->backend->prealloc_context;

    p->ok = ram_block_prealloc(p->backend->ram, p->backend->prealloc_threads,
                               context ? thread_context_spawn : NULL, context, &p->err);
}

/* Holds @backend, since other code may run meanwhile. */
static bool preallocate(HostMemoryBackend *backend, GError **errp)
{
    Preallocation p = { .backend = backend };

    object_ref(OBJECT(backend));
    task_wait(preallocate_now, &p);
    object_unref(OBJECT(backend));
    if (!p.ok) {
        g_propagate_error(errp, p.err);
    }
    return p.ok;
}

static bool backend_complete(Object *obj, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);
    const HostMemoryBackendOps *ops = object_ops(obj);

    if (!check_settings(backend, errp) || !ops->alloc(backend, errp)) {
        return false;
    }
    if (!apply_policy(backend, errp)) {
        return false;
    }
    if (backend->merge) {
        advise(backend, MADV_MERGEABLE);
    }
    if (!backend->dump) {
        advise(backend, MADV_DONTDUMP);
    }
    if (backend->prealloc && !preallocate(backend, errp)) {
        return false;
    }
    memory_region_init_ram(&backend->region, backend->ram->name, backend->ram);
    backend->region.readonly = backend->readonly;
    return true;
}

/* ---- settings that may change while the memory is in use ---- */

static bool merge_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    backend->merge = json_object_get_boolean(value);
    if (backend->ram) {
        advise(backend, backend->merge ? MADV_MERGEABLE : MADV_UNMERGEABLE);
    }
    return true;
}

static bool dump_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    backend->dump = json_object_get_boolean(value);
    if (backend->ram) {
        advise(backend, backend->dump ? MADV_DODUMP : MADV_DONTDUMP);
    }
    return true;
}

static bool prealloc_threads_check(Object *obj, const Property *prop, struct json_object *value,
                                   GError **errp)
{
    if (json_object_get_int64(value) < 1) {
        error_set(errp, "prealloc-threads must be 1 or more; more than %d are not used",
                  RAM_BLOCK_MAX_THREADS);
        return false;
    }
    return true;
}

/* Pages that were taken are not given back. */
static bool prealloc_set(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);
    bool on = json_object_get_boolean(value);

    if (!backend->ram) {
        backend->prealloc = on;
        return true;
    }
    if (on && !backend->prealloc) {
        if (!check_reserve(on, backend->reserve, errp) || !preallocate(backend, errp)) {
            return false;
        }
        backend->prealloc = true;
    }
    return true;
}

static bool backend_can_be_deleted(Object *obj, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    if (backend->user) {
        g_autofree char *user = host_memory_backend_user_name(backend);
        bool boot = strcmp(user, "/machine") == 0;

        error_set(errp, "memory backend '%s' is %s%s%s", host_memory_backend_name(backend),
                  boot ? "boot memory" : "in use by '", boot ? "" : user,
                  boot ? ", which stays as long as the machine" : "'; unplug that first");
        return false;
    }
    return true;
}

static void release(HostMemoryBackend *backend)
{
    const HostMemoryBackendOps *ops = object_ops(&backend->parent);

    if (host_memory_backend_is_complete(backend) && ops->release) {
        ops->release(backend);
    }
}

static void backend_finalize(Object *obj)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);
    const HostMemoryBackendOps *ops = object_ops(obj);

    if (!backend->ram) {
        return;
    }
    if (host_memory_backend_is_complete(backend)) {
        release(backend);
        memory_region_destroy(&backend->region);
    } else if (ops->undo) {
        ops->undo(backend);
    }
    g_clear_pointer(&backend->ram, ram_block_unref);
}

void host_memory_backends_release(void)
{
    g_autoptr(GPtrArray) backends = object_list_type(TYPE_MEMORY_BACKEND);

    for (guint i = 0; i < backends->len; i++) {
        release(MEMORY_BACKEND(backends->pdata[i]));
    }
}

/* ---- using ---- */

const char *host_memory_backend_name(const HostMemoryBackend *backend)
{
    return backend->parent.name ? backend->parent.name : "(unnamed)";
}

MemoryRegion *host_memory_backend_region(HostMemoryBackend *backend)
{
    return &backend->region;
}

uint64_t host_memory_backend_alignment(const HostMemoryBackend *backend)
{
    return backend->ram->align;
}

void host_memory_backend_set_mapped(HostMemoryBackend *backend, Object *user)
{
    backend->user = user;
    atomic_store_explicit(&backend->ram->unused, !user, memory_order_relaxed);
}

char *host_memory_backend_user_name(const HostMemoryBackend *backend)
{
    const Object *user = backend->user;

    if (!user) {
        return g_strdup("nobody");
    }
    /* The name is an id among those that have one; others are known by their path. */
    g_autofree char *folder = user->parent ? object_path(user->parent) : NULL;
    return g_strcmp0(folder, "/machine/peripheral") == 0 ? g_strdup(user->name) : object_path(user);
}

static const Property backend_properties[] = {
    { .name = "size",
      .kind = PROP_SIZE,
      .custom_type = "int",
      .offset = offsetof(HostMemoryBackend, size),
      .description = "how much memory, bytes" },
    { .name = "share",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, share),
      .has_default = true,
      .description = "other processes that map it see what the guest writes" },
    { .name = "prealloc",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, prealloc),
      .has_default = true,
      .live = true,
      .set = prealloc_set,
      .description = "take all pages from the host at once" },
    { .name = "prealloc-threads",
      .kind = PROP_UINT32,
      .custom_type = "int",
      .offset = offsetof(HostMemoryBackend, prealloc_threads),
      .has_default = true,
      .default_int = 1,
      .live = true,
      .check = prealloc_threads_check,
      .description = "threads that take them, 1 or more" },
    { .name = "prealloc-context",
      .kind = PROP_LINK,
      .link_type = TYPE_THREAD_CONTEXT,
      .offset = offsetof(HostMemoryBackend, prealloc_context),
      .description = "thread-context that says on which host CPUs these threads run" },
    { .name = "merge",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, merge),
      .has_default = true,
      .default_int = true,
      .live = true,
      .set = merge_set,
      .description = "let the host merge equal pages (KSM)" },
    { .name = "dump",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, dump),
      .has_default = true,
      .default_int = true,
      .live = true,
      .set = dump_set,
      .description = "include the memory in core dumps" },
    { .name = "reserve",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, reserve),
      .has_default = true,
      .default_int = true,
      .description = "reserve swap space or huge pages" },
    { .name = "policy",
      .kind = PROP_ENUM,
      .offset = offsetof(HostMemoryBackend, policy),
      .has_default = true,
      .default_int = HOST_POLICY_DEFAULT,
      .enum_names = policy_names,
      .custom_type = "HostMemPolicy",
      .description = "how pages are spread over host-nodes" },
    { .name = "host-nodes",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .text_only = true, /* a list of ranges */
      .get = host_nodes_get,
      .set = host_nodes_set,
      .description = "host nodes that policy speaks of: numbers or ranges" },
    { .name = "x-use-canonical-path-for-ramblock-id",
      .kind = PROP_BOOL,
      .offset = offsetof(HostMemoryBackend, canonical_path),
      .has_default = true,
      .description = "name the memory by the backend's path, not by its id" },
    { 0 },
};

static const ObjectType memory_backend_type = {
    .name = TYPE_MEMORY_BACKEND,
    .parent = "object",
    .description = "host memory for guest RAM",
    .instance_size = sizeof(HostMemoryBackend),
    .abstract = true,
    .properties = backend_properties,
    .finalize = backend_finalize,
    .complete = backend_complete,
    .can_be_deleted = backend_can_be_deleted,
};
OBJECT_TYPE_REGISTER(memory_backend_type)
