/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: byte streams to the outside for serial ports, monitors and qtest.
 *
 * A backend type is an ObjectType "chardev-<name>" with parent "chardev", found in /chardevs/ID.
 * One front end (or, for mux, several) takes it. Machine lock; callbacks come from the main loop.
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include "qom/object.h"

typedef struct Chardev Chardev;

#define TYPE_CHARDEV "chardev"
OBJECT_CAST_DEFINE(Chardev, CHARDEV, TYPE_CHARDEV)

typedef enum CharEvent {
    CHAR_EVENT_OPENED, /* a client is there (at once for files and stdio) */
    CHAR_EVENT_CLOSED,
    CHAR_EVENT_BREAK,
    CHAR_EVENT_MUX_IN,  /* input now goes to this front end */
    CHAR_EVENT_MUX_OUT, /* ... no longer */
} CharEvent;

typedef enum CharParity {
    CHAR_PARITY_NONE,
    CHAR_PARITY_ODD,
    CHAR_PARITY_EVEN,
    CHAR_PARITY_MARK, /* the bit is always 1 */
    CHAR_PARITY_SPACE,
} CharParity;

/* How characters are on a serial line. */
typedef struct CharLine {
    unsigned speed;     /* bits a second */
    unsigned data_bits; /* 5 to 8 */
    unsigned stop_bits; /* 1 or 2; with 5 data bits, 2 are 1.5 */
    CharParity parity;
} CharLine;

/* The consumer. All may be NULL. */
typedef struct CharFrontend {
    /* How many bytes can be taken now; 0: char_accept_input() will say when again. */
    int (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *buf, int len);
    void (*event)(void *opaque, CharEvent event);
    void *opaque;
    bool keep_output; /* QMP: output is never dropped while a client is there */
    bool can_change;  /* chardev_change() may give it another backend: CLOSED, then OPENED */
    bool background;  /* on a mux: does not take the input from another when it attaches */
    bool raw; /* reads and writes char_fd() itself; the backend connects, and sees the end */
    /* private */
    Chardev *chr;
    int mux_tag;
    bool opened;
    GSource *opened_source;
} CharFrontend;

/* Take @chr for @fe, whose callbacks are set; an error if it is taken and no mux. CHAR_EVENT_OPENED
 * comes from the main loop if the other side is there already. */
bool char_attach(Chardev *chr, CharFrontend *fe, GError **errp);
void char_detach(CharFrontend *fe);
/* Write all, buffering what cannot be written now (bounded per backend: past 1 MiB unsent the rest
 * of a serial port's output is dropped; QMP's is kept). A full disk is waited for, with one
 * warning. The copy in a log file has only what could be written at once. */
void char_write(CharFrontend *fe, const void *buf, size_t len);
/* What a serial port is set to, for a backend that is a serial line too; on others nothing happens.
 * A new backend does not know: to be said again at CHAR_EVENT_OPENED. */
void char_set_line(CharFrontend *fe, const CharLine *line);
/* A break begins, or ends. */
void char_set_break(CharFrontend *fe, bool on);
/* Is a program of the guest there, behind the front end? */
void char_set_open(CharFrontend *fe, bool open);
/* The outputs of a serial port: it is there (DTR), it may be sent to (RTS). */
void char_set_modem(CharFrontend *fe, bool dtr, bool rts);
void char_accept_input(CharFrontend *fe);
/* Bytes that the other side has not taken yet. When they have all gone, input is asked for again as
 * by char_accept_input(), so that can_receive may answer 0 because of them. */
size_t char_unsent(const CharFrontend *fe);
/* The descriptor that the other side has sent (SCM_RIGHTS on a unix socket) with what was received
 * last, or -1; the caller's from now on. The next one that arrives replaces it. */
int char_take_fd(CharFrontend *fe);

/* ---- for front ends that are raw ---- */

/* Can @chr be that of one? A socket without a protocol of its own can. */
bool char_can_be_raw(const Chardev *chr);
/* The socket, borrowed until CHAR_EVENT_CLOSED; -1: nobody is there. */
int char_fd(const CharFrontend *fe);
/* Wait until somebody is there, as long as it takes: for the start of the program, and for tasks.
 * Errors: nobody can come, or the program is to end. */
bool char_wait_connected(CharFrontend *fe, GError **errp);
/* Can another connection come after this one has ended? */
bool char_can_reconnect(const CharFrontend *fe);
/* The other side makes no sense: end the connection, from the main loop. */
void char_hang_up(CharFrontend *fe);
/* What the other side knows from this front end, for the next one of the same connection: @left,
 * freed by @free when that ends, or another is left. */
void char_leave(CharFrontend *fe, gpointer left, GDestroyNotify free);
/* It, borrowed; NULL: nothing was left. */
gpointer char_left(const CharFrontend *fe);
/* The same, and now it is the caller's. */
gpointer char_take_left(CharFrontend *fe);

#endif
