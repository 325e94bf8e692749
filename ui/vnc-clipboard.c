/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts that clients of VNC servers copy and paste. In this protocol they are Latin-1, and go to
 * the other side at once: what others copy is asked for as soon as it is there, while there are
 * clients.
 */
#include <string.h>

#include "ui/vnc-internal.h"

static char *to_utf8(const char *text, size_t size, size_t *length)
{
    GString *out = g_string_sized_new(size);

    for (size_t i = 0; i < size; i++) {
        g_string_append_unichar(out, (uint8_t)text[i]);
    }
    *length = out->len;
    return g_string_free(out, FALSE);
}

/* What it does not have becomes '?'. */
static GBytes *to_latin1(GBytes *text)
{
    gsize size;
    const char *from = g_bytes_get_data(text, &size), *end = from + size;
    GByteArray *out = g_byte_array_sized_new((guint)size);

    for (; from < end; from = g_utf8_next_char(from)) {
        gunichar c = g_utf8_get_char(from);
        uint8_t byte = c < 0x100 ? (uint8_t)c : '?';

        g_byte_array_append(out, &byte, 1);
    }
    return g_byte_array_free_to_bytes(out);
}

/* ---- from clients ---- */

void vnc_clipboard_take(VncClient *client)
{
    VncServer *server = client->server;
    g_autoptr(GBytes) copied = NULL;
    size_t length;
    gsize size;

    g_mutex_lock(&server->lock);
    copied = g_steal_pointer(&client->copied);
    g_mutex_unlock(&server->lock);
    const char *text = g_bytes_get_data(copied, &size);
    g_autofree char *utf8 = to_utf8(text, size, &length);
    if (length <= CLIPBOARD_TEXT_MAX) {
        clipboard_grab(&server->peer, CLIPBOARD_CLIPBOARD);
        clipboard_set_text(&server->peer, CLIPBOARD_CLIPBOARD, utf8, length);
    }
}

/* ---- to clients ---- */

static void changed(void *opaque, ClipboardSelection which)
{
    VncServer *server = opaque;
    GBytes *text = clipboard_text(which);

    if (which != CLIPBOARD_CLIPBOARD || !server->clients->len || !clipboard_owner(which) ||
        clipboard_owner(which) == &server->peer || server->cut_of == clipboard_serial(which)) {
        return;
    }
    if (!text) {
        clipboard_want(which);
        return;
    }
    server->cut_of = clipboard_serial(which);
    g_mutex_lock(&server->lock);
    g_clear_pointer(&server->cut, g_bytes_unref);
    server->cut = to_latin1(text);
    server->cut_serial++;
    for (unsigned i = 0; i < server->clients->len; i++) {
        vnc_client_wake(server->clients->pdata[i]);
    }
    g_mutex_unlock(&server->lock);
}

/* One that comes hears what is copied later. */
void vnc_clipboard_tell(VncClient *client)
{
    VncServer *server = client->server;
    g_autoptr(GBytes) text = NULL;

    g_mutex_lock(&server->lock);
    if (client->cut_serial != server->cut_serial) {
        client->cut_serial = server->cut_serial;
        text = g_bytes_ref(server->cut);
    }
    g_mutex_unlock(&server->lock);
    if (text) {
        gsize size;
        const char *data = g_bytes_get_data(text, &size);

        rfbSendServerCutText(client->screen, (char *)data, (int)size);
    }
}

void vnc_clipboard_init(VncServer *server)
{
    server->peer = (ClipboardPeer){ .changed = changed, .opaque = server };
    clipboard_add(&server->peer);
}

void vnc_clipboard_clear(VncServer *server)
{
    clipboard_remove(&server->peer);
    g_clear_pointer(&server->cut, g_bytes_unref);
}
