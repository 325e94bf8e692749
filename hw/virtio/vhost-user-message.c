/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the back-end, and its answers (vhost-user.h). */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/virtio/vhost-user.h"
#include "util/error.h"
#include "util/loop.h"

#define FDS_MAX  VHOST_USER_TABLE_MAX
#define ANY_SIZE UINT_MAX

/* What of a message the socket had no room for. */
typedef struct Unsent {
    size_t size, done;
    unsigned fd_count;
    int fds[FDS_MAX]; /* copies */
    uint8_t bytes[];
} Unsent;

/* An answer that is to come. */
typedef struct Awaited {
    uint32_t request;
    unsigned size; /* of its payload; ANY_SIZE */
    bool ack;      /* it is a status, which is to be 0 */
    gint64 deadline;
    VhostUserFn *fn; /* with @opaque; NULL: nobody wants to know */
    void *opaque;
    bool with_fd; /* a descriptor may come with it */
    /* Of one that somebody waits for; NULL. */
    void *reply;
    bool *done;
} Awaited;

static void close_fds(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void unsent_free(gpointer data)
{
    Unsent *u = data;

    close_fds(u->fds, u->fd_count);
    g_free(u);
}

void vhost_user_forget_answers(VhostUser *vu)
{
    drop_source(&vu->readable);
    drop_source(&vu->writable);
    drop_source(&vu->late);
    g_queue_clear_full(&vu->unsent, unsent_free);
    g_queue_clear_full(&vu->awaited, g_free);
    close_fds(vu->answer_fds, vu->answer_fd_count);
    vu->answer_got = vu->answer_fd_count = 0;
}

/* False: it makes no sense to go on. */
bool vhost_user_give_up(VhostUser *vu)
{
    vu->base.up = vu->meeting = false;
    vhost_user_forget_answers(vu);
    char_hang_up(vu->chardev);
    return false;
}

/* From the main loop: nobody waits. */
static void fail(VhostUser *vu, GError *err)
{
    vhost_user_give_up(vu);
    vu->failed(vu->opaque, err);
}

static bool set_silent(GError **errp)
{
    error_set(errp, "the back-end has not answered for %d seconds", VHOST_USER_REPLY_MS / 1000);
    return false;
}

/* ---- what it is sent ---- */

static ssize_t send_some(int fd, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = { 0 };
    struct iovec iov = { (void *)(uintptr_t)bytes, size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (fd_count) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, fd_count * sizeof(int));
    }
    do {
        n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static bool set_gone(GError **errp)
{
    error_set_errno(errp, errno, "the back-end has gone");
    return false;
}

/* As much as there is room for. */
static bool send_unsent(VhostUser *vu, GError **errp)
{
    Unsent *u;

    while ((u = g_queue_peek_head(&vu->unsent))) {
        ssize_t n = send_some(char_fd(vu->chardev), u->bytes + u->done, u->size - u->done, u->fds,
                              u->fd_count);

        if (n <= 0) {
            return n == 0 || set_gone(errp);
        }
        close_fds(u->fds, u->fd_count);
        u->fd_count = 0;
        u->done += (size_t)n;
        if (u->done == u->size) {
            unsent_free(g_queue_pop_head(&vu->unsent));
        }
    }
    drop_source(&vu->writable);
    return true;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    VhostUser *vu = opaque;
    GError *err = NULL;

    if (!send_unsent(vu, &err)) {
        fail(vu, err);
    }
    return G_SOURCE_CONTINUE; /* or it is destroyed */
}

static GSource *watch(VhostUser *vu, GIOCondition condition, GUnixFDSourceFunc fn)
{
    GSource *source = g_unix_fd_source_new(char_fd(vu->chardev), condition);

    g_source_set_callback(source, G_SOURCE_FUNC(fn), vu, NULL);
    loop_attach(loop_main(), source);
    return source;
}

static bool keep_unsent(VhostUser *vu, const uint8_t *bytes, size_t size, const int *fds,
                        unsigned fd_count, GError **errp)
{
    Unsent *u = g_malloc(sizeof(*u) + size);

    *u = (Unsent){ .size = size };
    memcpy(u->bytes, bytes, size);
    g_queue_push_tail(&vu->unsent, u);
    for (; u->fd_count < fd_count; u->fd_count++) {
        u->fds[u->fd_count] = fcntl(fds[u->fd_count], F_DUPFD_CLOEXEC, 0);
        if (u->fds[u->fd_count] < 0) {
            error_set_errno(errp, errno, "cannot keep a descriptor for the back-end");
            return false;
        }
    }
    if (!vu->writable) {
        vu->writable = watch(vu, G_IO_OUT, on_writable);
    }
    return true;
}

/* At once, or when there is room. */
static bool post(VhostUser *vu, uint32_t request, uint32_t flags, const void *payload,
                 unsigned size, const int *fds, unsigned fd_count, GError **errp)
{
    const VhostUserHeader header = { request, VHOST_USER_VERSION | flags, size };
    uint8_t bytes[sizeof(header) + sizeof(VhostUserTable) + VHOST_USER_CONFIG_MAX];
    const size_t whole = sizeof(header) + size;
    ssize_t n = 0;

    g_assert(whole <= sizeof(bytes) && fd_count <= FDS_MAX);
    memcpy(bytes, &header, sizeof(header));
    if (size) {
        memcpy(bytes + sizeof(header), payload, size);
    }
    if (!vu->base.up && !vu->meeting) {
        error_set(errp, "the back-end is not there");
        return false;
    }
    if (!vu->unsent.length) {
        n = send_some(char_fd(vu->chardev), bytes, whole, fds, fd_count);
    }
    if ((n < 0 && !set_gone(errp)) ||
        ((size_t)n < whole &&
         !keep_unsent(vu, bytes + n, whole - (size_t)n, fds, n ? 0 : fd_count, errp))) {
        return vhost_user_give_up(vu);
    }
    return true;
}

/* ---- what it answers ---- */

/* Descriptors that came with @msg. */
static bool take_fds(VhostUser *vu, struct msghdr *msg, GError **errp)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        const unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        int fds[FDS_MAX];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        g_assert(count <= FDS_MAX); /* that many there is room for */
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        if (vu->answer_fd_count + count > FDS_MAX) {
            close_fds(fds, count);
            error_set(errp, "the back-end sent more descriptors than there can be");
            return false;
        }
        memcpy(vu->answer_fds + vu->answer_fd_count, fds, count * sizeof(int));
        vu->answer_fd_count += count;
    }
    return true;
}

