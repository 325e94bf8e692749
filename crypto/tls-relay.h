/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS for those who only know sockets: they get one of their own, without encryption, and a thread
 * carries between that and the other end's. It shakes hands first, for a limited time, so that
 * nobody else waits for who is silent.
 */
#ifndef CRYPTO_TLS_RELAY_H
#define CRYPTO_TLS_RELAY_H

#include "crypto/tls-setup.h"

#define TLS_RELAY_WAIT_MS 10000 /* long enough for any end that wants to agree */

typedef struct TlsRelay TlsRelay;

/* They have shaken hands: @fd, the callee's, is what the other end says; or -1 and @err (borrowed).
 * Main loop. */
typedef void TlsRelayFn(void *opaque, int fd, const GError *err);

/* Begin with the other end at @fd, which is this object's from now on, also if it fails. They have
 * @wait_ms milliseconds to agree; then @setup is not needed any more. @fn (NULL: somebody calls
 * tls_relay_wait()) is called once. The caller has a reference. Any thread. */
TlsRelay *tls_relay_new(TlsSetup *setup, int fd, int wait_ms, TlsRelayFn *fn, void *opaque,
                        GError **errp);
/* @fn will not be called any more, and what was not agreed on ends. The caller's reference goes.
 * For the main loop; without @fn any thread. NULL is fine. What was written to the descriptor, once
 * that is closed, still goes to the other end, if it takes it. */
void tls_relay_unref(TlsRelay *relay);

/* Wait for the end of the handshake: the descriptor, the caller's; -1 with an error. Once. */
int tls_relay_wait(TlsRelay *relay, GError **errp);
/* Break it off, the handshake too. Any thread that has a reference. */
void tls_relay_stop(TlsRelay *relay);
/* Wait until the other end has gone, or all that was written to the descriptor, which was closed,
 * has gone to it. False with an error: not all did, or it said something that is wrong. Any thread
 * that has a reference. */
bool tls_relay_join(TlsRelay *relay, GError **errp);
/* The same, for at most @wait_ms milliseconds. */
void tls_relay_linger(TlsRelay *relay, int wait_ms);
/* What went wrong until now, new; NULL: nothing. Any thread that has a reference. */
GError *tls_relay_error(TlsRelay *relay);
/* The socket to the other end, to ask it for its address; borrowed. */
int tls_relay_fd(const TlsRelay *relay);
/* Does no thread of any of them run any more? For the end of the program: while one does, it should
 * go without exit(), which unloads the libraries that the thread is in. Any thread. */
bool tls_relays_are_over(void);

#endif
