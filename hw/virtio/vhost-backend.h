/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who works on the rings of a vhost device, in place of us: another program, by the messages of
 * vhost-user (vhost-user.h), or the host's kernel, by ioctls (vhost-kernel.h). Both are told the
 * same. Machine lock.
 *
 * All functions that can fail say false with an error.
 */
#ifndef HW_VIRTIO_VHOST_BACKEND_H
#define HW_VIRTIO_VHOST_BACKEND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct VhostBackend VhostBackend;

/* Addresses are ours, but for `log`, which is the guest's. */
typedef struct VhostRingAddr {
    uint32_t index, flags;
    uint64_t desc, used, avail, log;
} VhostRingAddr;
enum { VHOST_RING_LOGGED = 1 };

/* Of memory; `host` is our address. */
typedef struct VhostRegion {
    uint64_t guest, size, host, offset; /* in the file whose descriptor goes with it */
} VhostRegion;

/* Bits of a page each of what is written to, from the guest's address 0 on: @size bytes. */
typedef struct VhostLogArea {
    int fd;
    void *bits; /* the same, here */
    uint64_t size;
} VhostLogArea;

/* Where a feature is that is no device's. */
enum { VHOST_F_LOG_ALL = 26 };

/* A ring that is to be given back, and who is told how far it is. */
typedef struct VhostStop VhostStop;
struct VhostStop {
    unsigned ring;
    void (*fn)(VhostStop *stop, uint32_t base);
};

typedef struct VhostOps {
    /* What the driver has accepted of its features. */
    bool (*set_features)(VhostBackend *be, uint64_t features, GError **errp);
    /* A ring that it does not have: entries, how far it is, where it is, its notifications. */
    bool (*give_ring)(VhostBackend *be, const VhostRingAddr *addr, unsigned entries, uint32_t base,
                      int kick_fd, int call_fd, GError **errp);
    /* Of one that it has: where it is, or how it is logged; its interrupts; whether it is used. */
    bool (*set_ring_addr)(VhostBackend *be, const VhostRingAddr *addr, GError **errp);
    bool (*set_ring_call)(VhostBackend *be, unsigned ring, int fd, GError **errp);
    bool (*enable_ring)(VhostBackend *be, unsigned ring, bool on, GError **errp);
    /* It gives it back, and tells how far it is, at once, or later, unless it goes. */
    bool (*stop_ring)(VhostBackend *be, VhostStop *stop, GError **errp);
    /* All memory of the guest, each range in the file @fds[i]; or, where `pieces` is set, one range
     * more, or one less. */
    bool (*set_table)(VhostBackend *be, const VhostRegion *regions, const int *fds, unsigned count,
                      GError **errp);
    bool (*add_region)(VhostBackend *be, const VhostRegion *region, int fd, GError **errp);
    bool (*remove_region)(VhostBackend *be, const VhostRegion *region, GError **errp);
    bool (*set_log)(VhostBackend *be, const VhostLogArea *log, GError **errp);
    /* It has been told all for now; and so many answers are to come. NULL: at once it has done what
     * it is told. */
    bool (*settle)(VhostBackend *be, GError **errp);
    unsigned (*awaited)(const VhostBackend *be);
    /* It has failed: nothing more to do with it. */
    void (*hang_up)(VhostBackend *be);
} VhostOps;

struct VhostBackend {
    const VhostOps *ops;
    bool up;           /* it is there, and works */
    bool shared;       /* it reaches only memory that is shared */
    bool pieces;       /* it takes memory range by range */
    bool can_log;      /* it can be told where to mark what it writes to */
    uint64_t features; /* that it offers, with those of vhost */
    unsigned rings;    /* that it has at most */
    unsigned slots;    /* ranges of memory that it takes at most */
};

#endif
