/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SPICE server: shows consoles to its clients, and takes keys and pointers from them. The
 * protocol is libspice-server's, which draws on a thread of its own. Main thread, machine lock.
 */
#ifndef UI_SPICE_H
#define UI_SPICE_H

#include "qapi/qapi-types.h"

#define SPICE_AXIS_MAX 32767

/* What users do goes to folders above, by these. Keys are numbers: scan codes of set 1, and 0x80
 * more where the prefix 0xe0 goes before them. */
typedef struct SpiceHost {
    void (*key)(uint8_t number, bool down);
    bool (*absolute)(void); /* the pointer takes places, 0 to SPICE_AXIS_MAX, rather than moves */
    void (*move)(InputAxis axis, int value, bool absolute);
    void (*button)(InputButton button, bool down);
    void (*sync)(void); /* that was all of it */
} SpiceHost;

/* Start the one server there is, as @options say, for every console that is there or comes. @host
 * is borrowed for ever; @password (copied) may be NULL: clients are refused until there is one,
 * unless options->disable_ticketing. @name: of the machine, for titles of windows, or NULL. */
bool spice_start(const SpiceOptions *options, const char *password, const char *name,
                 const SpiceHost *host, GError **errp);
/* Clients go, the server ends; harmless if there is none. */
void spice_stop(void);
bool spice_is_active(void);
/* What becomes of clients that are there; @fail: false if there are some. */
bool spice_set_password(const char *password, bool fail, bool disconnect, GError **errp);
/* The password's last second since 1970; INT64_MAX: it does not end. */
void spice_set_expiry(int64_t seconds);
/* @fd, a connection that is the server's from now on, is a channel of a client. */
bool spice_add_client(int fd, bool skip_auth, bool tls, GError **errp);
/* Clients are to connect to the server at @host, too, by @port or, encrypted, @tls_port (-1: none),
 * whose certificate has @subject (NULL: any); they change over when the machine has gone. There
 * must be a server. */
bool spice_migrate_to(const char *host, int port, int tls_port, const char *subject, GError **errp);
/* The machine begins to go; it has gone, or stays. Nothing happens if clients were not told. */
void spice_migrate_begin(void);
void spice_migrate_end(bool completed);
/* For query-spice. */
SpiceInfo *spice_info(void);

#endif
