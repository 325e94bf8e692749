/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/tls-creds.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "util/error.h"
#include "util/file-read.h"

#define TYPE_TLS_CREDS  "tls-creds"
#define TYPE_TLS_X509   "tls-creds-x509"
#define TYPE_TLS_PSK    "tls-creds-psk"
#define TYPE_TLS_ANON   "tls-creds-anon"
#define DEFAULT_USER    "qemu" /* as users of the interface expect */
#define CA_CERTIFICATE  "ca-cert.pem"
#define CA_REVOKED      "ca-crl.pem"
#define SERVER_CERT     "server-cert.pem"
#define SERVER_KEY      "server-key.pem"
#define CLIENT_CERT     "client-cert.pem"
#define CLIENT_KEY      "client-key.pem"
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
    /* made by `complete`; a server has other keys than a client */
    gnutls_certificate_credentials_t x509;
    gnutls_psk_server_credentials_t psk;
    gnutls_psk_client_credentials_t psk_client;
    gnutls_anon_server_credentials_t anon;
    gnutls_anon_client_credentials_t anon_client;
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

/* The certificate that this end shows, and its key. */
static bool load_own(TlsCreds *creds, GError **errp)
{
    bool server = creds->endpoint == TLS_SERVER;
    g_autofree char *cert = in_folder(creds, server ? SERVER_CERT : CLIENT_CERT),
                    *key = in_folder(creds, server ? SERVER_KEY : CLIENT_KEY);
    g_autofree char *password = NULL;

    if (!server && access(cert, F_OK) < 0 && access(key, F_OK) < 0) {
        return true; /* a client needs none, unless the server asks for it */
    }
    if (!check_readable(cert, errp) || !check_readable(key, errp)) {
        return false;
    }
    if (creds->passwordid) {
        size_t size;
        const uint8_t *secret = secret_lookup(creds->passwordid, &size, errp);
        if (!secret) {
            g_prefix_error(errp, "passwordid=%s: ", creds->passwordid);
            return false;
        }
        password = g_strndup((const char *)secret, size);
    }
    int ret = gnutls_certificate_set_x509_key_file2(creds->x509, cert, key, GNUTLS_X509_FMT_PEM,
                                                    password, 0);
    if (password) {
        explicit_bzero(password, strlen(password));
    }
    g_autofree char *what = g_strdup_printf("%s with %s", cert, key);
    return ok(ret, what, errp);
}

static bool load_x509(TlsCreds *creds, GError **errp)
{
    g_autofree char *ca = in_folder(creds, CA_CERTIFICATE), *revoked = in_folder(creds, CA_REVOKED);

    if (!check_readable(ca, errp) ||
        !ok(gnutls_certificate_allocate_credentials(&creds->x509), "GnuTLS", errp)) {
        return false;
    }
    gnutls_certificate_set_known_dh_params(creds->x509, GNUTLS_SEC_PARAM_MEDIUM);
    return ok(gnutls_certificate_set_x509_trust_file(creds->x509, ca, GNUTLS_X509_FMT_PEM), ca,
              errp) &&
           (access(revoked, F_OK) < 0 ||
            ok(gnutls_certificate_set_x509_crl_file(creds->x509, revoked, GNUTLS_X509_FMT_PEM),
               revoked, errp)) &&
           load_own(creds, errp);
}

static bool load_psk_server(TlsCreds *creds, const char *keys, GError **errp)
{
    if (creds->username) {
        error_set(errp, "username is of endpoint=client: a server takes all that are in %s", keys);
        return false;
    }
    if (!ok(gnutls_psk_allocate_server_credentials(&creds->psk), "GnuTLS", errp)) {
        return false;
    }
    gnutls_psk_set_server_known_dh_params(creds->psk, GNUTLS_SEC_PARAM_MEDIUM);
    return ok(gnutls_psk_set_server_credentials_file(creds->psk, keys), keys, errp);
}

/* The key of @user, in hexadecimal digits, in lines of USER:KEY. NULL: there is none. */
static char *find_key(const char *text, const char *user)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    size_t len = strlen(user);

    for (char **line = lines; *line; line++) {
        if (strncmp(*line, user, len) == 0 && (*line)[len] == ':') {
            return g_strdup(g_strchomp(*line + len + 1));
        }
    }
    return NULL;
}

