/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/arrivals.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/hello.h"
#include "util/error.h"

#define WAIT_MS    10000 /* for a connection to say what it is */
#define MAX_GUESTS 64    /* that are greeted at once */
#define AGAIN_MS   200   /* to wait where descriptors ran out */

/* Those who wait, and what they wait for; it outlives its guests. */
typedef struct Hall {
    Arrivals *arrivals;
    TlsSetup *tls;
    unsigned count;
    int wake; /* eventfd: something has changed */

    GMutex lock; /* of the rest */
    GCond left;
    GPtrArray *guests;
    unsigned filled; /* places */
    bool has_id;
    uint8_t id[HELLO_ID];
    GError *err;
} Hall;

typedef struct Guest {
    Hall *hall;
    int fd;        /* -1: TLS has it, or it was given away */
    TlsRelay *tls; /* or NULL */
} Guest;

/* ---- a guest's thread ---- */

/* With the lock. */
static bool check_hello(const Hall *hall, const Hello *hello, GError **errp)
{
    if (hello->count != hall->count) {
        error_set(errp,
                  "the other end has %u connections for memory, and %u are expected: set "
                  "multifd-channels to the same at both ends",
                  hello->count, hall->count);
        return false;
    }
    if (hall->has_id && memcmp(hall->id, hello->id, HELLO_ID) != 0) {
        error_set(errp, "connection %u is of another migration than those before", hello->index);
        return false;
    }
    if (hall->arrivals->places[hello->index].fd >= 0) {
        error_set(errp, "connection %u has come twice", hello->index);
        return false;
    }
    return true;
}

/* Let @guest have its place. With the lock. */
static void settle(Guest *guest, const Hello *hello)
{
    Hall *hall = guest->hall;
    Arrivals *arrivals = hall->arrivals;

    if (hall->err || hall->filled > hall->count) {
        return;
    }
    if (hall->count && !check_hello(hall, hello, &hall->err)) {
        return;
    }
    hall->has_id = true;
    memcpy(hall->id, hello->id, HELLO_ID);
    arrivals->places[hello->index].fd = guest->fd;
    arrivals->places[hello->index].tls = g_steal_pointer(&guest->tls);
    guest->fd = -1;
    hall->filled++;
}

/* False with an error: it does not come in. */
static bool secure(Guest *guest, GError **errp)
{
    Hall *hall = guest->hall;

    if (!hall->tls) {
        return true;
    }
    g_mutex_lock(&hall->lock);
    guest->tls = tls_relay_new(hall->tls, guest->fd, WAIT_MS, NULL, NULL, errp);
    guest->fd = -1;
    g_mutex_unlock(&hall->lock);
    int fd = guest->tls ? tls_relay_wait(guest->tls, errp) : -1;
    g_mutex_lock(&hall->lock);
    guest->fd = fd;
    g_mutex_unlock(&hall->lock);
    return fd >= 0;
}

static void leave(Guest *guest)
{
    Hall *hall = guest->hall;

    if (guest->fd >= 0) {
        close(guest->fd);
    }
    g_clear_pointer(&guest->tls, tls_relay_unref);
    g_ptr_array_remove_fast(hall->guests, guest);
    eventfd_write(hall->wake, 1);
    g_cond_signal(&hall->left);
    g_free(guest);
}

static gpointer guest_thread(gpointer opaque)
{
    Guest *guest = opaque;
    Hall *hall = guest->hall;
    g_autoptr(GError) err = NULL;
    Hello hello = { 0 };
    bool silent = true;
    bool ok = secure(guest, &err) &&
              (!hall->count || hello_receive(guest->fd, &hello, WAIT_MS, &silent, &err));

    g_mutex_lock(&hall->lock);
    if (ok) {
        settle(guest, &hello);
    } else if (!silent && !hall->err) {
        hall->err = g_steal_pointer(&err);
    } else if (!hall->err && hall->filled <= hall->count) {
        error_warn("-incoming: a connection is not the machine's: %s", err->message);
    }
    leave(guest);
    g_mutex_unlock(&hall->lock);
    return NULL;
}

/* ---- the thread that waits ---- */

