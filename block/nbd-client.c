/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/nbd-client.h"

#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"
#include "util/interrupt.h"
#include "util/task.h"
#include "util/units.h"

#define HANDSHAKE_US     (10 * G_USEC_PER_SEC) /* a server that says nothing for so long is none */
#define FIRST_RETRY_US   (G_USEC_PER_SEC / 10) /* then twice as long, up to: */
#define LONGEST_RETRY_US (2 * G_USEC_PER_SEC)
#define MAX_PAYLOAD      (32 * MIB)
#define MAX_ALIGN        (64 * KIB)

typedef enum ClientState {
    CLIENT_BEGINS, /* there was no connection yet */
    CLIENT_CONNECTED,
    CLIENT_LOST, /* there is none, but there was one */
    CLIENT_ENDS, /* nbd_client_free() */
} ClientState;

struct NbdClient {
    NbdTarget *target; /* constant */
    NbdExport export;  /* constant once there was a connection */
    int kick;          /* an eventfd: the thread has to look here */
    int told;          /* another: who waits for the first connection has to */
    GThread *thread;   /* the main thread's */
    /* The thread's: */
    bool knows_export;
    int64_t retry_us;
    GQueue in_flight; /* of NbdCommand: the server has them */
    GQueue answered;  /* and those to which it said something */
    /* Under the mutex: */
    GMutex mutex;
    GCond changed; /* the state, or a command */
    ClientState state;
    bool detached;      /* ENDS: the thread frees it */
    int64_t give_up_us; /* LOST: until then commands wait (monotonic time) */
    GQueue waiting;     /* of NbdCommand: for the thread */
    char *why;          /* BEGINS: what went wrong at the last attempt; NULL: nothing yet */
    bool attempted;     /* the last attempt is over */
};

void nbd_target_free(NbdTarget *target)
{
    if (target) {
        g_clear_pointer(&target->place, socket_place_free);
        tls_client_config_free(target->tls);
        g_free(target->export);
        g_free(target->context);
        g_free(target->label);
        g_free(target);
    }
}

static void signal_fd(int fd)
{
    uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one)); /* if it is full, it is not read yet */
}

static void kick(const NbdClient *c)
{
    signal_fd(c->kick);
}

/* The last that the thread does with the mutex, which is freed then, if it is true. */
static bool ends(NbdClient *c)
{
    bool is;

    g_mutex_lock(&c->mutex);
    is = c->state == CLIENT_ENDS;
    g_mutex_unlock(&c->mutex);
    return is;
}

static void free_client(NbdClient *c)
{
    g_assert(g_queue_is_empty(&c->waiting) && g_queue_is_empty(&c->in_flight));
    nbd_target_free(c->target);
    close(c->kick);
    close(c->told);
    g_free(c->why);
    g_mutex_clear(&c->mutex);
    g_cond_clear(&c->changed);
    g_free(c);
}

/* ---- connecting; the thread ---- */

/* Wait for what @h waits for, or for a kick, until @deadline_us (0: for ever); then let @h go on.
 * False: the time is over. */
static bool move_on(NbdClient *c, struct nbd_handle *h, int64_t deadline_us)
{
    unsigned direction = nbd_aio_get_direction(h);
    struct pollfd fds[] = {
        { .fd = nbd_aio_get_fd(h),
          .events = (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                    (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0) },
        { .fd = c->kick, .events = POLLIN },
    };
    int64_t left_us = deadline_us ? deadline_us - g_get_monotonic_time() : 0;
    int timeout = !deadline_us ? -1 : left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
    uint64_t count;

    if (poll(fds, G_N_ELEMENTS(fds), timeout) == 0) {
        return false;
    }
    if (fds[1].revents) {
        (void)!read(c->kick, &count, sizeof(count));
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ) {
        nbd_aio_notify_read(h);
    } else if (fds[0].revents & (POLLOUT | POLLHUP | POLLERR)) {
        nbd_aio_notify_write(h);
    }
    return true;
}

static bool is_over(struct nbd_handle *h)
{
    return nbd_aio_is_dead(h) > 0 || nbd_aio_is_closed(h) > 0;
}

/* The errors of libnbd begin with the name of its function. */
static void set_nbd_error(GError **errp, const char *what)
{
    const char *text = nbd_get_error(), *colon = text ? strstr(text, ": ") : NULL;

    error_set(errp, "%s: %s", what, colon ? colon + 2 : text ? text : "the connection was closed");
}

/* A host that went away without a word is noticed. */
static void keep_alive(int fd)
{
    const int on = 1, idle = 30, interval = 10, count = 3;

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    }
}

