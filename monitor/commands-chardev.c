/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about character devices (qapi/char.json). */
#include <inttypes.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char-ringbuf.h"
#include "chardev/char.h"
#include "chardev/chardev.h"
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

static void add_families(struct json_object *props, const InetSocketAddress *addr)
{
    if (addr->has_ipv4) {
        add_string(props, "ipv4", addr->ipv4 ? "on" : "off");
    }
    if (addr->has_ipv6) {
        add_string(props, "ipv6", addr->ipv6 ? "on" : "off");
    }
}

static void add_inet(struct json_object *props, const InetSocketAddress *addr)
{
    add_string(props, "host", addr->host);
    add_string(props, "port", addr->port);
    add_bool(props, "numeric", addr->has_numeric, addr->numeric);
    add_bool(props, "keep-alive", addr->has_keep_alive, addr->keep_alive);
    add_bool(props, "mptcp", addr->has_mptcp, addr->mptcp);
    if (addr->has_to) {
        json_object_object_add(props, "to", json_object_new_int(addr->to));
    }
    add_families(props, addr);
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
    case SOCKET_ADDRESS_TYPE_VSOCK:
        add_string(props, "cid", addr->u.vsock->data->cid);
        add_string(props, "port", addr->u.vsock->data->port);
        return true;
    default:
        add_string(props, "path", addr->u.q_unix->data->path);
        add_bool(props, "abstract", addr->u.q_unix->data->has_abstract,
                 addr->u.q_unix->data->abstract);
        add_bool(props, "tight", addr->u.q_unix->data->has_tight, addr->u.q_unix->data->tight);
        return true;
    }
}

static bool socket_props(const ChardevBackend *backend, struct json_object *props, int *fd,
                         GError **errp)
{
    const ChardevSocket *options = backend->u.socket->data;
    bool server = !options->has_server || options->server;

    if (options->has_reconnect && options->reconnect < 0) {
        error_set(errp, "reconnect=%" PRId64 " must be a number of seconds, or 0",
                  options->reconnect);
        return false;
    }
    json_object_object_del(props, "addr");
    json_object_object_add(props, "server", json_object_new_boolean(server));
    json_object_object_add(props, "wait",
                           json_object_new_boolean(options->has_wait && options->wait));
    return add_address(props, options->addr, fd, errp);
}

static bool file_props(const ChardevBackend *backend, struct json_object *props, int *fd,
                       GError **errp)
{
    const ChardevFile *options = backend->u.file->data;

    json_object_object_del(props, "out");
    json_object_object_del(props, "in");
    add_string(props, "path", options->out);
    if (options->in) {
        add_string(props, "input-path", options->in);
    }
    return true;
}

static bool device_props(const ChardevBackend *backend, struct json_object *props, int *fd,
                         GError **errp)
{
    const ChardevHostdevWrapper *options =
        backend->type == CHARDEV_BACKEND_KIND_PIPE ? backend->u.pipe : backend->u.serial;

    json_object_object_del(props, "device");
    add_string(props, "path", options->data->device);
    return true;
}

static bool udp_props(const ChardevBackend *backend, struct json_object *props, int *fd,
                      GError **errp)
{
    const SocketAddressLegacy *remote = backend->u.udp->data->remote,
                              *local = backend->u.udp->data->local;

    if (remote->type != SOCKET_ADDRESS_TYPE_INET ||
        (local && local->type != SOCKET_ADDRESS_TYPE_INET)) {
        error_set(errp, "backend udp needs addresses of type inet");
        return false;
    }
    json_object_object_del(props, "remote");
    json_object_object_del(props, "local");
    add_string(props, "host", remote->u.inet->data->host);
    add_string(props, "port", remote->u.inet->data->port);
    add_bool(props, "numeric", remote->u.inet->data->has_numeric, remote->u.inet->data->numeric);
    add_families(props, remote->u.inet->data);
    if (local) {
        add_string(props, "localaddr", local->u.inet->data->host);
        add_string(props, "localport", local->u.inet->data->port);
    }
    return true;
}

/* Kinds whose options are not called as the properties of their objects. */
static const struct {
    ChardevBackendKind kind;
    bool (*fn)(const ChardevBackend *backend, struct json_object *props, int *fd, GError **errp);
} translated[] = {
    { CHARDEV_BACKEND_KIND_FILE, file_props },     { CHARDEV_BACKEND_KIND_PIPE, device_props },
    { CHARDEV_BACKEND_KIND_SERIAL, device_props }, { CHARDEV_BACKEND_KIND_SOCKET, socket_props },
    { CHARDEV_BACKEND_KIND_UDP, udp_props },
};

/* New reference, or NULL. *@fd: a descriptor to close if the device cannot be made, or -1. */
static struct json_object *backend_props(const ChardevBackend *backend, int *fd, GError **errp)
{
    struct json_object *all = ChardevBackend_to_json(backend);
    struct json_object *props = json_object_get(json_object_object_get(all, "data"));

