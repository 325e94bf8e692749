/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of the D-Bus display among themselves.
 *
 * There is one connection: to a bus, or to a client; and one to each listener of a console. Peers
 * are hostile: DBUS_CALLS_MAX calls of a connection and DBUS_BYTES_MAX bytes of them wait at most,
 * and those that were answered count until the peer has read that. What is more is dropped. A
 * listener, a clipboard is told one thing at a time, when it has answered.
 */
#ifndef UI_DBUS_INTERNAL_H
#define UI_DBUS_INTERNAL_H

#include <gio/gio.h>

#include "ui/clipboard.h"
#include "ui/console.h"
#include "ui/dbus.h"

#define DBUS_ROOT        "/org/qemu/Display1"
#define DBUS_PREFIX      "org.qemu.Display1."
#define DBUS_CALLS_MAX   512
#define DBUS_BYTES_MAX   (8u << 20)
#define DBUS_FAILED      DBUS_PREFIX "Error.Failed"
#define DBUS_INVALID     DBUS_PREFIX "Error.Invalid"
#define DBUS_UNSUPPORTED DBUS_PREFIX "Error.Unsupported"

/* ---- dbus.c: objects ---- */

typedef struct DbusMethod {
    const char *name;
    /* Answers @invocation, now or later. */
    void (*call)(void *opaque, GVariant *args, GDBusMethodInvocation *invocation);
} DbusMethod;

typedef struct DbusProperty {
    const char *name;
    GVariant *(*get)(void *opaque); /* floating */
} DbusProperty;

/* Both lists end with an empty one, and may be NULL. */
typedef struct DbusInterface {
    const char *name; /* without DBUS_PREFIX */
    const char *xml;  /* of its methods and properties */
    const DbusMethod *methods;
    const DbusProperty *properties;
} DbusInterface;

/* An object at DBUS_ROOT/@name, with these interfaces (ends with NULL), is there for clients.
 * False: there is one of that name. @interfaces is borrowed for ever. */
bool dbus_object_add(const char *name, const DbusInterface *const *interfaces, void *opaque);
/* Any thread with the machine lock, as the next one. */
void dbus_object_remove(const char *name);
/* @property is borrowed for ever. */
void dbus_object_changed(const char *name, const DbusInterface *interface, const char *property);

/* The list of consoles is another one now. The same. */
void dbus_consoles_changed(void);

/* The connection; NULL: none. Borrowed. */
GDBusConnection *dbus_connection(void);
const DbusHost *dbus_host(void);

/* Bound what comes by @connection; it is not listened to at all if not @calls. */
void dbus_bound(GDBusConnection *connection, bool calls);
/* The descriptor that is argument @index of a call; -1: there is none. The caller's. */
int dbus_take_fd(GDBusMethodInvocation *invocation, int32_t index);
/* Who calls, as the bus says; NULL: the other end of a connection without one, which may give any
 * name. Borrowed. */
const char *dbus_sender(GDBusMethodInvocation *invocation);
/* A connection over @fd, which is its own from now on, whose other end says who it is: @ready gets
 * it, to be bound and started, or NULL, on the main thread. False: @fd is no socket, and closed. */
typedef void DbusReadyFn(void *opaque, GDBusConnection *connection);
bool dbus_accept(int fd, DbusReadyFn *ready, void *opaque, GError **errp);

/* ---- dbus-console.c ---- */

void dbus_console_start(void);
void dbus_console_stop(void);
/* The client that there was is gone: what it held is released. */
void dbus_console_release(void);
GVariant *dbus_console_ids(void); /* floating */

/* ---- dbus-listener.c ---- */

typedef struct DbusListener DbusListener;

/* Who is behind @fd, which becomes the listener's own, is told of @console. @ended is called on the
 * main thread before it is gone. NULL: an error. */
DbusListener *dbus_listener_new(Console *console, int fd, void (*ended)(DbusListener *),
                                GError **errp);
/* Its console goes; it is told so, and ends. Any thread with the machine lock. */
void dbus_listener_disable(DbusListener *listener);
/* Now. */
void dbus_listener_end(DbusListener *listener);

/* ---- dbus-clipboard.c ---- */

void dbus_clipboard_start(void);
void dbus_clipboard_stop(void);
/* The client that there was is gone. */
void dbus_clipboard_forget(void);

/* ---- dbus-char.c ---- */

void dbus_char_start(void);
void dbus_char_stop(void);

#endif