/* Up to @size bytes of the answer in all. *@whole: they are there. */
static bool receive(VhostUser *vu, size_t size, bool *whole, GError **errp)
{
    while (vu->answer_got < size) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
        } control;
        struct iovec iov = { vu->answer + vu->answer_got, size - vu->answer_got };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(char_fd(vu->chardev), &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n > 0) {
            vu->answer_got += (unsigned)n;
            if (!take_fds(vu, &msg, errp)) {
                return false;
            }
        } else if (n < 0 && errno == EAGAIN) {
            *whole = false;
            return true;
        } else if (n == 0 || errno != EINTR) {
            error_set(errp, "the back-end has gone%s%s", n ? ": " : "", n ? g_strerror(errno) : "");
            return false;
        }
    }
    *whole = true;
    return true;
}

static bool check_header(const Awaited *a, const VhostUserHeader *header, GError **errp)
{
    const unsigned room = sizeof(((VhostUser *)NULL)->answer) - sizeof(*header);

    if (header->request != a->request ||
        (header->flags & (VHOST_USER_VERSION_MASK | VHOST_USER_REPLY)) !=
            (VHOST_USER_VERSION | VHOST_USER_REPLY)) {
        error_set(errp,
                  "the back-end answered request %u by a message %u with flags 0x%x, which is no "
                  "answer to it",
                  a->request, header->request, header->flags);
        return false;
    }
    if (header->size > room || (a->size != ANY_SIZE && header->size != a->size)) {
        error_set(errp, "the back-end's answer to request %u has %u bytes, and not %u", a->request,
                  header->size, a->size);
        return false;
    }
    return true;
}

