/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC servers in QMP and HMP; and passwords of the SPICE server. */
#include <string.h>
#include <time.h>

#include "monitor/hmp.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "ui/dbus.h"
#include "ui/display.h"
#include "ui/spice.h"
#include "ui/vnc.h"
#include "util/error.h"
#include "util/parse.h"

VncInfo *qmp_query_vnc(GError **errp)
{
    return vnc_info();
}

GPtrArray *qmp_query_vnc_servers(GError **errp)
{
    return vnc_info_all();
}

/* ---- passwords ---- */

static bool has_spice(GError **errp)
{
    if (!spice_is_active()) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "SPICE is not in use");
        return false;
    }
    return true;
}

static bool set_spice_password(const char *password, SetPasswordAction clients, GError **errp)
{
    return has_spice(errp) && spice_set_password(password, clients == SET_PASSWORD_ACTION_FAIL,
                                                 clients == SET_PASSWORD_ACTION_DISCONNECT, errp);
}

static VncServer *find(const char *id, GError **errp)
{
    VncServer *server = vnc_server_find(id);

    if (!server) {
        error_set(errp,
                  id ? "there is no VNC server '%s'; query-vnc-servers lists those there are"
                     : "there is no VNC server; start the machine with -vnc",
                  id);
    }
    return server;
}

static bool set_password(const char *id, const char *password, GError **errp)
{
    VncServer *server = find(id, errp);

    if (!server) {
        return false;
    }
    if (!vnc_server_set_password(server, password)) {
        error_set(errp, "this VNC server asks for no password; start it with password=on");
        return false;
    }
    return true;
}

bool qmp_change_vnc_password(const char *password, GError **errp)
{
    return set_password(NULL, password, errp);
}

bool qmp_set_password(const SetPasswordOptions *o, GError **errp)
{
    if (o->protocol == DISPLAY_PROTOCOL_SPICE) {
        return set_spice_password(o->password,
                                  o->has_connected ? o->connected : SET_PASSWORD_ACTION_KEEP, errp);
    }
    if (o->has_connected && o->connected != SET_PASSWORD_ACTION_KEEP) {
        error_set(errp, "'connected' must be 'keep' for VNC: its clients stay");
        return false;
    }
    return set_password(o->u.vnc->display, o->password, errp);
}

/* "now", "never", "+60", seconds since 1970. */
static bool parse_time(const char *text, int64_t *seconds, GError **errp)
{
    uint64_t number;

    if (strcmp(text, "now") == 0) {
        *seconds = 0;
        return true;
    }
    if (strcmp(text, "never") == 0) {
        *seconds = INT64_MAX;
        return true;
    }
    if (!parse_uint(text + (text[0] == '+'), INT32_MAX * INT64_C(1024), &number)) {
        error_set(errp, "time '%s' is not right: give now, never, seconds since 1970, or +SECONDS",
                  text);
        return false;
    }
    *seconds = (int64_t)number + (text[0] == '+' ? time(NULL) : 0);
    return true;
}

static bool set_spice_expiry(const char *text, GError **errp)
{
    int64_t seconds;

    if (!has_spice(errp) || !parse_time(text, &seconds, errp)) {
        return false;
    }
    spice_set_expiry(seconds);
    return true;
}

bool qmp_expire_password(const ExpirePasswordOptions *o, GError **errp)
{
    int64_t seconds;
    VncServer *server;

    if (o->protocol == DISPLAY_PROTOCOL_SPICE) {
        return set_spice_expiry(o->time, errp);
    }
    server = find(o->u.vnc->display, errp);
    if (!server || !parse_time(o->time, &seconds, errp)) {
        return false;
    }
    vnc_server_set_expiry(server, seconds);
    return true;
}

/* ---- the display ---- */

DisplayOptions *qmp_query_display_options(GError **errp)
{
    const DisplayOptions *options = display_options();

    if (!options) {
        return g_new0(DisplayOptions, 1);
    }
    struct json_object *json = DisplayOptions_to_json(options);
    DisplayOptions *copy = DisplayOptions_from_json(json, NULL, errp);
    json_object_put(json);
    return copy;
}

/* ---- changes ---- */

bool qmp_add_client(const char *protocol, const char *fdname, bool has_skipauth, bool skipauth,
                    bool has_tls, bool tls, GError **errp)
{
    VncServer *server;
    int fd;

    if (strcmp(protocol, "@dbus-display") == 0) {
        fd = qmp_session_take_named_fd(fdname, errp);
        return fd >= 0 && dbus_display_add_client(fd, errp);
    }
    if (strcmp(protocol, "vnc") != 0) {
        if (strcmp(protocol, "spice") != 0) {
            error_set(errp, "protocol '%s' is not right: it is vnc, spice or @dbus-display",
                      protocol);
            return false;
        }
        fd = has_spice(errp) ? qmp_session_take_named_fd(fdname, errp) : -1;
        return fd >= 0 && spice_add_client(fd, has_skipauth && skipauth, has_tls && tls, errp);
    }
    server = find(NULL, errp);
    fd = server ? qmp_session_take_named_fd(fdname, errp) : -1;
    return fd >= 0 && vnc_server_add_client(server, fd, has_skipauth && skipauth, errp);
}

