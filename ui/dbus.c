/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The D-Bus display: its connection, its objects, and what of them all clients see. */
#include <string.h>
#include <unistd.h>

#include "ui/dbus-internal.h"
#include "util/dbus.h"
#include "util/error.h"
#include "util/main-loop.h"

#define BUS_NAME     "org.qemu"
#define MANAGER_NAME "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES   "org.freedesktop.DBus.Properties"
#define BODY_MAX     (CLIPBOARD_TEXT_MAX + 4096) /* of a message that comes */
#define AUTH_MS      10000
#define AUTH_MAX     4 /* connections whose other end has not said who it is */

typedef struct DbusObject {
    char *name, *path;
    const DbusInterface *const *interfaces;
    void *opaque;
    guint ids[8]; /* of what is exported, for each interface; 0: not */
} DbusObject;

static struct {
    bool active;
    GDBusConnection *connection;
    gulong closed;
    guint manager, name; /* what is exported; what is owned */
    GPtrArray *objects;  /* of DbusObject * */
    const DbusHost *host;
    char *machine_name, *uuid;
    GPtrArray *changes; /* of Change *, that clients have not been told */
    bool telling;       /* they have not read the last ones */
    bool p2p;
    unsigned authenticating;
} display;

GDBusConnection *dbus_connection(void)
{
    return display.connection;
}

const DbusHost *dbus_host(void)
{
    return display.host;
}

/* ---- floods ---- */

/* What of a connection waits; its counts belong to GIO's thread and the main one. */
typedef struct Bound {
    GDBusConnection *connection; /* a reference while it is flushed */
    gint calls, bytes;           /* atomic */
    gint flushing;               /* atomic: the main thread was asked to */
    bool takes_calls;
    gint seen_calls, seen_bytes; /* main thread: when the flush began */
} Bound;

static void flushed(GObject *source, GAsyncResult *result, gpointer opaque)
{
    Bound *b = opaque;

    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, NULL);
    g_atomic_int_set(&b->flushing, 0);
    g_atomic_int_add(&b->calls, -b->seen_calls);
    g_atomic_int_add(&b->bytes, -b->seen_bytes);
    g_object_unref(b->connection);
    g_atomic_rc_box_release(b);
}

/* What came until now was answered, or will be soon: it is over when the peer has read that. */
static void flush(void *opaque)
{
    Bound *b = opaque;

    b->seen_calls = g_atomic_int_get(&b->calls);
    b->seen_bytes = g_atomic_int_get(&b->bytes);
    g_dbus_connection_flush(b->connection, NULL, flushed, b);
}

static bool too_much(Bound *b, GDBusConnection *connection, gint size)
{
    if (!b->takes_calls || g_atomic_int_get(&b->calls) >= DBUS_CALLS_MAX ||
        g_atomic_int_get(&b->bytes) + size > (gint)DBUS_BYTES_MAX) {
        return true;
    }
    g_atomic_int_inc(&b->calls);
    g_atomic_int_add(&b->bytes, size);
    if (g_atomic_int_compare_and_exchange(&b->flushing, 0, 1)) {
        b->connection = g_object_ref(connection);
        main_loop_schedule(flush, g_atomic_rc_box_acquire(b));
    }
    return false;
}

/* On GIO's thread. */
static GDBusMessage *look(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                          gpointer opaque)
{
    GVariant *body = incoming ? g_dbus_message_get_body(message) : NULL;
    gsize size = body ? g_variant_get_size(body) : 0;

    if (incoming && (size > BODY_MAX ||
                     (g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL &&
                      too_much(opaque, connection, (gint)size)))) {
        g_object_unref(message);
        return NULL;
    }
    return message;
}

static void free_bound(gpointer opaque)
{
    g_atomic_rc_box_release(opaque);
}

void dbus_bound(GDBusConnection *connection, bool calls)
{
    Bound *b = g_atomic_rc_box_new0(Bound);

    b->takes_calls = calls;
    g_dbus_connection_add_filter(connection, look, b, free_bound);
}