/* With the lock. */
static void greet(Hall *hall, int fd)
{
    Guest *guest = g_new0(Guest, 1);
    GThread *thread;

    guest->hall = hall;
    guest->fd = fd;
    g_ptr_array_add(hall->guests, guest);
    thread = g_thread_try_new("arrival", guest_thread, guest, &hall->err);
    if (thread) {
        g_thread_unref(thread);
    } else {
        leave(guest);
    }
}

/* True: there may be a connection; or nobody listens any more, which is told at any time. */
static bool wait_for_one(Hall *hall, int listener, bool full, bool pause)
{
    struct pollfd fds[] = { { .fd = hall->wake, .events = POLLIN },
                            { .fd = listener, .events = full || pause ? 0 : POLLIN } };
    eventfd_t count;

    if (poll(fds, G_N_ELEMENTS(fds), pause ? AGAIN_MS : -1) <= 0) {
        return false;
    }
    if (fds[0].revents) {
        (void)eventfd_read(hall->wake, &count);
    }
    return fds[1].revents;
}

static void accept_all(Hall *hall, int listener)
{
    bool pause = false;

    g_mutex_lock(&hall->lock);
    while (!hall->err && hall->filled <= hall->count) {
        bool full = hall->guests->len >= MAX_GUESTS;

        g_mutex_unlock(&hall->lock);
        bool there = wait_for_one(hall, listener, full, pause);
        int fd = there ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1, err = errno;
        g_mutex_lock(&hall->lock);
        pause = there && fd < 0 && (err == EMFILE || err == ENFILE || err == ENOMEM);
        if (fd >= 0) {
            greet(hall, fd);
        } else if (there && !pause && err != EAGAIN && err != EINTR && err != ECONNABORTED &&
                   !hall->err) {
            error_set_errno(&hall->err, err, "nobody can connect");
        }
    }
    g_mutex_unlock(&hall->lock);
}

/* Those who have no place by now. */
static void send_away(Hall *hall)
{
    g_mutex_lock(&hall->lock);
    for (unsigned i = 0; i < hall->guests->len; i++) {
        Guest *guest = hall->guests->pdata[i];

        if (guest->tls) {
            tls_relay_stop(guest->tls);
        }
        if (guest->fd >= 0) {
            shutdown(guest->fd, SHUT_RDWR);
        }
    }
    while (hall->guests->len) {
        g_cond_wait(&hall->left, &hall->lock);
    }
    g_mutex_unlock(&hall->lock);
}

Arrivals *arrivals_new(void)
{
    Arrivals *arrivals = g_new0(Arrivals, 1);

    for (unsigned i = 0; i < ARRIVALS_MAX; i++) {
        arrivals->places[i].fd = -1;
    }
    return arrivals;
}

bool arrivals_wait(Arrivals *arrivals, Channel *channel, TlsSetup *tls, unsigned count,
                   GError **errp)
{
    Hall hall = { .arrivals = arrivals, .tls = tls, .count = count };

    hall.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hall.wake < 0) {
        error_set_errno(errp, errno, "no descriptors");
        return false;
    }
    hall.guests = g_ptr_array_new();
    g_mutex_init(&hall.lock);
    g_cond_init(&hall.left);
    accept_all(&hall, channel->listener);
    channel_close_listener(channel);
    send_away(&hall);
    g_ptr_array_unref(hall.guests);
    g_mutex_clear(&hall.lock);
    g_cond_clear(&hall.left);
    close(hall.wake);
    bool ok = !hall.err;
    if (!ok) {
        arrivals_clear(arrivals);
        g_propagate_error(errp, hall.err);
    }
    return ok;
}

void arrivals_take(Arrivals *arrivals, unsigned index, Channel *channel)
{
    channel->fd = arrivals->places[index].fd;
    channel->tls = g_steal_pointer(&arrivals->places[index].tls);
    arrivals->places[index].fd = -1;
}

void arrivals_clear(Arrivals *arrivals)
{
    for (unsigned i = 0; i < ARRIVALS_MAX; i++) {
        if (arrivals->places[i].fd >= 0) {
            close(arrivals->places[i].fd);
            arrivals->places[i].fd = -1;
        }
        g_clear_pointer(&arrivals->places[i].tls, tls_relay_unref);
    }
}
