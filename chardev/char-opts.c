/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the user's text to a character device: -chardev, and the short form of -serial and others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/char-backend.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/keyval.h"

GPtrArray *chardev_backends(void)
{
    g_autoptr(GPtrArray) types = object_types();
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < types->len; i++) {
        const ObjectType *type = g_ptr_array_index(types, i);

        if (!type->abstract && g_str_has_prefix(type->name, CHARDEV_TYPE_PREFIX)) {
            g_ptr_array_add(names, (char *)type->name + strlen(CHARDEV_TYPE_PREFIX));
        }
    }
    return names;
}

/* "file, null, pty, ...": what is written as BACKEND; for a mux, users say mux=on. */
static char *backend_names(void)
{
    g_autoptr(GPtrArray) names = chardev_backends();
    guint mux;

    if (g_ptr_array_find_with_equal_func(names, "mux", g_str_equal, &mux)) {
        g_ptr_array_remove_index(names, mux);
    }
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}

static bool open_log(Chardev *chr, GError **errp)
{
    if (!chr->logfile) {
        return true;
    }
    chr->log_fd = path_open(
        chr->logfile, O_WRONLY | O_CREAT | O_CLOEXEC | (chr->logappend ? O_APPEND : O_TRUNC), 0666);
    if (chr->log_fd < 0) {
        error_set_errno(errp, errno, "cannot open logfile '%s'", chr->logfile);
        return false;
    }
    return true;
}

/* Make one object of type chardev-@backend as /chardevs/@id. Borrowed. */
static Chardev *new_backend(const char *backend, const char *id, struct json_object *props,
                            GError **errp)
{
    static const char *const skip[] = { "backend", "id", "mux", NULL };
    g_autofree char *type = g_strconcat(CHARDEV_TYPE_PREFIX, backend, NULL);
    g_autoptr(Object) obj = NULL;

    if (!object_type_find(type)) {
        g_autofree char *names = backend_names();

        error_set(errp, "there is no chardev backend '%s'; there are %s", backend, names);
        return NULL;
    }
    if (chardev_find(id)) {
        error_set(errp, "there is a chardev '%s' already; choose another id", id);
        return NULL;
    }
    obj = object_new(type, errp);
    if (!obj) {
        return NULL;
    }
    obj->name = g_strdup(id); /* for messages; object_add_child() sets it anew */
    if (!object_set_properties(obj, props, true, skip, errp) || !open_log(CHARDEV(obj), errp) ||
        (obj->type->complete && !obj->type->complete(obj, errp))) {
        g_prefix_error(errp, "chardev '%s': ", id);
        return NULL;
    }
    g_clear_pointer(&obj->name, g_free);
    object_settle(obj, true);
    if (!object_add_child(object_container("/chardevs"), id, obj, errp)) {
        return NULL;
    }
    return CHARDEV(obj);
}

static bool check_id(const char *id, GError **errp)
{
    if (!id_wellformed(id)) {
        error_set(errp,
                  "chardev id '%s' is not valid: a letter, then letters, digits, '-', '.' or '_'",
                  id);
        return false;
    }
    return true;
}

Chardev *chardev_new(const char *backend, const char *id, struct json_object *props, GError **errp)
{
    return check_id(id, errp) ? new_backend(backend, id, props, errp) : NULL;
}

/* The same, with a mux before it if wanted: then the backend itself is ID-base. */
static Chardev *new_chardev(const char *backend, const char *id, bool mux,
                            struct json_object *props, GError **errp)
{
    g_autofree char *base_id = NULL, *base_path = NULL;
    struct json_object *mux_props;
    Chardev *base, *chr;

    if (!mux) {
        return new_backend(backend, id, props, errp);
    }
    if (chardev_find(id)) {
        error_set(errp, "there is a chardev '%s' already; choose another id", id);
        return NULL;
    }
    base_id = g_strconcat(id, "-base", NULL);
    base = new_backend(backend, base_id, props, errp);
    if (!base) {
        return NULL;
    }
    mux_props = json_object_new_object();
    base_path = object_path(&base->parent);
    json_object_object_add(mux_props, "chardev", json_object_new_string(base_path));
    chr = new_backend("mux", id, mux_props, errp);
    json_object_put(mux_props);
    if (!chr) {
        object_unparent(&base->parent);
    }
    return chr;
}

static const char *get_string(struct json_object *props, const char *name)
{
    return json_object_get_string(json_object_object_get(props, name));
}

