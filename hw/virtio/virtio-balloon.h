/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-balloon: memory that the guest's driver takes away from the guest and gives back to the
 * host (Virtio 1.2, section 5.5). Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/virtio/virtio-device.h"
#include "util/timer.h"

#define TYPE_VIRTIO_BALLOON "virtio-balloon-device"

#define VIRTIO_BALLOON_STATS 10 /* statistics that there are */

typedef struct VirtioBalloon {
    VirtioDevice parent;
    uint32_t target, actual; /* pages of 4 KiB in the balloon: asked for, and as the driver says */
    uint64_t stats[VIRTIO_BALLOON_STATS]; /* by tag; UINT64_MAX: not told */
    uint64_t stats_time;                  /* when they came: seconds since 1970; 0: never */
    bool has_stats; /* the driver's buffer is ours, to be given back for new ones: */
    VirtqPlace stats_place;
    Timer *poll; /* when to ask for statistics */
    /* configuration */
    bool deflate_on_oom, free_page_reporting;
    int64_t interval; /* seconds between questions; 0: never */
    /* wiring */
    bool said; /* that this host takes no pages back */
} VirtioBalloon;
OBJECT_CAST_DEFINE(VirtioBalloon, VIRTIO_BALLOON, TYPE_VIRTIO_BALLOON)

/* The machine's; NULL: it has none. */
VirtioBalloon *virtio_balloon_find(void);
/* Ask the driver to leave the guest @bytes. */
void virtio_balloon_set_target(VirtioBalloon *s, uint64_t bytes);
/* Bytes that the guest has. */
uint64_t virtio_balloon_left(const VirtioBalloon *s);

#endif
