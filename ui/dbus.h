/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -display dbus: consoles, keyboards, pointers, a clipboard and streams as objects on D-Bus, by the
 * interfaces org.qemu.Display1.*. The protocol is GIO's, whose thread reads and writes; methods are
 * called on the main thread. Main thread, machine lock, but where it says so.
 */
#ifndef UI_DBUS_H
#define UI_DBUS_H

#include "qapi/qapi-types.h"
#include "qom/object.h"

#define DBUS_AXIS_MAX 32767

/* What users do goes to folders above, by these. Keys are numbers: scan codes of set 1, and 0x80
 * more where the prefix 0xe0 goes before them. */
typedef struct DbusHost {
    void (*key)(uint8_t number, bool down);
    bool (*absolute)(void); /* the pointer takes places, 0 to DBUS_AXIS_MAX, rather than moves */
    void (*move)(InputAxis axis, int value, bool absolute);
    void (*button)(InputButton button, bool down);
    void (*sync)(void); /* that was all of it */
    /* Where @device is, as in "pci/0000/02.0", or ""; g_free. */
    char *(*address)(const Object *device);
} DbusHost;

/* Show all consoles that there are or come: at the bus that @options->addr names, or by connections
 * that dbus_display_add_client() brings. @name, @uuid: of the machine. @host is borrowed for ever.
 */
bool dbus_display_start(const DisplayDBus *options, const char *name, const char *uuid,
                        const DbusHost *host, GError **errp);
/* Clients go; harmless if there are none. */
void dbus_display_stop(void);
/* @fd, a connection that is ours from now on, is the client; one before goes. */
bool dbus_display_add_client(int fd, GError **errp);
/* Perhaps the pointer takes something else now. Any thread with the machine lock. */
void dbus_display_pointer_changed(void);

#endif
