/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/pr-manager.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qapi/qapi-events.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/main-loop.h"

enum {
    PERSISTENT_RESERVE_IN = 0x5e,
    PERSISTENT_RESERVE_OUT = 0x5f,
    FEATURES = 4, /* bytes that both sides say first; none is known */
    STATUS_MAX = 0xff,
    ANSWER_MS = 10000,
    CONNECT_MS = 2000, /* while it may be started again */
    CONNECT_PAUSE_US = 100000,
};

struct PrManager {
    Object parent;
    char *path;
    GMutex mutex;       /* of the connection, with a command on it */
    int fd;             /* -1: there is none */
    bool is_connected;  /* atomic */
    bool was_completed; /* events are sent from then on */
};

/* What the helper answers; big-endian. */
typedef struct Answer {
    uint8_t status[4], size[4];
    uint8_t sense[PR_MANAGER_SENSE];
} Answer;

bool pr_manager_takes(const uint8_t *cdb)
{
    return cdb[0] == PERSISTENT_RESERVE_IN || cdb[0] == PERSISTENT_RESERVE_OUT;
}

/* ---- who is told ---- */

typedef struct Change {
    char *id;
    bool connected;
} Change;

static void tell(void *opaque)
{
    Change *change = opaque;

    qapi_event_send_pr_manager_status_changed(change->id, change->connected);
    g_free(change->id);
    g_free(change);
}

static void set_connected(PrManager *m, bool connected)
{
    Change *change;

    __atomic_store_n(&m->is_connected, connected, __ATOMIC_RELAXED);
    if (m->was_completed) {
        change = g_new(Change, 1);
        *change = (Change){ g_strdup(m->parent.name), connected };
        main_loop_schedule(tell, change);
    }
}

/* ---- the connection; under the mutex ---- */

static void hang_up(PrManager *m)
{
    if (m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
        set_connected(m, false);
    }
}

static bool wait_for(const PrManager *m, short events, gint64 deadline)
{
    struct pollfd p = { .fd = m->fd, .events = events };
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    int n;

    do {
        n = left > 0 ? poll(&p, 1, (int)left + 1) : 0;
        left = (deadline - g_get_monotonic_time()) / 1000;
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Any descriptors that come are none of ours, and not even received. */
static bool receive(PrManager *m, void *buf, size_t size, gint64 deadline)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = recv(m->fd, (uint8_t *)buf + done, size - done, MSG_DONTWAIT);

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
                   !wait_for(m, POLLIN, deadline)) {
            return false;
        }
    }
    return true;
}

/* @fd goes with the first of the bytes; -1: none. */
static bool send_all(PrManager *m, const void *buf, size_t size, int fd, gint64 deadline)
{
    size_t done = 0;

    while (done < size) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (void *)((uintptr_t)buf + done), size - done };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (fd >= 0 && !done) {
            msg.msg_control = &control;
            msg.msg_controllen = sizeof(control);
            control.align = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
            memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
        }
        n = sendmsg(m->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(m, POLLOUT, deadline)) {
            return false;
        }
    }
    return true;
}

static gint64 after_ms(unsigned ms)
{
    return g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;
}

/* Nobody is waited for to accept it. */
static bool connect_once(PrManager *m, GError **errp)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const gint64 deadline = after_ms(CONNECT_MS);
    uint8_t features[FEATURES];

    if (strlen(m->path) >= sizeof(address.sun_path)) {
        error_set(errp, "'path' has %zu bytes: a socket's has at most %zu", strlen(m->path),
                  sizeof(address.sun_path) - 1);
        return false;
    }
    strcpy(address.sun_path, m->path);
    m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error_set_errno(errp, errno, "cannot connect to %s, where qemu-pr-helper should listen",
                        m->path);
    } else if (!receive(m, features, sizeof(features), deadline)) {
        error_set(errp, "%s says nothing: qemu-pr-helper should listen there", m->path);
    } else {
        memset(features, 0, sizeof(features)); /* that we know */
        if (send_all(m, features, sizeof(features), -1, deadline)) {
            set_connected(m, true);
            return true;
        }
        error_set(errp, "%s has hung up", m->path);
    }
    if (m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
    }
    return false;
}