static bool load_psk_client(TlsCreds *creds, const char *keys, GError **errp)
{
    const char *user = creds->username ? creds->username : DEFAULT_USER;
    g_autofree char *text = NULL, *key = NULL;
    g_autoptr(GError) err = NULL;

    if (!file_read(keys, FILE_READ_SMALL, &text, NULL, &err)) {
        error_set(errp, "%s", err->message);
        return false;
    }
    key = find_key(text, user);
    if (!key) {
        error_set(errp, "%s has no key of '%s': give another username=, or make it by psktool",
                  keys, user);
        return false;
    }
    gnutls_datum_t datum = { .data = (unsigned char *)key, .size = (unsigned)strlen(key) };
    return ok(gnutls_psk_allocate_client_credentials(&creds->psk_client), "GnuTLS", errp) &&
           ok(gnutls_psk_set_client_credentials(creds->psk_client, user, &datum,
                                                GNUTLS_PSK_KEY_HEX),
              keys, errp);
}

static bool load_psk(TlsCreds *creds, GError **errp)
{
    g_autofree char *keys = in_folder(creds, KEYS);

    return check_readable(keys, errp) &&
           (creds->endpoint == TLS_SERVER ? load_psk_server(creds, keys, errp)
                                          : load_psk_client(creds, keys, errp));
}

static bool load_anon(TlsCreds *creds, GError **errp)
{
    if (creds->endpoint == TLS_CLIENT) {
        return ok(gnutls_anon_allocate_client_credentials(&creds->anon_client), "GnuTLS", errp);
    }
    if (!ok(gnutls_anon_allocate_server_credentials(&creds->anon), "GnuTLS", errp)) {
        return false;
    }
    gnutls_anon_set_server_known_dh_params(creds->anon, GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static bool load(TlsCreds *creds, GError **errp)
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

    if (needs_folder && !creds->dir) {
        error_set(errp, "dir= is missing: the folder that has %s",
                  is_psk(creds) ? KEYS : "certificates");
        return false;
    }
    return load(creds, errp);
}

static void tls_finalize(Object *obj)
{
    TlsCreds *creds = TLS_CREDS(obj);

    g_clear_pointer(&creds->x509, gnutls_certificate_free_credentials);
    g_clear_pointer(&creds->psk, gnutls_psk_free_server_credentials);
    g_clear_pointer(&creds->psk_client, gnutls_psk_free_client_credentials);
    g_clear_pointer(&creds->anon, gnutls_anon_free_server_credentials);
    g_clear_pointer(&creds->anon_client, gnutls_anon_free_client_credentials);
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

bool tls_creds_verify(const TlsCreds *creds)
{
    return creds->verify_peer;
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
    if (creds->priority || creds->passwordid) {
        error_set(errp,
                  "the TLS credentials '%s' have %s, and NBD's client, which is libnbd's, "
                  "knows none",
                  creds->parent.name, creds->priority ? "a priority" : "a passwordid");
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

static void set_credentials(const TlsCreds *creds, gnutls_session_t session)
{
    bool server = creds->endpoint == TLS_SERVER;

    if (is_x509(creds)) {
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds->x509);
    } else if (is_psk(creds)) {
        gnutls_credentials_set(session, GNUTLS_CRD_PSK,
                               server ? (void *)creds->psk : (void *)creds->psk_client);
    } else {
        gnutls_credentials_set(session, GNUTLS_CRD_ANON,
                               server ? (void *)creds->anon : (void *)creds->anon_client);
    }
}

gnutls_session_t tls_creds_session(const TlsCreds *creds, int fd, const char *hostname)
{
    bool server = creds->endpoint == TLS_SERVER;
    gnutls_session_t session;

    if (gnutls_init(&session, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                  GNUTLS_NO_SIGNAL) < 0) {
        return NULL;
    }
    gnutls_priority_set(session, creds->order);
    set_credentials(creds, session);
    if (is_x509(creds) && creds->verify_peer) {
        if (server) {
            gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        }
        gnutls_session_set_verify_cert(session, server ? NULL : hostname, 0);
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
    TEXT("priority", priority, "which ciphers may be used, as GnuTLS writes it: NORMAL"),
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
    TEXT("passwordid", passwordid, "id of the secret that the private key is encrypted with"),
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
    .description = "certificates for TLS",
    .user_creatable = true,
    .properties = x509_properties,
};
OBJECT_TYPE_REGISTER(tls_x509_type)

static const ObjectType tls_psk_type = {
    .name = TYPE_TLS_PSK,
    .parent = TYPE_TLS_CREDS,
    .description = "shared keys for TLS",
    .user_creatable = true,
    .properties = psk_properties,
};
OBJECT_TYPE_REGISTER(tls_psk_type)

static const ObjectType tls_anon_type = {
    .name = TYPE_TLS_ANON,
    .parent = TYPE_TLS_CREDS,
    .description = "TLS without proof of who is there",
    .user_creatable = true,
};
OBJECT_TYPE_REGISTER(tls_anon_type)
