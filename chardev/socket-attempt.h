/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connecting without making anybody wait: a thread looks up the name and connects, the main loop
 * gets the result.
 */
#ifndef CHARDEV_SOCKET_ATTEMPT_H
#define CHARDEV_SOCKET_ATTEMPT_H

#include "chardev/socket-place.h"

typedef struct SocketAttempt SocketAttempt;

/* Called from the main loop, once, with a socket that is the callee's, or -1 and @err (borrowed).
 * The attempt is then over. */
typedef void SocketAttemptFn(void *opaque, int fd, const GError *err);

/* Connect to @place, of which a copy is kept, and call @fn. */
SocketAttempt *socket_attempt_start(const SocketPlace *place, SocketAttemptFn *fn, void *opaque);
/* Nobody is interested any more: @fn is not called. The thread ends when the kernel lets it. */
void socket_attempt_cancel(SocketAttempt *attempt);
/* The same, but somebody will call socket_attempt_wait() with what is returned. */
SocketAttempt *socket_attempt_claim(SocketAttempt *attempt);
/* Wait until it is over: its socket, the caller's, or -1. Any thread, once. */
int socket_attempt_wait(SocketAttempt *attempt);

#endif