/* One that went is noticed now, and not by the command. */
static void notice_end(PrManager *m)
{
    uint8_t byte;

    if (m->fd >= 0 && (recv(m->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 ||
                       (errno != EAGAIN && errno != EINTR))) {
        hang_up(m);
    }
}

static bool connect_again(PrManager *m)
{
    const gint64 deadline = after_ms(CONNECT_MS);

    notice_end(m);
    while (m->fd < 0 && !connect_once(m, NULL) && g_get_monotonic_time() < deadline) {
        g_usleep(CONNECT_PAUSE_US);
    }
    return m->fd >= 0;
}

/* ---- commands ---- */

/* The answer to a command that may read @room bytes. Negative: it makes no sense. */
static int take_answer(PrManager *m, void *data, size_t room, uint8_t *sense, gint64 deadline)
{
    Answer answer;
    uint32_t status, size;

    if (!receive(m, &answer, sizeof(answer), deadline)) {
        return -1;
    }
    status = bytes_get_be32(answer.status);
    size = bytes_get_be32(answer.size);
    if (status > STATUS_MAX || size > room || !receive(m, data, size, deadline)) {
        return -1;
    }
    memcpy(sense, answer.sense, sizeof(answer.sense));
    return (int)status;
}

/* One that was sent is not sent again: it may have been done. */
int pr_manager_run(PrManager *m, int fd, const uint8_t *cdb, void *data, size_t size,
                   uint8_t *sense)
{
    bool out = cdb[0] == PERSISTENT_RESERVE_OUT;
    gint64 deadline;
    int status = -1;

    if (size > PR_MANAGER_DATA_MAX) {
        return -1;
    }
    g_mutex_lock(&m->mutex);
    if (connect_again(m)) {
        deadline = after_ms(ANSWER_MS);
        if (send_all(m, cdb, PR_MANAGER_CDB, fd, deadline) &&
            (!out || send_all(m, data, size, -1, deadline))) {
            status = take_answer(m, data, out ? 0 : size, sense, deadline);
        }
        if (status < 0) {
            hang_up(m);
        }
    }
    g_mutex_unlock(&m->mutex);
    return status;
}

bool pr_manager_is_connected(PrManager *m)
{
    if (g_mutex_trylock(&m->mutex)) {
        notice_end(m);
        g_mutex_unlock(&m->mutex);
    }
    return __atomic_load_n(&m->is_connected, __ATOMIC_RELAXED);
}

/* ---- the object ---- */

PrManager *pr_manager_get(const char *id, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || !object_is_a(obj, TYPE_PR_MANAGER_HELPER)) {
        error_set(errp,
                  "pr-manager=%s: there is no such object; make it with -object "
                  "pr-manager-helper,id=%s,path=SOCKET",
                  id, id);
        return NULL;
    }
    return PR_MANAGER(object_ref(obj));
}

void pr_manager_unref(PrManager *m)
{
    if (m) {
        object_unref(&m->parent);
    }
}

static bool pr_complete(Object *obj, GError **errp)
{
    PrManager *m = PR_MANAGER(obj);

    if (!m->path) {
        error_set(errp, "'path' is missing: the socket at which qemu-pr-helper listens");
        return false;
    }
    g_mutex_lock(&m->mutex);
    bool ok = connect_once(m, errp);
    g_mutex_unlock(&m->mutex);
    m->was_completed = ok;
    return ok;
}

static void pr_init(Object *obj)
{
    PrManager *m = PR_MANAGER(obj);

    g_mutex_init(&m->mutex);
    m->fd = -1;
}

static void pr_finalize(Object *obj)
{
    PrManager *m = PR_MANAGER(obj);

    m->was_completed = false; /* it is no more, and nobody is told */
    hang_up(m);
    g_mutex_clear(&m->mutex);
}

static const Property pr_properties[] = {
    { .name = "path",
      .kind = PROP_STRING,
      .offset = offsetof(PrManager, path),
      .description = "the socket at which qemu-pr-helper listens" },
    { 0 },
};

static const ObjectType pr_type = {
    .name = TYPE_PR_MANAGER_HELPER,
    .parent = "object",
    .description = "persistent reservations of SCSI disks by another program",
    .instance_size = sizeof(PrManager),
    .user_creatable = true,
    .properties = pr_properties,
    .init = pr_init,
    .complete = pr_complete,
    .finalize = pr_finalize,
};
OBJECT_TYPE_REGISTER(pr_type)
