/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about character devices (qapi/char.json). */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static const GPtrArray *chardevs(void)
{
    static const GPtrArray none;
    const GPtrArray *children = object_container("/chardevs")->children;

    return children ? children : &none;
}

GPtrArray *qmp_query_chardev(GError **errp)
{
    GPtrArray *list = ChardevInfo_list_new();

    for (guint i = 0; i < chardevs()->len; i++) {
        const Chardev *chr = chardevs()->pdata[i];
        ChardevInfo *info = g_new0(ChardevInfo, 1);

        info->label = g_strdup(OBJECT(chr)->name);
        info->filename = chardev_filename(chr);
        info->frontend_open = chardev_in_use(chr);
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_chardev_backends(GError **errp)
{
    GPtrArray *list = ChardevBackendInfo_list_new();
    g_autoptr(GPtrArray) names = chardev_backends();

    for (guint i = 0; i < names->len; i++) {
        ChardevBackendInfo *info = g_new0(ChardevBackendInfo, 1);

        info->name = g_strdup(names->pdata[i]);
        g_ptr_array_add(list, info);
    }
    return list;
}

/* The device @id, or NULL with DeviceNotFound's message in the class that clients know. */
static Chardev *find(const char *id, GError **errp)
{
    Chardev *chr = chardev_find(id);

    if (!chr) {
        error_set(errp, "there is no chardev '%s'; query-chardev lists those there are", id);
    }
    return chr;
}

/* ---- chardev-add: the options of each kind as properties of its object ---- */

static void add_string(struct json_object *props, const char *name, const char *value)
{
    json_object_object_add(props, name, json_object_new_string(value));
}

/* A named descriptor for @props. */
static bool add_fd(struct json_object *props, const char *name, int *fd, GError **errp)
{
    g_autofree char *number = NULL;
    struct stat st;

    *fd = qmp_session_take_named_fd(name, errp);
    if (*fd < 0) {
        return false;
    }
    if (fstat(*fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        error_set(errp, "the descriptor named '%s' is no socket", name);
        return false;
    }
    number = g_strdup_printf("%d", *fd);
    add_string(props, "fd", number);
    return true;
}

static void add_bool(struct json_object *props, const char *name, bool has, bool value)
{
    if (has) {
        json_object_object_add(props, name, json_object_new_boolean(value));
    }
}

static void add_inet(struct json_object *props, const InetSocketAddress *addr)
{
    add_string(props, "host", addr->host);
    add_string(props, "port", addr->port);
    add_bool(props, "numeric", addr->has_numeric, addr->numeric);
    add_bool(props, "keep-alive", addr->has_keep_alive, addr->keep_alive);
    if (addr->has_to) {
        json_object_object_add(props, "to", json_object_new_int(addr->to));
    }
    if (addr->has_ipv4) {
        add_string(props, "ipv4", addr->ipv4 ? "on" : "off");
    }
    if (addr->has_ipv6) {
        add_string(props, "ipv6", addr->ipv6 ? "on" : "off");
    }
}

static bool add_address(struct json_object *props, const SocketAddressLegacy *addr, int *fd,
                        GError **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_FD:
        return add_fd(props, addr->u.fd->data->str, fd, errp);
    case SOCKET_ADDRESS_TYPE_INET:
        add_inet(props, addr->u.inet->data);
        return true;
    default:
        add_string(props, "path", addr->u.q_unix->data->path);
        add_bool(props, "abstract", addr->u.q_unix->data->has_abstract,
                 addr->u.q_unix->data->abstract);
        add_bool(props, "tight", addr->u.q_unix->data->has_tight, addr->u.q_unix->data->tight);
        return true;
    }
}

static bool socket_props(const ChardevSocket *options, struct json_object *props, int *fd,
                         GError **errp)
{
    bool server = !options->has_server || options->server;

    if (options->has_wait && options->wait && server) {
        error_set(errp, "wait=true would stop this machine until a client comes; leave it out");
        return false;
    }
    json_object_object_del(props, "addr");
    json_object_object_add(props, "server", json_object_new_boolean(server));
    json_object_object_add(props, "wait", json_object_new_boolean(false));
    return add_address(props, options->addr, fd, errp);
}

/* New reference, or NULL. *@fd: a descriptor to close if the device cannot be made, or -1. */
static struct json_object *backend_props(const ChardevBackend *backend, int *fd, GError **errp)
{
    struct json_object *all = ChardevBackend_to_json(backend);
    struct json_object *props = json_object_get(json_object_object_get(all, "data"));
    bool ok = true;

    json_object_put(all);
    if (backend->type == CHARDEV_BACKEND_KIND_FILE) {
        json_object_object_del(props, "out");
        add_string(props, "path", backend->u.file->data->out);
    } else if (backend->type == CHARDEV_BACKEND_KIND_SOCKET) {
        ok = socket_props(backend->u.socket->data, props, fd, errp);
    }
    if (!ok) {
        json_object_put(props);
        return NULL;
    }
    return props;
}

ChardevReturn *qmp_chardev_add(const char *id, const ChardevBackend *backend, GError **errp)
{
    int fd = -1;
    struct json_object *props = backend_props(backend, &fd, errp);
    Chardev *chr =
        props ? chardev_new(ChardevBackendKind_str(backend->type), id, props, errp) : NULL;
    ChardevReturn *ret = NULL;

    json_object_put(props);
    if (chr) {
        ret = g_new0(ChardevReturn, 1);
        if (backend->type == CHARDEV_BACKEND_KIND_PTY) {
            struct json_object *name = object_property_get(OBJECT(chr), "pty", NULL);

            ret->pty = g_strdup(json_object_get_string(name));
            json_object_put(name);
        }
    } else if (fd >= 0) {
        close(fd);
    }
    return ret;
}

bool qmp_chardev_remove(const char *id, GError **errp)
{
    Chardev *chr = find(id, errp);

    return chr && chardev_remove(chr, errp);
}

/* ---- yank ---- */

GPtrArray *qmp_query_yank(GError **errp)
{
    GPtrArray *list = YankInstance_list_new();

    for (guint i = 0; i < chardevs()->len; i++) {
        const Chardev *chr = chardevs()->pdata[i];

        if (chardev_can_yank(chr)) {
            YankInstance *instance = g_new0(YankInstance, 1);

            instance->type = YANK_INSTANCE_TYPE_CHARDEV;
            instance->u.chardev = g_new0(YankInstanceChardev, 1);
            instance->u.chardev->id = g_strdup(OBJECT(chr)->name);
            g_ptr_array_add(list, instance);
        }
    }
    return list;
}

bool qmp_yank(GPtrArray *instances, GError **errp)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (guint i = 0; i < instances->len; i++) {
        const YankInstance *instance = instances->pdata[i];
        Chardev *chr = chardev_find(instance->u.chardev->id);

        if (!chr || !chardev_can_yank(chr)) {
            error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                            "chardev '%s' is not there or no connection; query-yank lists those "
                            "that are",
                            instance->u.chardev->id);
            return false;
        }
        g_ptr_array_add(found, chr);
    }
    for (guint i = 0; i < found->len; i++) {
        chardev_yank(found->pdata[i]);
    }
    return true;
}
