/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of the guest as a vhost back-end has it: the ranges of RAM of the memory map; for one
 * that is another program, each a part of a file that both have mapped. It follows the map: DIMMs
 * and what virtio-mem gives are told before the guest can use them, and taken back when they go.
 * Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_MEMORY_H
#define HW_VIRTIO_VHOST_MEMORY_H

#include "hw/mem/memory-device.h"
#include "hw/virtio/vhost-backend.h"
#include "memory/address-space.h"

typedef struct VhostMemory {
    VhostBackend *backend; /* borrowed */
    /* After the map has changed. */
    void (*changed)(void *opaque);
    bool (*busy)(void *opaque); /* it does not, yet */
    void *opaque;
    const char *name; /* of the device, for messages; borrowed */
    /* private */
    MemoryListener listener;
    MemoryGuard guard;
    bool stale;            /* the map has changed since `wanted` was made */
    GArray *wanted, *sent; /* of VhostRange: as the map is, and as the back-end was told it is */
    GArray *leaving;       /* that it was told to leave, and may still write to */
} VhostMemory;

/* A range of the map; it keeps the block, so that no other gets its place. */
typedef struct VhostRange {
    VhostRegion region;
    RamBlock *block; /* a reference */
} VhostRange;

/* What one device leaves to the next of a connection. */
typedef struct VhostLeft {
    GQueue answers;           /* that are to come: vhost_user_leave_answers() */
    GArray *ranges, *leaving; /* VhostMemory.sent and .leaving; NULL: none */
} VhostLeft;

/* Follow the map from now on. The back-end is there. Errors: memory that it cannot reach, as it is
 * not shared; more ranges than it takes. */
bool vhost_memory_begin(VhostMemory *memory, GError **errp);
/* No more. Harmless without begin. */
void vhost_memory_end(VhostMemory *memory);
/* The back-end that is there has room for all that there is, and may come? */
bool vhost_memory_fits(VhostMemory *memory, GError **errp);
/* Tell the back-end of all of it, or of what has changed since it was told. */
bool vhost_memory_send(VhostMemory *memory, GError **errp);
/* It has done all that it was told: what has gone is free. */
void vhost_memory_settled(VhostMemory *memory);
/* The back-end keeps what it was told, for another device. Nothing was told afterwards. And back,
 * before vhost_memory_begin(). */
void vhost_memory_leave(VhostMemory *memory, VhostLeft *left);
void vhost_memory_take(VhostMemory *memory, VhostLeft *left);
/* There is another back-end, or none: it was told nothing. */
void vhost_memory_forget(VhostMemory *memory);
/* Bytes from 0 on to the end of the last range. */
uint64_t vhost_memory_size(const VhostMemory *memory);

#endif
