/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/nbd-uri.h"

#include <string.h>

#include "util/error.h"
#include "util/keyval.h"

#define LEGACY      "nbd:"
#define EXPORT_NAME ":exportname="

static const char *const schemes[] = { "nbd://",      "nbd+tcp://",   "nbd+unix://",  "nbds://",
                                       "nbds+tcp://", "nbds+unix://", "nbd+vsock://", NULL };

bool nbd_uri_is(const char *name)
{
    for (unsigned i = 0; schemes[i]; i++) {
        if (g_str_has_prefix(name, schemes[i])) {
            return true;
        }
    }
    return g_str_has_prefix(name, LEGACY);
}

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (!json_object_object_get_ex(json, key, NULL)) {
        json_object_object_add(json, key, keyval_text_new(value));
    }
}

static struct json_object *server_of(struct json_object *json)
{
    struct json_object *server;

    if (!json_object_object_get_ex(json, "server", &server)) {
        server = json_object_new_object();
        json_object_object_add(json, "server", server);
    }
    return server;
}

static void set_unix(struct json_object *json, const char *path)
{
    struct json_object *server = server_of(json);

    set_text(server, "type", "unix");
    set_text(server, "path", path);
}

static void set_inet(struct json_object *json, const char *host, const char *port)
{
    struct json_object *server = server_of(json);

    set_text(server, "type", "inet");
    set_text(server, "host", host);
    set_text(server, "port", port);
}

/* ---- "nbd:..." ---- */

/* [HOST]:PORT or HOST:PORT. */
static bool set_host_and_port(struct json_object *json, const char *text, GError **errp)
{
    const char *colon = strrchr(text, ':');
    bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';
    g_autofree char *host = NULL;

    if (!colon || colon == text || !colon[1]) {
        error_set(errp,
                  "nbd:%s: wanted is nbd:HOST:PORT or nbd:unix:PATH, perhaps followed "
                  "by " EXPORT_NAME "NAME",
                  text);
        return false;
    }
    host = g_strndup(text + brackets, (size_t)(colon - text) - 2 * brackets);
    set_inet(json, host, colon + 1);
    return true;
}

static bool legacy_options(struct json_object *json, const char *text, GError **errp)
{
    const char *name = strstr(text, EXPORT_NAME);
    g_autofree char *where = name ? g_strndup(text, (size_t)(name - text)) : g_strdup(text);

    if (name && name[strlen(EXPORT_NAME)]) {
        set_text(json, "export", name + strlen(EXPORT_NAME));
    }
    if (!g_str_has_prefix(where, "unix:")) {
        return set_host_and_port(json, where, errp);
    }
    if (!where[strlen("unix:")]) {
        error_set(errp, "nbd:unix:: the path of a socket is missing");
        return false;
    }
    set_unix(json, where + strlen("unix:"));
    return true;
}

/* ---- URIs ---- */

/* The path of the socket: the query is that alone. */
static bool unix_options(struct json_object *json, GUri *uri, const char *name, GError **errp)
{
    const char *query = g_uri_get_query(uri);
    g_autofree char *path = NULL;

    if (query && g_str_has_prefix(query, "socket=") && !strchr(query, '&')) {
        path = g_uri_unescape_string(query + strlen("socket="), NULL);
    }
    if (!path || !*path || (g_uri_get_host(uri) && *g_uri_get_host(uri))) {
        error_set(errp, "%s: wanted is nbd+unix:///EXPORT?socket=PATH", name);
        return false;
    }
    set_unix(json, path);
    return true;
}

static bool inet_options(struct json_object *json, GUri *uri, const char *name, GError **errp)
{
    const char *host = g_uri_get_host(uri);
    g_autofree char *port =
        g_uri_get_port(uri) > 0 ? g_strdup_printf("%d", g_uri_get_port(uri)) : g_strdup(NBD_PORT);

    if (g_uri_get_query(uri)) {
        error_set(errp, "%s: wanted is nbd://HOST:PORT/EXPORT, and nothing behind that", name);
        return false;
    }
    set_inet(json, host && *host ? host : "localhost", port);
    return true;
}

static bool uri_options(struct json_object *json, const char *name, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GUri) uri = g_uri_parse(name, G_URI_FLAGS_ENCODED_QUERY, &err);
    const char *path = uri ? g_uri_get_path(uri) : "";

    if (!uri) {
        error_set(errp, "%s is no URI: %s", name, err->message);
        return false;
    }
    if (g_str_has_prefix(name, "nbds")) {
        error_set(errp, "%s: TLS takes options: driver=nbd,tls-creds=ID,server.type=inet,...",
                  name);
        return false;
    }
    if (g_str_has_prefix(name, "nbd+vsock")) {
        error_set(errp, "%s: use options: server.type=vsock,server.cid=CID,server.port=PORT", name);
        return false;
    }
    path += *path == '/';
    if (*path) {
        set_text(json, "export", path);
    }
    return g_str_has_prefix(name, "nbd+unix") ? unix_options(json, uri, name, errp)
                                              : inet_options(json, uri, name, errp);
}

bool nbd_uri_options(struct json_object *json, const char *name, GError **errp)
{
    bool uri = !g_str_has_prefix(name, LEGACY) || g_str_has_prefix(name, "nbd://");

    set_text(json, "driver", "nbd");
    return uri ? uri_options(json, name, errp) : legacy_options(json, name + strlen(LEGACY), errp);
}

/* ---- back ---- */

char *nbd_uri_of(const BlockdevOptionsNbd *options)
{
    const SocketAddress *server = options->server;
    g_autofree char *export =
        options->export ? g_uri_escape_string(options->export, "/", TRUE) : g_strdup("");
    g_autofree char *path = NULL;
    const char *slash = *export ? "/" : "";

    switch (server->type) {
    case SOCKET_ADDRESS_TYPE_UNIX:
        path = g_uri_escape_string(server->u.q_unix->path, "/", TRUE);
        return g_strdup_printf("nbd+unix://%s%s?socket=%s", slash, export, path);
    case SOCKET_ADDRESS_TYPE_INET:
        return g_strdup_printf(strchr(server->u.inet->host, ':') ? "nbd://[%s]:%s%s%s"
                                                                 : "nbd://%s:%s%s%s",
                               server->u.inet->host, server->u.inet->port, slash, export);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("nbd+vsock://%s:%s%s%s", server->u.vsock->cid, server->u.vsock->port,
                               slash, export);
    default:
        return g_strdup_printf("nbd+fd://%s%s%s", server->u.fd->str, slash, export);
    }
}
