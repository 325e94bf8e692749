/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clipboard of a D-Bus client: one client at a time has registered, and is told by the same
 * methods that it calls here. It is told one thing at a time; of what it asks for, REQUESTS_MAX
 * wait at most, to be answered or to be written.
 */
#include <string.h>

#include "ui/dbus-internal.h"

#define CLIPBOARD_NAME DBUS_PREFIX "Clipboard"
#define CLIPBOARD_PATH DBUS_ROOT "/Clipboard"
#define TEXT_TYPE      "text/plain;charset=utf-8"
#define REQUESTS_MAX   8
#define WAIT_MS        5000

/* Of what it has asked for. */
typedef struct Request {
    GDBusMethodInvocation *invocation; /* owned until it is answered */
    ClipboardSelection which;
    guint timeout;
} Request;

static struct {
    ClipboardPeer peer;
    bool registered;
    char *sender;    /* who has; NULL: the connection is the client's */
    guint watch;     /* whether it is there */
    unsigned serial; /* another client, another number */
    bool busy;
    bool due[CLIPBOARD_SELECTIONS];      /* it is to be told who owns it */
    unsigned told[CLIPBOARD_SELECTIONS]; /* the serial of what it knows */
    bool wanted[CLIPBOARD_SELECTIONS];   /* it is to be asked for its text */
    GPtrArray *requests;                 /* of Request * */
    gconstpointer connection;            /* of the last client; may be gone */
    unsigned unread;                     /* texts for it there, that are not written yet */
} board;

static void tell(void);

/* ---- to the client ---- */

typedef struct Asked {
    unsigned serial;
    ClipboardSelection which;
} Asked;

static void answered(GObject *source, GAsyncResult *result, gpointer opaque)
{
    g_autofree Asked *asked = opaque;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);

    if (asked->serial != board.serial) {
        return;
    }
    board.busy = false;
    if (reply && g_variant_is_of_type(reply, G_VARIANT_TYPE("(say)"))) {
        const char *type;
        g_autoptr(GVariant) bytes = NULL;
        gsize size;

        g_variant_get(reply, "(&s@ay)", &type, &bytes);
        const char *text = g_variant_get_fixed_array(bytes, &size, 1);
        if (strcmp(type, TEXT_TYPE) == 0) {
            clipboard_set_text(&board.peer, asked->which, text ? text : "", size);
        }
    }
    tell();
}

static void call(const char *method, ClipboardSelection which, GVariant *args)
{
    Asked *asked = g_new(Asked, 1);

    *asked = (Asked){ board.serial, which };
    board.busy = true;
    g_dbus_connection_call(dbus_connection(), board.sender, CLIPBOARD_PATH, CLIPBOARD_NAME, method,
                           args, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, WAIT_MS, NULL, answered,
                           asked);
}

static void tell_owner(ClipboardSelection which)
{
    static const char *const types[] = { TEXT_TYPE, NULL };
    const ClipboardPeer *owner = clipboard_owner(which);

    board.due[which] = false;
    if (owner == &board.peer || board.told[which] == clipboard_serial(which)) {
        return;
    }
    board.told[which] = clipboard_serial(which);
    if (owner) {
        call("Grab", which, g_variant_new("(uu^as)", (guint)which, clipboard_serial(which), types));
    } else {
        call("Release", which, g_variant_new("(u)", (guint)which));
    }
}

static void ask(ClipboardSelection which)
{
    static const char *const types[] = { TEXT_TYPE, NULL };

    board.wanted[which] = false;
    if (clipboard_owner(which) == &board.peer) {
        call("Request", which, g_variant_new("(u^as)", (guint)which, types));
    }
}

static void tell(void)
{
    for (unsigned which = 0; which < CLIPBOARD_SELECTIONS && board.registered; which++) {
        if (board.due[which] && !board.busy) {
            tell_owner(which);
        }
        if (board.wanted[which] && !board.busy) {
            ask(which);
        }
    }
}

/* ---- what it has asked for ---- */

/* Not at all, if the connection ends before. */
static void written(GObject *source, GAsyncResult *result, gpointer opaque)
{
    g_dbus_connection_flush_finish(G_DBUS_CONNECTION(source), result, NULL);
    if (source == board.connection) {
        board.unread--;
    }
}

static void finish(Request *request, GBytes *text)
{
    if (text) {
        g_autoptr(GDBusConnection) connection =
            g_object_ref(g_dbus_method_invocation_get_connection(request->invocation));
        gsize size;
        const void *data = g_bytes_get_data(text, &size);

        g_dbus_method_invocation_return_value(
            request->invocation,
            g_variant_new("(s@ay)", TEXT_TYPE,
                          g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, data, size, 1)));
        board.unread++;
        g_dbus_connection_flush(connection, NULL, written, NULL);
    } else {
        g_dbus_method_invocation_return_dbus_error(request->invocation, DBUS_FAILED,
                                                   "nobody has a text");
    }
    if (request->timeout) {
        g_source_remove(request->timeout);
    }
    g_ptr_array_remove(board.requests, request);
    g_free(request);
}

static gboolean waited(gpointer opaque)
{
    Request *request = opaque;

    request->timeout = 0;
    finish(request, NULL);
    return G_SOURCE_REMOVE;
}

static void finish_all(ClipboardSelection which, GBytes *text)
{
    for (unsigned i = board.requests->len; i-- > 0;) {
        Request *request = board.requests->pdata[i];

        if (request->which == which) {
            finish(request, text);
        }
    }
}

static void changed(void *opaque, ClipboardSelection which)
{
    if (clipboard_text(which) || !clipboard_owner(which)) {
        finish_all(which, clipboard_text(which));
    }
    board.due[which] = true;
    tell();
}