/* The value of on/off option @name in *@out, which keeps its default if it is not there. */
static bool get_bool(struct json_object *props, const char *name, bool *out, GError **errp)
{
    const char *text = get_string(props, name);

    if (text && !bool_parse(text, out)) {
        error_set(errp, "%s=%s: must be on or off", name, text);
        return false;
    }
    return true;
}

static Chardev *new_from_props(struct json_object *props, GError **errp)
{
    const char *backend = get_string(props, "backend"), *id = get_string(props, "id");
    bool mux = false;

    if (!backend) {
        g_autofree char *names = backend_names();

        error_set(errp, "-chardev needs a backend first; there are %s", names);
        return NULL;
    }
    if (!id) {
        error_set(errp, "-chardev %s needs an id (id=NAME)", backend);
        return NULL;
    }
    if (!check_id(id, errp) || !get_bool(props, "mux", &mux, errp)) {
        return NULL;
    }
    return new_chardev(backend, id, mux, props, errp);
}

Chardev *chardev_new_from_opts(const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "backend", errp);
    Chardev *chr;

    if (!props) {
        return NULL;
    }
    chr = new_from_props(props, errp);
    json_object_put(props);
    return chr;
}

/* ---- short forms ---- */

/* "HOST:PORT", "[ADDR]:PORT", ":PORT" into host= and port=. */
static bool split_host_port(struct json_object *props, GError **errp)
{
    g_autofree char *address = g_strdup(get_string(props, "address"));
    char *host = address, *colon = address ? strrchr(address, ':') : NULL;
    size_t len;

    if (!colon || !colon[1]) {
        error_set(errp, "tcp: wants HOST:PORT, got '%s'", address ? address : "");
        return false;
    }
    *colon = '\0';
    len = strlen(host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        host++;
    }
    json_object_object_del(props, "address");
    json_object_object_add(props, "host", json_object_new_string(host));
    json_object_object_add(props, "port", json_object_new_string(colon + 1));
    return true;
}

typedef struct ShortForm {
    const char *prefix;
    bool exact; /* nothing may follow */
    const char *backend;
    const char *key; /* of what follows the prefix */
    bool options;    /* which is then followed by ",key=value" */
    bool (*fixup)(struct json_object *props, GError **errp);
} ShortForm;

static const ShortForm short_forms[] = {
    { "null", .exact = true, .backend = "null" },
    { "stdio", .exact = true, .backend = "stdio" },
    { "pty", .exact = true, .backend = "pty" },
    { "file:", .backend = "file", .key = "path" },
    { "unix:", .backend = "socket", .key = "path", .options = true },
    { "tcp:", .backend = "socket", .key = "address", .options = true, .fixup = split_host_port },
};

static struct json_object *short_props(const ShortForm *form, const char *rest, GError **errp)
{
    struct json_object *props;

    if (form->options) {
        props = keyval_parse(rest, form->key, errp);
        if (props && form->fixup && !form->fixup(props, errp)) {
            json_object_put(props);
            return NULL;
        }
        return props;
    }
    props = json_object_new_object();
    if (form->key) {
        json_object_object_add(props, form->key, json_object_new_string(rest));
    }
    return props;
}

Chardev *chardev_new_from_short(const char *id, const char *text, bool with_mux, GError **errp)
{
    bool mon = g_str_has_prefix(text, "mon:");

    if (mon) {
        text += strlen("mon:");
        with_mux = true;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        Chardev *chr = chardev_find(text + strlen("chardev:"));

        if (!chr) {
            error_set(errp, "there is no chardev '%s'; define it with -chardev BACKEND,id=%s",
                      text + strlen("chardev:"), text + strlen("chardev:"));
        }
        return chr;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(short_forms); i++) {
        const ShortForm *form = &short_forms[i];
        struct json_object *props;
        Chardev *chr;

        if (form->exact ? strcmp(text, form->prefix) : !g_str_has_prefix(text, form->prefix)) {
            continue;
        }
        props = short_props(form, text + strlen(form->prefix), errp);
        if (!props) {
            return NULL;
        }
        if (mon && !strcmp(form->backend, "stdio")) {
            /* The guest and the monitor share the terminal: Ctrl-C is the guest's. */
            json_object_object_add(props, "signal", json_object_new_string("off"));
        }
        chr = new_chardev(form->backend, id, with_mux, props, errp);
        json_object_put(props);
        return chr;
    }
    error_set(errp,
              "'%s' is not a character device; use none, null, stdio, pty, file:PATH, "
              "unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on][,wait=off], "
              "chardev:ID, or mon: and one of these",
              text);
    return NULL;
}
