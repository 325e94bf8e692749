/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of vhost-user: a device whose rings are worked on by another program, its back-end,
 * which is at the other end of a chardev (the vhost-user specification). What is said here is what
 * both sides agree on when they meet, and one function for each request that is made later.
 *
 * Nothing that comes from the back-end is trusted. One that sends what makes no sense, or does not
 * answer in time, is hung up on: the functions say false with an error, and from then on without
 * asking. What it only has to acknowledge is sent, and not waited for: `failed` is told if it does
 * not. What somebody needs the answer of at once is waited for, in the thread that asks; or it is
 * asked for later. It answers all in the order in which it was asked. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_USER_H
#define HW_VIRTIO_VHOST_USER_H

#include <glib.h>

#include "chardev/char.h"
#include "hw/virtio/vhost-user-proto.h"

/* The answer to what was asked is there, perhaps while somebody waits for that to another question.
 * More may be asked then, which is not waited for. @fd came with it, and is the function's: -1 if
 * none did, or none was asked for. False: it makes no sense. */
typedef bool VhostUserFn(void *opaque, const void *payload, int fd, GError **errp);

typedef struct VhostUser {
    VhostBackend base;     /* of the connection; by vhost_user_begin() */
    CharFrontend *chardev; /* raw, attached; borrowed */
    /* From the main loop: the back-end says that the configuration is another. May be NULL. */
    void (*config_changed)(void *opaque);
    /* It has answered something; as a VhostUserFn. May be NULL. */
    void (*answered)(void *opaque);
    /* From the main loop: it is hung up on. @err is taken. */
    void (*failed)(void *opaque, GError *err);
    void *opaque;
    /* A socket of the device's, by which the back-end may be held up: it is served while we wait
     * for an answer. NULL: there is none. */
    void (*serve_side)(void *opaque);
    int side_fd;       /* -1: none */
    uint64_t protocol; /* of the connection: features of the protocol that both sides have */
    bool meeting;      /* it is asked what it can do, and not `base.up` yet */
    /* private */
    unsigned step;   /* of the meeting */
    uint64_t wanted; /* features of the protocol */
    bool met;        /* it has answered all */
    bool (*greet)(void *opaque, GError **errp);
    int request_fd; /* our end of its requests; -1: none */
    GSource *request_source, *config_source;
    uint8_t request[sizeof(VhostUserHeader) + VHOST_USER_CONFIG_MAX];
    unsigned got; /* bytes of the next request of the back-end that have come */
    bool unasked; /* it was told what it does not acknowledge, and asked nothing since */
    GQueue unsent, awaited;
    GSource *readable, *writable, *late;
    uint8_t answer[sizeof(VhostUserHeader) + sizeof(VhostUserTable) + VHOST_USER_CONFIG_MAX];
    unsigned answer_got; /* bytes of the next answer that have come, and descriptors */
    int answer_fds[VHOST_USER_TABLE_MAX];
    unsigned answer_fd_count;
} VhostUser;

/* Before all else; @chardev is attached, and outlives it, or vhost_user_end(). */
void vhost_user_init(VhostUser *vu, CharFrontend *chardev);
/* Somebody is there: agree on features of the protocol, of which @wanted is a mask. That is waited
 * for, with the machine lock. */
bool vhost_user_begin(VhostUser *vu, uint64_t wanted, GError **errp);
/* The same, and @met is called when it has answered all; false with an error: it is not taken.
 * Nobody waits for that; `failed` is told of what goes wrong later. */
bool vhost_user_begin_later(VhostUser *vu, uint64_t wanted,
                            bool (*met)(void *opaque, GError **errp), GError **errp);
/* Forget the connection, which has ended. Harmless without one. */
void vhost_user_end(VhostUser *vu);

static inline bool vhost_user_has(const VhostUser *vu, unsigned protocol_feature)
{
    return vu->protocol >> protocol_feature & 1;
}

/* What is told any back-end, as messages: of VhostUser.base. */
extern const VhostOps vhost_user_ops;

/* A request with @size bytes @payload and the descriptors @fds, borrowed; where the back-end can,
 * it says later whether it was able to. */
bool vhost_user_send(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                     const int *fds, unsigned fd_count, GError **errp);
/* One with a number. */
bool vhost_user_send_u64(VhostUser *vu, uint32_t request, uint64_t value, GError **errp);
/* One with a descriptor, and an answer of which nobody knows what it is. */
bool vhost_user_send_any(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                         int fd, GError **errp);
/* A request that has an answer, of exactly @reply_size bytes, which @fn is given when it comes; it
 * is not called if the connection ends before. NULL: nobody is. */
bool vhost_user_ask_later(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                          unsigned reply_size, VhostUserFn *fn, void *opaque, GError **errp);
/* The same, and one descriptor may come with it. @fn is not NULL. */
bool vhost_user_ask_fd_later(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                             unsigned reply_size, VhostUserFn *fn, void *opaque, GError **errp);
/* One that is waited for, with the machine lock. The answer is of exactly @reply_size bytes. */
bool vhost_user_ask(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                    void *reply, unsigned reply_size, GError **errp);
/* SET_LOG_BASE: pages that the back-end writes to are marked in the first @size bytes of @fd. */
bool vhost_user_set_log(VhostUser *vu, int fd, uint64_t size, GError **errp);
/* Is it @fn that is told what it was asked last? */
bool vhost_user_asked_last(const VhostUser *vu, VhostUserFn *fn);
/* There will be an answer behind all that it was told until now. */
bool vhost_user_settle(VhostUser *vu, GError **errp);
/* All that it was told until now it has done: that is waited for, with the machine lock. */
bool vhost_user_finish(VhostUser *vu, GError **errp);
/* Answers that are to come are the next one's of this connection, who does without them; false: it
 * has to end. Then: they are @vu's. */
bool vhost_user_leave_answers(VhostUser *vu, GQueue *left);
void vhost_user_take_answers(VhostUser *vu, GQueue *left);
/* The answer was nonsense: hang up. False, for return. */
bool vhost_user_give_up(VhostUser *vu);
/* GET_CONFIG: the first @size bytes, which are waited for, with the machine lock; or which @fn is
 * given later, in a VhostUserConfig. SET_CONFIG of [@offset, @offset + @size) by the driver. */
bool vhost_user_get_config(VhostUser *vu, uint8_t *config, unsigned size, GError **errp);
bool vhost_user_get_config_later(VhostUser *vu, unsigned size, VhostUserFn *fn, void *opaque,
                                 GError **errp);
bool vhost_user_set_config(VhostUser *vu, unsigned offset, const uint8_t *bytes, unsigned size,
                           GError **errp);

/* ---- between the files of vhost-user ---- */

/* Requests of its own that have come. */
void vhost_user_serve(VhostUser *vu);
/* The connection ends: none will come. */
void vhost_user_forget_answers(VhostUser *vu);
/* Until *@done, which an answer sets; each has its time. False: it is hung up on. */
bool vhost_user_wait(VhostUser *vu, const bool *done, GError **errp);

#endif