static void wanted(void *opaque, ClipboardSelection which)
{
    board.wanted[which] = true;
    tell();
}

/* ---- methods ---- */

/* Answers, if not. */
static bool is_selection(uint32_t which, GDBusMethodInvocation *invocation)
{
    if (which >= CLIPBOARD_SELECTIONS) {
        g_dbus_method_invocation_return_dbus_error(
            invocation, DBUS_INVALID, "a selection is 0 (clipboard), 1 (primary) or 2 (secondary)");
    }
    return which < CLIPBOARD_SELECTIONS;
}

static bool is_client(GDBusMethodInvocation *invocation)
{
    const bool same = board.registered && g_strcmp0(board.sender, dbus_sender(invocation)) == 0;

    if (!same) {
        g_dbus_method_invocation_return_dbus_error(invocation, DBUS_FAILED,
                                                   "this client has not registered");
    }
    return same;
}

static void vanished(GDBusConnection *connection, const char *name, gpointer opaque)
{
    dbus_clipboard_forget();
}

static void do_register(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    dbus_clipboard_forget();
    if (board.connection != g_dbus_method_invocation_get_connection(invocation)) {
        board.connection = g_dbus_method_invocation_get_connection(invocation);
        board.unread = 0;
    }
    board.registered = true;
    board.sender = g_strdup(dbus_sender(invocation));
    if (board.sender) {
        board.watch = g_bus_watch_name_on_connection(dbus_connection(), board.sender,
                                                     G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, vanished,
                                                     NULL, NULL);
    }
    memset(board.told, 0, sizeof(board.told));
    clipboard_add(&board.peer);
    g_dbus_method_invocation_return_value(invocation, NULL);
    for (unsigned which = 0; which < CLIPBOARD_SELECTIONS; which++) {
        board.due[which] = clipboard_owner(which);
    }
    tell();
}

static void do_unregister(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    if (is_client(invocation)) {
        g_dbus_method_invocation_return_value(invocation, NULL);
        dbus_clipboard_forget();
    }
}

static void do_grab(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    g_autofree const char **types = NULL;
    uint32_t which, serial;

    g_variant_get(args, "(uu^a&s)", &which, &serial, &types);
    if (!is_client(invocation) || !is_selection(which, invocation)) {
        return;
    }
    if (g_strv_contains(types, TEXT_TYPE)) {
        clipboard_grab(&board.peer, which);
    } else {
        clipboard_release(&board.peer, which);
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void do_release(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    uint32_t which;

    g_variant_get(args, "(u)", &which);
    if (is_client(invocation) && is_selection(which, invocation)) {
        clipboard_release(&board.peer, which);
        board.told[which] = clipboard_serial(which);
        g_dbus_method_invocation_return_value(invocation, NULL);
    }
}

static void do_request(void *opaque, GVariant *args, GDBusMethodInvocation *invocation)
{
    g_autofree const char **types = NULL;
    uint32_t which;

    g_variant_get(args, "(u^a&s)", &which, &types);
    if (!is_client(invocation) || !is_selection(which, invocation)) {
        return;
    }
    if (!g_strv_contains(types, TEXT_TYPE) || !clipboard_owner(which) ||
        clipboard_owner(which) == &board.peer ||
        board.requests->len + board.unread >= REQUESTS_MAX) {
        g_dbus_method_invocation_return_dbus_error(invocation, DBUS_FAILED,
                                                   "nobody has this: there are texts, " TEXT_TYPE);
        return;
    }
    Request *request = g_new(Request, 1);
    *request = (Request){ invocation, which, g_timeout_add(WAIT_MS, waited, request) };
    g_ptr_array_add(board.requests, request);
    clipboard_want(which);
}

static const DbusInterface clipboard_interface = {
    .name = "Clipboard",
    .xml = "<method name='Register'/><method name='Unregister'/>"
           "<method name='Grab'><arg type='u' name='selection'/><arg type='u' name='serial'/>"
           "<arg type='as' name='mimes'/></method>"
           "<method name='Release'><arg type='u' name='selection'/></method>"
           "<method name='Request'><arg type='u' name='selection'/><arg type='as' name='mimes'/>"
           "<arg type='s' name='reply_mime' direction='out'/>"
           "<arg type='ay' name='data' direction='out'/></method>",
    .methods = (const DbusMethod[]){ { "Register", do_register },
                                     { "Unregister", do_unregister },
                                     { "Grab", do_grab },
                                     { "Release", do_release },
                                     { "Request", do_request },
                                     { 0 } },
};

static const DbusInterface *const interfaces[] = { &clipboard_interface, NULL };

/* ---- life ---- */

void dbus_clipboard_forget(void)
{
    if (!board.registered) {
        return;
    }
    board.registered = board.busy = false;
    board.serial++;
    if (board.watch) {
        g_bus_unwatch_name(board.watch);
        board.watch = 0;
    }
    while (board.requests->len) {
        finish(board.requests->pdata[0], NULL);
    }
    memset(board.wanted, 0, sizeof(board.wanted));
    memset(board.due, 0, sizeof(board.due));
    g_clear_pointer(&board.sender, g_free);
    clipboard_remove(&board.peer);
}

void dbus_clipboard_start(void)
{
    board.peer = (ClipboardPeer){ changed, wanted, NULL };
    board.requests = g_ptr_array_new();
    dbus_object_add("Clipboard", interfaces, NULL);
}

void dbus_clipboard_stop(void)
{
    dbus_clipboard_forget();
    g_clear_pointer(&board.requests, g_ptr_array_unref);
}
