/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory backends: user-creatable objects that own the host memory behind guest RAM and DIMMs.
 *
 * "memory-backend" is abstract; "memory-backend-ram", "-file" and "-memfd" differ in where the
 * memory comes from. `complete` allocates it, so that a backend that exists can be used. Machine
 * lock for everything.
 */
#ifndef BACKENDS_HOST_MEMORY_BACKEND_H
#define BACKENDS_HOST_MEMORY_BACKEND_H

#include "memory/memory.h"
#include "memory/ram-block.h"
#include "qom/object.h"

#define TYPE_MEMORY_BACKEND       "memory-backend"
#define TYPE_MEMORY_BACKEND_RAM   "memory-backend-ram"
#define TYPE_MEMORY_BACKEND_FILE  "memory-backend-file"
#define TYPE_MEMORY_BACKEND_MEMFD "memory-backend-memfd"

#define MAX_HOST_NODES 1024

/* The kernel's MPOL_ numbers. */
typedef enum HostMemoryPolicy {
    HOST_POLICY_DEFAULT,
    HOST_POLICY_PREFERRED,
    HOST_POLICY_BIND,
    HOST_POLICY_INTERLEAVE,
} HostMemoryPolicy;

typedef struct HostMemoryBackend {
    Object parent;
    /* properties */
    uint64_t size; /* bytes */
    bool share, prealloc, merge, dump, reserve;
    uint32_t prealloc_threads; /* 1 or more */
    Object *prealloc_context;  /* ThreadContext that makes those threads, or NULL: plain ones */
    bool canonical_path;       /* the RAM block is named by its path, not by its id */
    int policy;                /* HostMemoryPolicy */
    uint64_t host_nodes[MAX_HOST_NODES / 64]; /* bit n: host node n */
    /* made by `complete` */
    RamBlock *ram;
    bool readonly;       /* set by HostMemoryBackendOps.alloc: the guest may not write */
    MemoryRegion region; /* for the backend's one user to map */
    /* The object that has the region mapped, or NULL; borrowed. */
    Object *user;
} HostMemoryBackend;
OBJECT_CAST_DEFINE(HostMemoryBackend, MEMORY_BACKEND, TYPE_MEMORY_BACKEND)

/* What a kind of backend adds: the `ops` of its type. */
typedef struct HostMemoryBackendOps {
    /* Set backend->ram, with host_memory_backend_map(); size is checked and not 0. */
    bool (*alloc)(HostMemoryBackend *backend, GError **errp);
    /* Both may be NULL. The backend has memory, but did not become complete after all: what alloc
     * did outside of this program is undone. */
    void (*undo)(HostMemoryBackend *backend);
    /* The memory is about to be let go, with the backend or with the program. */
    void (*release)(HostMemoryBackend *backend);
} HostMemoryBackendOps;

/* For HostMemoryBackendOps.alloc: a RAM block with the backend's size, name and settings, mapped
 * from @options' fd with the rest of its settings. */
bool host_memory_backend_map(HostMemoryBackend *backend, RamBlockOptions options, GError **errp);

/* Name of the backend: its id in /objects ("ram0"), or "(unnamed)" outside the tree. Borrowed. */
const char *host_memory_backend_name(const HostMemoryBackend *backend);

static inline bool host_memory_backend_is_complete(const HostMemoryBackend *backend)
{
    return backend->region.ram != NULL;
}

/* The region to map. The backend must be complete. Borrowed. */
MemoryRegion *host_memory_backend_region(HostMemoryBackend *backend);

/* Alignment in guest-physical space that the backend asks for, bytes: its page size, or align= if
 * that is more. */
uint64_t host_memory_backend_alignment(const HostMemoryBackend *backend);

/* @user (borrowed; NULL: nobody) has the region mapped. While somebody has, object-del refuses. */
void host_memory_backend_set_mapped(HostMemoryBackend *backend, Object *user);
static inline bool host_memory_backend_is_mapped(const HostMemoryBackend *backend)
{
    return backend->user != NULL;
}

/* What to call the user in a message: its device id; g_free. "nobody" if unmapped. */
char *host_memory_backend_user_name(const HostMemoryBackend *backend);

/* The program ends, and no CPU runs any more: what backends do when they go is done for each that
 * is still there. They must not be used after this. */
void host_memory_backends_release(void);

#endif
