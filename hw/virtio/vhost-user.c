/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-user.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"
#include "util/loop.h"

#define NO_PAYLOAD     NULL, 0
#define BASE_SLOTS     8u /* without CONFIGURE_MEM_SLOTS */
#define SLOTS_SENSIBLE 65536u
#define SERVED_AT_ONCE 64 /* pieces of the back-end's requests, before others have their turn */

/* ---- configuration ---- */

bool vhost_user_get_config(VhostUser *vu, uint8_t *config, unsigned size, GError **errp)
{
    VhostUserConfig message = { .size = size };
    const unsigned bytes = offsetof(VhostUserConfig, bytes) + size;

    g_assert(size <= VHOST_USER_CONFIG_MAX);
    if (!vhost_user_ask(vu, VHOST_USER_GET_CONFIG, &message, bytes, &message, bytes, errp)) {
        return false;
    }
    memcpy(config, message.bytes, size);
    return true;
}

bool vhost_user_get_config_later(VhostUser *vu, unsigned size, VhostUserFn *fn, void *opaque,
                                 GError **errp)
{
    const VhostUserConfig message = { .size = size };
    const unsigned bytes = offsetof(VhostUserConfig, bytes) + size;

    g_assert(size <= VHOST_USER_CONFIG_MAX);
    return vhost_user_ask_later(vu, VHOST_USER_GET_CONFIG, &message, bytes, bytes, fn, opaque,
                                errp);
}

bool vhost_user_set_config(VhostUser *vu, unsigned offset, const uint8_t *bytes, unsigned size,
                           GError **errp)
{
    VhostUserConfig message = { .offset = offset, .size = size };

    g_assert(size <= VHOST_USER_CONFIG_MAX);
    memcpy(message.bytes, bytes, size);
    return vhost_user_send(vu, VHOST_USER_SET_CONFIG, &message,
                           offsetof(VhostUserConfig, bytes) + size, NULL, 0, errp);
}

bool vhost_user_set_log(VhostUser *vu, int fd, uint64_t size, GError **errp)
{
    const VhostUserLog log = { .size = size };

    return vhost_user_send_any(vu, VHOST_USER_SET_LOG_BASE, &log, sizeof(log), fd, errp);
}

/* ---- requests of the back-end ---- */

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void end_requests(VhostUser *vu)
{
    drop_source(&vu->request_source);
    if (vu->request_fd >= 0) {
        close(vu->request_fd);
        vu->request_fd = -1;
    }
    vu->got = 0;
}

static gboolean tell_config(gpointer opaque)
{
    VhostUser *vu = opaque;

    drop_source(&vu->config_source);
    if (vu->base.up && vu->config_changed) {
        vu->config_changed(vu->opaque);
    }
    return G_SOURCE_REMOVE;
}

/* Those that are known are carried out later: whoever waits for the back-end now, it may wait for
 * us. */
static void serve(VhostUser *vu, const VhostUserHeader *request)
{
    struct {
        VhostUserHeader header;
        uint64_t status;
    } __attribute__((packed))
    answer = { { request->request, VHOST_USER_VERSION | VHOST_USER_REPLY, sizeof(uint64_t) },
               request->request != VHOST_USER_BACKEND_CONFIG_CHANGE_MSG };

    if (!answer.status && !vu->config_source) {
        vu->config_source = g_idle_source_new();
        g_source_set_priority(vu->config_source, G_PRIORITY_DEFAULT);
        g_source_set_callback(vu->config_source, tell_config, vu, NULL);
        loop_attach(loop_main(), vu->config_source);
    }
    if (request->flags & VHOST_USER_NEED_REPLY &&
        send(vu->request_fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* It does not listen, and will not hear. */
    }
}

/* What has come of them, or some of it: they may come as fast as they are read. Descriptors that
 * come with it are closed by the kernel, as there is no room for any. */
void vhost_user_serve(VhostUser *vu)
{
    const VhostUserHeader *header = (const VhostUserHeader *)vu->request;

    for (unsigned i = 0; i < SERVED_AT_ONCE; i++) {
        const size_t whole = sizeof(*header) + (vu->got >= sizeof(*header) ? header->size : 0);
        ssize_t n;

        if (whole > sizeof(vu->request)) {
            error_warn(
                "vhost-user: the back-end sent a request of %u bytes, and is not listened to "
                "any more",
                header->size);
            end_requests(vu);
            return;
        }
        if (vu->got >= sizeof(*header) && vu->got == whole) {
            vu->got = 0;
            serve(vu, header);
            continue;
        }
        n = recv(vu->request_fd, vu->request + vu->got, whole - vu->got, MSG_DONTWAIT);
        if (n > 0) {
            vu->got += (unsigned)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            end_requests(vu);
            return;
        } else {
            return;
        }
    }
}

static gboolean request_came(gint fd, GIOCondition condition, gpointer opaque)
{
    vhost_user_serve(opaque);
    return G_SOURCE_CONTINUE; /* or it is destroyed */
}

static bool begin_requests(VhostUser *vu, GError **errp)
{
    int fds[2];
    bool ok;

    if (!vhost_user_has(vu, VHOST_USER_PROTOCOL_F_BACKEND_REQ)) {
        return true;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        error_set_errno(errp, errno, "cannot make a socket for the back-end's requests");
        return vhost_user_give_up(vu);
    }
    vu->request_fd = fds[0];
    vu->request_source = g_unix_fd_source_new(fds[0], G_IO_IN | G_IO_HUP);
    g_source_set_callback(vu->request_source, G_SOURCE_FUNC(request_came), vu, NULL);
    loop_attach(loop_main(), vu->request_source);
    ok = vhost_user_send(vu, VHOST_USER_SET_BACKEND_REQ_FD, NO_PAYLOAD, &fds[1], 1, errp);
    close(fds[1]);
    return ok;
}

/* ---- the meeting ---- */

/* A question of it, which is asked of those that have all of the features; and what is done with
 * the answer. */
typedef struct Step {
    uint64_t features, protocol;
    uint32_t request;
    bool (*take)(VhostUser *vu, uint64_t value, GError **errp);
} Step;

static bool take_features(VhostUser *vu, uint64_t features, GError **errp)
{
    vu->base.features = features;
    return true;
}

static bool take_protocol(VhostUser *vu, uint64_t offered, GError **errp)
{
    uint64_t wanted = vu->wanted;

    if (!(offered >> VHOST_USER_PROTOCOL_F_BACKEND_REQ & 1) ||
        !(offered >> VHOST_USER_PROTOCOL_F_CONFIG & 1)) {
        wanted &= ~(1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ);
    }
    /* That there are acknowledgements is agreed on by this message, which has none. */
    const uint64_t both = offered & wanted;
    if (!vhost_user_send_u64(vu, VHOST_USER_SET_PROTOCOL_FEATURES, both, errp)) {
        return false;
    }
    vu->protocol = both;
    vu->base.pieces = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
    vu->base.can_log = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_LOG_SHMFD);
    return true;
}

