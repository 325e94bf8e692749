/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues: rings of buffers that a driver gives to a device and gets back (Virtio 1.2, sections
 * 2.6 to 2.8), split and packed, seen from the device. Nothing here knows a device or a transport.
 *
 * Nothing in the ring is trusted. Each index, length and chain is checked, each descriptor is read
 * once, and each walk ends. What makes no sense breaks the queue: virtq_error() says why, every
 * function then does nothing, and the device asks its driver for a reset. A broken queue works
 * again after virtq_reset() only.
 *
 * Buffers are held (memory/dma.h) from virtq_pop() until they are given back, so that they have to
 * be given back in a time that ends.
 *
 * Threads: a queue belongs to one thread at a time. What reaches guest memory needs the machine
 * lock or a read section (memory/reader.h); no function waits. The driver runs at the same time, on
 * other processors. Orders that both rely on:
 *   - its index, or the flags of its descriptor, is loaded with acquire: what it wrote before is
 *     then seen, too (the ring's entry, descriptors, and what is in the buffers);
 *   - our index, or flags, is stored with release, after what goes with it was stored;
 *   - between the store of our index and the load of its wish to be notified, and between the store
 *     of our wish and the load of its index, is a sequentially consistent fence, as the driver has
 *     one the other way round: one of the two sides sees what the other one stored.
 */
#ifndef HW_VIRTIO_VIRTQUEUE_H
#define HW_VIRTIO_VIRTQUEUE_H

#include "memory/dma.h"
#include "util/state.h"

#define VIRTQ_MAX_SIZE   32768 /* entries of a ring (section 2.6) */
#define VIRTQ_MAX_PIECES 1024  /* of one element: descriptors, counted again where RAM is parted */

/* Features that say how a ring looks (section 6). */
enum {
    VIRTIO_RING_F_INDIRECT_DESC = 28,
    VIRTIO_RING_F_EVENT_IDX = 29,
    VIRTIO_F_RING_PACKED = 34,
};

typedef struct VirtQueue {
    /* configuration */
    uint16_t max_size; /* entries that the device offers; 0: there is no such queue */
    /* wiring */
    const DmaSpace *space; /* borrowed */
    const char *holder;    /* who holds buffers, for messages; borrowed */
    /* state: what the driver has set, before it enables the queue */
    uint16_t size; /* entries, up to max_size */
    bool enabled;
    uint64_t desc;   /* descriptor table, or ring */
    uint64_t driver; /* available ring, or what it wants of notifications */
    uint64_t device; /* used ring, or what the device wants of them */
    uint64_t features;
    /* state: how far it is. Split rings: free-running indices. Packed: positions, and the counters
     * that change each time around. */
    uint16_t avail, used;
    bool avail_wrap, used_wrap;
    bool quiet;  /* virtq_set_notification(false) */
    bool broken; /* see `error` */
    /* derived */
    unsigned in_flight;    /* elements that were popped, and not given back */
    unsigned filled;       /* entries that virtq_fill() took and virtq_flush() has not shown yet */
    uint16_t first_filled; /* packed: position of the first of them */
    uint16_t first_flags;  /* and what its flags will be */
    unsigned unsaid;       /* entries shown since the last virtq_should_notify() */
    const char *error;     /* why it is broken; NULL: it is not */
} VirtQueue;

/* What of it a snapshot keeps. Elements in flight are their device's: see VirtqPlace. */
extern const StateTable virtqueue_state;

/* Where an element was in the ring: with that it can be had again from a saved machine. */
typedef struct VirtqPlace {
    uint16_t head;  /* split: index of the first descriptor; packed: its position */
    uint16_t id;    /* packed: the buffer's */
    uint16_t count; /* entries of the ring that it takes: split 1 */
} VirtqPlace;
extern const StateTable virtq_place_state;

/* A buffer: @out_num pieces that the device reads, then @in_num that it writes to. */
typedef struct VirtqElement {
    VirtqPlace place;
    unsigned out_num, in_num;
    uint64_t out_size, in_size; /* bytes of all of them; together below 4 GiB */
    DmaHold *out, *in;          /* in `pieces` */
    DmaHold pieces[];
} VirtqElement;

/* A queue that offers @max_size entries, in its state after a reset. */
void virtq_init(VirtQueue *vq, uint16_t max_size, const DmaSpace *space, const char *holder);
/* As after power-up: not enabled, no addresses, the largest size. Nothing may be in flight. */
void virtq_reset(VirtQueue *vq);
/* The driver has set size and addresses, and has agreed to @features: from now on it is used. A
 * place where no ring can be breaks it. */
void virtq_enable(VirtQueue *vq, uint64_t features);
/* Can elements be popped, if there are some? */
static inline bool virtq_works(const VirtQueue *vq)
{
    return vq->enabled && !vq->broken;
}
/* Why it is broken; NULL: it is not. */
static inline const char *virtq_error(const VirtQueue *vq)
{
    return vq->error;
}
/* For devices, whose driver gave them what they cannot do anything with. @why is borrowed for good.
 */
void virtq_break(VirtQueue *vq, const char *why);

/* ---- from the driver ---- */

/* Is there nothing to pop? Also if it is not enabled, or broken. */
bool virtq_is_empty(VirtQueue *vq);
/* The next buffer, mapped; NULL: there is none, or the queue is (now) broken. It must be given back
 * by one of the functions below. */
VirtqElement *virtq_pop(VirtQueue *vq);
/* The same for the one at @place, which was popped before the machine was saved; NULL: the queue is
 * broken. */
VirtqElement *virtq_pop_again(VirtQueue *vq, const VirtqPlace *place);
/* Undo the last virtq_pop(). Frees @element. */
void virtq_unpop(VirtQueue *vq, VirtqElement *element);
/* Does the driver have to notify of new buffers? (It may all the same.) True: some came before it
 * knew, and have to be looked for. */
bool virtq_set_notification(VirtQueue *vq, bool on);

/* ---- to the driver ---- */

/* Give @element back, with @written bytes written to its `in` pieces, from the first one on. It is
 * shown to the driver at once. Frees it. */
void virtq_push(VirtQueue *vq, VirtqElement *element, uint32_t written);
/* The same, but shown with all others that were filled since the last virtq_flush(), together. */
void virtq_fill(VirtQueue *vq, VirtqElement *element, uint32_t written);
void virtq_flush(VirtQueue *vq);
/* Let go of @element, and tell the driver nothing: for resets. Anything may have been written to
 * it. Frees it. */
void virtq_drop(VirtQueue *vq, VirtqElement *element);
/* Does the driver want to be notified of what was shown since this was asked last? */
bool virtq_should_notify(VirtQueue *vq);

/* ---- what is in elements ---- */

/* Copy up to @len bytes from the device-readable part, from byte @offset of it on; and to the
 * device-writable part. How many there were. */
size_t virtq_read(const VirtqElement *element, uint64_t offset, void *buf, size_t len);
size_t virtq_write(const VirtqElement *element, uint64_t offset, const void *buf, size_t len);

#endif