/* ---- connections that peers begin ---- */

typedef struct Accept {
    DbusReadyFn *ready;
    void *opaque;
    GCancellable *cancellable;
    guint timeout;
} Accept;

static gboolean allow_mechanism(GDBusAuthObserver *observer, const char *mechanism, gpointer opaque)
{
    return strcmp(mechanism, "EXTERNAL") == 0; /* others write files */
}

static gboolean give_up(gpointer opaque)
{
    Accept *a = opaque;

    a->timeout = 0;
    g_cancellable_cancel(a->cancellable);
    return G_SOURCE_REMOVE;
}

static void accepted(GObject *source, GAsyncResult *result, gpointer opaque)
{
    Accept *a = opaque;
    GDBusConnection *connection = g_dbus_connection_new_finish(result, NULL);

    display.authenticating--;
    if (a->timeout) {
        g_source_remove(a->timeout);
    }
    a->ready(a->opaque, connection);
    g_clear_object(&connection);
    g_object_unref(a->cancellable);
    g_free(a);
}

bool dbus_accept(int fd, DbusReadyFn *ready, void *opaque, GError **errp)
{
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) stream = NULL;
    g_autoptr(GDBusAuthObserver) observer = NULL;
    g_autofree char *guid = g_dbus_generate_guid();

    if (display.authenticating >= AUTH_MAX) {
        error_set(errp, "%d others have not said who they are yet", AUTH_MAX);
        close(fd);
        return false;
    }
    socket = g_socket_new_from_fd(fd, errp);
    if (!socket) {
        close(fd);
        return false;
    }
    Accept *a = g_new0(Accept, 1);
    *a = (Accept){ ready, opaque, g_cancellable_new(), g_timeout_add(AUTH_MS, give_up, a) };
    display.authenticating++;
    stream = g_socket_connection_factory_create_connection(socket);
    observer = g_dbus_auth_observer_new();
    g_signal_connect(observer, "allow-mechanism", G_CALLBACK(allow_mechanism), NULL);
    g_dbus_connection_new(G_IO_STREAM(stream), guid,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                              G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                          observer, a->cancellable, accepted, a);
    return true;
}

int dbus_take_fd(GDBusMethodInvocation *invocation, int32_t index)
{
    GUnixFDList *list =
        g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));

    return list && index >= 0 && index < g_unix_fd_list_get_length(list)
               ? g_unix_fd_list_get(list, index, NULL)
               : -1;
}

const char *dbus_sender(GDBusMethodInvocation *invocation)
{
    GDBusConnection *connection = g_dbus_method_invocation_get_connection(invocation);

    return g_dbus_connection_get_flags(connection) & G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION
               ? g_dbus_method_invocation_get_sender(invocation)
               : NULL;
}

/* ---- objects ---- */

static void call(GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *method, GVariant *args,
                 GDBusMethodInvocation *invocation, gpointer opaque)
{
    const DbusObject *object = opaque;

    for (unsigned i = 0; object->interfaces[i]; i++) {
        const DbusMethod *m = object->interfaces[i]->methods;

        if (strcmp(interface + strlen(DBUS_PREFIX), object->interfaces[i]->name) != 0) {
            continue;
        }
        for (; m && m->name; m++) {
            if (strcmp(m->name, method) == 0) {
                m->call(object->opaque, args, invocation);
                return;
            }
        }
    }
}

static const DbusProperty *find_property(const DbusInterface *interface, const char *name)
{
    const DbusProperty *p = interface->properties;

    while (p && p->name && strcmp(p->name, name) != 0) {
        p++;
    }
    return p && p->name ? p : NULL;
}

static GVariant *get(GDBusConnection *connection, const char *sender, const char *path,
                     const char *interface, const char *name, GError **errp, gpointer opaque)
{
    const DbusObject *object = opaque;

    for (unsigned i = 0; object->interfaces[i]; i++) {
        if (strcmp(interface + strlen(DBUS_PREFIX), object->interfaces[i]->name) == 0) {
            return find_property(object->interfaces[i], name)->get(object->opaque);
        }
    }
    return NULL;
}

