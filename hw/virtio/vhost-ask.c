/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-ask.h"

#include <errno.h>
#include <fcntl.h>
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
#include "util/machine-lock.h"
#include "util/task.h"

/* ---- the question ---- */

typedef struct Question {
    int fd;
    unsigned before; /* answers that are to come before, to nobody */
    int error;       /* 0: it has answered */
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

/* Answers that the device before did not wait for. */
static int skip(const Question *q, gint64 deadline)
{
    uint8_t payload[sizeof(VhostUserTable) + VHOST_USER_CONFIG_MAX];
    int error = 0;

    for (unsigned i = 0; i < q->before && !error; i++) {
        VhostUserHeader header;

        error = move(q->fd, &header, sizeof(header), false, deadline);
        error = error || header.size <= sizeof(payload) ? error : EPROTO;
        error = error ? error : move(q->fd, payload, header.size, false, deadline);
    }
    return error;
}

/* Without the machine lock. */
static void ask(void *opaque)
{
    Question *q = opaque;
    gint64 deadline = g_get_monotonic_time() + VHOST_USER_REPLY_MS * 1000;
    VhostUserHeader header = { .request = VHOST_USER_GET_FEATURES, .flags = VHOST_USER_VERSION };
    uint64_t features;

    q->error = move(q->fd, &header, sizeof(header), true, deadline);
    q->error = q->error ? q->error : skip(q, deadline);
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

static void question_for(const CharFrontend *fe, Question *q)
{
    const VhostLeft *left = char_left(fe);

    q->fd = char_fd(fe) < 0 ? -1 : fcntl(char_fd(fe), F_DUPFD_CLOEXEC, 0);
    q->before = left ? left->answers.length : 0;
}

/* They have come. */
static void forget_left(const CharFrontend *fe, Question *q)
{
    VhostLeft *left = char_left(fe);

    if (left) {
        g_queue_clear_full(&left->answers, g_free);
        g_clear_pointer(&left->leaving, g_array_unref);
    }
}

/* Nothing is done where there is none, or nobody is there, which the device says. */
static void with_backend(struct json_object *props, void (*fn)(const CharFrontend *fe, Question *q),
                         Question *q)
{
    const char *driver = text_of(props, "driver"), *chardev = text_of(props, "chardev"),
               *netdev = text_of(props, "netdev");
    CharFrontend fe;

    if (netdev) {
        const NetClient *nc = net_client_find(netdev);
        const CharFrontend *its = nc && !nc->peer ? net_vhost_user_chardev(nc) : NULL;

        if (its) {
            fn(its, q);
        }
    } else if (driver && chardev && g_str_has_prefix(driver, "vhost-user-") &&
               vhost_attach(&fe, chardev, NULL)) {
        fn(&fe, q);
        char_detach(&fe);
    }
}

bool vhost_ask_before_add(struct json_object *props, GError **errp)
{
    Question q = { .fd = -1 };

    with_backend(props, question_for, &q);
    if (q.fd < 0) {
        return true;
    }
    task_wait(ask, &q);
    set_error(q.error, errp);
    if (q.error) {
        /* An answer that comes later would be that of another question. */
        shutdown(q.fd, SHUT_RDWR);
    } else {
        with_backend(props, forget_left, NULL);
    }
    close(q.fd);
    return !q.error;
}

/* ---- those that are used ---- */

static GMutex mutex;
static GCond changed;
static unsigned asked, told; /* rounds, up to which all have answered; under the mutex */
static bool ends;            /* nobody will answer; under the mutex */
static bool reset_waits, reset_may;
static GSource *loud; /* after a reset */

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
    while ((int)(told - mine) < 0 && !ends) {
        g_cond_wait(&changed, &mutex);
    }
    g_mutex_unlock(&mutex);
}

static void ask_and_wait(void)
{
    if (ask_all()) {
        unsigned mine = asked;

        task_wait(wait_for_all, &mine);
    }
}

/* What they are told only when they have done something else comes behind that. A guest that gives
 * them more and more to do is not waited for. */
static void settle(void)
{
    for (unsigned n = 0; n < 3 && !vhost_all_settled(); n++) {
        ask_and_wait();
        vhost_settle_all(false);
    }
}

void vhost_ask_before_command(void)
{
    if (task_is_current()) {
        ask_and_wait();
        settle();
    }
}

void vhost_ask_after_command(void)
{
    if (task_is_current()) {
        settle();
    }
}

void vhost_ask_in_thread(void)
{
    unsigned mine;
    bool waits;

    machine_lock();
    waits = ask_all();
    mine = asked;
    machine_unlock();
    if (waits) {
        wait_for_all(&mine);
    }
}

void vhost_ask_end(void)
{
    g_mutex_lock(&mutex);
    ends = true;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

/* States in which everything is taken, at once, that a machine is. */
static bool is_for_good(RunState state)
{
    return state == RUN_STATE_FINISH_MIGRATE || state == RUN_STATE_SAVE_VM ||
           state == RUN_STATE_RESTORE_VM;
}

static void stopped(RunState state)
{
    vhost_do_writes();
    if (task_is_current()) {
        settle();
    }
    if (is_for_good(state)) { /* also what is only to be seen from the main loop */
        vhost_settle_all(!vhost_all_settled());
    }
}

static gboolean be_loud(gpointer opaque)
{
    g_clear_pointer(&loud, g_source_unref);
    vhost_quiet_all(false);
    return G_SOURCE_REMOVE;
}

/* When the reset has been. */
static void be_loud_soon(void)
{
    if (!loud) {
        loud = g_idle_source_new();
        g_source_set_priority(loud, G_PRIORITY_DEFAULT);
        g_source_set_callback(loud, be_loud, NULL, NULL);
        loop_attach(loop_main(), loud);
    }
}

/* They must have given the rings back before the guest begins anew. */
static bool reset_may_begin(void)
{
    /* Who has answered is not asked again by the guest's next request. */
    bool may = reset_may;

    if (task_is_current()) {
        vhost_quiet_all(true);
        ask_and_wait();
        may = true;
    } else if (!may && !reset_waits) {
        vhost_quiet_all(true);
        may = !ask_all();
    }
    reset_may = false;
    reset_waits = !may;
    if (may) {
        be_loud_soon();
    }
    return may;
}

void vhost_ask_watch(void)
{
    vhost_set_checked(all_answered);
    runstate_set_prepare(reset_may_begin);
    runstate_set_stopped(stopped);
}
