/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices as their owner sees them: made, found, changed, removed. Machine lock.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include "chardev/char.h"

bool chardev_is_mux(const Chardev *chr);
/* A front end has it. */
bool chardev_in_use(const Chardev *chr);
/* How users see what it is connected to: "unix:PATH,server=on", "pty:/dev/pts/3", "null"; g_free.
 */
char *chardev_filename(const Chardev *chr);
/* The one that is made right now, and waits for its first client while the main loop goes on: it
 * has its id, but is not in the tree yet. NULL: none. Borrowed. */
Chardev *chardev_waiting(void);
/* Whether it is a connection, or a wait for one, that chardev_yank() can break off, as if the other
 * side had gone. */
bool chardev_can_yank(const Chardev *chr);
void chardev_yank(Chardev *chr);
/* The front end gets CHAR_EVENT_BREAK; on a mux the one that has the input. */
void chardev_send_break(Chardev *chr);
/* The byte that begins an escape on every mux, instead of Ctrl-A. */
void chardev_mux_set_escape(uint8_t byte);
/* What Ctrl-A x does on a mux; nothing until it is set. */
void chardev_set_quit_handler(void (*fn)(void));

Chardev *chardev_find(const char *id); /* borrowed or NULL */
/* The kinds there are ("file", "null", ...; mux too, and "memory", an old name of ringbuf), sorted;
 * free the array only. */
GPtrArray *chardev_backends(void);
/* The type of kind @backend, under an old name too; an error if there is none. */
const ObjectType *chardev_backend_type(const char *backend, GError **errp);
/* Kind @backend as /chardevs/@id. @props: its properties, as JSON or as text. Borrowed. */
Chardev *chardev_new(const char *backend, const char *id, struct json_object *props, GError **errp);
/* Out of /chardevs; an error while it is in use. */
bool chardev_remove(Chardev *chr, GError **errp);
/* Replace @id by a new one of kind @backend, which its front end then has. On failure nothing
 * changes: it is a mux or to be one, its user is not made for it (can_change), or as chardev_new().
 * Borrowed. */
Chardev *chardev_change(const char *backend, const char *id, struct json_object *props,
                        GError **errp);
/* The same with -chardev text without id=. */
Chardev *chardev_change_from_opts(const char *id, const char *text, GError **errp);
/* -chardev text ("socket,id=x,path=...,server=on,wait=off"). Borrowed. */
Chardev *chardev_new_from_opts(const char *text, GError **errp);
/* The short form of -serial, -monitor, -qmp: "stdio", "null", "pty", "file:PATH", "pipe:PATH",
 * "/dev/TTY", "unix:PATH,server=on,wait=off", "tcp:HOST:PORT,server=on,...", so too "telnet:",
 * "tn3270:" and "websocket:", "udp:[HOST]:PORT[@[LOCAL]:PORT]", "mon:" and one of these, or
 * "chardev:ID". "none" is the caller's to handle. @id names the new one; with_mux when "mon:" or
 * the caller wants sharing. */
Chardev *chardev_new_from_short(const char *id, const char *text, bool with_mux, GError **errp);

/* Flush what can be flushed, restore the terminal and remove listening sockets' files; at exit. */
void chardev_cleanup(void);

#endif