static GDBusInterfaceInfo *info_of(const DbusInterface *interface)
{
    g_autofree char *xml = g_strdup_printf("<node><interface name='" DBUS_PREFIX "%s'>%s"
                                           "</interface></node>",
                                           interface->name, interface->xml);
    g_autoptr(GError) err = NULL;
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, &err);

    g_assert_no_error(err);
    return g_dbus_interface_info_ref(node->interfaces[0]);
}

static void export(DbusObject *object)
{
    static const GDBusInterfaceVTable table = { .method_call = call, .get_property = get };

    for (unsigned i = 0; object->interfaces[i]; i++) {
        GDBusInterfaceInfo *info = info_of(object->interfaces[i]);

        object->ids[i] = g_dbus_connection_register_object(display.connection, object->path, info,
                                                           &table, object, NULL, NULL);
        g_dbus_interface_info_unref(info);
    }
}

static void unexport(DbusObject *object)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(object->ids); i++) {
        if (object->ids[i]) {
            g_dbus_connection_unregister_object(display.connection, object->ids[i]);
            object->ids[i] = 0;
        }
    }
}

static void object_free(gpointer opaque)
{
    DbusObject *object = opaque;

    g_free(object->name);
    g_free(object->path);
    g_free(object);
}

static DbusObject *find_object(const char *name)
{
    for (unsigned i = 0; display.objects && i < display.objects->len; i++) {
        DbusObject *object = display.objects->pdata[i];

        if (strcmp(object->name, name) == 0) {
            return object;
        }
    }
    return NULL;
}

/* Of type a{sa{sv}}; floating. */
static GVariant *describe(const DbusObject *object)
{
    GVariantBuilder all, properties;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a{sa{sv}}"));
    for (unsigned i = 0; object->interfaces[i]; i++) {
        g_autofree char *name = g_strconcat(DBUS_PREFIX, object->interfaces[i]->name, NULL);
        const DbusProperty *p = object->interfaces[i]->properties;

        g_variant_builder_init(&properties, G_VARIANT_TYPE("a{sv}"));
        for (; p && p->name; p++) {
            g_variant_builder_add(&properties, "{sv}", p->name, p->get(object->opaque));
        }
        g_variant_builder_add(&all, "{sa{sv}}", name, &properties);
    }
    return g_variant_builder_end(&all);
}

static void emit(const char *path, const char *interface, const char *signal, GVariant *args)
{
    if (display.connection) {
        g_dbus_connection_emit_signal(display.connection, NULL, path, interface, signal, args,
                                      NULL);
    } else {
        g_variant_unref(g_variant_ref_sink(args));
    }
}

bool dbus_object_add(const char *name, const DbusInterface *const *interfaces, void *opaque)
{
    if (find_object(name)) {
        return false;
    }
    DbusObject *object = g_new0(DbusObject, 1);
    object->name = g_strdup(name);
    object->path = g_strconcat(DBUS_ROOT "/", name, NULL);
    object->interfaces = interfaces;
    object->opaque = opaque;
    g_ptr_array_add(display.objects, object);
    if (display.connection) {
        export(object);
        emit(DBUS_ROOT, MANAGER_NAME, "InterfacesAdded",
             g_variant_new("(o@a{sa{sv}})", object->path, describe(object)));
    }
    return true;
}

void dbus_object_remove(const char *name)
{
    DbusObject *object = find_object(name);
    GVariantBuilder names;

    if (!object) {
        return;
    }
    if (display.connection) {
        unexport(object);
        g_variant_builder_init(&names, G_VARIANT_TYPE("as"));
        for (unsigned i = 0; object->interfaces[i]; i++) {
            g_autofree char *full = g_strconcat(DBUS_PREFIX, object->interfaces[i]->name, NULL);

            g_variant_builder_add(&names, "s", full);
        }
        emit(DBUS_ROOT, MANAGER_NAME, "InterfacesRemoved",
             g_variant_new("(oas)", object->path, &names));
    }
    g_ptr_array_remove(display.objects, object);
}

