/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/dbus-vmstate.h"

#include <string.h>

#include "qom/object.h"
#include "util/dbus.h"
#include "util/error.h"

#define HELPER_NAME     "org.qemu.VMState1"
#define HELPER_PATH     "/org/qemu/VMState1"
#define PROPERTIES_NAME "org.freedesktop.DBus.Properties"
#define BUS_NAME        "org.freedesktop.DBus"
#define BUS_PATH        "/org/freedesktop/DBus"
#define HELPERS_MAX     64
#define ID_MAX          255
#define RECORD_NAME     "helper"
#define LENGTHS_SIZE    2 /* before the two names of a record */

typedef struct DbusVmstate {
    Object parent;
    char *addr;    /* property */
    char *id_list; /* property: names with ',' between them; NULL: all there are */
    char *id;      /* its own; never changed */
    GDBusConnection *bus;
} DbusVmstate;
OBJECT_CAST_DEFINE(DbusVmstate, DBUS_VMSTATE, TYPE_DBUS_VMSTATE)

/* ---- calls ---- */

/* Milliseconds that are left until @deadline; never 0, which would be for ever. */
static int time_left(int64_t deadline)
{
    return (int)MAX((deadline - g_get_monotonic_time()) / 1000, 1);
}

/* What @owner answers, of type @reply. g_variant_unref. */
static GVariant *call(const DbusVmstate *s, const char *owner, const char *path,
                      const char *interface, const char *method, GVariant *args, const char *reply,
                      int64_t deadline, GError **errp)
{
    GError *err = NULL;
    GVariant *value = g_dbus_connection_call_sync(
        s->bus, owner, path, interface, method, args, G_VARIANT_TYPE(reply),
        G_DBUS_CALL_FLAGS_NO_AUTO_START, time_left(deadline), NULL, &err);

    if (!value) {
        g_dbus_error_strip_remote_error(err);
        error_set(errp, "dbus-vmstate '%s': %s of %s: %s", s->id, method, owner, err->message);
        g_error_free(err);
    }
    return value;
}

/* ---- who is there ---- */

typedef struct Helper {
    char *owner; /* its unique name on the bus */
    char *id;
} Helper;

static void helper_free(gpointer opaque)
{
    Helper *helper = opaque;

    g_free(helper->owner);
    g_free(helper->id);
    g_free(helper);
}

static const Helper *find(const GPtrArray *helpers, const char *id)
{
    for (unsigned i = 0; i < helpers->len; i++) {
        const Helper *helper = helpers->pdata[i];

        if (strcmp(helper->id, id) == 0) {
            return helper;
        }
    }
    return NULL;
}

static bool is_named(char *const *named, const char *id)
{
    return !named || g_strv_contains((const char *const *)named, id);
}

static bool add_helper(const DbusVmstate *s, const char *owner, char *const *named,
                       GPtrArray *helpers, int64_t deadline, GError **errp)
{
    g_autoptr(GVariant) reply =
        call(s, owner, HELPER_PATH, PROPERTIES_NAME, "Get",
             g_variant_new("(ss)", HELPER_NAME, "Id"), "(v)", deadline, errp);
    g_autoptr(GVariant) value = NULL;

    if (!reply) {
        return false;
    }
    g_variant_get(reply, "(v)", &value);
    const char *id =
        g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ? g_variant_get_string(value, NULL) : "";
    if (!*id || strlen(id) > ID_MAX) {
        error_set(errp, "dbus-vmstate '%s': the Id of %s is no text of 1 to %d bytes", s->id, owner,
                  ID_MAX);
        return false;
    }
    if (find(helpers, id)) {
        error_set(errp, "dbus-vmstate '%s': two programs have the Id '%s'", s->id, id);
        return false;
    }
    if (is_named(named, id)) {
        Helper *helper = g_new(Helper, 1);

        *helper = (Helper){ g_strdup(owner), g_strdup(id) };
        g_ptr_array_add(helpers, helper);
    }
    return true;
}

static bool check_named(const DbusVmstate *s, char *const *named, const GPtrArray *helpers,
                        GError **errp)
{
    for (; named && *named; named++) {
        if (!find(helpers, *named)) {
            error_set(errp, "dbus-vmstate '%s': no program at %s has the Id '%s' of id-list", s->id,
                      s->addr, *named);
            return false;
        }
    }
    return true;
}

static bool has_owner(const DbusVmstate *s, bool *there, int64_t deadline, GError **errp)
{
    g_autoptr(GVariant) reply = call(s, BUS_NAME, BUS_PATH, BUS_NAME, "NameHasOwner",
                                     g_variant_new("(s)", HELPER_NAME), "(b)", deadline, errp);
    gboolean value = FALSE;

    if (reply) {
        g_variant_get(reply, "(b)", &value);
    }
    *there = value;
    return reply;
}

