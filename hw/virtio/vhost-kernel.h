/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's kernel as a vhost back-end: its modules vhost_net, vhost_vsock and vhost_scsi work on
 * the rings, and are told by ioctls of descriptors that somebody has opened and owns
 * (VHOST_SET_OWNER). It reaches all memory of this program, shared or not. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_KERNEL_H
#define HW_VIRTIO_VHOST_KERNEL_H

#include "hw/virtio/vhost-backend.h"

/* A feature of vhost_net, which adds headers to packets, and takes them away, where a tap has none.
 * Devices have another one of this number. */
enum { VHOST_KERNEL_NET_F_HEADER = 27 };

typedef struct VhostKernel {
    VhostBackend base;
    /* The module works on @ring, which it was given, or not any more. */
    bool (*enable)(void *opaque, unsigned ring, bool on, GError **errp);
    void *opaque;
    uint64_t always; /* features that it is told, whatever the driver has accepted */
    /* private */
    int *fds; /* borrowed descriptors; the array is owned, with this */
    unsigned fd_count;
    unsigned rings_each; /* of a descriptor */
    uint64_t known;      /* features of its own: `base.features` may get others */
} VhostKernel;

/* A descriptor of the device file @path, which @module of the kernel makes; with @given, what a
 * user calls one that is open, that. -1: an error. */
int vhost_kernel_open(const char *path, const char *module, const char *given, GError **errp);
/* By @count descriptors, borrowed as long as it lives, with @rings_each rings each. NULL: an error.
 * Freed by g_free(). */
VhostKernel *vhost_kernel_new(const int *fds, unsigned count, unsigned rings_each, GError **errp);
/* Of vhost_net: packets of @ring are those of the tap @fd; -1: of none. */
bool vhost_kernel_set_tap(const VhostKernel *s, unsigned ring, int fd, GError **errp);
/* Of vhost_vsock, by its descriptor: take it for this program, with the guest's address @cid; work
 * on the rings, or do not. */
bool vhost_kernel_own_vsock(int fd, uint64_t cid, GError **errp);
bool vhost_kernel_run_vsock(int fd, bool on, GError **errp);
/* Of vhost_scsi, by its descriptor: take it for this program, if it knows of targets as we do; work
 * on all rings that are set up, for the target @wwpn, or do not. */
bool vhost_kernel_own_scsi(int fd, const char *wwpn, GError **errp);
bool vhost_kernel_run_scsi(int fd, const char *wwpn, bool on, GError **errp);

#endif
