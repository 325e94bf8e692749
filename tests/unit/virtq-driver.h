/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver's side of one virtqueue (Virtio 1.2, sections 2.7 and 2.8) on memory of this process,
 * for unit tests. One driver thread.
 */
#ifndef TESTS_UNIT_VIRTQ_DRIVER_H
#define TESTS_UNIT_VIRTQ_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

/* What it may put into a descriptor's flags. */
enum { DRIVER_NEXT = 1, DRIVER_WRITE = 2, DRIVER_INDIRECT = 4 };

typedef struct VirtqDriver {
    uint8_t *ram; /* of guest address 0 */
    unsigned size;
    bool packed, event;
    uint64_t desc, driver, device; /* guest addresses of the three parts */
    uint16_t avail, used;          /* as VirtQueue's */
    bool avail_wrap, used_wrap;
    uint16_t lengths[64]; /* packed: entries that the buffer with an id takes */
} VirtqDriver;

typedef struct VirtqBuffer {
    uint64_t addr;
    uint32_t len;
    uint16_t flags; /* DRIVER_WRITE, or with DRIVER_INDIRECT a table */
} VirtqBuffer;

/* A ring of @size entries (up to 64) at @base, 64 KiB of it cleared. */
void virtq_driver_init(VirtqDriver *d, uint8_t *ram, uint64_t base, unsigned size, bool packed,
                       bool event);
/* Write one descriptor, at any guest address. @link is `next` of a split one, the id of a packed
 * one. */
void virtq_driver_desc(const VirtqDriver *d, uint64_t at, const VirtqBuffer *buffer, uint16_t flags,
                       uint16_t link);
/* Write a table of @count descriptors at @at. */
void virtq_driver_table(const VirtqDriver *d, uint64_t at, const VirtqBuffer *buffers,
                        unsigned count);
/* Make a chain of @count descriptors, the first at entry @head of the descriptor table (split; a
 * packed one is where it has to be), with the id @head, available. */
void virtq_driver_add(VirtqDriver *d, uint16_t head, const VirtqBuffer *buffers, unsigned count);
/* The next buffer that the device is through with. */
bool virtq_driver_take(VirtqDriver *d, uint16_t *head, uint32_t *len);
/* Does the device want to be notified, now that @count entries were added? */
bool virtq_driver_should_kick(const VirtqDriver *d, unsigned count);
/* Be notified of the next buffer that comes back (@on), or of none as far as that can be said. */
void virtq_driver_want(const VirtqDriver *d, bool on);

#endif