static bool take_rings(VhostUser *vu, uint64_t rings, GError **errp)
{
    vu->base.rings = (unsigned)MIN(rings, UINT_MAX);
    if (!rings) {
        error_set(errp, "the back-end has no queues");
    }
    return rings;
}

static bool take_slots(VhostUser *vu, uint64_t slots, GError **errp)
{
    vu->base.slots = (unsigned)MIN(slots, SLOTS_SENSIBLE);
    if (!slots) {
        error_set(errp, "the back-end has no room for memory");
    }
    return slots;
}

static const Step steps[] = {
    { 0, 0, VHOST_USER_GET_FEATURES, take_features },
    { 1ull << VHOST_USER_F_PROTOCOL_FEATURES, 0, VHOST_USER_GET_PROTOCOL_FEATURES, take_protocol },
    { 0, 1ull << VHOST_USER_PROTOCOL_F_MQ, VHOST_USER_GET_QUEUE_NUM, take_rings },
    { 0, 1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS, VHOST_USER_GET_MAX_MEM_SLOTS,
      take_slots },
};

static bool be_met(VhostUser *vu, GError **errp)
{
    vu->meeting = false;
    vu->met = vu->base.up = true;
    return !vu->greet || vu->greet(vu->opaque, errp);
}

static bool acknowledged(void *opaque, const void *payload, int fd, GError **errp)
{
    return be_met(opaque, errp);
}

static bool finish_meeting(VhostUser *vu, GError **errp)
{
    if (!begin_requests(vu, errp) ||
        !vhost_user_send(vu, VHOST_USER_SET_OWNER, NO_PAYLOAD, NULL, 0, errp)) {
        return false;
    }
    return vu->awaited.length || vu->unsent.length
               ? vhost_user_ask_later(vu, VHOST_USER_GET_FEATURES, NO_PAYLOAD, sizeof(uint64_t),
                                      acknowledged, vu, errp)
               : be_met(vu, errp);
}

static bool ask_next(VhostUser *vu, GError **errp);

static bool step_answered(void *opaque, const void *payload, int fd, GError **errp)
{
    VhostUser *vu = opaque;
    uint64_t value;

    memcpy(&value, payload, sizeof(value));
    if (!steps[vu->step].take(vu, value, errp)) {
        return false;
    }
    vu->step++;
    return ask_next(vu, errp);
}

static bool ask_next(VhostUser *vu, GError **errp)
{
    const Step *step = &steps[vu->step];

    while (vu->step < G_N_ELEMENTS(steps) &&
           (step->features & ~vu->base.features || step->protocol & ~vu->protocol)) {
        step = &steps[++vu->step];
    }
    return vu->step == G_N_ELEMENTS(steps)
               ? finish_meeting(vu, errp)
               : vhost_user_ask_later(vu, step->request, NO_PAYLOAD, sizeof(uint64_t),
                                      step_answered, vu, errp);
}

/* ---- the connection ---- */

void vhost_user_init(VhostUser *vu, CharFrontend *chardev)
{
    *vu = (VhostUser){ .base = { .ops = &vhost_user_ops, .shared = true },
                       .chardev = chardev,
                       .side_fd = -1,
                       .request_fd = -1 };
}

bool vhost_user_begin_later(VhostUser *vu, uint64_t wanted,
                            bool (*met)(void *opaque, GError **errp), GError **errp)
{
    GQueue left = vu->awaited; /* of a device before */

    g_queue_init(&vu->awaited);
    vhost_user_end(vu);
    vu->awaited = left;
    vu->wanted = wanted;
    vu->greet = met;
    vu->step = 0;
    vu->met = false;
    vu->meeting = true;
    vu->base.rings = UINT_MAX;
    vu->base.slots = BASE_SLOTS;
    vu->base.pieces = vu->base.can_log = false;
    return ask_next(vu, errp) || vhost_user_give_up(vu);
}

bool vhost_user_begin(VhostUser *vu, uint64_t wanted, GError **errp)
{
    return vhost_user_begin_later(vu, wanted, NULL, errp) && vhost_user_wait(vu, &vu->met, errp);
}

void vhost_user_end(VhostUser *vu)
{
    end_requests(vu);
    drop_source(&vu->config_source);
    vhost_user_forget_answers(vu);
    vu->unasked = false;
    vu->base.up = vu->meeting = false;
    vu->base.features = vu->protocol = 0;
}