/* The answer is there, as @a has it. */
static bool deliver(VhostUser *vu, const Awaited *a, GError **errp)
{
    const uint8_t *payload = vu->answer + sizeof(VhostUserHeader);
    uint64_t status = 0;
    int fd = -1;

    if (vu->answer_fd_count >
        (a->with_fd ? 1 : 0)) { /* with the header, or with what is behind it */
        error_set(errp, "the back-end's answer to request %u came with %u descriptors", a->request,
                  vu->answer_fd_count);
        return false;
    }
    if (a->ack) {
        memcpy(&status, payload, sizeof(status));
    }
    if (status) {
        error_set(errp, "the back-end could not do request %u: status %" PRIu64, a->request,
                  status);
        return false;
    }
    if (a->reply) {
        memcpy(a->reply, payload, a->size);
    }
    if (vu->answer_fd_count && a->fn) {
        fd = vu->answer_fds[0];
    } else {
        close_fds(vu->answer_fds, vu->answer_fd_count);
    }
    vu->answer_got = vu->answer_fd_count = 0;
    if (a->done) {
        *a->done = true;
    }
    return !a->fn || a->fn(a->opaque, payload, fd, errp);
}

/* All that has come. */
static bool take_answers(VhostUser *vu, GError **errp)
{
    const VhostUserHeader *header = (const VhostUserHeader *)vu->answer;
    const Awaited *a;
    bool whole = true, some = false;

    while (whole && (a = g_queue_peek_head(&vu->awaited))) {
        if (!receive(vu, sizeof(*header), &whole, errp)) {
            return false;
        }
        if (whole && (!check_header(a, header, errp) ||
                      !receive(vu, sizeof(*header) + header->size, &whole, errp))) {
            return false;
        }
        if (whole) {
            g_autofree Awaited *popped = g_queue_pop_head(&vu->awaited);

            if (!deliver(vu, popped, errp)) {
                return false;
            }
            some = true;
        }
    }
    if (!vu->awaited.length) {
        drop_source(&vu->readable);
        drop_source(&vu->late);
    }
    if (some && vu->answered) {
        vu->answered(vu->opaque);
    }
    return true;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    VhostUser *vu = opaque;
    GError *err = NULL;

    if (!take_answers(vu, &err)) {
        fail(vu, err);
    }
    return G_SOURCE_CONTINUE; /* or it is destroyed */
}

static gboolean on_late(gpointer opaque);

static void watch_deadline(VhostUser *vu)
{
    const Awaited *a = g_queue_peek_head(&vu->awaited);
    const gint64 left = (a->deadline - g_get_monotonic_time()) / 1000;

    vu->late = g_timeout_source_new((guint)MAX(left + 1, 0));
    g_source_set_callback(vu->late, on_late, vu, NULL);
    loop_attach(loop_main(), vu->late);
}

static gboolean on_late(gpointer opaque)
{
    VhostUser *vu = opaque;
    const Awaited *a = g_queue_peek_head(&vu->awaited);
    GError *err = NULL;

    drop_source(&vu->late);
    if (g_get_monotonic_time() < a->deadline) {
        watch_deadline(vu);
    } else {
        set_silent(&err);
        fail(vu, err);
    }
    return G_SOURCE_REMOVE;
}

/* ---- questions ---- */

static Awaited *expect(VhostUser *vu, uint32_t request, unsigned size)
{
    Awaited *a = g_new(Awaited, 1);

    *a = (Awaited){ .request = request,
                    .size = size,
                    .deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000 };
    g_queue_push_tail(&vu->awaited, a);
    if (!vu->readable) {
        vu->readable = watch(vu, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable);
    }
    if (!vu->late) {
        watch_deadline(vu);
    }
    return a;
}

bool vhost_user_send(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                     const int *fds, unsigned fd_count, GError **errp)
{
    const bool ack = vhost_user_has(vu, VHOST_USER_PROTOCOL_F_REPLY_ACK);

    if (!post(vu, request, ack ? VHOST_USER_NEED_REPLY : 0, payload, size, fds, fd_count, errp)) {
        return false;
    }
    if (ack) {
        expect(vu, request, sizeof(uint64_t))->ack = true;
    }
    vu->unasked = !ack;
    return true;
}

bool vhost_user_send_u64(VhostUser *vu, uint32_t request, uint64_t value, GError **errp)
{
    return vhost_user_send(vu, request, &value, sizeof(value), NULL, 0, errp);
}

bool vhost_user_send_any(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                         int fd, GError **errp)
{
    if (!post(vu, request, 0, payload, size, &fd, 1, errp)) {
        return false;
    }
    expect(vu, request, ANY_SIZE);
    vu->unasked = false;
    return true;
}

