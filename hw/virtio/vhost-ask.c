/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-ask.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <json-c/json.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/core/runstate.h"
#include "hw/virtio/vhost-user-proto.h"
#include "hw/virtio/vhost.h"
#include "net/net-vhost-user.h"
#include "net/net.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/task.h"

/* ---- the question ---- */

typedef struct Question {
    int fd;
    int error; /* 0: it has answered */
} Question;

static int wait_for(int fd, short events, gint64 deadline)
{
    struct pollfd p = { .fd = fd, .events = events };
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    int n = left > 0 ? poll(&p, 1, (int)left + 1) : 0;

    return n > 0 || (n < 0 && errno == EINTR) ? 0 : n ? errno : ETIMEDOUT;
}

/* All @size bytes, one way or the other. Descriptors that come along are closed by the kernel. */
static int move(int fd, void *bytes, size_t size, bool write, gint64 deadline)
{
    uint8_t *at = bytes;
    int err = 0;

    while (size && !err) {
        ssize_t n = write ? send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : recv(fd, at, size, MSG_DONTWAIT);

        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            err = wait_for(fd, write ? POLLOUT : POLLIN, deadline);
        } else {
            err = n ? errno : ECONNRESET;
        }
    }
    return err;
}

static bool is_answer(VhostUserHeader header)
{
    return header.request == VHOST_USER_GET_FEATURES && header.flags & VHOST_USER_REPLY &&
           header.size == sizeof(uint64_t);
}

/* Without the machine lock. */
static void ask(void *opaque)
{
    Question *q = opaque;
    gint64 deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000;
    VhostUserHeader header = { .request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION };
    uint64_t features;

    q->error = move(q->fd, &header, sizeof(header), true, deadline);
    q->error = q->error ? q->error : move(q->fd, &header, sizeof(header), false, deadline);
    q->error = q->error || is_answer(header) ? q->error : EPROTO;
    q->error = q->error ? q->error : move(q->fd, &features, sizeof(features), false, deadline);
}

static void set_error(int error, GError **errp)
{
    if (error == ETIMEDOUT) {
        error_set(errp, "the back-end has not answered for %d seconds", VHOST_USER_REPLY_MS / 1000);
    } else if (error == EPROTO) {
        error_set(errp, "the back-end does not answer the question for its features");
    } else if (error) {
        error_set_errno(errp, error, "the back-end has gone");
    }
}

/* ---- before a device is made ---- */

