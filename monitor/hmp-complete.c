/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/hmp-complete.h"

#include <string.h>

#include "backends/host-memory-backend.h"
#include "chardev/char-ringbuf.h"
#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "hw/virtio/virtio-device.h"
#include "monitor/hmp.h"
#include "qapi/qapi-types.h"
#include "qom/object.h"
#include "qom/user-object.h"
#include "util/trace.h"

static void add(HmpCompletion *out, const char *text)
{
    g_ptr_array_add(out->words, g_strdup(text));
}

static void add_all(HmpCompletion *out, const char *const *texts)
{
    for (; *texts; texts++) {
        add(out, *texts);
    }
}

/* ---- names ---- */

static void add_commands(HmpCompletion *out, const HmpCommand *table)
{
    for (; table->name; table++) {
        g_auto(GStrv) names = g_strsplit(table->name, "|", -1);

        add_all(out, (const char *const *)names);
    }
}

/* Children of @path for which @fits says so. */
static void add_children(HmpCompletion *out, const char *path, bool (*fits)(Object *obj))
{
    const Object *parent = object_resolve(path, NULL);

    for (guint i = 0; parent && parent->children && i < parent->children->len; i++) {
        Object *child = g_ptr_array_index(parent->children, i);

        if (fits(child)) {
            add(out, child->name);
        }
    }
}

/* @words: those before the one that is completed, the argument's command not included; @word: that
 * one, from the blank on its left; @command: its name. */
typedef struct Context {
    char **words;
    const char *word;
    const char *command;
} Context;

static void complete_command(HmpCompletion *out, const Context *context)
{
    add_commands(out, hmp_commands);
}

static bool can_be_deleted(Object *obj)
{
    return user_object_can_be_deleted(obj, NULL);
}

static bool can_be_unplugged(Object *obj)
{
    return object_is_a(obj, TYPE_DEVICE) && device_has_flags(DEVICE(obj), DEVICE_UNPLUG);
}

static bool is_ringbuf(Object *obj)
{
    return object_is_a(obj, TYPE_CHARDEV_RINGBUF);
}

static bool is_free_chardev(Object *obj)
{
    return !chardev_in_use(CHARDEV(obj));
}

static bool is_used_chardev(Object *obj)
{
    return chardev_in_use(CHARDEV(obj));
}

static void complete_object(HmpCompletion *out, const Context *context)
{
    add_children(out, "/objects", can_be_deleted);
}

static void complete_device(HmpCompletion *out, const Context *context)
{
    add_children(out, "/machine/peripheral", can_be_unplugged);
}

static void complete_chardev(HmpCompletion *out, const Context *context)
{
    bool ringbuf = g_str_has_prefix(context->command, "ringbuf");
    bool unused = strcmp(context->command, "chardev-remove") == 0;

    add_children(out, "/chardevs",
                 ringbuf  ? is_ringbuf
                 : unused ? is_free_chardev
                          : is_used_chardev);
}

static bool is_any(Object *obj)
{
    return true;
}

static void complete_netdev(HmpCompletion *out, const Context *context)
{
    add_children(out, "/netdevs", is_any);
}

static void complete_file(HmpCompletion *out, const Context *context)
{
    out->files = true;
}

/* Paths from the top, a step at a time: one that has children ends in a slash. */
static void complete_path(HmpCompletion *out, const Context *context)
{
    const char *slash = strrchr(context->word, '/');
    g_autofree char *above = slash ? g_strndup(context->word, slash - context->word) : NULL;
    const Object *parent = above ? object_resolve(*above ? above : "/", NULL) : NULL;

    if (!slash) {
        add(out, "/");
        out->append = 0;
        return;
    }
    for (guint i = 0; parent && parent->children && i < parent->children->len; i++) {
        const Object *child = g_ptr_array_index(parent->children, i);
        bool inner = child->children && child->children->len;

        g_ptr_array_add(out->words,
                        g_strdup_printf("%s/%s%s", above, child->name, inner ? "/" : ""));
        if (inner && g_str_has_prefix(out->words->pdata[out->words->len - 1], context->word)) {
            out->append = 0;
        }
    }
}

static void add_properties(HmpCompletion *out, const ObjectType *type, bool settable)
{
    g_autoptr(GPtrArray) properties = object_type_properties(type);

    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);
        bool fixed = prop->read_only || (prop->kind == PROP_CUSTOM && !prop->set);

        if (!settable || !fixed) {
            add(out, prop->name);
        }
    }
}

static void complete_property(HmpCompletion *out, const Context *context)
{
    const Object *obj = context->words[0] ? object_resolve(context->words[0], NULL) : NULL;

    if (obj) {
        add_properties(out, obj->type, false);
    }
}

