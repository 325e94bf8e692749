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

static bool ask_u64(VhostUser *vu, uint32_t request, uint64_t *value, GError **errp)
{
    return vhost_user_ask(vu, request, NO_PAYLOAD, value, sizeof(*value), NULL, errp);
}

/* ---- configuration ---- */

bool vhost_user_get_config(VhostUser *vu, uint8_t *config, unsigned size, GError **errp)
{
    VhostUserConfig message = { .size = size };
    const unsigned bytes = offsetof(VhostUserConfig, bytes) + size;

    g_assert(size <= VHOST_USER_CONFIG_MAX);
    if (!vhost_user_ask(vu, VHOST_USER_GET_CONFIG, &message, bytes, &message, bytes, NULL, errp)) {
        return false;
    }
    memcpy(config, message.bytes, size);
    return true;
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

/* ---- the connection ---- */

void vhost_user_init(VhostUser *vu, CharFrontend *chardev)
{
    *vu = (VhostUser){ .base = { .ops = &vhost_user_ops, .shared = true },
                       .chardev = chardev,
                       .side_fd = -1,
                       .request_fd = -1 };
}

static bool agree_on_protocol(VhostUser *vu, uint64_t wanted, GError **errp)
{
    uint64_t offered;

    if (!(vu->base.features >> VHOST_USER_F_PROTOCOL_FEATURES & 1)) {
        return true;
    }
    if (!ask_u64(vu, VHOST_USER_GET_PROTOCOL_FEATURES, &offered, errp)) {
        return false;
    }
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
    return true;
}

/* How much of everything it takes. */
static bool ask_limits(VhostUser *vu, GError **errp)
{
    uint64_t rings = UINT_MAX, slots = BASE_SLOTS;

    if ((vhost_user_has(vu, VHOST_USER_PROTOCOL_F_MQ) &&
         !ask_u64(vu, VHOST_USER_GET_QUEUE_NUM, &rings, errp)) ||
        (vhost_user_has(vu, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) &&
         !ask_u64(vu, VHOST_USER_GET_MAX_MEM_SLOTS, &slots, errp))) {
        return false;
    }
    if (!rings || !slots) {
        error_set(errp, "the back-end has no %s", rings ? "room for memory" : "queues");
        return vhost_user_give_up(vu);
    }
    vu->base.rings = (unsigned)MIN(rings, UINT_MAX);
    vu->base.slots = (unsigned)MIN(slots, SLOTS_SENSIBLE);
    vu->base.pieces = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
    vu->base.can_log = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_LOG_SHMFD);
    return true;
}

bool vhost_user_begin(VhostUser *vu, uint64_t wanted, GError **errp)
{
    GQueue left = vu->awaited; /* of a device before */

    g_queue_init(&vu->awaited);
    vhost_user_end(vu);
    vu->awaited = left;
    vu->base.up = true;
    return ask_u64(vu, VHOST_USER_GET_FEATURES, &vu->base.features, errp) &&
           agree_on_protocol(vu, wanted, errp) && ask_limits(vu, errp) &&
           begin_requests(vu, errp) &&
           vhost_user_send(vu, VHOST_USER_SET_OWNER, NO_PAYLOAD, NULL, 0, errp) &&
           vhost_user_finish(vu, errp);
}

void vhost_user_end(VhostUser *vu)
{
    end_requests(vu);
    drop_source(&vu->config_source);
    vhost_user_forget_answers(vu);
    vu->unasked = false;
    vu->base.up = false;
    vu->base.features = vu->protocol = 0;
}
