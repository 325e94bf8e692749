/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/tls-creds.h"

#include <errno.h>
#include <unistd.h>

#include "util/error.h"

#define TYPE_TLS_CREDS  "tls-creds"
#define TYPE_TLS_X509   "tls-creds-x509"
#define TYPE_TLS_PSK    "tls-creds-psk"
#define TYPE_TLS_ANON   "tls-creds-anon"
#define DEFAULT_USER    "qemu" /* as users of the interface expect */
#define CA_CERTIFICATE  "ca-cert.pem"
#define CA_REVOKED      "ca-crl.pem"
#define SERVER_CERT     "server-cert.pem"
#define SERVER_KEY      "server-key.pem"
#define KEYS            "keys.psk"
#define PRIORITY        "NORMAL"
#define PRIORITY_OF_PSK ":+ECDHE-PSK:+DHE-PSK:+PSK"
/* What has no certificate ends with TLS 1.2. */
#define PRIORITY_OF_ANON ":-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH:+ANON-DH"

typedef enum TlsEndpoint { TLS_CLIENT, TLS_SERVER } TlsEndpoint;
static const char *const endpoint_names[] = { "client", "server", NULL };

struct TlsCreds {
    Object parent;
    /* properties; a type has some of them */
    char *dir, *priority, *username, *passwordid;
    int endpoint; /* TlsEndpoint */
    bool verify_peer, sanity_check;
    /* made by `complete`, of a server */
    gnutls_certificate_credentials_t x509;
    gnutls_psk_server_credentials_t psk;
    gnutls_anon_server_credentials_t anon;
    gnutls_priority_t order;
};
OBJECT_CAST_DEFINE(TlsCreds, TLS_CREDS, TYPE_TLS_CREDS)

static bool is_x509(const TlsCreds *creds)
{
    return object_is_a(&creds->parent, TYPE_TLS_X509);
}

static bool is_psk(const TlsCreds *creds)
{
    return object_is_a(&creds->parent, TYPE_TLS_PSK);
}

/* ---- completing ---- */

static char *in_folder(const TlsCreds *creds, const char *name)
{
    return g_build_filename(creds->dir, name, NULL);
}

static bool ok(int ret, const char *what, GError **errp)
{
    if (ret < 0) {
        error_set(errp, "%s: %s", what, gnutls_strerror(ret));
    }
    return ret >= 0;
}

static bool check_readable(const char *path, GError **errp)
{
    if (access(path, R_OK) < 0) {
        error_set_errno(errp, errno, "%s", path);
        return false;
    }
    return true;
}

/* The folder has what libnbd will look for. */
static bool check_client(const TlsCreds *creds, GError **errp)
{
    g_autofree char *path = in_folder(creds, is_psk(creds) ? KEYS : CA_CERTIFICATE);

    if (creds->priority) {
        error_set(errp, "priority is of endpoint=server: a client's is libnbd's");
        return false;
    }
    return check_readable(path, errp);
}

static bool load_x509(TlsCreds *creds, GError **errp)
{
    g_autofree char *ca = in_folder(creds, CA_CERTIFICATE), *revoked = in_folder(creds, CA_REVOKED),
                    *cert = in_folder(creds, SERVER_CERT), *key = in_folder(creds, SERVER_KEY);

    if (!check_readable(ca, errp) || !check_readable(cert, errp) || !check_readable(key, errp) ||
        !ok(gnutls_certificate_allocate_credentials(&creds->x509), "GnuTLS", errp)) {
        return false;
    }
    gnutls_certificate_set_known_dh_params(creds->x509, GNUTLS_SEC_PARAM_MEDIUM);
    return ok(gnutls_certificate_set_x509_trust_file(creds->x509, ca, GNUTLS_X509_FMT_PEM), ca,
              errp) &&
           (access(revoked, F_OK) < 0 ||
            ok(gnutls_certificate_set_x509_crl_file(creds->x509, revoked, GNUTLS_X509_FMT_PEM),
               revoked, errp)) &&
           ok(gnutls_certificate_set_x509_key_file(creds->x509, cert, key, GNUTLS_X509_FMT_PEM),
              cert, errp);
}