static const char *context_of(const NbdTarget *target)
{
    return target->context ? target->context : LIBNBD_CONTEXT_BASE_ALLOCATION;
}

static bool read_export(const NbdTarget *target, struct nbd_handle *h, NbdExport *e, GError **errp)
{
    int64_t size = nbd_get_size(h), align = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM),
            max = nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);

    if (size < 0 || size > BLOCK_MAX_SIZE) {
        error_set(errp, "the export has an impossible size");
        return false;
    }
    if (align < 0 || align > (int64_t)MAX_ALIGN || (align & (align - 1))) {
        error_set(errp,
                  "the export can only be used in blocks of %" PRId64 " bytes: at most %u, and a "
                  "power of 2, is possible",
                  align, (unsigned)MAX_ALIGN);
        return false;
    }
    *e = (NbdExport){ .size = (uint64_t)size,
                      .align = align ? (uint64_t)align : 1,
                      .read_only = nbd_is_read_only(h) > 0,
                      .can_flush = nbd_can_flush(h) > 0,
                      .can_fua = nbd_can_fua(h) > 0,
                      .can_trim = nbd_can_trim(h) > 0,
                      .can_zero = nbd_can_zero(h) > 0,
                      .can_fast_zero = nbd_can_fast_zero(h) > 0,
                      .can_status = nbd_can_meta_context(h, context_of(target)) > 0 };
    if (target->context && !e->can_status) {
        error_set(errp, "x-dirty-bitmap=%s: the server does not tell of that", target->context);
        return false;
    }
    e->max_payload = max > 0 ? MIN((uint64_t)max, MAX_PAYLOAD) : MAX_PAYLOAD;
    e->max_payload -= e->max_payload % e->align;
    if (!e->max_payload) {
        error_set(errp, "the export's largest request is smaller than its smallest one");
        return false;
    }
    return true;
}

/* A server that was away has what it had before. */
static bool check_export(NbdClient *c, struct nbd_handle *h, GError **errp)
{
    NbdExport now;

    if (!read_export(c->target, h, &now, errp)) {
        return false;
    }
    if (!c->knows_export) {
        if (now.read_only && !c->target->read_only && !c->target->auto_read_only) {
            error_set(errp, "the export can only be read: use read-only=on, or "
                            "auto-read-only=on");
            return false;
        }
        c->export = now;
        c->knows_export = true;
        return true;
    }
    if (now.size != c->export.size || (now.read_only && !c->export.read_only) ||
        now.align > c->export.align || now.max_payload < c->export.max_payload ||
        now.can_flush < c->export.can_flush || now.can_fua < c->export.can_fua ||
        now.can_trim < c->export.can_trim || now.can_zero < c->export.can_zero ||
        now.can_fast_zero < c->export.can_fast_zero || now.can_status < c->export.can_status) {
        error_set(errp, "the export is not what it was before");
        return false;
    }
    return true;
}

static bool set_tls(struct nbd_handle *h, const TlsClientConfig *tls)
{
    return nbd_set_tls(h, LIBNBD_TLS_REQUIRE) >= 0 &&
           nbd_set_tls_verify_peer(h, tls->verify_peer) >= 0 &&
           (tls->keys ? nbd_set_tls_psk_file(h, tls->keys) >= 0 &&
                            nbd_set_tls_username(h, tls->username) >= 0
                      : nbd_set_tls_certificates(h, tls->certificates) >= 0);
}

static struct nbd_handle *new_handle(const NbdTarget *target)
{
    struct nbd_handle *h = nbd_create();

    if (h &&
        ((target->tls && !set_tls(h, target->tls)) || nbd_set_export_name(h, target->export) < 0 ||
         nbd_add_meta_context(h, context_of(target)) < 0)) {
        nbd_close(h);
        h = NULL;
    }
    return h;
}

/* A handle that begins to connect. */
static struct nbd_handle *begin_to_connect(const NbdTarget *target, GError **errp)
{
    const SocketPlace *place = target->place;
    struct nbd_handle *h;
    int fd = target->by_name ? -1 : socket_place_open(place, NULL, errp);

