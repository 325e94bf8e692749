/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to D-Bus, by GIO. */
#ifndef UTIL_DBUS_H
#define UTIL_DBUS_H

#include <gio/gio.h>

/* A connection to the bus at @addr (NULL: the session's). A bus that says nothing is waited for
 * some seconds. g_object_unref. */
GDBusConnection *dbus_connect(const char *addr, GError **errp);

#endif
