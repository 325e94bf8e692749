/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "tls-creds-x509", "tls-creds-psk", "tls-creds-anon": what a server or a client has to show in
 * TLS, and to ask for: certificates, shared keys, or nothing. By GnuTLS; but the client of NBD is
 * libnbd's. Users but for that one: crypto/tls-setup.h. Machine lock, but for what says otherwise.
 */
#ifndef CRYPTO_TLS_CREDS_H
#define CRYPTO_TLS_CREDS_H

#include <gnutls/gnutls.h>

#include "qom/object.h"

typedef struct TlsCreds TlsCreds;

/* What libnbd has to know. */
typedef struct TlsClientConfig {
    char *certificates; /* a folder; NULL: keys are used */
    char *keys;         /* a file */
    char *username;     /* that has the key */
    bool verify_peer;
} TlsClientConfig;

/* A reference to the object with the id @id, which is for a server or (@server false) a client. */
TlsCreds *tls_creds_get(const char *id, bool server, GError **errp);
void tls_creds_unref(TlsCreds *creds); /* NULL is fine */
/* By what the sides prove who they are; neither: by nothing. Any thread. */
bool tls_creds_has_certificates(const TlsCreds *creds);
bool tls_creds_has_keys(const TlsCreds *creds);
/* For clients; tls_client_config_free. Errors: libnbd does not know that kind. */
TlsClientConfig *tls_creds_client_config(const TlsCreds *creds, GError **errp);
void tls_client_config_free(TlsClientConfig *config); /* NULL is fine */
/* Does the other side have to prove who it is, if there are certificates? Any thread. */
bool tls_creds_verify(const TlsCreds *creds);
/* A session with @fd, which does not wait; gnutls_deinit. @hostname: a client wants it in the
 * server's certificate; NULL: any name will do. NULL: GnuTLS has no memory. @creds and @hostname
 * stay at least as long. Any thread. */
gnutls_session_t tls_creds_session(const TlsCreds *creds, int fd, const char *hostname);

#endif