/* ---- properties ----
 *
 * A guest may change them as often as it likes, and a client need not read: each is told once more
 * when the last ones have been written, as it is then.
 */

typedef struct Change {
    char *name; /* of the object */
    const DbusInterface *interface;
    const char *property;
} Change;

static void change_free(gpointer opaque)
{
    Change *change = opaque;

    g_free(change->name);
    g_free(change);
}

static void tell_change(const Change *change)
{
    const DbusObject *object = find_object(change->name);
    GVariantBuilder values;

    if (!object) {
        return;
    }
    g_autofree char *full = g_strconcat(DBUS_PREFIX, change->interface->name, NULL);
    g_variant_builder_init(&values, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&values, "{sv}", change->property,
                          find_property(change->interface, change->property)->get(object->opaque));
    emit(object->path, PROPERTIES, "PropertiesChanged",
         g_variant_new("(sa{sv}as)", full, &values, NULL));
}

static void tell_changes(void);

static void changes_told(GObject *source, GAsyncResult *result, gpointer opaque)
{
    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, NULL);
    if (G_DBUS_CONNECTION(source) == display.connection) {
        display.telling = false;
        if (display.changes->len) {
            tell_changes();
        }
    }
}

static void tell_changes(void)
{
    for (unsigned i = 0; i < display.changes->len; i++) {
        tell_change(display.changes->pdata[i]);
    }
    g_ptr_array_set_size(display.changes, 0);
    display.telling = true;
    g_dbus_connection_flush(display.connection, NULL, changes_told, NULL);
}

void dbus_object_changed(const char *name, const DbusInterface *interface, const char *property)
{
    if (!display.connection || !find_object(name)) {
        return;
    }
    for (unsigned i = 0; i < display.changes->len; i++) {
        const Change *change = display.changes->pdata[i];

        if (strcmp(change->name, name) == 0 && change->interface == interface &&
            strcmp(change->property, property) == 0) {
            return;
        }
    }
    Change *change = g_new(Change, 1);
    *change = (Change){ g_strdup(name), interface, property };
    g_ptr_array_add(display.changes, change);
    if (!display.telling) {
        tell_changes();
    }
}

/* ---- the list of them ---- */

static const char manager_xml[] =
    "<node><interface name='" MANAGER_NAME "'>"
    "<method name='GetManagedObjects'><arg type='a{oa{sa{sv}}}' direction='out'/></method>"
    "<signal name='InterfacesAdded'><arg type='o'/><arg type='a{sa{sv}}'/></signal>"
    "<signal name='InterfacesRemoved'><arg type='o'/><arg type='as'/></signal>"
    "</interface></node>";

static void list_objects(GDBusConnection *connection, const char *sender, const char *path,
                         const char *interface, const char *method, GVariant *args,
                         GDBusMethodInvocation *invocation, gpointer opaque)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a{oa{sa{sv}}}"));
    for (unsigned i = 0; i < display.objects->len; i++) {
        const DbusObject *object = display.objects->pdata[i];

        g_variant_builder_add(&all, "{o@a{sa{sv}}}", object->path, describe(object));
    }
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(a{oa{sa{sv}}})", &all));
}

static void export_list(void)
{
    static const GDBusInterfaceVTable table = { .method_call = list_objects };
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(manager_xml, NULL);

    display.manager = g_dbus_connection_register_object(
        display.connection, DBUS_ROOT, node->interfaces[0], &table, NULL, NULL, NULL);
}

/* ---- the machine ---- */

static GVariant *get_name(void *opaque)
{
    return g_variant_new_string(display.machine_name);
}

static GVariant *get_uuid(void *opaque)
{
    return g_variant_new_string(display.uuid);
}

static GVariant *get_consoles(void *opaque)
{
    return dbus_console_ids();
}