    if (fd < 0 && !target->by_name) {
        return NULL;
    }
    fd = place->fd ? dup(fd) : fd;
    if (fd >= 0 && place->host) {
        keep_alive(fd);
    }
    h = new_handle(target);
    if (!h) {
        set_nbd_error(errp, "libnbd");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    if ((target->by_name ? nbd_aio_connect_tcp(h, place->host, place->port)
                         : nbd_aio_connect_socket(h, fd)) < 0) {
        set_nbd_error(errp, "no agreement with the server");
        nbd_close(h);
        return NULL;
    }
    return h;
}

static struct nbd_handle *connect_once(NbdClient *c, GError **errp)
{
    struct nbd_handle *h = begin_to_connect(c->target, errp);
    int64_t deadline_us = g_get_monotonic_time() + HANDSHAKE_US;

    if (!h) {
        return NULL;
    }
    while (nbd_aio_is_connecting(h) > 0 && !is_over(h) && !ends(c)) {
        if (!move_on(c, h, deadline_us)) {
            error_set(errp, "the server does not answer");
            nbd_close(h);
            return NULL;
        }
    }
    if (nbd_aio_is_ready(h) <= 0) {
        set_nbd_error(errp, "no agreement with the server");
    } else if (check_export(c, h, errp)) {
        if (c->target->by_name) {
            keep_alive(nbd_aio_get_fd(h));
        }
        return h;
    }
    nbd_close(h);
    return NULL;
}

/* ---- commands; the thread ---- */

static void finish(NbdClient *c, NbdCommand *command, int error)
{
    g_mutex_lock(&c->mutex);
    command->error = error;
    command->done = true;
    g_cond_broadcast(&c->changed);
    g_mutex_unlock(&c->mutex);
}

typedef struct Answer {
    NbdClient *client;
    NbdCommand *command;
} Answer;

/* libnbd has the answer to a command, or none as the connection is lost. It holds its lock. */
static int on_completion(void *opaque, int *error)
{
    const Answer *answer = opaque;

    answer->command->error = *error;
    g_queue_remove(&answer->client->in_flight, answer->command);
    g_queue_push_tail(&answer->client->answered, answer->command);
    return 1; /* libnbd may forget it */
}

/* Extents: those at the beginning that are alike. */
static int on_extents(void *opaque, const char *context, uint64_t offset, uint32_t *entries,
                      size_t count, int *error)
{
    const Answer *answer = opaque;
    BlockStatus *status = answer->command->status;

    if (strcmp(context, context_of(answer->client->target)) != 0 ||
        offset != answer->command->offset) {
        return 0;
    }
    for (size_t i = 0; i + 1 < count; i += 2) {
        bool data = !(entries[i + 1] & LIBNBD_STATE_HOLE);
        bool zero = entries[i + 1] & LIBNBD_STATE_ZERO;

        if (status->bytes && (data != status->data || zero != status->zero)) {
            break;
        }
        status->data = data;
        status->zero = zero;
        status->bytes += entries[i];
    }
    return 0;
}

static bool issue(NbdClient *c, struct nbd_handle *h, NbdCommand *command)
{
    Answer *answer = g_new(Answer, 1);
    nbd_completion_callback done = { .callback = on_completion,
                                     .user_data = answer,
                                     .free = g_free };
    nbd_extent_callback extents = { .callback = on_extents, .user_data = answer };
    uint64_t offset = command->offset, bytes = command->bytes;
    uint32_t fua = command->fua ? LIBNBD_CMD_FLAG_FUA : 0;

    *answer = (Answer){ c, command };
    g_queue_push_tail(&c->in_flight, command);
    switch (command->op) {
    case NBD_OP_READ:
        return nbd_aio_pread(h, command->buf, bytes, offset, done, 0) >= 0;
    case NBD_OP_WRITE:
        return nbd_aio_pwrite(h, command->buf, bytes, offset, done, fua) >= 0;
    case NBD_OP_ZERO:
        return nbd_aio_zero(h, bytes, offset, done,
                            fua | (command->unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE) |
                                (command->fast ? LIBNBD_CMD_FLAG_FAST_ZERO : 0)) >= 0;
    case NBD_OP_TRIM:
        return nbd_aio_trim(h, bytes, offset, done, fua) >= 0;
    case NBD_OP_FLUSH:
        return nbd_aio_flush(h, done, 0) >= 0;
    default:
        command->status->bytes = 0;
        return nbd_aio_block_status(h, bytes, offset, extents, done, 0) >= 0;
    }
}

/* Give the server what waits. */
static void issue_all(NbdClient *c, struct nbd_handle *h)
{
    NbdCommand *command;

    do {
        g_mutex_lock(&c->mutex);
        command = g_queue_pop_head(&c->waiting);
        g_mutex_unlock(&c->mutex);
        if (command && !issue(c, h, command) && g_queue_remove(&c->in_flight, command)) {
            int err = nbd_get_errno();

            if (is_over(h)) {
                g_queue_push_tail(&c->answered, command);
                command->error = ENOTCONN;
            } else {
                finish(c, command, err ? err : EIO);
            }
        }
    } while (command);
}

/* Tell those who wait. What failed because the connection is lost waits for the next one. */
static void take_answers(NbdClient *c, bool lost)
{
    NbdCommand *command;

    while ((command = g_queue_pop_tail(&c->answered))) {
        if (lost && command->error) {
            g_mutex_lock(&c->mutex);
            g_queue_push_head(&c->waiting, command);
            g_mutex_unlock(&c->mutex);
        } else {
            finish(c, command, command->error);
        }
    }
}

static void set_state(NbdClient *c, ClientState state)
{
    g_mutex_lock(&c->mutex);
    if (c->state != CLIENT_ENDS) {
        c->state = state;
    }
    if (state == CLIENT_LOST) {
        c->give_up_us = g_get_monotonic_time() + c->target->delay * G_USEC_PER_SEC;
    }
    g_cond_broadcast(&c->changed);
    signal_fd(c->told);
    g_mutex_unlock(&c->mutex);
}

/* Until the connection is lost, or not needed any more. */
static void serve(NbdClient *c, struct nbd_handle *h)
{
    g_autofree char *why = NULL;
    NbdCommand *command;

    set_state(c, CLIENT_CONNECTED);
    while (!ends(c) && !is_over(h)) {
        issue_all(c, h);
        if (!is_over(h)) {
            move_on(c, h, 0);
        }
        take_answers(c, is_over(h));
    }
    if (!is_over(h)) {
        nbd_aio_disconnect(h, 0); /* no answer is expected */
    } else {
        why = g_strdup(nbd_get_error());
        error_warn("%s: the connection is lost: %s; trying to connect again", c->target->label,
                   why ? why : "the server closed it");
    }
    nbd_close(h); /* nobody touches the commands' memory any more */
    g_mutex_lock(&c->mutex);
    while ((command = g_queue_pop_tail(&c->in_flight))) {
        g_queue_push_head(&c->waiting, command);
    }
    g_mutex_unlock(&c->mutex);
    take_answers(c, true);
    set_state(c, CLIENT_LOST);
}

static void attempt_failed(NbdClient *c, const GError *err)
{
    g_mutex_lock(&c->mutex);
    g_free(c->why);
    c->why = g_strdup(err->message);
    c->attempted = true;
    signal_fd(c->told);
    g_mutex_unlock(&c->mutex);
}

/* Before the next attempt. */
static void pause_a_while(NbdClient *c)
{
    struct pollfd fd = { .fd = c->kick, .events = POLLIN };
    uint64_t count;

    for (int64_t end = g_get_monotonic_time() + c->retry_us;
         !ends(c) && g_get_monotonic_time() < end;) {
        if (poll(&fd, 1, (int)((end - g_get_monotonic_time()) / 1000) + 1) > 0) {
            (void)!read(c->kick, &count, sizeof(count)); /* a command came: it waits */
        }
    }
    c->retry_us = MIN(c->retry_us * 2, LONGEST_RETRY_US);
}

static gpointer run(gpointer opaque)
{
    NbdClient *c = opaque;

    while (!ends(c)) {
        g_autoptr(GError) err = NULL;
        struct nbd_handle *h = connect_once(c, &err);
        int64_t begin_us = g_get_monotonic_time();

        if (h) {
            serve(c, h);
        } else if (!ends(c)) {
            attempt_failed(c, err);
        }
        if (g_get_monotonic_time() - begin_us < LONGEST_RETRY_US) {
            pause_a_while(c);
        } else {
            c->retry_us = FIRST_RETRY_US;
        }
    }
    if (c->detached) {
        free_client(c);
    }
    return NULL;
}

/* ---- other threads ---- */

/* The state changes, or the program is to end. */
static void wait_until(const NbdClient *c, int64_t end_us)
{
    const int64_t left = end_us - g_get_monotonic_time();
    struct pollfd fds[] = { { .fd = c->told, .events = POLLIN },
                            { .fd = interrupt_fd(), .events = POLLIN } };
    uint64_t count;

    if (left > 0 && poll(fds, G_N_ELEMENTS(fds), (int)MIN(left / 1000 + 1, INT_MAX)) > 0) {
        (void)!read(c->told, &count, sizeof(count));
    }
}

static bool is_through(NbdClient *c, int64_t end_us, int64_t hard_end_us, int64_t *next_us)
{
    const int64_t now = g_get_monotonic_time();
    bool is;

    g_mutex_lock(&c->mutex);
    *next_us = c->attempted ? end_us : hard_end_us;
    is = c->state != CLIENT_BEGINS || now >= *next_us;
    g_mutex_unlock(&c->mutex);
    return is || interrupt_pending();
}

/* Without the machine lock, where that may be. */
static void wait_for_first(void *opaque)
{
    NbdClient *c = opaque;
    const int64_t end_us = g_get_monotonic_time() + c->target->first_delay * G_USEC_PER_SEC;
    int64_t next_us;

    while (!is_through(c, end_us, end_us + HANDSHAKE_US + G_USEC_PER_SEC, &next_us)) {
        wait_until(c, next_us);
    }
}

static bool check_first(NbdClient *c, GError **errp)
{
    bool ok;

    g_mutex_lock(&c->mutex);
    ok = c->state != CLIENT_BEGINS;
    if (!ok && !interrupt_check(errp)) {
        error_set(errp, "%s: %s", c->target->label, c->why ? c->why : "the server does not answer");
    }
    g_mutex_unlock(&c->mutex);
    return ok;
}

NbdClient *nbd_client_new(NbdTarget *target, GError **errp)
{
    NbdClient *c = g_new0(NbdClient, 1);

    c->target = target;
    c->retry_us = FIRST_RETRY_US;
    g_queue_init(&c->in_flight);
    g_queue_init(&c->answered);
    g_queue_init(&c->waiting);
    g_mutex_init(&c->mutex);
    g_cond_init(&c->changed);
    c->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->told = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->kick < 0 || c->told < 0) {
        error_set_errno(errp, errno, "%s", target->label);
        free_client(c);
        return NULL;
    }
    c->thread = g_thread_try_new("NBD", run, c, errp);
    if (!c->thread) {
        free_client(c);
        return NULL;
    }
    if (target->may_wait) {
        task_wait(wait_for_first, c);
    } else {
        wait_for_first(c);
    }
    if (!check_first(c, errp)) {
        nbd_client_free(c);
        return NULL;
    }
    return c;
}

