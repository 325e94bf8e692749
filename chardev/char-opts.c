/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making character devices: from -chardev text and from properties, and in the place of another.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/made-files.h"

/* Other names of kinds. */
static const struct {
    const char *name, *backend;
    bool listed; /* QMP knows it too */
} aliases[] = { { "memory", "ringbuf", true }, { "tty", "serial", false } };

/* Kinds that users know from elsewhere, and why there are none here. */
static const struct {
    const char *name, *reason;
} refused[] = {
    { "parallel",
      "a parallel port has its own printer, and cannot use the host's port; for a printer's output "
      "use backend file with path=/dev/lp0" },
    { "parport",
      "a parallel port has its own printer, and cannot use the host's port; for a printer's output "
      "use backend file with path=/dev/lp0" },
    { "braille",
      "nothing here speaks to BRLTTY; the guest's own can use a braille device that it is "
      "given by -device usb-host" },
    { "vc", "there is no font to show text with; use backend stdio or pty" },
    { "wctablet", "there is no tablet for serial ports; -device usb-tablet and virtio-tablet-pci "
                  "are tablets" },
};

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

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
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (aliases[i].listed) {
            g_ptr_array_add(names, (char *)aliases[i].name);
        }
    }
    g_ptr_array_sort(names, compare_names);
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
    chr->log_fd =
        made_files_open(chr->logfile, O_WRONLY | O_CLOEXEC | (chr->logappend ? O_APPEND : O_TRUNC),
                        0666, MADE_TEXT);
    if (chr->log_fd < 0) {
        error_set_errno(errp, errno, "cannot open logfile '%s'", chr->logfile);
        return false;
    }
    return true;
}

const ObjectType *chardev_backend_type(const char *backend, GError **errp)
{
    g_autofree char *type = NULL, *names = NULL;
    const ObjectType *found;

    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (!strcmp(backend, refused[i].name)) {
            error_set(errp, "there is no chardev backend '%s': %s", backend, refused[i].reason);
            return NULL;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (!strcmp(backend, aliases[i].name)) {
            backend = aliases[i].backend;
        }
    }
    type = g_strconcat(CHARDEV_TYPE_PREFIX, backend, NULL);
    found = object_type_find(type);
    if (found) {
        return found;
    }
    names = backend_names();
    error_set(errp, "there is no chardev backend '%s'; there are %s", backend, names);
    return NULL;
}

/* One of kind @backend that is open, called @id and not in /chardevs yet. */
static Object *open_backend(const char *backend, const char *id, struct json_object *props,
                            GError **errp)
{
    static const char *const skip[] = { "backend", "id", "mux", NULL };
    const ObjectType *type = chardev_backend_type(backend, errp);
    g_autoptr(Object) obj = type ? object_new(type->name, errp) : NULL;

    if (!obj) {
        return NULL;
    }
    obj->name = g_strdup(id); /* for messages; object_add_child() sets it anew */
    unsigned mark = made_files_begin();
    bool ok = object_set_properties(obj, props, skip, errp) && open_log(CHARDEV(obj), errp) &&
              (!obj->type->complete || obj->type->complete(obj, errp));
    made_files_end(mark, ok);
    if (!ok) {
        g_prefix_error(errp, "chardev '%s': ", id);
        return NULL;
    }
    g_clear_pointer(&obj->name, g_free);
    object_settle(obj, true);
    return g_steal_pointer(&obj);
}

/* The same as /chardevs/@id. Borrowed. */
static Chardev *new_backend(const char *backend, const char *id, struct json_object *props,
                            GError **errp)
{
    g_autoptr(Object) obj = NULL;

    if (chardev_find(id)) {
        error_set(errp, "there is a chardev '%s' already; choose another id", id);
        return NULL;
    }
    obj = open_backend(backend, id, props, errp);
    if (!obj || !object_add_child(object_container("/chardevs"), id, obj, errp)) {
        return NULL;
    }
    return CHARDEV(obj);
}

static bool check_id(const char *id, GError **errp)
{
    if (!object_id_wellformed(id)) {
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

static Chardev *find_changeable(const char *id, GError **errp)
{
    Chardev *chr = chardev_find(id);

    if (!chr) {
        error_set(errp, "there is no chardev '%s'; query-chardev lists those there are", id);
    } else if (chardev_is_mux(chr)) {
        error_set(errp, "chardev '%s' is a mux, which cannot be changed; make it without mux=on",
                  id);
    } else if (chr->fe && !chr->fe->can_change) {
        error_set(errp,
                  "the user of chardev '%s' cannot be given another; only serial ports can, and "
                  "what nobody uses",
                  id);
    } else {
        return chr;
    }
    return NULL;
}

/* Nothing here can fail any more. */
static void replace(Chardev *old, Object *new, const char *id)
{
    CharFrontend *fe = old->fe;

    if (fe) {
        chardev_leave(fe);
    }
    object_unparent(&old->parent);
    object_add_child(object_container("/chardevs"), id, new, NULL);
    if (fe) {
        char_attach(CHARDEV(new), fe, NULL);
    }
}

Chardev *chardev_change(const char *backend, const char *id, struct json_object *props,
                        GError **errp)
{
    Chardev *old = find_changeable(id, errp);
    g_autoptr(Object) new = NULL;

    if (!old) {
        return NULL;
    }
    if (!strcmp(backend, "mux")) {
        error_set(errp, "chardev '%s' cannot become a mux; remove it and make a new one", id);
        return NULL;
    }
    new = open_backend(backend, id, props, errp);
    /* Others ran while it waited for a client, and may have taken the old one away. */
    old = new ? find_changeable(id, errp) : NULL;
    if (!old) {
        return NULL;
    }
    replace(old, new, id);
    return CHARDEV(new);
}

Chardev *chardev_new_muxed(const char *backend, const char *id, bool mux, struct json_object *props,
                           GError **errp)
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

static Chardev *new_from_props(struct json_object *props, GError **errp)
{
    const char *backend = get_string(props, "backend"), *id = get_string(props, "id");
    struct json_object *shared;
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
    if (!check_id(id, errp) ||
        (json_object_object_get_ex(props, "mux", &shared) &&
         !qapi_place_from_json(&qapi_bool_type, shared, "mux", &mux, errp))) {
        return NULL;
    }
    return chardev_new_muxed(backend, id, mux, props, errp);
}

Chardev *chardev_new_from_opts(const char *text, GError **errp)
{
    struct json_object *props = keyval_or_json_parse(text, "backend", errp);
    Chardev *chr;

    if (!props) {
        return NULL;
    }
    chr = new_from_props(props, errp);
    json_object_put(props);
    return chr;
}

static Chardev *change_from_props(const char *id, struct json_object *props, GError **errp)
{
    const char *backend = get_string(props, "backend");

    if (!backend || get_string(props, "id") || get_string(props, "mux")) {
        error_set(errp, "%s",
                  !backend ? "the new backend is missing, as in: pty"
                           : "id= and mux= cannot be changed; leave them out");
        return NULL;
    }
    return chardev_change(backend, id, props, errp);
}

Chardev *chardev_change_from_opts(const char *id, const char *text, GError **errp)
{
    struct json_object *props = keyval_or_json_parse(text, "backend", errp);
    Chardev *chr = props ? change_from_props(id, props, errp) : NULL;

    json_object_put(props);
    return chr;
}
