/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-user.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/virtio/vhost-ask.h"
#include "util/error.h"
#include "util/loop.h"

#define FDS_MAX        VHOST_USER_TABLE_MAX
#define ANY_REPLY      UINT_MAX
#define NO_PAYLOAD     NULL, 0
#define BASE_SLOTS     8u /* without CONFIGURE_MEM_SLOTS */
#define SLOTS_SENSIBLE 65536u
#define SERVED_AT_ONCE 64 /* pieces of the back-end's requests, before others have their turn */

static void serve_requests(VhostUser *vu);

/* ---- bytes ---- */

/* False: it makes no sense to go on. */
bool vhost_user_give_up(VhostUser *vu)
{
    vu->base.up = false;
    char_hang_up(vu->chardev);
    return false;
}

/* Wait until the socket is ready for @events; the back-end's requests are served meanwhile, as it
 * may not go on before. */
static bool wait_for(VhostUser *vu, short events, gint64 deadline, GError **errp)
{
    for (;;) {
        const gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        struct pollfd p[] = { { .fd = char_fd(vu->chardev), .events = events },
                              { .fd = vu->request_fd, .events = POLLIN },
                              { .fd = vu->side_fd, .events = POLLIN } };
        int n = left > 0 ? poll(p, G_N_ELEMENTS(p), (int)left + 1) : 0;

        if (n == 0) {
            error_set(errp, "the back-end has not answered for %d seconds",
                      VHOST_USER_REPLY_MS / 1000);
            return false;
        }
        if (n < 0 && errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for the back-end");
            return false;
        }
        if (n > 0 && p[1].revents) {
            serve_requests(vu);
        }
        if (n > 0 && p[2].revents) {
            vu->serve_side(vu->opaque);
        }
        if (n > 0 && p[0].revents) {
            return true;
        }
    }
}

static void close_fds(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
    }
}

/* Up to FDS_MAX descriptors that came with @msg. */
static unsigned take_fds(struct msghdr *msg, int *fds)
{
    unsigned count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = MIN((unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)), FDS_MAX);
            memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        }
    }
    return count;
}

/* Exactly @size bytes. *@count: how many descriptors came with them. */
static bool receive(VhostUser *vu, void *buf, size_t size, int *fds, unsigned *count,
                    gint64 deadline, GError **errp)
{
    size_t done = 0;

    while (done < size) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = { (uint8_t *)buf + done, size - done };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(char_fd(vu->chardev), &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n > 0) {
            int more[FDS_MAX];
            unsigned got = take_fds(&msg, more);

            done += (size_t)n;
            if (*count + got > FDS_MAX) {
                close_fds(more, got);
                error_set(errp, "the back-end sent more descriptors than there can be");
                return false;
            }
            memcpy(fds + *count, more, got * sizeof(int));
            *count += got;
        } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(vu, POLLIN, deadline, errp)) {
                return false;
            }
        } else {
            error_set(errp, "the back-end has gone%s%s", n ? ": " : "", n ? g_strerror(errno) : "");
            return false;
        }
    }
    return true;
}

