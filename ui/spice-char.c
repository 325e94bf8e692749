/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev spicevmc and spiceport: channels of SPICE for programs of the guest, such as its agent.
 * The first kind is there for clients while the guest's program has it open; the second always, and
 * clients are told when it is open.
 *
 * Between the library and the chardev is a pair of sockets, so that each side finds out by itself
 * when the other one has room.
 */
#include <errno.h>
#include <glib-unix.h>
#include <spice/protocol.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "ui/spice-internal.h"
#include "util/error.h"

#define TYPE_CHAR_SPICE "chardev-spice"

typedef struct CharSpice {
    Chardev parent;
    char *name; /* property: what SPICE calls it */
    bool port;
    bool open;             /* the guest's program has it */
    bool was_open;         /* and clients were told so */
    guint changing;        /* a source that looks at `open`; 0: none */
    bool added;            /* to the server */
    struct CharLink *link; /* owned */
    int fds[2];            /* the chardev's end, and the library's; -1: no client */
    guint input, output;   /* sources that watch the library's; 0: none */
} CharSpice;
OBJECT_CAST_DEFINE(CharSpice, CHAR_SPICE, TYPE_CHAR_SPICE)

static GPtrArray *chars; /* all that there are; borrowed */
static SpiceServer *server;

/* What the library knows, and whose it is. */
typedef struct CharLink {
    SpiceCharDeviceInstance sin;
    CharSpice *of;
} CharLink;

static CharSpice *char_of(SpiceCharDeviceInstance *sin)
{
    return ((CharLink *)sin)->of;
}

/* ---- bytes ---- */

static void end_source(guint *source)
{
    if (*source) {
        g_source_remove(*source);
        *source = 0;
    }
}

static gboolean has_input(gint fd, GIOCondition condition, gpointer opaque)
{
    CharSpice *s = opaque;

    s->input = 0; /* until the library has read all */
    spice_server_char_device_wakeup(&s->link->sin);
    return G_SOURCE_REMOVE;
}

static gboolean has_room(gint fd, GIOCondition condition, gpointer opaque)
{
    CharSpice *s = opaque;

    s->output = 0;
    spice_server_char_device_wakeup(&s->link->sin);
    return G_SOURCE_REMOVE;
}

static int send_bytes(SpiceCharDeviceInstance *sin, const uint8_t *buf, int len)
{
    CharSpice *s = char_of(sin);
    const ssize_t sent =
        s->fds[1] < 0 ? len : send(s->fds[1], buf, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < len && !s->output) {
        s->output = g_unix_fd_add(s->fds[1], G_IO_OUT, has_room, s);
    }
    return (int)MAX(sent, 0);
}

static int receive_bytes(SpiceCharDeviceInstance *sin, uint8_t *buf, int len)
{
    CharSpice *s = char_of(sin);
    const ssize_t got = s->fds[1] < 0 ? 0 : recv(s->fds[1], buf, (size_t)len, MSG_DONTWAIT);

    if (got <= 0 && s->fds[1] >= 0 && !s->input) {
        s->input = g_unix_fd_add(s->fds[1], G_IO_IN, has_input, s);
    }
    return (int)MAX(got, 0);
}

/* ---- clients ---- */

static void disconnect(CharSpice *s)
{
    end_source(&s->input);
    end_source(&s->output);
    if (s->fds[0] >= 0) {
        chardev_disconnected(CHARDEV(s));
        close(s->fds[0]);
        close(s->fds[1]);
        s->fds[0] = s->fds[1] = -1;
    }
}

static void set_state(SpiceCharDeviceInstance *sin, int connected)
{
    CharSpice *s = char_of(sin);

    if (!connected) {
        disconnect(s);
    } else if (s->fds[0] < 0 &&
               socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s->fds) == 0) {
        s->input = g_unix_fd_add(s->fds[1], G_IO_IN, has_input, s);
        chardev_connected(CHARDEV(s), s->fds[0], s->fds[0]);
    }
}

static void port_event(SpiceCharDeviceInstance *sin, uint8_t event)
{
    if (event == SPICE_PORT_EVENT_BREAK && char_of(sin)->parent.fe) {
        chardev_tell_frontend(char_of(sin)->parent.fe, CHAR_EVENT_BREAK);
    }
}

static const SpiceCharDeviceInterface char_ops = {
    .base = { .type = SPICE_INTERFACE_CHAR_DEVICE,
              .description = "chardev",
              .major_version = SPICE_INTERFACE_CHAR_DEVICE_MAJOR,
              .minor_version = SPICE_INTERFACE_CHAR_DEVICE_MINOR },
    .state = set_state,
    .write = send_bytes,
    .read = receive_bytes,
    .event = port_event,
    .flags = SPICE_CHAR_DEVICE_NOTIFY_WRITABLE,
};

