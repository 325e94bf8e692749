/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/tls-setup.h"

#include <glib-unix.h>
#include <gnutls/x509.h>
#include <string.h>

#include "crypto/authz.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

struct TlsSetup {
    gint refs; /* atomic */
    TlsCreds *creds;
    Authz *authz; /* or NULL */
    char *hostname;
};

/* A client of which nothing is known cannot be found in a list. */
static bool check_authz(const TlsSetupOptions *o, const TlsCreds *creds, GError **errp)
{
    if (!o->server) {
        error_set(errp, "tls-authz=%s is of servers: a client looks at the server's name",
                  o->authz);
        return false;
    }
    if (tls_creds_has_keys(creds) ||
        (tls_creds_has_certificates(creds) && tls_creds_verify(creds))) {
        return true;
    }
    error_set(errp,
              "tls-authz=%s needs to know who the client is, and the TLS credentials '%s' do not "
              "ask: use tls-creds-x509 with verify-peer=on, or tls-creds-psk",
              o->authz, o->creds);
    return false;
}

TlsSetup *tls_setup_new(const TlsSetupOptions *o, GError **errp)
{
    TlsCreds *creds = tls_creds_get(o->creds, o->server, errp);
    Authz *authz = NULL;

    if (creds && o->authz) {
        authz = check_authz(o, creds, errp) ? authz_get(o->authz, errp) : NULL;
        if (!authz) {
            tls_creds_unref(g_steal_pointer(&creds));
        }
    }
    if (!creds) {
        return NULL;
    }
    TlsSetup *setup = g_new0(TlsSetup, 1);
    *setup = (TlsSetup){ 1, creds, authz, g_strdup(o->hostname) };
    return setup;
}

TlsSetup *tls_setup_ref(TlsSetup *setup)
{
    g_atomic_int_inc(&setup->refs);
    return setup;
}

static void setup_free(void *opaque)
{
    TlsSetup *setup = opaque;

    tls_creds_unref(setup->creds);
    authz_unref(setup->authz);
    g_free(setup->hostname);
    g_free(setup);
}

void tls_setup_unref(TlsSetup *setup)
{
    if (!setup || !g_atomic_int_dec_and_test(&setup->refs)) {
        return;
    }
    if (machine_lock_held()) {
        setup_free(setup);
    } else {
        main_loop_schedule(setup_free, setup);
    }
}

bool tls_setup_wants_name(const TlsSetup *setup)
{
    return tls_creds_has_certificates(setup->creds) && tls_creds_verify(setup->creds);
}

const TlsCreds *tls_setup_creds(const TlsSetup *setup)
{
    return setup->creds;
}

/* ---- sessions ---- */

gnutls_session_t tls_setup_session(const TlsSetup *setup, int fd, GError **errp)
{
    gnutls_session_t session = NULL;

    if (g_unix_set_fd_nonblocking(fd, TRUE, errp)) {
        session = tls_creds_session(setup->creds, fd, setup->hostname);
        if (!session) {
            error_set(errp, "TLS: GnuTLS has no memory");
        }
    }
    return session;
}

void tls_setup_explain(gnutls_session_t session, int code, GError **errp)
{
    gnutls_datum_t text = { 0 };

    if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
        gnutls_certificate_verification_status_print(gnutls_session_get_verify_cert_status(session),
                                                     gnutls_certificate_type_get(session), &text,
                                                     0) >= 0) {
        error_set(errp, "TLS: the other end's certificate was not accepted: %s",
                  g_strchomp((char *)text.data));
        gnutls_free(text.data);
    } else if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        error_set(errp, "TLS: the other end refused: %s",
                  gnutls_alert_get_name(gnutls_alert_get(session)));
    } else if (code == GNUTLS_E_PREMATURE_TERMINATION) {
        error_set(errp, "TLS: the other end has gone, without saying that it ends");
    } else {
        error_set(errp, "TLS: %s", gnutls_strerror(code));
    }
}

/* The distinguished name of the certificate that the other end has shown; NULL: there is none. */
static char *subject(gnutls_session_t session)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t cert;
    gnutls_datum_t name = { 0 };
    char *text = NULL;

    if (!chain || !count || gnutls_x509_crt_init(&cert) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(cert, &chain[0], GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_crt_get_dn2(cert, &name) >= 0) {
        bool whole = !memchr(name.data, 0, name.size); /* else it would end too early */
        text = whole ? g_strndup((const char *)name.data, name.size) : NULL;
        gnutls_free(name.data);
    }
    gnutls_x509_crt_deinit(cert);
    return text;
}

bool tls_setup_authorize(const TlsSetup *setup, gnutls_session_t session, GError **errp)
{
    g_autofree char *name = NULL;

    if (!setup->authz) {
        return true;
    }
    name = tls_creds_has_keys(setup->creds) ? g_strdup(gnutls_psk_server_get_username(session))
                                            : subject(session);
    if (!name) {
        error_set(errp, "TLS: the client has no name");
    }
    if (!name || !authz_check(setup->authz, name, errp)) {
        (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
        return false;
    }
    return true;
}