/* They are called by these names. */
static bool check_owners(const DbusVmstate *s, const char *const *owners, GError **errp)
{
    if (g_strv_length((char **)(uintptr_t)owners) > HELPERS_MAX) {
        error_set(errp, "dbus-vmstate '%s': more than %d programs own " HELPER_NAME, s->id,
                  HELPERS_MAX);
        return false;
    }
    for (; *owners; owners++) {
        if (!g_dbus_is_unique_name(*owners)) {
            error_set(errp, "dbus-vmstate '%s': the bus names an owner of " HELPER_NAME " '%s'",
                      s->id, *owners);
            return false;
        }
    }
    return true;
}

/* Those whose states count: of Helper *. */
static GPtrArray *find_helpers(const DbusVmstate *s, int64_t deadline, GError **errp)
{
    g_autoptr(GPtrArray) helpers = g_ptr_array_new_with_free_func(helper_free);
    g_auto(GStrv) named = s->id_list && *s->id_list ? g_strsplit(s->id_list, ",", -1) : NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autofree const char **owners = NULL;
    bool there;

    if (!has_owner(s, &there, deadline, errp)) {
        return NULL;
    }
    if (there) {
        reply = call(s, BUS_NAME, BUS_PATH, BUS_NAME, "ListQueuedOwners",
                     g_variant_new("(s)", HELPER_NAME), "(as)", deadline, errp);
        if (!reply) {
            return NULL;
        }
        g_variant_get(reply, "(^a&s)", &owners);
        if (!check_owners(s, owners, errp)) {
            return NULL;
        }
    }
    for (const char **owner = owners; owner && *owner; owner++) {
        if (!add_helper(s, *owner, named, helpers, deadline, errp)) {
            return NULL;
        }
    }
    return check_named(s, named, helpers, errp) ? g_steal_pointer(&helpers) : NULL;
}

/* ---- saving ---- */

GPtrArray *saved_helpers_take(void)
{
    GPtrArray *objects = object_list_type(TYPE_DBUS_VMSTATE);

    g_ptr_array_set_free_func(objects, (GDestroyNotify)object_unref);
    return objects;
}

static bool save_helper(const DbusVmstate *s, const Helper *helper, Stream *stream,
                        int64_t deadline, GError **errp)
{
    g_autoptr(GVariant) reply =
        call(s, helper->owner, HELPER_PATH, HELPER_NAME, "Save", NULL, "(ay)", deadline, errp);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GVariant) bytes = NULL;
    const uint8_t lengths[LENGTHS_SIZE] = { (uint8_t)strlen(s->id), (uint8_t)strlen(helper->id) };
    gsize size;

    if (!reply) {
        return false;
    }
    bytes = g_variant_get_child_value(reply, 0);
    const uint8_t *data = g_variant_get_fixed_array(bytes, &size, 1);
    if (size > SAVED_HELPER_MAX) {
        error_set(errp, "dbus-vmstate '%s': the state of '%s' has %zu bytes, and may have %u",
                  s->id, helper->id, size, SAVED_HELPER_MAX);
        return false;
    }
    g_byte_array_append(out, lengths, sizeof(lengths));
    g_byte_array_append(out, (const uint8_t *)s->id, lengths[0]);
    g_byte_array_append(out, (const uint8_t *)helper->id, lengths[1]);
    if (size) {
        g_byte_array_append(out, data, (guint)size);
    }
    return stream_put_record(stream, RECORD_HELPER, RECORD_NAME, out->data, out->len, errp);
}

static int64_t begin(void)
{
    return g_get_monotonic_time() + SAVED_HELPERS_MS * INT64_C(1000);
}