static const char *text_of(struct json_object *props, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(props, key, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static int copy_of(const CharFrontend *fe)
{
    int fd = char_fd(fe);

    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* -1: there is none, or nobody is there, which the device says. */
static int find_backend(struct json_object *props)
{
    const char *driver = text_of(props, "driver"), *chardev = text_of(props, "chardev"),
               *netdev = text_of(props, "netdev");
    CharFrontend fe;
    int fd;

    if (netdev) {
        const NetClient *nc = net_client_find(netdev);
        const CharFrontend *its = nc && !nc->peer ? net_vhost_user_chardev(nc) : NULL;

        return its ? copy_of(its) : -1;
    }
    if (!driver || !chardev || !g_str_has_prefix(driver, "vhost-user-") ||
        !vhost_attach(&fe, chardev, NULL)) {
        return -1;
    }
    fd = copy_of(&fe);
    char_detach(&fe);
    return fd;
}

bool vhost_ask_before_add(struct json_object *props, GError **errp)
{
    int fd = find_backend(props);
    Question q = { .fd = fd };

    if (fd < 0) {
        return true;
    }
    task_wait(ask, &q);
    set_error(q.error, errp);
    if (q.error) {
        shutdown(fd, SHUT_RDWR); /* an answer that comes later would be that of another question */
    }
    close(fd);
    return !q.error;
}

/* ---- one that comes again ---- */

typedef struct Answer {
    VhostUserHeader header;
    uint64_t features;
} __attribute__((packed)) Answer;

struct VhostAsk {
    int fd;
    void (*answered)(void *opaque, GError *err);
    void *opaque;
    GSource *readable, *late;
    Answer answer;
    size_t got; /* bytes of it */
};

static void drop_source(GSource *source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

void vhost_ask_forget(VhostAsk *a)
{
    if (a) {
        drop_source(a->readable);
        drop_source(a->late);
        g_free(a);
    }
}

/* It is over, with an errno value or 0. */
static void end(VhostAsk *a, int error)
{
    void (*answered)(void *opaque, GError *err) = a->answered;
    void *opaque = a->opaque;
    GError *err = NULL;

    vhost_ask_forget(a);
    set_error(error, &err);
    answered(opaque, err);
}

static bool take(VhostAsk *a)
{
    const int fd = a->fd;
    ssize_t n = 1;

    while (n > 0 && a->got < sizeof(a->answer)) {
        n = recv(fd, (uint8_t *)&a->answer + a->got, sizeof(a->answer) - a->got, MSG_DONTWAIT);
        a->got += (size_t)MAX(n, 0);
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    end(a, n < 0 ? errno : !n ? ECONNRESET : is_answer(a->answer.header) ? 0 : EPROTO);
    return true;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer opaque)
{
    return take(opaque) ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

void vhost_ask_read(VhostAsk *a)
{
    take(a);
}

void vhost_ask_give_up(VhostAsk *a)
{
    end(a, ETIMEDOUT);
}

static gboolean on_late(gpointer opaque)
{
    end(opaque, ETIMEDOUT);
    return G_SOURCE_REMOVE;
}

static void attach(GSource *source, GSourceFunc fn, void *opaque)
{
    g_source_set_callback(source, fn, opaque, NULL);
    loop_attach(loop_main(), source);
}

VhostAsk *vhost_ask_start(int fd, void (*answered)(void *opaque, GError *err), void *opaque)
{
    static const VhostUserHeader question = { .request = VHOST_USER_GET_FEATURES,
                                              .flags = VHOST_USER_VERSION };
    VhostAsk *a = g_new0(VhostAsk, 1);
    bool sent =
        send(fd, &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(question);

    a->fd = fd;
    a->answered = answered;
    a->opaque = opaque;
    a->readable = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
    a->late = g_timeout_source_new(sent ? VHOST_USER_REPLY_MS : 0); /* else it has gone */
    attach(a->readable, G_SOURCE_FUNC(on_readable), a);
    attach(a->late, on_late, a);
    return a;
}

/* ---- those that are used ---- */

static GMutex mutex;
static GCond changed;
static unsigned asked, told; /* rounds, up to which all have answered; under the mutex */
static bool reset_waits, reset_may;

static void all_answered(void)
{
    g_mutex_lock(&mutex);
    told = asked;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
    if (reset_waits) {
        reset_waits = false;
        reset_may = true;
        runstate_go_on();
    }
}

/* True: somebody has to answer first. */
static bool ask_all(void)
{
    vhost_check_all();
    if (vhost_checks()) {
        g_mutex_lock(&mutex);
        asked++;
        g_mutex_unlock(&mutex);
    }
    return vhost_checks();
}

/* Others may ask anew before this thread sees that they have. */
static void wait_for_all(void *opaque)
{
    const unsigned mine = *(unsigned *)opaque;

    g_mutex_lock(&mutex);
    while ((int)(told - mine) < 0) {
        g_cond_wait(&changed, &mutex);
    }
    g_mutex_unlock(&mutex);
}

void vhost_ask_before_command(void)
{
    if (task_is_current() && ask_all()) {
        unsigned mine = asked;

        task_wait(wait_for_all, &mine);
    }
}

static bool reset_may_begin(void)
{
    /* Who has answered is not asked again by the guest's next request. */
    bool may = reset_may || (!reset_waits && !ask_all());

    reset_may = false;
    reset_waits = !may;
    return may;
}

void vhost_ask_watch(void)
{
    vhost_set_checked(all_answered);
    runstate_set_prepare(reset_may_begin);
}
