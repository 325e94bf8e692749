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
    VhostBackend base;     /* of the connection; by vhost_user_begin() */
    CharFrontend *chardev; /* raw, attached; borrowed */
    /* From the main loop: the back-end says that the configuration is another. May be NULL. */
    void (*config_changed)(void *opaque);
    void *opaque;
    struct VhostAsk *ask; /* a question that was asked beforehand; NULL: none */
    /* A socket of the device's, by which the back-end may be held up: it is served while we wait
     * for an answer. NULL: there is none. */
    void (*serve_side)(void *opaque);
    int side_fd;       /* -1: none */
    uint64_t protocol; /* of the connection: features of the protocol that both sides have */
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

/* What is told any back-end, as messages: of VhostUser.base. */
extern const VhostOps vhost_user_ops;

/* A request with @size bytes @payload and the descriptors @fds, borrowed; where the back-end can,
 * it says whether it was able to, and that is waited for. */
bool vhost_user_send(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                     const int *fds, unsigned fd_count, GError **errp);
/* One with a number. */
bool vhost_user_send_u64(VhostUser *vu, uint32_t request, uint64_t value, GError **errp);
/* A request that has an answer, which is of exactly @reply_size bytes. *@fd: the descriptor that
 * comes with it, the caller's, or -1; NULL: none may. */
bool vhost_user_ask(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                    void *reply, unsigned reply_size, int *fd, GError **errp);
/* SET_LOG_BASE: pages that the back-end writes to are marked in the first @size bytes of @fd. */
bool vhost_user_set_log(VhostUser *vu, int fd, uint64_t size, GError **errp);
/* What was asked beforehand is waited for. */
void vhost_user_finish_ask(VhostUser *vu);
/* The answer was nonsense: hang up. False, for return. */
bool vhost_user_give_up(VhostUser *vu);
/* GET_CONFIG, and SET_CONFIG of [@offset, @offset + @size) by the driver. */
bool vhost_user_get_config(VhostUser *vu, uint8_t *config, unsigned size, GError **errp);
bool vhost_user_set_config(VhostUser *vu, unsigned offset, const uint8_t *bytes, unsigned size,
                           GError **errp);

#endif
