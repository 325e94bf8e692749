/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "memory-backend-ram": anonymous memory; and its old name, "memory-ram".
 */
#include "backends/host-memory-backend.h"

static bool ram_backend_alloc(HostMemoryBackend *backend, GError **errp)
{
    return host_memory_backend_map(backend, (RamBlockOptions){ .fd = -1, .shared = backend->share },
                                   errp);
}

static const HostMemoryBackendOps ram_backend_ops = {
    .alloc = ram_backend_alloc,
};

static const ObjectType ram_backend_type = {
    .name = TYPE_MEMORY_BACKEND_RAM,
    .parent = TYPE_MEMORY_BACKEND,
    .description = "anonymous host memory",
    .user_creatable = true,
    .ops = &ram_backend_ops,
};
OBJECT_TYPE_REGISTER(ram_backend_type)

static const ObjectType ram_backend_old_type = {
    .name = "memory-ram",
    .parent = TYPE_MEMORY_BACKEND_RAM,
    .description = "the old name of " TYPE_MEMORY_BACKEND_RAM,
    .user_creatable = true,
};
OBJECT_TYPE_REGISTER(ram_backend_old_type)
