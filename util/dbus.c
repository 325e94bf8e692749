/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/dbus.h"

#include <stdbool.h>

#define CONNECT_MS 5000

/* Who waits for a bus, and who ends that. */
typedef struct Wait {
    GMutex lock;
    GCond cond;
    bool over;
    GCancellable *cancellable;
} Wait;

static gpointer watch(gpointer opaque)
{
    Wait *w = opaque;
    const gint64 end = g_get_monotonic_time() + CONNECT_MS * 1000;

    g_mutex_lock(&w->lock);
    while (!w->over && g_cond_wait_until(&w->cond, &w->lock, end)) {
    }
    if (!w->over) {
        g_cancellable_cancel(w->cancellable);
    }
    g_mutex_unlock(&w->lock);
    return NULL;
}

static GDBusConnection *connect_to(const char *addr, GError **errp)
{
    const GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                       G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Wait w = { .cancellable = cancellable };
    GThread *thread = g_thread_try_new("dbus-connect", watch, &w, errp);

    if (!thread) {
        return NULL;
    }
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(addr, flags, NULL, cancellable, errp);
    g_mutex_lock(&w.lock);
    w.over = true;
    g_cond_signal(&w.cond);
    g_mutex_unlock(&w.lock);
    g_thread_join(thread);
    g_mutex_clear(&w.lock);
    g_cond_clear(&w.cond);
    return connection;
}

GDBusConnection *dbus_connect(const char *addr, GError **errp)
{
    g_autofree char *session = NULL;

    if (!addr) {
        session = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, errp);
        addr = session;
    }
    return addr ? connect_to(addr, errp) : NULL;
}
