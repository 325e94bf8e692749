/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a character device backend is made of; for the files of chardev/, and ui/spice-char.c.
 *
 * A backend is an ObjectType "chardev-<name>" whose structure begins with a Chardev and whose
 * `complete` opens it. Most move bytes through file descriptors: they call chardev_connected() with
 * them, and char.c reads, writes and buffers. Machine lock for everything.
 */
#ifndef CHARDEV_CHAR_BACKEND_H
#define CHARDEV_CHAR_BACKEND_H

#include <glib-unix.h>

#include "chardev/char.h"

/* Names of the types are this and the name of the backend. */
#define CHARDEV_TYPE_PREFIX "chardev-"

struct Chardev {
    Object parent;
    /* properties of every backend */
    char *logfile;
    bool logappend;

    CharFrontend *fe;  /* not used by mux */
    bool connected;    /* the other side is there */
    bool end_of_input; /* hang up when `unsent` has gone */
    int in_fd, out_fd; /* the backend's; -1: none */
    int log_fd;
    GSource *in_source, *out_source, *hangup_source;
    gpointer left; /* by a raw front end, for the next one; owned, freed by free_left() */
    GDestroyNotify free_left;
    bool stalled;     /* output waits for something other than a reader, or is lost: it was said */
    bool log_stalled; /* the same of the log, which does not wait */
    GByteArray *unsent;
    size_t unsent_pos; /* of the first byte in `unsent` that was not written */
};

typedef struct ChardevOps {
    /* All may be NULL. Without write, output goes to out_fd (or nowhere). */
    void (*write)(Chardev *chr, const uint8_t *buf, size_t len);
    /* Instead of read() from in_fd; EAGAIN where there is nothing for the front end. */
    ssize_t (*read)(Chardev *chr, void *buf, size_t len);
    /* Put @buf as it is on the wire into @out; false if that is no different. */
    bool (*encode)(Chardev *chr, const uint8_t *buf, size_t len, GByteArray *out);
    /* See char_set_line(), char_set_break(). */
    void (*set_line)(Chardev *chr, const CharLine *line);
    void (*set_break)(Chardev *chr, bool on);
    /* See char_set_modem(). */
    void (*set_modem)(Chardev *chr, bool dtr, bool rts);
    /* See char_set_open(). */
    void (*set_open)(Chardev *chr, bool open);
    /* See char_take_fd(), chardev_filename(), chardev_yank(). */
    int (*take_fd)(Chardev *chr);
    char *(*filename)(const Chardev *chr);
    void (*yank)(Chardev *chr);
    /* See char_wait_connected(), char_can_reconnect(); NULL: no raw front ends. */
    bool (*wait_connected)(Chardev *chr, GError **errp);
    bool (*can_reconnect)(const Chardev *chr);
    /* Does it put a protocol of its own around the bytes? */
    bool (*has_protocol)(const Chardev *chr);
    /* The other side is gone: the input ended or a write failed. Never called from char_write(). */
    void (*hangup)(Chardev *chr);
    /* The front end may take input again; for backends without in_fd. */
    void (*accept_input)(Chardev *chr, CharFrontend *fe);
    /* Flush and undo what outlives the process; at exit. */
    void (*cleanup)(Chardev *chr);
    /* mux: takes several front ends */
    bool (*attach)(Chardev *chr, CharFrontend *fe, GError **errp);
    void (*detach)(Chardev *chr, CharFrontend *fe);
    size_t (*unsent)(const Chardev *chr);
    bool (*in_use)(const Chardev *chr);
    void (*send_break)(Chardev *chr);
} ChardevOps;

/* The other side is there: read from @in_fd and write to @out_fd (-1: none), which remain the
 * backend's and must be open until chardev_disconnected(). The front end gets CHAR_EVENT_OPENED. */
void chardev_connected(Chardev *chr, int in_fd, int out_fd);
/* The other side is gone: unsent output is dropped, the front end gets CHAR_EVENT_CLOSED. */
void chardev_disconnected(Chardev *chr);
/* What the backend's protocol says to the other side, between the front end's output. All or, if
 * the other side does not read and UNSENT_MAX waits already, nothing. */
void chardev_answer(Chardev *chr, const uint8_t *buf, size_t len);
/* What chardev_waiting() returns from now on. */
void chardev_set_waiting(Chardev *chr);
/* Send @event to @fe, OPENED and CLOSED only when they change something. */
void chardev_tell_frontend(CharFrontend *fe, CharEvent event);

/* char_detach(), after CHAR_EVENT_CLOSED if @fe thinks that somebody is there. */
void chardev_leave(CharFrontend *fe);
/* As chardev_new() with an @id that is not checked, and a mux before it if wanted: then the backend
 * itself is ID-base. */
Chardev *chardev_new_muxed(const char *backend, const char *id, bool mux, struct json_object *props,
                           GError **errp);

/* A GSource for @fd on the main loop. @fn is a GUnixFDSourceFunc. To be ended by
 * chardev_source_end(). */
GSource *chardev_fd_source(int fd, GIOCondition condition, GUnixFDSourceFunc fn, void *opaque);
/* The same for one call, or one every @ms. */
GSource *chardev_timeout_source(guint ms, GSourceFunc fn, void *opaque);
void chardev_source_end(GSource **source); /* NULL inside is fine */

#endif