    json_object_put(all);
    for (size_t i = 0; i < G_N_ELEMENTS(translated); i++) {
        if (translated[i].kind == backend->type && !translated[i].fn(backend, props, fd, errp)) {
            json_object_put(props);
            return NULL;
        }
    }
    return props;
}

/* @make: chardev_new() or chardev_change(). */
static ChardevReturn *make_chardev(const char *id, const ChardevBackend *backend,
                                   Chardev *(*make)(const char *, const char *,
                                                    struct json_object *, GError **),
                                   GError **errp)
{
    int fd = -1;
    struct json_object *props = backend_props(backend, &fd, errp);
    Chardev *chr = props ? make(ChardevBackendKind_str(backend->type), id, props, errp) : NULL;
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

ChardevReturn *qmp_chardev_add(const char *id, const ChardevBackend *backend, GError **errp)
{
    return make_chardev(id, backend, chardev_new, errp);
}

ChardevReturn *qmp_chardev_change(const char *id, const ChardevBackend *backend, GError **errp)
{
    return make_chardev(id, backend, chardev_change, errp);
}

bool qmp_chardev_send_break(const char *id, GError **errp)
{
    Chardev *chr = find(id, errp);

    if (chr) {
        chardev_send_break(chr);
    }
    return chr;
}

bool qmp_chardev_remove(const char *id, GError **errp)
{
    Chardev *chr = find(id, errp);

    return chr && chardev_remove(chr, errp);
}

/* ---- ring buffers ---- */

static Chardev *find_ringbuf(const char *id, GError **errp)
{
    Chardev *chr = find(id, errp);

    if (chr && !object_is_a(OBJECT(chr), TYPE_CHARDEV_RINGBUF)) {
        error_set(errp, "chardev '%s' is no ringbuf; make one with chardev-add", id);
        return NULL;
    }
    return chr;
}

/* g_base64_decode() skips what is not base64. */
static bool is_base64(const char *text)
{
    size_t len = strlen(text), digits = len;

    while (digits && len - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    for (size_t i = 0; i < digits; i++) {
        if (!g_ascii_isalnum(text[i]) && text[i] != '+' && text[i] != '/') {
            return false;
        }
    }
    return len % 4 == 0;
}

bool qmp_ringbuf_write(const char *device, const char *data, bool has_format, DataFormat format,
                       GError **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    g_autofree guchar *bytes = NULL;
    gsize len;

    if (!chr) {
        return false;
    }
    if (!has_format || format == DATA_FORMAT_UTF8) {
        char_ringbuf_write(chr, (const uint8_t *)data, strlen(data));
        return true;
    }
    if (!is_base64(data)) {
        error_set(errp,
                  "data is not base64: groups of four of A-Z, a-z, 0-9, + and /, padded with =");
        return false;
    }
    bytes = g_base64_decode(data, &len);
    char_ringbuf_write(chr, bytes, len);
    return true;
}

char *qmp_ringbuf_read(const char *device, int64_t size, bool has_format, DataFormat format,
                       GError **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    g_autoptr(GByteArray) bytes = NULL;

    if (!chr) {
        return NULL;
    }
    if (size <= 0) {
        error_set(errp, "size=%" PRId64 " must be at least 1", size);
        return NULL;
    }
    bytes = char_ringbuf_read(chr, (size_t)size);
    return has_format && format == DATA_FORMAT_BASE64
               ? g_base64_encode(bytes->data, bytes->len)
               : g_utf8_make_valid(bytes->len ? (const char *)bytes->data : "", bytes->len);
}

/* ---- yank ---- */

static void add_yank_instance(GPtrArray *list, const Chardev *chr)
{
    if (chardev_can_yank(chr)) {
        YankInstance *instance = g_new0(YankInstance, 1);

        instance->type = YANK_INSTANCE_TYPE_CHARDEV;
        instance->u.chardev = g_new0(YankInstanceChardev, 1);
        instance->u.chardev->id = g_strdup(OBJECT(chr)->name);
        g_ptr_array_add(list, instance);
    }
}

GPtrArray *qmp_query_yank(GError **errp)
{
    GPtrArray *list = YankInstance_list_new();
    const Chardev *waiting = chardev_waiting();

    for (guint i = 0; i < chardevs()->len; i++) {
        const Chardev *chr = chardevs()->pdata[i];

        /* One that chardev-change replaces has the same id. */
        if (!waiting || strcmp(OBJECT(chr)->name, OBJECT(waiting)->name) != 0) {
            add_yank_instance(list, chr);
        }
    }
    if (waiting) {
        add_yank_instance(list, waiting);
    }
    return list;
}

static Chardev *find_yankable(const char *id)
{
    Chardev *waiting = chardev_waiting();
    Chardev *chr = waiting && strcmp(OBJECT(waiting)->name, id) == 0 ? waiting : chardev_find(id);

    return chr && chardev_can_yank(chr) ? chr : NULL;
}

bool qmp_yank(GPtrArray *instances, GError **errp)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (guint i = 0; i < instances->len; i++) {
        const YankInstance *instance = instances->pdata[i];
        Chardev *chr = find_yankable(instance->u.chardev->id);

        if (!chr) {
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