static bool send_all(VhostUser *vu, const VhostUserHeader *header, const void *payload,
                     const int *fds, unsigned fd_count, gint64 deadline, GError **errp)
{
    uint8_t bytes[sizeof(*header) + sizeof(VhostUserTable) + VHOST_USER_CONFIG_MAX];
    const size_t size = sizeof(*header) + header->size;
    size_t done = 0;

    g_assert(size <= sizeof(bytes) && fd_count <= FDS_MAX);
    memcpy(bytes, header, sizeof(*header));
    if (header->size) {
        memcpy(bytes + sizeof(*header), payload, header->size);
    }
    while (done < size) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control = { 0 };
        struct iovec iov = { bytes + done, size - done };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd_count && !done) {
            msg.msg_control = &control;
            msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
            CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
            CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
            CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
            memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, fd_count * sizeof(int));
        }
        ssize_t n = sendmsg(char_fd(vu->chardev), &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            error_set_errno(errp, errno, "the back-end has gone");
            return false;
        } else if (!wait_for(vu, POLLOUT, deadline, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- messages ---- */

/* The answer to @request, of @size bytes or ANY_REPLY. */
static bool receive_reply(VhostUser *vu, uint32_t request, void *reply, unsigned size, int *fd,
                          gint64 deadline, GError **errp)
{
    VhostUserHeader header;
    uint8_t bytes[sizeof(VhostUserTable) + VHOST_USER_CONFIG_MAX];
    int fds[FDS_MAX];
    unsigned count = 0;
    bool ok = false;

    if (!receive(vu, &header, sizeof(header), fds, &count, deadline, errp)) {
        /* said */
    } else if (header.request != request ||
               (header.flags & (VHOST_USER_VERSION_MASK | VHOST_USER_REPLY)) !=
                   (VHOST_USER_VERSION | VHOST_USER_REPLY)) {
        error_set(errp,
                  "the back-end answered request %u by a message %u with flags 0x%x, which is no "
                  "answer to it",
                  request, header.request, header.flags);
    } else if (header.size > sizeof(bytes) || (size != ANY_REPLY && header.size != size)) {
        error_set(errp, "the back-end's answer to request %u has %u bytes, and not %u", request,
                  header.size, size);
    } else if (!receive(vu, bytes, header.size, fds, &count, deadline, errp)) {
        /* said */
    } else if (count > (fd ? 1 : 0)) { /* with the header, or with what is behind it */
        error_set(errp, "the back-end's answer to request %u came with %u descriptors", request,
                  count);
    } else {
        ok = true;
    }
    if (!ok) {
        close_fds(fds, count);
        return false;
    }
    if (size != ANY_REPLY) {
        memcpy(reply, bytes, size);
    }
    if (fd) {
        *fd = count ? fds[0] : -1;
    }
    return true;
}

void vhost_user_finish_ask(VhostUser *vu)
{
    const gint64 deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000;
    g_autoptr(GError) err = NULL;

    while (vu->ask) {
        if (wait_for(vu, POLLIN, deadline, &err)) {
            vhost_ask_read(vu->ask);
        } else {
            vhost_ask_give_up(vu->ask);
        }
    }
}

static bool transact(VhostUser *vu, uint32_t request, uint32_t flags, const void *payload,
                     unsigned size, const int *fds, unsigned fd_count, void *reply,
                     unsigned reply_size, int *fd, GError **errp)
{
    const gint64 deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000;
    const VhostUserHeader header = { request, VHOST_USER_VERSION | flags, size };

    if (vu->base.up) {
        vhost_user_finish_ask(vu);
    }
    if (!vu->base.up) {
        error_set(errp, "the back-end is not there");
        return false;
    }
    if (!send_all(vu, &header, payload, fds, fd_count, deadline, errp) ||
        (reply_size && !receive_reply(vu, request, reply, reply_size, fd, deadline, errp))) {
        return vhost_user_give_up(vu);
    }
    return true;
}

bool vhost_user_ask(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                    void *reply, unsigned reply_size, int *fd, GError **errp)
{
    return transact(vu, request, 0, payload, size, NULL, 0, reply, reply_size, fd, errp);
}

bool vhost_user_send(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                     const int *fds, unsigned fd_count, GError **errp)
{
    const bool ack = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_REPLY_ACK);
    uint64_t status = 0;

    if (!transact(vu, request, ack ? VHOST_USER_NEED_REPLY : 0, payload, size, fds, fd_count,
                  &status, ack ? sizeof(status) : 0, NULL, errp)) {
        return false;
    }
    if (status) {
        error_set(errp, "the back-end could not do request %u: status %" PRIu64, request, status);
        return vhost_user_give_up(vu);
    }
    return true;
}

bool vhost_user_send_u64(VhostUser *vu, uint32_t request, uint64_t value, GError **errp)
{
    return vhost_user_send(vu, request, &value, sizeof(value), NULL, 0, errp);
}

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

    return transact(vu, VHOST_USER_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1, NULL, ANY_REPLY,
                    NULL, errp);
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
static void serve_requests(VhostUser *vu)
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
    serve_requests(opaque);
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
    /* The answer of an acknowledgement is agreed on by this message, and not by its own. */
    const uint64_t both = offered & wanted;
    if (!transact(vu, VHOST_USER_SET_PROTOCOL_FEATURES, 0, &both, sizeof(both), NULL, 0, NULL, 0,
                  NULL, errp)) {
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
    vhost_user_end(vu);
    vu->base.up = true;
    return ask_u64(vu, VHOST_USER_GET_FEATURES, &vu->base.features, errp) &&
           agree_on_protocol(vu, wanted, errp) && ask_limits(vu, errp) &&
           begin_requests(vu, errp) &&
           vhost_user_send(vu, VHOST_USER_SET_OWNER, NO_PAYLOAD, NULL, 0, errp);
}

void vhost_user_end(VhostUser *vu)
{
    end_requests(vu);
    drop_source(&vu->config_source);
    vu->base.up = false;
    vu->base.features = vu->protocol = 0;
}
