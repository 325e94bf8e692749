/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libusb with the main loop. It looks for no devices itself: it is given those that usb-host opens,
 * so that it needs neither a thread nor a daemon of the host.
 */
#include <poll.h>

#include "hw/usb/usb-host.h"
#include "util/error.h"
#include "util/loop.h"

enum { DRAIN_MS = 2000, WAIT_US = 10000 };

typedef struct Library {
    GSource source;
    libusb_context *context;
    GHashTable *tags;  /* fd -> tag of the source */
    GHashTable *later; /* UsbHost * -> what is to be called */
    bool handling;     /* its events: callbacks cannot do so again */
} Library;

static Library *library; /* NULL: nobody has needed it yet; for good */

/* ---- a source of the main loop ---- */

static void add_fd(int fd, short events, void *opaque)
{
    gpointer tag = g_source_add_unix_fd(
        opaque, fd,
        (events & POLLIN ? G_IO_IN : 0) | (events & POLLOUT ? G_IO_OUT : 0) | G_IO_ERR | G_IO_HUP);

    g_hash_table_insert(((Library *)opaque)->tags, GINT_TO_POINTER(fd), tag);
}

static void remove_fd(int fd, void *opaque)
{
    Library *lib = opaque;
    gpointer tag = g_hash_table_lookup(lib->tags, GINT_TO_POINTER(fd));

    if (tag) {
        g_source_remove_unix_fd(&lib->source, tag);
        g_hash_table_remove(lib->tags, GINT_TO_POINTER(fd));
    }
}

static gboolean is_ready(GSource *source)
{
    Library *lib = (Library *)source;
    GHashTableIter iter;
    gpointer tag;

    g_hash_table_iter_init(&iter, lib->tags);
    while (g_hash_table_iter_next(&iter, NULL, &tag)) {
        if (g_source_query_unix_fd(source, tag)) {
            return TRUE;
        }
    }
    return g_hash_table_size(lib->later) > 0;
}

static gboolean prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return g_hash_table_size(((Library *)source)->later) > 0;
}

static bool handle_events(Library *lib, suseconds_t us)
{
    struct timeval most = { .tv_usec = us };
    int result;

    lib->handling = true;
    result = libusb_handle_events_timeout_completed(lib->context, &most, NULL);
    lib->handling = false;
    return result >= 0;
}

static gboolean dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    Library *lib = (Library *)source;
    GHashTableIter iter;
    gpointer host, call;

    handle_events(lib, 0);
    for (;;) {
        g_hash_table_iter_init(&iter, lib->later);
        if (!g_hash_table_iter_next(&iter, &host, &call)) {
            return G_SOURCE_CONTINUE;
        }
        g_hash_table_iter_remove(&iter);
        ((void (*)(UsbHost *))call)(host);
    }
}

static GSourceFuncs funcs = { .prepare = prepare, .check = is_ready, .dispatch = dispatch };

libusb_context *usb_host_library(GError **errp)
{
    libusb_context *context;
    int result;

    if (library) {
        return library->context;
    }
    libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
    result = libusb_init(&context);
    if (result < 0) {
        error_set(errp, "libusb does not start: %s", libusb_strerror(result));
        return NULL;
    }
    library = (Library *)g_source_new(&funcs, sizeof(*library));
    library->context = context;
    library->tags = g_hash_table_new(NULL, NULL);
    library->later = g_hash_table_new(NULL, NULL);
    const struct libusb_pollfd **fds = libusb_get_pollfds(context);
    for (unsigned i = 0; fds && fds[i]; i++) {
        add_fd(fds[i]->fd, fds[i]->events, library);
    }
    libusb_free_pollfds(fds);
    libusb_set_pollfd_notifiers(context, add_fd, remove_fd, library);
    loop_attach(loop_main(), &library->source);
    return context;
}

void usb_host_later(UsbHost *s, void (*fn)(UsbHost *s))
{
    g_hash_table_insert(library->later, s, (gpointer)fn);
    g_main_context_wakeup(g_source_get_context(&library->source));
}

void usb_host_never(UsbHost *s)
{
    if (library) {
        g_hash_table_remove(library->later, s);
    }
}

bool usb_host_drain(UsbHost *s)
{
    const gint64 deadline = g_get_monotonic_time() + DRAIN_MS * (gint64)1000;

    while (s->flying && !library->handling && g_get_monotonic_time() < deadline) {
        if (!handle_events(library, WAIT_US)) {
            break;
        }
    }
    return !s->flying;
}