bool vhost_user_ask_later(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                          unsigned reply_size, VhostUserFn *fn, void *opaque, GError **errp)
{
    Awaited *a;

    if (!post(vu, request, 0, payload, size, NULL, 0, errp)) {
        return false;
    }
    a = expect(vu, request, reply_size);
    a->fn = fn;
    a->opaque = opaque;
    vu->unasked = false;
    return true;
}

bool vhost_user_ask_fd_later(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                             unsigned reply_size, VhostUserFn *fn, void *opaque, GError **errp)
{
    if (!vhost_user_ask_later(vu, request, payload, size, reply_size, fn, opaque, errp)) {
        return false;
    }
    ((Awaited *)g_queue_peek_tail(&vu->awaited))->with_fd = true;
    return true;
}

/* The back-end's requests are served meanwhile, as it may not go on before. */
static bool wait_for(VhostUser *vu, const bool *done, GError **errp)
{
    bool ok = true;

    while (ok && !*done) {
        const Awaited *a = g_queue_peek_head(&vu->awaited);

        if (!a) { /* what came by its side made no sense, and it was hung up on */
            error_set(errp, "the back-end has gone");
            return false;
        }
        const gint64 left = (a->deadline - g_get_monotonic_time()) / 1000;
        const short events = POLLIN | (vu->unsent.length ? POLLOUT : 0);
        struct pollfd p[] = { { .fd = char_fd(vu->chardev), .events = events },
                              { .fd = vu->request_fd, .events = POLLIN },
                              { .fd = vu->side_fd, .events = POLLIN } };
        int n = left > 0 ? poll(p, G_N_ELEMENTS(p), (int)left + 1) : 0;

        if (n == 0) {
            return set_silent(errp);
        }
        if (n < 0 && errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for the back-end");
            return false;
        }
        if (n > 0 && p[1].revents) {
            vhost_user_serve(vu);
        }
        if (n > 0 && p[2].revents) {
            vu->serve_side(vu->opaque);
        }
        if (n > 0 && p[0].revents & POLLOUT) {
            ok = send_unsent(vu, errp);
        }
        if (n > 0 && ok && p[0].revents & ~POLLOUT) {
            ok = take_answers(vu, errp);
        }
    }
    return ok;
}

bool vhost_user_wait(VhostUser *vu, const bool *done, GError **errp)
{
    return wait_for(vu, done, errp) || vhost_user_give_up(vu);
}

bool vhost_user_ask(VhostUser *vu, uint32_t request, const void *payload, unsigned size,
                    void *reply, unsigned reply_size, GError **errp)
{
    bool done = false;
    Awaited *a;

    if (!post(vu, request, 0, payload, size, NULL, 0, errp)) {
        return false;
    }
    a = expect(vu, request, reply_size);
    a->reply = reply;
    a->done = &done;
    vu->unasked = false;
    return vhost_user_wait(vu, &done, errp);
}

bool vhost_user_asked_last(const VhostUser *vu, VhostUserFn *fn)
{
    const Awaited *a = g_queue_peek_tail((GQueue *)(uintptr_t)&vu->awaited);

    return a && a->fn == fn;
}

bool vhost_user_settle(VhostUser *vu, GError **errp)
{
    return !vu->unasked || vhost_user_ask_later(vu, VHOST_USER_GET_FEATURES, NULL, 0,
                                                sizeof(uint64_t), NULL, NULL, errp);
}

bool vhost_user_finish(VhostUser *vu, GError **errp)
{
    uint64_t features;

    return (!vu->awaited.length && !vu->unsent.length) ||
           vhost_user_ask(vu, VHOST_USER_GET_FEATURES, NULL, 0, &features, sizeof(features), errp);
}

/* ---- for the next one of the connection ---- */

bool vhost_user_leave_answers(VhostUser *vu, GQueue *left)
{
    if (vu->unsent.length || vu->answer_got) {
        return false;
    }
    *left = vu->awaited;
    g_queue_init(&vu->awaited);
    for (GList *at = left->head; at; at = at->next) {
        ((Awaited *)at->data)->fn = NULL;
    }
    vhost_user_forget_answers(vu);
    return true;
}

void vhost_user_take_answers(VhostUser *vu, GQueue *left)
{
    vu->awaited = *left;
    g_queue_init(left);
    for (GList *at = vu->awaited.head; at; at = at->next) {
        ((Awaited *)at->data)->deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000;
    }
}
