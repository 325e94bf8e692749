/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks of which the guest does not have all: a device (virtio-mem) gives it parts of one, and
 * takes them away again. What the guest does not have is empty, need not be saved, migrated or
 * dumped, and must not be touched for such an end: that could make pages of it.
 *
 * Parts are changed with the machine lock; any thread may ask. The marks are atomic words without
 * an order of their own (relaxed): who must not miss a change hears of it by dirty pages
 * (memory/dirty.h), as each change marks what it changes.
 */
#ifndef MEMORY_RAM_PARTS_H
#define MEMORY_RAM_PARTS_H

#include "memory/ram-block.h"

typedef struct RamParts RamParts;

#define RAM_PART_MIN (1u << 20) /* least unit, bytes */

/* From now on @block consists of parts of @unit bytes, a divisor of its size and a multiple of its
 * pages and of RAM_PART_MIN; none of them is there. Machine lock, as for the next two. */
void ram_parts_begin(RamBlock *block, uint64_t unit);
/* All of it is there again, and will be. */
void ram_parts_end(RamBlock *block);
/* [@offset, @offset + @size), whole parts, is there from now on, or is not. */
void ram_parts_set(RamBlock *block, uint64_t offset, uint64_t size, bool there);

/* The first piece at or after *@offset that is there, up to the next part that is not: false: there
 * is none; else *@offset is where it begins, *@size its bytes. All of a block that has no parts. */
bool ram_parts_next(const RamBlock *block, uint64_t *offset, uint64_t *size);
/* Is all of [@offset, @offset + @size) there, or, if not @there, nothing of it? */
bool ram_parts_all(const RamBlock *block, uint64_t offset, uint64_t size, bool there);
/* Bytes that are there. */
uint64_t ram_parts_bytes(const RamBlock *block);

/* Bytes of a part; 0: @block has none, it is there as a whole. */
uint64_t ram_parts_unit(const RamBlock *block);

/* Somebody who has to take each part as well, and may not be able to. Machine lock. */
typedef struct RamPartsListener RamPartsListener;
struct RamPartsListener {
    /* [@offset, @offset + @size) is about to come; an error says why it cannot. */
    bool (*come)(RamPartsListener *listener, RamBlock *block, uint64_t offset, uint64_t size,
                 GError **errp);
    /* Other parts of @block are there than before, or those that were asked for do not come. */
    void (*changed)(RamPartsListener *listener, RamBlock *block);
    RamPartsListener *next; /* private */
};
void ram_parts_add_listener(RamPartsListener *listener);
void ram_parts_remove_listener(RamPartsListener *listener);
/* Ask all of them, before ram_parts_set(); if one cannot take it, none has it. */
bool ram_parts_may_come(RamBlock *block, uint64_t offset, uint64_t size, GError **errp);

/* For ram_block_unref(). */
void ram_parts_free(RamBlock *block);

#endif