bool saved_helpers_write(const GPtrArray *objects, Stream *stream, GError **errp)
{
    const int64_t deadline = begin();

    for (unsigned i = 0; objects && i < objects->len; i++) {
        const DbusVmstate *s = DBUS_VMSTATE(objects->pdata[i]);
        g_autoptr(GPtrArray) helpers = find_helpers(s, deadline, errp);

        if (!helpers) {
            return false;
        }
        for (unsigned j = 0; j < helpers->len; j++) {
            if (!save_helper(s, helpers->pdata[j], stream, deadline, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- loading ---- */

/* Of a record; names are copied, the state is the record's. */
typedef struct HelperState {
    char object[ID_MAX + 1], id[ID_MAX + 1];
    const uint8_t *data;
    size_t size;
} HelperState;

static bool parse(GBytes *record, HelperState *state, GError **errp)
{
    gsize size;
    const uint8_t *data = g_bytes_get_data(record, &size);

    if (size < LENGTHS_SIZE || size - LENGTHS_SIZE < (gsize)data[0] + data[1]) {
        error_set(errp, "the state of a program (dbus-vmstate) is shorter than its names");
        return false;
    }
    *state = (HelperState){ 0 };
    memcpy(state->object, data + LENGTHS_SIZE, data[0]);
    memcpy(state->id, data + LENGTHS_SIZE + data[0], data[1]);
    state->data = data + LENGTHS_SIZE + data[0] + data[1];
    state->size = size - LENGTHS_SIZE - data[0] - data[1];
    return true;
}

static const DbusVmstate *find_object(const GPtrArray *objects, const char *id)
{
    for (unsigned i = 0; i < objects->len; i++) {
        const DbusVmstate *s = DBUS_VMSTATE(objects->pdata[i]);

        if (strcmp(s->id, id) == 0) {
            return s;
        }
    }
    return NULL;
}

static bool load_helper(const DbusVmstate *s, const Helper *helper, const HelperState *state,
                        int64_t deadline, GError **errp)
{
    GVariant *bytes = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, state->data, state->size, 1);
    g_autoptr(GVariant) reply = call(s, helper->owner, HELPER_PATH, HELPER_NAME, "Load",
                                     g_variant_new_tuple(&bytes, 1), "()", deadline, errp);

    return reply;
}

static void drop(GPtrArray *helpers, const Helper *helper)
{
    g_ptr_array_remove(helpers, (gpointer)helper);
}

/* What is of @s in @records; each program of its id-list gets something. */
static bool load_object(const DbusVmstate *s, const GPtrArray *records, int64_t deadline,
                        GError **errp)
{
    g_autoptr(GPtrArray) helpers = find_helpers(s, deadline, errp);
    HelperState state;

    for (unsigned i = 0; helpers && records && i < records->len; i++) {
        if (!parse(records->pdata[i], &state, errp)) {
            return false;
        }
        if (strcmp(state.object, s->id) != 0) {
            continue;
        }
        const Helper *helper = find(helpers, state.id);
        if (!helper) {
            error_set(errp,
                      "dbus-vmstate '%s': there is a state of '%s', and no such program at %s",
                      s->id, state.id, s->addr);
            return false;
        }
        if (!load_helper(s, helper, &state, deadline, errp)) {
            return false;
        }
        drop(helpers, helper);
    }
    if (helpers && helpers->len && s->id_list && *s->id_list) {
        error_set(errp, "dbus-vmstate '%s': the state of '%s' of id-list was not saved", s->id,
                  ((const Helper *)helpers->pdata[0])->id);
        return false;
    }
    return helpers;
}

bool saved_helpers_load(const GPtrArray *objects, const GPtrArray *records, GError **errp)
{
    const int64_t deadline = begin();
    HelperState state;

    for (unsigned i = 0; records && i < records->len; i++) {
        if (!parse(records->pdata[i], &state, errp)) {
            return false;
        }
        if (!find_object(objects, state.object)) {
            error_set(errp,
                      "there is a state of a program of dbus-vmstate '%s', and no such object",
                      state.object);
            return false;
        }
    }
    for (unsigned i = 0; i < objects->len; i++) {
        if (!load_object(DBUS_VMSTATE(objects->pdata[i]), records, deadline, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- the type ---- */

static bool vmstate_complete(Object *obj, GError **errp)
{
    DbusVmstate *s = DBUS_VMSTATE(obj);

    if (!s->addr) {
        error_set(errp, "addr= is missing: the bus that the programs are at, as in "
                        "addr=unix:path=/run/bus");
        return false;
    }
    if (strlen(obj->name) > ID_MAX) {
        error_set(errp, "an id has up to %d bytes", ID_MAX);
        return false;
    }
    s->id = g_strdup(obj->name);
    s->bus = dbus_connect(s->addr, errp);
    if (!s->bus) {
        g_prefix_error(errp, "addr=%s: ", s->addr);
    }
    return s->bus;
}

static void vmstate_finalize(Object *obj)
{
    DbusVmstate *s = DBUS_VMSTATE(obj);

    g_free(s->id);
    g_clear_object(&s->bus);
}

static const Property vmstate_properties[] = {
    { .name = "addr",
      .kind = PROP_STRING,
      .offset = offsetof(DbusVmstate, addr),
      .description = "the bus of the programs" },
    { .name = "id-list",
      .kind = PROP_STRING,
      .offset = offsetof(DbusVmstate, id_list),
      .description = "Ids of those that go along, with ',' between them; without it all do" },
    { 0 },
};

static const ObjectType vmstate_type = {
    .name = TYPE_DBUS_VMSTATE,
    .parent = "object",
    .description = "the states of other programs, which go along with the machine",
    .instance_size = sizeof(DbusVmstate),
    .user_creatable = true,
    .properties = vmstate_properties,
    .finalize = vmstate_finalize,
    .complete = vmstate_complete,
};
OBJECT_TYPE_REGISTER(vmstate_type)