/* ---- the guest's program ---- */

static void check(CharSpice *s)
{
    const bool wanted = server && (s->port || s->open);

    if (wanted && !s->added) {
        s->added = true;
        s->was_open = false;
        spice_server_add_interface(server, &s->link->sin.base);
    } else if (!wanted && s->added) {
        s->added = false;
        spice_server_remove_interface(&s->link->sin.base);
        disconnect(s);
    }
    if (s->added && s->port && s->was_open != s->open) {
        s->was_open = s->open;
        spice_server_port_event(&s->link->sin,
                                s->open ? SPICE_PORT_EVENT_OPENED : SPICE_PORT_EVENT_CLOSED);
    }
}

static gboolean check_later(gpointer opaque)
{
    CharSpice *s = opaque;

    s->changing = 0;
    check(s);
    return G_SOURCE_REMOVE;
}

/* By the thread of a vCPU, perhaps, which the library must not be called by. */
static void set_open(Chardev *chr, bool open)
{
    CharSpice *s = CHAR_SPICE(chr);

    s->open = open;
    if (!s->changing) {
        s->changing = g_idle_add_full(G_PRIORITY_DEFAULT, check_later, s, NULL);
    }
}

void spice_char_start(SpiceServer *of)
{
    server = of;
    for (unsigned i = 0; chars && i < chars->len; i++) {
        check(chars->pdata[i]);
    }
}

/* ---- life ---- */

static bool knows(const char *name)
{
    const char **known = spice_server_char_device_recognized_subtypes();

    while (*known && strcmp(*known, name) != 0) {
        known++;
    }
    return *known;
}

static bool char_complete(Object *obj, GError **errp)
{
    CharSpice *s = CHAR_SPICE(obj);

    if (!s->name || (!s->port && !knows(s->name))) {
        error_set(errp, s->port ? "name= is missing: say what clients are to call the port"
                                : "name= must be vdagent, or another one that SPICE knows");
        return false;
    }
    s->link = g_new0(CharLink, 1);
    s->link->of = s;
    s->link->sin.base.sif = &char_ops.base;
    s->link->sin.subtype = s->port ? "port" : s->name;
    s->link->sin.portname = s->port ? s->name : NULL;
    if (!chars) {
        chars = g_ptr_array_new();
    }
    g_ptr_array_add(chars, s);
    check(s);
    return true;
}

static void char_finalize(Object *obj)
{
    CharSpice *s = CHAR_SPICE(obj);

    if (chars) {
        g_ptr_array_remove(chars, s);
    }
    end_source(&s->changing);
    if (s->added) {
        spice_server_remove_interface(&s->link->sin.base);
    }
    disconnect(s);
    g_free(s->link);
}

static void char_init(Object *obj)
{
    CHAR_SPICE(obj)->fds[0] = CHAR_SPICE(obj)->fds[1] = -1;
}

static void port_init(Object *obj)
{
    CHAR_SPICE(obj)->port = true;
}

static const ChardevOps char_backend_ops = { .set_open = set_open };

static const Property char_properties[] = {
    { .name = "name",
      .kind = PROP_STRING,
      .offset = offsetof(CharSpice, name),
      .description = "what SPICE calls it" },
    { 0 },
};

static const ObjectType char_type = {
    .name = TYPE_CHAR_SPICE,
    .parent = TYPE_CHARDEV,
    .description = "a channel of SPICE",
    .abstract = true,
    .instance_size = sizeof(CharSpice),
    .properties = char_properties,
    .ops = &char_backend_ops,
    .init = char_init,
    .finalize = char_finalize,
    .complete = char_complete,
};
OBJECT_TYPE_REGISTER(char_type)

static const ObjectType vmc_type = {
    .name = "chardev-spicevmc",
    .parent = TYPE_CHAR_SPICE,
    .description = "a channel of SPICE, such as to the guest's agent",
    .ops = &char_backend_ops,
    .complete = char_complete,
};
OBJECT_TYPE_REGISTER(vmc_type)

static const ObjectType port_type = {
    .name = "chardev-spiceport",
    .parent = TYPE_CHAR_SPICE,
    .description = "a port of SPICE's clients",
    .ops = &char_backend_ops,
    .init = port_init,
    .complete = char_complete,
};
OBJECT_TYPE_REGISTER(port_type)