static bool load_psk(TlsCreds *creds, GError **errp)
{
    g_autofree char *keys = in_folder(creds, KEYS);

    if (creds->username) {
        error_set(errp, "username is of endpoint=client: a server takes all that are in %s", keys);
        return false;
    }
    if (!check_readable(keys, errp) ||
        !ok(gnutls_psk_allocate_server_credentials(&creds->psk), "GnuTLS", errp)) {
        return false;
    }
    gnutls_psk_set_server_known_dh_params(creds->psk, GNUTLS_SEC_PARAM_MEDIUM);
    return ok(gnutls_psk_set_server_credentials_file(creds->psk, keys), keys, errp);
}

static bool load_anon(TlsCreds *creds, GError **errp)
{
    if (!ok(gnutls_anon_allocate_server_credentials(&creds->anon), "GnuTLS", errp)) {
        return false;
    }
    gnutls_anon_set_server_known_dh_params(creds->anon, GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static bool load_server(TlsCreds *creds, GError **errp)
{
    const char *more = is_x509(creds) ? "" : is_psk(creds) ? PRIORITY_OF_PSK : PRIORITY_OF_ANON;
    const char *base = creds->priority ? creds->priority : PRIORITY, *at;
    g_autofree char *order = g_strconcat(base, more, NULL);
    int ret = gnutls_priority_init(&creds->order, order, &at);

    if (ret < 0) {
        error_set(errp, "priority=%s: %s", base, gnutls_strerror(ret));
        return false;
    }
    return is_x509(creds)  ? load_x509(creds, errp)
           : is_psk(creds) ? load_psk(creds, errp)
                           : load_anon(creds, errp);
}

static bool tls_complete(Object *obj, GError **errp)
{
    TlsCreds *creds = TLS_CREDS(obj);
    bool needs_folder = is_x509(creds) || is_psk(creds);

    if (creds->passwordid) {
        error_set(errp, "passwordid: keys that are encrypted are not read; protect the file");
        return false;
    }
    if (needs_folder && !creds->dir) {
        error_set(errp, "dir= is missing: the folder that has %s",
                  is_psk(creds) ? KEYS : "certificates");
        return false;
    }
    return creds->endpoint == TLS_SERVER ? load_server(creds, errp)
                                         : !needs_folder || check_client(creds, errp);
}

static void tls_finalize(Object *obj)
{
    TlsCreds *creds = TLS_CREDS(obj);

    g_clear_pointer(&creds->x509, gnutls_certificate_free_credentials);
    g_clear_pointer(&creds->psk, gnutls_psk_free_server_credentials);
    g_clear_pointer(&creds->anon, gnutls_anon_free_server_credentials);
    g_clear_pointer(&creds->order, gnutls_priority_deinit);
}

/* ---- users ---- */

TlsCreds *tls_creds_get(const char *id, bool server, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || !object_is_a(obj, TYPE_TLS_CREDS)) {
        error_set(errp, "there are no TLS credentials '%s': make them with -object tls-creds-x509",
                  id);
        return NULL;
    }
    if ((TLS_CREDS(obj)->endpoint == TLS_SERVER) != server) {
        error_set(errp, "the TLS credentials '%s' are of the other end: endpoint=%s is wanted", id,
                  endpoint_names[server ? TLS_SERVER : TLS_CLIENT]);
        return NULL;
    }
    return TLS_CREDS(object_ref(obj));
}

void tls_creds_unref(TlsCreds *creds)
{
    object_unref(OBJECT(creds));
}

bool tls_creds_has_certificates(const TlsCreds *creds)
{
    return is_x509(creds);
}

bool tls_creds_has_keys(const TlsCreds *creds)
{
    return is_psk(creds);
}

TlsClientConfig *tls_creds_client_config(const TlsCreds *creds, GError **errp)
{
    TlsClientConfig *config;

    if (!is_x509(creds) && !is_psk(creds)) {
        error_set(errp,
                  "a client cannot use the anonymous TLS credentials '%s': libnbd knows "
                  "certificates and keys",
                  creds->parent.name);
        return NULL;
    }
    config = g_new0(TlsClientConfig, 1);
    config->verify_peer = creds->verify_peer;
    if (is_psk(creds)) {
        config->keys = in_folder(creds, KEYS);
        config->username = g_strdup(creds->username ? creds->username : DEFAULT_USER);
    } else {
        config->certificates = g_strdup(creds->dir);
    }
    return config;
}

void tls_client_config_free(TlsClientConfig *config)
{
    if (config) {
        g_free(config->certificates);
        g_free(config->keys);
        g_free(config->username);
        g_free(config);
    }
}

gnutls_session_t tls_creds_server_session(const TlsCreds *creds, int fd)
{
    gnutls_session_t session;

    if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
        return NULL;
    }
    gnutls_priority_set(session, creds->order);
    if (creds->x509) {
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds->x509);
    } else if (creds->psk) {
        gnutls_credentials_set(session, GNUTLS_CRD_PSK, creds->psk);
    } else {
        gnutls_credentials_set(session, GNUTLS_CRD_ANON, creds->anon);
    }
    if (creds->x509 && creds->verify_peer) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert(session, NULL, 0);
    }
    gnutls_transport_set_int(session, fd);
    return session;
}

