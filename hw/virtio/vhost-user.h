/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of vhost-user: a device whose rings are worked on by another program, its back-end,
 * which is at the other end of a chardev (the vhost-user specification). What is said here is what
 * both sides agree on when they meet, and one function for each request that is made later.
 *
 * Nothing that comes from the back-end is trusted. One that sends what makes no sense, or does not
 * answer in time, is hung up on: the functions say false with an error, and from then on without
 * asking. Requests that it can answer are waited for, in the thread that asks. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_USER_H
#define HW_VIRTIO_VHOST_USER_H

#include <glib.h>

#include "chardev/char.h"
#include "hw/virtio/vhost-user-proto.h"

typedef struct VhostUser {
    CharFrontend *chardev; /* raw, attached; borrowed */
    /* From the main loop: the back-end says that the configuration is another. May be NULL. */
    void (*config_changed)(void *opaque);
    void *opaque;
    /* Of the connection; by vhost_user_begin(). */
    bool up;           /* there is one, and it works */
    uint64_t features; /* that the back-end offers, with those of vhost */
    uint64_t protocol; /* features of the protocol that both sides have */
    unsigned rings;    /* that it has at most */
    unsigned slots;    /* regions of memory that it takes at most */
    /* private */
    int request_fd; /* our end of its requests; -1: none */
    GSource *request_source, *config_source;
    uint8_t request[sizeof(VhostUserHeader) + VHOST_USER_CONFIG_MAX];
    unsigned got; /* bytes of the next request of the back-end that have come */
} VhostUser;

/* Before all else; @chardev is attached, and outlives it, or vhost_user_end(). */
void vhost_user_init(VhostUser *vu, CharFrontend *chardev);
/* Somebody is there: agree on features of the protocol, of which @wanted is a mask. */
bool vhost_user_begin(VhostUser *vu, uint64_t wanted, GError **errp);
/* Forget the connection, which has ended. Harmless without one. */
void vhost_user_end(VhostUser *vu);

static inline bool vhost_user_has(const VhostUser *vu, unsigned protocol_feature)
{
    return vu->protocol >> protocol_feature & 1;
}

/* A request with @size bytes @payload and the descriptors @fds, borrowed; where the back-end can,
 * it says whether it was able to, and that is waited for. */
bool vhost_user_send(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                     const int *fds, unsigned fd_count, GError **errp);
/* One with a number. */
bool vhost_user_send_u64(VhostUser *vu, uint32_t request, uint64_t value, GError **errp);
/* One of a ring: its number, and @num. */
bool vhost_user_send_ring(VhostUser *vu, uint32_t request, unsigned ring, uint32_t num,
                          GError **errp);
/* SET_VRING_KICK and SET_VRING_CALL. @fd -1: none. */
bool vhost_user_send_ring_fd(VhostUser *vu, uint32_t request, unsigned ring, int fd, GError **errp);
/* A request that has an answer, which is of exactly @reply_size bytes. *@fd: the descriptor that
 * comes with it, the caller's, or -1; NULL: none may. */
bool vhost_user_ask(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                    void *reply, unsigned reply_size, int *fd, GError **errp);
/* GET_VRING_BASE, which stops the ring, and tells where it is. */
bool vhost_user_stop_ring(VhostUser *vu, unsigned ring, uint32_t *base, GError **errp);
/* GET_CONFIG, and SET_CONFIG of [@offset, @offset + @size) by the driver. */
bool vhost_user_get_config(VhostUser *vu, uint8_t *config, unsigned size, GError **errp);
bool vhost_user_set_config(VhostUser *vu, unsigned offset, const uint8_t *bytes, unsigned size,
                           GError **errp);
/* SET_LOG_BASE: pages that the back-end writes to are marked in the first @size bytes of @fd. */
bool vhost_user_set_log(VhostUser *vu, int fd, uint64_t size, GError **errp);
/* The memory of the guest from now on, of @count regions, each in the file @fds[i]: all at once, or
 * one more, or one less. */
bool vhost_user_set_table(VhostUser *vu, const VhostUserRegion *regions, const int *fds,
                          unsigned count, GError **errp);
bool vhost_user_add_region(VhostUser *vu, const VhostUserRegion *region, int fd, GError **errp);
bool vhost_user_remove_region(VhostUser *vu, const VhostUserRegion *region, GError **errp);

#endif
