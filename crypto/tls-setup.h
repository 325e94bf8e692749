/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one end speaks TLS: its credentials, whom a server lets in, and whom a client wants to meet.
 * It is counted, so that threads may have it for longer than the one who made it.
 */
#ifndef CRYPTO_TLS_SETUP_H
#define CRYPTO_TLS_SETUP_H

#include "crypto/tls-creds.h"

typedef struct TlsSetup TlsSetup;

typedef struct TlsSetupOptions {
    const char *creds; /* id of the credentials */
    bool server;
    const char *authz;    /* server: id of an authorization; NULL: all that the credentials take */
    const char *hostname; /* client: what must be in the server's certificate; NULL: any name */
} TlsSetupOptions;

/* With references to the objects, which stay meanwhile. Machine lock. */
TlsSetup *tls_setup_new(const TlsSetupOptions *options, GError **errp);
TlsSetup *tls_setup_ref(TlsSetup *setup); /* any thread */
/* The objects are given back at once if this thread has the machine lock, else by the main loop.
 * NULL is fine. Any thread. */
void tls_setup_unref(TlsSetup *setup);
/* Does a client look for a name in the server's certificate? */
bool tls_setup_wants_name(const TlsSetup *setup);
const TlsCreds *tls_setup_creds(const TlsSetup *setup);

/* A session with @fd, which becomes non-blocking; gnutls_deinit. @setup stays at least as long. Any
 * thread. */
gnutls_session_t tls_setup_session(const TlsSetup *setup, int fd, GError **errp);
/* What it means that GnuTLS said @code of @session, for people. Any thread. */
void tls_setup_explain(gnutls_session_t session, int code, GError **errp);
/* They have shaken hands: may the other end come in? Else it is told that it may not. Any thread.
 */
bool tls_setup_authorize(const TlsSetup *setup, gnutls_session_t session, GError **errp);

#endif