/* ---- the types ---- */

#define TEXT(NAME, member, text)                                                          \
    {                                                                                     \
        .name = (NAME), .kind = PROP_STRING, .offset = offsetof(struct TlsCreds, member), \
        .description = (text)                                                             \
    }

static const Property tls_properties[] = {
    TEXT("dir", dir, "folder of the files"),
    TEXT("priority", priority, "which ciphers a server takes, as GnuTLS writes it: NORMAL"),
    { .name = "endpoint",
      .kind = PROP_ENUM,
      .offset = offsetof(struct TlsCreds, endpoint),
      .enum_names = endpoint_names,
      .has_default = true,
      .default_int = TLS_CLIENT,
      .description = "which side they are for" },
    { .name = "verify-peer",
      .kind = PROP_BOOL,
      .offset = offsetof(struct TlsCreds, verify_peer),
      .has_default = true,
      .default_int = true,
      .description = "the other side needs a certificate of the authority" },
    { 0 },
};

static const Property x509_properties[] = {
    TEXT("passwordid", passwordid, "refused: keys that are encrypted are not read"),
    { .name = "sanity-check",
      .kind = PROP_BOOL,
      .offset = offsetof(struct TlsCreds, sanity_check),
      .has_default = true,
      .default_int = true,
      .description = "accepted, without effect: files that GnuTLS cannot use are refused" },
    { 0 },
};

static const Property psk_properties[] = {
    TEXT("username", username, "of a client: whose key it shows; qemu"),
    { 0 },
};

static const ObjectType tls_creds_type = {
    .name = TYPE_TLS_CREDS,
    .parent = "object",
    .instance_size = sizeof(struct TlsCreds),
    .abstract = true,
    .properties = tls_properties,
    .finalize = tls_finalize,
    .complete = tls_complete,
};
OBJECT_TYPE_REGISTER(tls_creds_type)

static const ObjectType tls_x509_type = {
    .name = TYPE_TLS_X509,
    .parent = TYPE_TLS_CREDS,
    .description = "certificates for TLS of NBD and VNC",
    .user_creatable = true,
    .properties = x509_properties,
};
OBJECT_TYPE_REGISTER(tls_x509_type)

static const ObjectType tls_psk_type = {
    .name = TYPE_TLS_PSK,
    .parent = TYPE_TLS_CREDS,
    .description = "shared keys for TLS of NBD",
    .user_creatable = true,
    .properties = psk_properties,
};
OBJECT_TYPE_REGISTER(tls_psk_type)

static const ObjectType tls_anon_type = {
    .name = TYPE_TLS_ANON,
    .parent = TYPE_TLS_CREDS,
    .description = "TLS of a server of NBD or VNC without proof of who is there",
    .user_creatable = true,
};
OBJECT_TYPE_REGISTER(tls_anon_type)