static const DbusInterface vm_interface = {
    .name = "VM",
    .xml = "<property name='Name' type='s' access='read'/>"
           "<property name='UUID' type='s' access='read'/>"
           "<property name='ConsoleIDs' type='au' access='read'/>",
    .properties =
        (const DbusProperty[]){
            { "Name", get_name }, { "UUID", get_uuid }, { "ConsoleIDs", get_consoles }, { 0 } },
};

static const DbusInterface *const vm_interfaces[] = { &vm_interface, NULL };

void dbus_consoles_changed(void)
{
    dbus_object_changed("VM", &vm_interface, "ConsoleIDs");
}

/* ---- the connection ---- */

static void disconnect(void)
{
    if (!display.connection) {
        return;
    }
    if (display.name) {
        g_bus_unown_name(display.name);
        display.name = 0;
    }
    g_signal_handler_disconnect(display.connection, display.closed);
    for (unsigned i = 0; i < display.objects->len; i++) {
        unexport(display.objects->pdata[i]);
    }
    g_dbus_connection_unregister_object(display.connection, display.manager);
    dbus_clipboard_forget();
    dbus_console_release();
    g_ptr_array_set_size(display.changes, 0);
    display.telling = false;
    g_dbus_connection_close(display.connection, NULL, NULL, NULL);
    g_clear_object(&display.connection);
}

static void on_closed(GDBusConnection *connection, gboolean vanished, GError *err, gpointer opaque)
{
    disconnect();
}

/* Takes a reference. */
static void set_connection(GDBusConnection *connection)
{
    disconnect();
    display.connection = g_object_ref(connection);
    dbus_bound(connection, true);
    display.closed = g_signal_connect(connection, "closed", G_CALLBACK(on_closed), NULL);
    export_list();
    for (unsigned i = 0; i < display.objects->len; i++) {
        export(display.objects->pdata[i]);
    }
}

static void client_ready(void *opaque, GDBusConnection *connection)
{
    if (connection && display.active) {
        set_connection(connection);
        g_dbus_connection_start_message_processing(connection);
    }
}

bool dbus_display_add_client(int fd, GError **errp)
{
    if (!display.active || !display.p2p) {
        error_set(errp, "there is no D-Bus display that takes connections; start the machine with "
                        "-display dbus,p2p=on");
        close(fd);
        return false;
    }
    return dbus_accept(fd, client_ready, NULL, errp);
}

bool dbus_display_start(const DisplayDBus *o, const char *name, const char *uuid,
                        const DbusHost *host, GError **errp)
{
    g_autoptr(GDBusConnection) bus = NULL;

    display.p2p = o->has_p2p && o->p2p;
    if (display.p2p && o->addr) {
        error_set(errp, "addr= names a bus, and with p2p=on there is none: leave out one of them");
        return false;
    }
    if (!display.p2p) {
        bus = dbus_connect(o->addr, errp);
        if (!bus) {
            g_prefix_error(errp, "addr=%s: ", o->addr ? o->addr : "");
            return false;
        }
    }
    display.active = true;
    display.host = host;
    display.machine_name = g_strdup(name ? name : "Dimmable");
    display.uuid = g_strdup(uuid);
    display.objects = g_ptr_array_new_with_free_func(object_free);
    display.changes = g_ptr_array_new_with_free_func(change_free);
    dbus_object_add("VM", vm_interfaces, NULL);
    dbus_console_start();
    dbus_clipboard_start();
    dbus_char_start();
    if (bus) {
        set_connection(bus);
        display.name = g_bus_own_name_on_connection(bus, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                                    NULL, NULL, NULL, NULL);
    }
    return true;
}

void dbus_display_stop(void)
{
    if (!display.active) {
        return;
    }
    disconnect();
    display.active = false;
    dbus_char_stop();
    dbus_clipboard_stop();
    dbus_console_stop();
    g_clear_pointer(&display.objects, g_ptr_array_unref);
    g_clear_pointer(&display.changes, g_ptr_array_unref);
    g_clear_pointer(&display.machine_name, g_free);
    g_clear_pointer(&display.uuid, g_free);
}
