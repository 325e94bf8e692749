/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev dbus: a stream that a client of the D-Bus display gives the other end of. Who comes next
 * takes the place of who was there.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "ui/dbus-internal.h"
#include "util/error.h"

typedef struct CharDbus {
    Chardev parent;
    char *name;   /* property: what clients know it by */
    char *object; /* the name of its object; NULL: there is none yet */
    bool open;    /* a program of the guest has it */
    char *owner;  /* the client that is connected; NULL: none, or one that has no name */
    int fd;       /* -1: nobody is there */
} CharDbus;
OBJECT_CAST_DEFINE(CharDbus, CHAR_DBUS, "chardev-dbus")

static GPtrArray *chars; /* all that there are; borrowed */
static bool active;

/* ---- the object ---- */

static GVariant *get_name(void *opaque)
{
    return g_variant_new_string(CHAR_DBUS(opaque)->name);
}

static GVariant *get_open(void *opaque)
{
    return g_variant_new_boolean(CHAR_DBUS(opaque)->open);
}

static GVariant *get_echo(void *opaque)
{
    return g_variant_new_boolean(FALSE);
}

static GVariant *get_owner(void *opaque)
{
    const CharDbus *c = CHAR_DBUS(opaque);

    return g_variant_new_string(c->owner ? c->owner : "");
}

static void do_register(void *opaque, GVariant *args, GDBusMethodInvocation *invocation);

static void send_break(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    Chardev *chr = CHARDEV(opaque);

    if (chr->fe) {
        chardev_tell_frontend(chr->fe, CHAR_EVENT_BREAK);
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static const DbusInterface char_interface = {
    .name = "Chardev",
    .xml = "<method name='Register'><arg type='h' name='stream'/></method>"
           "<method name='SendBreak'/>"
           "<property name='Name' type='s' access='read'/>"
           "<property name='FEOpened' type='b' access='read'/>"
           "<property name='Echo' type='b' access='read'/>"
           "<property name='Owner' type='s' access='read'/>",
    .methods =
        (const DbusMethod[]){ { "Register", do_register }, { "SendBreak", send_break }, { 0 } },
    .properties = (const DbusProperty[]){ { "Name", get_name },
                                          { "FEOpened", get_open },
                                          { "Echo", get_echo },
                                          { "Owner", get_owner },
                                          { 0 } },
};

static const DbusInterface *const interfaces[] = { &char_interface, NULL };

static void changed(CharDbus *c, const char *property)
{
    if (active && c->object) {
        dbus_object_changed(c->object, &char_interface, property);
    }
}

/* ---- clients ---- */

static void disconnect(CharDbus *c)
{
    if (c->fd < 0) {
        return;
    }
    chardev_disconnected(CHARDEV(c));
    close(c->fd);
    c->fd = -1;
    g_clear_pointer(&c->owner, g_free);
    changed(c, "Owner");
}

/* Of a file the reader may have to wait, whatever its flags say: a client's file system is it. */
static bool is_socket(int fd)
{
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &(int){ 0 }, &size) == 0;
}

static void do_register(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    CharDbus *c = CHAR_DBUS(opaque);
    int32_t index;

    g_variant_get(args, "(h)", &index);
    int fd = dbus_take_fd(invocation, index);
    if (fd < 0) {
        g_dbus_method_invocation_return_dbus_error(invocation, DBUS_INVALID,
                                                   "a descriptor must come with the message");
        return;
    }
    if (!is_socket(fd)) {
        g_dbus_method_invocation_return_dbus_error(invocation, DBUS_INVALID,
                                                   "the descriptor must be a socket's");
        close(fd);
        return;
    }
    disconnect(c);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    c->fd = fd;
    c->owner = g_strdup(dbus_sender(invocation));
    g_dbus_method_invocation_return_value(invocation, NULL);
    changed(c, "Owner");
    chardev_connected(CHARDEV(c), fd, fd);
}

static void hangup(Chardev *chr)
{
    disconnect(CHAR_DBUS(chr));
}

static void set_open(Chardev *chr, bool open)
{
    CharDbus *c = CHAR_DBUS(chr);

    if (c->open != open) {
        c->open = open;
        changed(c, "FEOpened");
    }
}

/* ---- life ---- */

/* Paths have letters, digits and '_'. */
static bool show(CharDbus *c)
{
    g_autofree char *id = g_strdup(c->parent.parent.name);
    g_autofree char *name = g_strconcat(
        "Chardev_", g_strcanon(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_", '_'), NULL);

    if (!dbus_object_add(name, interfaces, c)) {
        return false;
    }
    c->object = g_steal_pointer(&name);
    return true;
}

static void hide(CharDbus *c)
{
    if (c->object) {
        dbus_object_remove(c->object);
        g_clear_pointer(&c->object, g_free);
    }
}

void dbus_char_start(void)
{
    active = true;
    for (unsigned i = 0; chars && i < chars->len; i++) {
        CharDbus *c = chars->pdata[i];

        if (!show(c)) {
            error_warn("chardev '%s': another one has this name on D-Bus", c->parent.parent.name);
        }
    }
}

void dbus_char_stop(void)
{
    for (unsigned i = 0; chars && i < chars->len; i++) {
        disconnect(chars->pdata[i]);
        hide(chars->pdata[i]);
    }
    active = false;
}

static bool char_complete(Object *obj, GError **errp)
{
    CharDbus *c = CHAR_DBUS(obj);

    if (!c->name) {
        error_set(errp, "name= is missing: say what clients are to know the stream by");
        return false;
    }
    if (active && !show(c)) {
        error_set(errp, "another chardev has this name on D-Bus; choose another id");
        return false;
    }
    if (!chars) {
        chars = g_ptr_array_new();
    }
    g_ptr_array_add(chars, c);
    return true;
}

static void char_finalize(Object *obj)
{
    CharDbus *c = CHAR_DBUS(obj);

    if (chars) {
        g_ptr_array_remove(chars, c);
    }
    disconnect(c);
    if (active) {
        hide(c);
    }
    g_free(c->object);
}

static void char_init(Object *obj)
{
    CHAR_DBUS(obj)->fd = -1;
}

static const ChardevOps char_ops = { .set_open = set_open, .hangup = hangup };

static const Property char_properties[] = {
    { .name = "name",
      .kind = PROP_STRING,
      .offset = offsetof(CharDbus, name),
      .description = "what clients know it by" },
    { 0 },
};

static const ObjectType char_type = {
    .name = "chardev-dbus",
    .parent = TYPE_CHARDEV,
    .description = "a stream of D-Bus clients of the display",
    .instance_size = sizeof(CharDbus),
    .properties = char_properties,
    .ops = &char_ops,
    .init = char_init,
    .finalize = char_finalize,
    .complete = char_complete,
};
OBJECT_TYPE_REGISTER(char_type)