bool qmp_display_reload(const DisplayReloadOptions *o, GError **errp)
{
    if (o->u.vnc->has_tls_certs && o->u.vnc->tls_certs) {
        error_set(errp,
                  "a VNC server reads its certificates once, when the machine starts; leave out "
                  "tls-certs");
        return false;
    }
    return true;
}

bool qmp_display_update(const DisplayUpdateOptions *o, GError **errp)
{
    VncServer *server = find(NULL, errp);

    return server && (!o->u.vnc->addresses || vnc_server_listen(server, o->u.vnc->addresses, errp));
}

/* ---- HMP ---- */

static void print_end(Hmp *hmp, const char *what, const char *host, const char *service,
                      NetworkAddressFamily family, bool websocket)
{
    hmp_printf(hmp, "  %s: %s:%s (%s%s)\n", what, host, service, NetworkAddressFamily_str(family),
               websocket ? " (Websocket)" : "");
}

static void print_auth(Hmp *hmp, const char *indent, VncPrimaryAuth auth, bool has_sub,
                       VncVencryptSubAuth sub)
{
    hmp_printf(hmp, "%sAuth: %s (Sub: %s)\n", indent, VncPrimaryAuth_str(auth),
               has_sub ? VncVencryptSubAuth_str(sub) : "none");
}

void hmp_info_vnc(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = vnc_info_all();

    for (unsigned i = 0; i < list->len; i++) {
        const VncInfo2 *info = list->pdata[i];

        hmp_printf(hmp, "%s:\n", info->id);
        for (unsigned j = 0; j < info->server->len; j++) {
            const VncServerInfo2 *s = info->server->pdata[j];

            print_end(hmp, "Server", s->host, s->service, s->family, s->websocket);
            print_auth(hmp, "    ", s->auth, s->has_vencrypt, s->vencrypt);
        }
        for (unsigned j = 0; j < info->clients->len; j++) {
            const VncClientInfo *c = info->clients->pdata[j];

            print_end(hmp, "Client", c->host, c->service, c->family, c->websocket);
        }
        if (!info->server->len) {
            print_auth(hmp, "  ", info->auth, info->has_vencrypt, info->vencrypt);
        }
        if (info->display) {
            hmp_printf(hmp, "  Display: %s\n", info->display);
        }
    }
    if (!list->len) {
        hmp_printf(hmp, "None\n");
    }
}

static bool protocol_of(Hmp *hmp, const char *name)
{
    if (strcmp(name, "vnc") != 0) {
        hmp_printf(hmp, "Error: protocol '%s' is not right: it is vnc or spice\n", name);
        return false;
    }
    return true;
}

static void set_spice_password_of(Hmp *hmp, char **argv)
{
    unsigned clients = SET_PASSWORD_ACTION_KEEP;
    GError *err = NULL;

    while (argv[2] && clients < SET_PASSWORD_ACTION__MAX &&
           strcmp(argv[2], SetPasswordAction_str(clients)) != 0) {
        clients++;
    }
    if (clients == SET_PASSWORD_ACTION__MAX) {
        hmp_printf(hmp, "Error: what becomes of clients is keep, fail or disconnect\n");
        return;
    }
    set_spice_password(argv[1], clients, &err);
    hmp_error(hmp, err);
}

void hmp_set_password(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    if (strcmp(argv[0], "spice") == 0) {
        set_spice_password_of(hmp, argv);
        return;
    }
    if (!protocol_of(hmp, argv[0])) {
        return;
    }
    if (argv[2] && strcmp(argv[2], "keep") != 0) {
        hmp_printf(hmp, "Error: what becomes of clients must be 'keep' for VNC: they stay\n");
        return;
    }
    set_password(NULL, argv[1], &err);
    hmp_error(hmp, err);
}

void hmp_expire_password(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    VncServer *server;
    int64_t seconds;

    if (strcmp(argv[0], "spice") == 0) {
        set_spice_expiry(argv[1], &err);
        hmp_error(hmp, err);
        return;
    }
    if (!protocol_of(hmp, argv[0])) {
        return;
    }
    server = find(NULL, &err);
    if (server && parse_time(argv[1], &seconds, &err)) {
        vnc_server_set_expiry(server, seconds);
    }
    hmp_error(hmp, err);
}

void hmp_change_vnc(Hmp *hmp, const char *what, const char *password)
{
    GError *err = NULL;

    if (strcmp(what, "password") != 0 && strcmp(what, "passwd") != 0) {
        hmp_printf(hmp,
                   "Error: of VNC only the password can be changed: change vnc password TEXT\n");
        return;
    }
    if (!password) {
        hmp_printf(hmp, "Error: give the password: change vnc password TEXT\n");
        return;
    }
    set_password(NULL, password, &err);
    hmp_error(hmp, err);
}