/* ---- TYPE,PROPERTY=VALUE,... ---- */

static bool is_user_device(const ObjectType *type)
{
    const DeviceClass *class =
        object_type_is_a(type, TYPE_DEVICE) && !type->abstract ? object_type_ops(type) : NULL;

    return class && class->flags & DEVICE_USER_CREATABLE;
}

static bool is_user_object(const ObjectType *type)
{
    return type->user_creatable && !type->abstract && !object_type_is_a(type, TYPE_DEVICE);
}

#define CHARDEV_PREFIX "chardev-"

static bool is_chardev(const ObjectType *type)
{
    return g_str_has_prefix(type->name, CHARDEV_PREFIX) && !type->abstract;
}

static void add_types(HmpCompletion *out, bool (*fits)(const ObjectType *type), size_t skip)
{
    g_autoptr(GPtrArray) types = object_types();

    for (guint i = 0; i < types->len; i++) {
        const ObjectType *type = g_ptr_array_index(types, i);

        if (fits(type)) {
            add(out, type->name + skip);
        }
    }
    out->append = ',';
}

/* Names of objects of @type that can be linked to. */
static void add_objects(HmpCompletion *out, const char *type)
{
    g_autoptr(GPtrArray) objects = object_list_type(type);

    for (guint i = 0; i < objects->len; i++) {
        const Object *obj = objects->pdata[i];
        bool taken = object_is_a(obj, TYPE_MEMORY_BACKEND) &&
                     host_memory_backend_is_mapped(MEMORY_BACKEND(obj));

        if (obj->name && !taken) {
            add(out, obj->name);
        }
    }
}

static void add_values(HmpCompletion *out, const ObjectType *type, const char *name)
{
    static const char *const switches[] = { "on", "off", NULL };
    g_autoptr(GPtrArray) properties = object_type_properties(type);

    out->append = 0;
    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);

        if (strcmp(prop->name, name)) {
            continue;
        }
        if (prop->kind == PROP_BOOL) {
            add_all(out, switches);
        } else if (prop->kind == PROP_ENUM) {
            add_all(out, prop->enum_names);
        } else if (prop->kind == PROP_LINK && prop->link_type) {
            add_objects(out, prop->link_type);
        }
        return;
    }
}

/* @key: of the type, with "=", which may be left out; @prefix: what the user leaves out of the
 * names of types. */
static void complete_options(HmpCompletion *out, const char *text, const char *key,
                             const char *prefix, bool (*fits)(const ObjectType *type))
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    guint count = g_strv_length(parts);
    bool keyed = count && g_str_has_prefix(parts[0], key);
    g_autofree char *name =
        count > 1 ? g_strconcat(prefix, parts[0] + (keyed ? strlen(key) : 0), NULL) : NULL;
    const ObjectType *type = name ? object_type_find(name) : NULL;
    char *equals;

    if (count < 2) {
        add_types(out, fits, strlen(prefix));
        return;
    }
    if (!type || !fits(type)) {
        return;
    }
    equals = strchr(parts[count - 1], '=');
    if (equals) {
        *equals = '\0';
        add_values(out, type, parts[count - 1]);
    } else {
        add_properties(out, type, true);
        add(out, "id");
        out->append = '=';
    }
}

static void complete_device_type(HmpCompletion *out, const Context *context)
{
    complete_options(out, context->word, "driver=", "", is_user_device);
}

static void complete_object_type(HmpCompletion *out, const Context *context)
{
    complete_options(out, context->word, "qom-type=", "", is_user_object);
}

static void complete_chardev_type(HmpCompletion *out, const Context *context)
{
    complete_options(out, context->word, "backend=", CHARDEV_PREFIX, is_chardev);
}

/* ---- words of a choice ---- */

static void complete_switch(HmpCompletion *out, const Context *context)
{
    static const char *const words[] = { "on", "off", NULL };

    add_all(out, words);
}

/* Of watchdogs. */
static void complete_action(HmpCompletion *out, const Context *context)
{
    add_all(out, WatchdogAction_lookup);
}

static void complete_target(HmpCompletion *out, const Context *context)
{
    add_all(out, StatsTarget_lookup);
}

static void complete_event(HmpCompletion *out, const Context *context)
{
    for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
        add(out, trace_name(i));
    }
}

static void complete_virtio(HmpCompletion *out, const Context *context)
{
    g_autoptr(GPtrArray) objects = object_list_type(TYPE_VIRTIO_DEVICE);

    for (guint i = 0; i < objects->len; i++) {
        char *path = object_path(objects->pdata[i]);

        if (path) {
            g_ptr_array_add(out->words, path);
        }
    }
}

