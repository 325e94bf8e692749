/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC servers: their sockets, and the list of their clients. */
#include "ui/vnc.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "chardev/socket-place.h"
#include "qapi/qapi-events.h"
#include "qom/object.h"
#include "ui/vnc-internal.h"
#include "ui/vnc-listen.h"
#include "util/error.h"

#define CONNECTIONS    32
#define ACCEPT_WAIT_MS 100 /* after descriptors ran out */

static GPtrArray *servers; /* of VncServer *, in the order of their making; NULL: none */

/* ---- clients ---- */

static bool add_client(VncServer *server, int fd, bool websocket, bool skip_auth, GError **errp)
{
    VncClient *client;

    if (server->clients->len >= server->connections) {
        error_set(errp, "VNC server '%s' has %u clients, and may have no more (connections=N)",
                  server->id, server->connections);
        close(fd);
        return false;
    }
    client = vnc_client_new(server, fd, websocket, skip_auth, errp);
    if (!client) {
        return false;
    }
    g_mutex_lock(&server->lock);
    g_ptr_array_add(server->clients, client);
    g_mutex_unlock(&server->lock);
    qapi_event_send_vnc_connected(client->server_info, (VncBasicInfo *)client->info);
    vnc_server_watch(server);
    return true;
}

void vnc_client_gone(VncClient *client)
{
    VncServer *server = client->server;

    vnc_event_release_all(client);
    g_mutex_lock(&server->lock);
    g_ptr_array_remove(server->clients, client);
    g_mutex_unlock(&server->lock);
    vnc_server_watch(server);
    qapi_event_send_vnc_disconnected(client->server_info, client->info);
    vnc_client_free(client);
}

void vnc_server_leave_alone(VncServer *server, VncClient *client)
{
    for (unsigned i = 0; i < server->clients->len; i++) {
        if (server->clients->pdata[i] != client) {
            vnc_client_close(server->clients->pdata[i]);
        }
    }
}

bool vnc_server_add_client(VncServer *server, int fd, bool skip_auth, GError **errp)
{
    return add_client(server, fd, false, skip_auth, errp);
}

/* ---- sockets ---- */

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque);