/* The thread may be looking up a name, for which nobody waits. */
void nbd_client_free(NbdClient *c)
{
    GThread *thread = c ? c->thread : NULL;
    bool wait;

    if (!c) {
        return;
    }
    g_mutex_lock(&c->mutex);
    wait = c->state == CLIENT_CONNECTED;
    c->detached = !wait;
    c->state = CLIENT_ENDS;
    kick(c);
    g_mutex_unlock(&c->mutex); /* detached, it may be gone now */
    if (wait) {
        g_thread_join(thread);
        free_client(c);
    } else {
        g_thread_unref(thread);
    }
}

const NbdExport *nbd_client_export(const NbdClient *c)
{
    return &c->export;
}

int nbd_client_run(NbdClient *c, NbdCommand *command)
{
    command->done = false;
    command->error = 0;
    g_mutex_lock(&c->mutex);
    g_queue_push_tail(&c->waiting, command);
    kick(c);
    while (!command->done) {
        if (c->state != CLIENT_LOST) {
            g_cond_wait(&c->changed, &c->mutex);
        } else if (!g_cond_wait_until(&c->changed, &c->mutex, c->give_up_us) &&
                   c->state == CLIENT_LOST && g_queue_remove(&c->waiting, command)) {
            command->error = EIO;
            command->done = true;
        }
    }
    g_mutex_unlock(&c->mutex);
    return command->error;
}
