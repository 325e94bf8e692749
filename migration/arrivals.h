/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of a machine that comes, where there are several, or TLS: each is greeted by a
 * thread of its own, so that one that is silent, or may not come, holds up no other.
 */
#ifndef MIGRATION_ARRIVALS_H
#define MIGRATION_ARRIVALS_H

#include "migration/channel.h"

#define ARRIVALS_MAX 256 /* with the one that all but memory comes over */

typedef struct Arrivals {
    /* A descriptor and its TLS, or -1 and NULL; [0] is the one that all but memory comes over. */
    struct {
        int fd;
        TlsRelay *tls;
    } places[ARRIVALS_MAX];
} Arrivals;

/* Empty; arrivals_clear(), then g_free(). */
Arrivals *arrivals_new(void);
/* Wait until all of @count connections for memory (0: the other end has no multifd), and the one
 * for the rest, have come to @channel's listener, which is closed then. @tls: they have to use it;
 * NULL: there is none. False with an error: one was wrong, or channel_stop(). The machine lock is
 * not held. */
bool arrivals_wait(Arrivals *arrivals, Channel *channel, TlsSetup *tls, unsigned count,
                   GError **errp);
/* Take one out, into @channel, which is closed. */
void arrivals_take(Arrivals *arrivals, unsigned index, Channel *channel);
/* Close those that are left. */
void arrivals_clear(Arrivals *arrivals);

#endif