/* ---- which ---- */

static const struct {
    const char *name; /* of an argument */
    void (*fn)(HmpCompletion *out, const Context *context);
} completers[] = {
    { "ACTION", complete_action },
    { "CHARDEV", complete_chardev },
    { "CHARDEV-TYPE", complete_chardev_type },
    { "COMMAND", complete_command },
    { "DEVICE", complete_device },
    { "DEVICE-TYPE", complete_device_type },
    { "EVENT", complete_event },
    { "FILE", complete_file },
    { "NETDEV", complete_netdev },
    { "OBJECT", complete_object },
    { "OBJECT-TYPE", complete_object_type },
    { "PATH", complete_path },
    { "PROPERTY", complete_property },
    { "SWITCH", complete_switch },
    { "TARGET", complete_target },
    { "VIRTIO-PATH", complete_virtio },
};

/* "[DEVICE-TYPE,id=ID...]" is called DEVICE-TYPE. */
static bool spec_is_called(const char *spec, const char *name)
{
    size_t len = strlen(name);

    spec += *spec == '[';
    return !strncmp(spec, name, len) && !g_ascii_isupper(spec[len]) && spec[len] != '-';
}

static void complete_argument(HmpCompletion *out, const HmpCommand *cmd, const Context *context)
{
    g_auto(GStrv) specs = g_strsplit(cmd->args ? cmd->args : "", " ", -1);
    Context rest = *context;
    guint index;
    char **spec = specs;

    for (; *spec && (g_str_has_prefix(*spec, "[-") || g_str_has_prefix(*spec, "[/")); spec++) {
        bool given = *rest.words && rest.words[0][0] == (*spec)[1];

        if ((*spec)[1] == '-' && *context->word == '-') {
            g_ptr_array_add(out->words, g_strndup(*spec + 1, 2));
        }
        rest.words += given;
    }
    if (*context->word == '-' && spec != specs) {
        return;
    }
    index = g_strv_length(rest.words);
    if (index >= g_strv_length(spec)) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(completers); i++) {
        if (spec_is_called(spec[index], completers[i].name)) {
            completers[i].fn(out, &rest);
            return;
        }
    }
}

static void complete_line(HmpCompletion *out, const HmpCommand *table, const Context *context)
{
    Context rest = { context->words + 1, context->word, context->words[0] };
    const HmpCommand *cmd;

    if (!context->words[0]) {
        add_commands(out, table);
        return;
    }
    cmd = hmp_find(table, context->words[0]);
    if (!cmd) {
        return;
    }
    if (!strcmp(cmd->name, "info") && table == hmp_commands) {
        complete_line(out, hmp_info_commands, &rest);
    } else if (spec_is_called(cmd->args ? cmd->args : "", "COMMAND") && rest.words[0]) {
        if (!strcmp(rest.words[0], "info") && !rest.words[1]) {
            add_commands(out, hmp_info_commands);
        }
    } else {
        complete_argument(out, cmd, &rest);
    }
}

/* ---- */

static gint compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keep what begins with @text, each once. */
static void keep_matching(HmpCompletion *out, const char *text)
{
    GPtrArray *all = out->words;

    g_ptr_array_sort(all, compare);
    out->words = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < all->len; i++) {
        bool repeated = i && !strcmp(all->pdata[i], all->pdata[i - 1]);

        if (g_str_has_prefix(all->pdata[i], text) && !repeated) {
            add(out, all->pdata[i]);
        }
    }
    g_ptr_array_unref(all);
}

void hmp_complete(const char *line, HmpCompletion *out)
{
    g_auto(GStrv) parts = g_strsplit_set(line, " \t", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    guint count = g_strv_length(parts);
    const char *last = line + strlen(line);
    Context context;

    *out = (HmpCompletion){ .words = g_ptr_array_new_with_free_func(g_free), .append = ' ' };
    for (guint i = 0; i + 1 < count; i++) {
        if (*parts[i]) {
            g_ptr_array_add(words, parts[i]);
        }
    }
    g_ptr_array_add(words, NULL);
    context = (Context){ .words = (char **)words->pdata, .word = count ? parts[count - 1] : "" };
    complete_line(out, hmp_commands, &context);
    while (last > line && !strchr(HMP_WORD_BREAKS, last[-1])) {
        last--;
    }
    keep_matching(out, last);
}

void hmp_completion_clear(HmpCompletion *completion)
{
    g_clear_pointer(&completion->words, g_ptr_array_unref);
}