static gboolean look_again(gpointer opaque)
{
    VncSocket *s = opaque;

    s->watch = g_unix_fd_add(s->fd, G_IO_IN, readable, s);
    return G_SOURCE_REMOVE;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    VncSocket *s = opaque;
    bool wait = false;
    int client = socket_place_accept(fd, "VNC server", s->server->id, &s->cannot_accept, &wait);

    if (client >= 0) {
        g_autoptr(GError) err = NULL;

        add_client(s->server, client, s->websocket, false, &err); /* else it is away: too many */
    } else if (wait) {
        s->watch = g_timeout_add(ACCEPT_WAIT_MS, look_again, s);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void socket_free(gpointer opaque)
{
    VncSocket *s = opaque;

    g_source_remove(s->watch);
    close(s->fd);
    if (s->path) {
        unlink(s->path);
    }
    g_free(s->path);
    g_free(s);
}

/* The new socket at a path has taken the place of the old one there, which is not unlinked. */
static void keep_path(VncServer *server, const char *path)
{
    for (unsigned i = 0; i < server->sockets->len; i++) {
        VncSocket *s = server->sockets->pdata[i];

        if (path && g_strcmp0(s->path, path) == 0) {
            g_clear_pointer(&s->path, g_free);
        }
    }
}

/* Takes over what is in @fds. */
static void set_sockets(VncServer *server, GArray *fds)
{
    for (unsigned i = 0; i < fds->len; i++) {
        keep_path(server, g_array_index(fds, VncListen, i).path);
    }
    g_ptr_array_set_size(server->sockets, 0);
    for (unsigned i = 0; i < fds->len; i++) {
        const VncListen *from = &g_array_index(fds, VncListen, i);
        VncSocket *s = g_new0(VncSocket, 1);

        s->server = server;
        s->fd = from->fd;
        s->websocket = from->websocket;
        s->path = from->path;
        s->watch = g_unix_fd_add(s->fd, G_IO_IN, readable, s);
        g_ptr_array_add(server->sockets, s);
    }
    g_array_unref(fds);
}

bool vnc_server_listen(VncServer *server, const GPtrArray *addresses, GError **errp)
{
    GArray *fds = vnc_listen_at(addresses, errp);

    if (fds) {
        set_sockets(server, fds);
    }
    return fds;
}

/* ---- servers ---- */

void vnc_init(const VncHost *host, const char *name)
{
    vnc_event_init(host);
    vnc_client_init(name);
}

VncServer *vnc_server_find(const char *id)
{
    for (unsigned i = 0; servers && i < servers->len; i++) {
        VncServer *server = servers->pdata[i];

        if (!id || strcmp(server->id, id) == 0) {
            return server;
        }
    }
    return NULL;
}

static void server_free(gpointer opaque)
{
    VncServer *server = opaque;

    g_ptr_array_unref(server->sockets);
    for (unsigned i = 0; i < server->clients->len; i++) {
        vnc_client_close(server->clients->pdata[i]);
    }
    for (unsigned i = 0; i < server->clients->len; i++) {
        vnc_client_free(server->clients->pdata[i]);
    }
    vnc_clipboard_clear(server);
    vnc_picture_clear(server); /* the threads of clients have copied from it until now */
    g_ptr_array_unref(server->clients);
    g_mutex_clear(&server->lock);
    tls_setup_unref(server->tls);
    g_free(server->password);
    g_free(server->display);
    g_free(server->id);
    g_free(server);
}

void vnc_cleanup(void)
{
    g_clear_pointer(&servers, g_ptr_array_unref);
}

/* "default", "vnc2", "vnc3". */
static char *free_id(void)
{
    char *id = g_strdup("default");

    for (unsigned n = 2; vnc_server_find(id); n++) {
        g_free(id);
        id = g_strdup_printf("vnc%u", n);
    }
    return id;
}

static bool check(const VncOptions *o, GError **errp)
{
    if (o->id && !object_id_wellformed(o->id)) {
        error_set(errp, "id=%s: an id is letters, digits, '-', '.', '_', and begins with a letter",
                  o->id);
        return false;
    }
    if (o->id && vnc_server_find(o->id)) {
        error_set(errp, "there is a VNC server '%s' already; give another id", o->id);
        return false;
    }
    if (o->has_reverse && o->reverse && (o->websocket || o->has_to)) {
        error_set(errp, "with reverse=on nothing listens; leave out websocket and to");
        return false;
    }
    return true;
}

/* In @tls a reference to what clients have to use, or NULL. */
static bool get_tls(const VncOptions *o, TlsSetup **tls, GError **errp)
{
    const TlsSetupOptions options = { o->tls_creds, true, o->tls_authz, NULL };

    *tls = NULL;
    if (o->tls_authz && !o->tls_creds) {
        error_set(errp, "tls-authz=%s needs tls-creds: without TLS clients have no names",
                  o->tls_authz);
        return false;
    }
    *tls = o->tls_creds ? tls_setup_new(&options, errp) : NULL;
    if (*tls && tls_creds_has_keys(tls_setup_creds(*tls))) {
        error_set(errp, "tls-creds=%s: VNC has no TLS with shared keys; use tls-creds-x509",
                  o->tls_creds);
        g_clear_pointer(tls, tls_setup_unref);
    }
    return *tls || !o->tls_creds;
}

VncServer *vnc_server_new(const VncOptions *o, const char *password, GError **errp)
{
    bool reverse = o->has_reverse && o->reverse;
    GArray *fds = NULL;
    VncServer *server;
    TlsSetup *tls;
    int peer = -1;

    if (!check(o, errp) || !get_tls(o, &tls, errp)) {
        return NULL;
    }
    if (reverse) {
        peer = vnc_connect(o, errp);
    } else {
        fds = vnc_listen(o, errp);
    }
    if (peer < 0 && !fds) {
        tls_setup_unref(tls);
        return NULL;
    }
    server = g_new0(VncServer, 1);
    server->tls = tls;
    server->id = o->id ? g_strdup(o->id) : free_id();
    server->asks = password || (o->has_password && o->password);
    server->password = g_strdup(password);
    server->expires = INT64_MAX;
    server->power_control = o->has_power_control && o->power_control;
    server->share = o->has_share ? o->share : VNC_SHARE_ALLOW_EXCLUSIVE;
    server->connections = o->has_connections ? o->connections : CONNECTIONS;
    server->display = g_strdup(o->display);
    server->head = o->has_head ? o->head : 0;
    server->sockets = g_ptr_array_new_with_free_func(socket_free);
    server->clients = g_ptr_array_new();
    g_mutex_init(&server->lock);
    vnc_picture_init(server);
    vnc_clipboard_init(server);
    if (!servers) {
        servers = g_ptr_array_new_with_free_func(server_free);
    }
    g_ptr_array_add(servers, server);
    if (fds) {
        set_sockets(server, fds);
    } else if (!add_client(server, peer, false, false, errp)) {
        g_ptr_array_remove(servers, server);
        return NULL;
    }
    return server;
}

/* ---- passwords ---- */

bool vnc_server_set_password(VncServer *server, const char *password)
{
    if (!server->asks) {
        return false;
    }
    g_mutex_lock(&server->lock);
    g_free(server->password);
    server->password = g_strdup(password);
    g_mutex_unlock(&server->lock);
    return true;
}

void vnc_server_set_expiry(VncServer *server, int64_t seconds)
{
    g_mutex_lock(&server->lock);
    server->expires = seconds;
    g_mutex_unlock(&server->lock);
}

/* ---- what there is ---- */

static GPtrArray *clients_of(const VncServer *server)
{
    GPtrArray *list = VncClientInfo_list_new();

    for (unsigned i = 0; i < server->clients->len; i++) {
        const VncClient *client = server->clients->pdata[i];
        VncClientInfo *info = g_new0(VncClientInfo, 1);

        info->host = g_strdup(client->info->host);
        info->service = g_strdup(client->info->service);
        info->family = client->info->family;
        info->websocket = client->info->websocket;
        g_ptr_array_add(list, info);
    }
    return list;
}

VncInfo *vnc_info(void)
{
    VncInfo *info = g_new0(VncInfo, 1);
    const VncServer *server = vnc_server_find(NULL);

    if (!server || !server->sockets->len) {
        return info;
    }
    const VncSocket *s = server->sockets->pdata[0];
    g_autoptr(VncServerInfo) end = vnc_server_info(server, s->fd, s->websocket);
    info->enabled = true;
    info->host = g_steal_pointer(&end->host);
    info->service = g_steal_pointer(&end->service);
    info->has_family = true;
    info->family = end->family;
    info->auth = g_steal_pointer(&end->auth);
    info->clients = clients_of(server);
    return info;
}

static void set_sub_auth(const VncServer *server, bool websocket, bool *has, VncVencryptSubAuth *to)
{
    *to = vnc_server_sub_auth(server, websocket);
    *has = *to != VNC_VENCRYPT_SUB_AUTH__MAX;
}

static VncInfo2 *info_of(const VncServer *server)
{
    VncInfo2 *info = g_new0(VncInfo2, 1);

    info->id = g_strdup(server->id);
    info->auth = vnc_server_auth(server, false);
    set_sub_auth(server, false, &info->has_vencrypt, &info->vencrypt);
    info->display = g_strdup(server->display);
    info->clients = clients_of(server);
    info->server = VncServerInfo2_list_new();
    for (unsigned i = server->sockets->len; i-- > 0;) {
        const VncSocket *s = server->sockets->pdata[i];
        g_autoptr(VncServerInfo) end = vnc_server_info(server, s->fd, s->websocket);
        VncServerInfo2 *place = g_new0(VncServerInfo2, 1);

        place->host = g_steal_pointer(&end->host);
        place->service = g_steal_pointer(&end->service);
        place->family = end->family;
        place->websocket = end->websocket;
        place->auth = vnc_server_auth(server, s->websocket);
        set_sub_auth(server, s->websocket, &place->has_vencrypt, &place->vencrypt);
        g_ptr_array_add(info->server, place);
    }
    return info;
}

GPtrArray *vnc_info_all(void)
{
    GPtrArray *list = VncInfo2_list_new();

    for (unsigned i = servers ? servers->len : 0; i-- > 0;) {
        g_ptr_array_add(list, info_of(servers->pdata[i]));
    }
    return list;
}
