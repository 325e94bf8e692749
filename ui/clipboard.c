/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/clipboard.h"

typedef struct Selection {
    const ClipboardPeer *owner; /* NULL: nobody */
    unsigned serial;            /* counts owners */
    GBytes *text;               /* owned; NULL: not known */
    bool wanted;                /* the owner is to be asked */
    bool asked;                 /* it was */
    bool changed;               /* peers are to be told */
} Selection;

static Selection selections[CLIPBOARD_SELECTIONS];
static GPtrArray *peers; /* of ClipboardPeer *, borrowed */
static guint due;        /* a source that tells peers; 0: nothing to tell */

static void tell_changed(ClipboardSelection which)
{
    g_autoptr(GPtrArray) all = g_ptr_array_copy(peers, NULL, NULL);

    selections[which].changed = false;
    for (unsigned i = 0; i < all->len; i++) {
        const ClipboardPeer *peer = all->pdata[i];

        if (peer->changed && g_ptr_array_find(peers, peer, NULL)) {
            peer->changed(peer->opaque, which);
        }
    }
}

static void ask(ClipboardSelection which)
{
    Selection *s = &selections[which];

    s->wanted = false;
    if (s->owner && s->owner->wanted && !s->text && !s->asked) {
        s->asked = true;
        s->owner->wanted(s->owner->opaque, which);
    }
}

static gboolean tell(gpointer opaque)
{
    due = 0;
    for (unsigned which = 0; which < CLIPBOARD_SELECTIONS; which++) {
        if (selections[which].wanted) {
            ask(which);
        }
        if (selections[which].changed) {
            tell_changed(which);
        }
    }
    return G_SOURCE_REMOVE;
}

static void tell_later(void)
{
    if (!due) {
        due = g_idle_add_full(G_PRIORITY_DEFAULT, tell, NULL, NULL);
    }
}

static void set_owner(ClipboardSelection which, const ClipboardPeer *peer)
{
    Selection *s = &selections[which];

    s->owner = peer;
    s->serial++;
    g_clear_pointer(&s->text, g_bytes_unref);
    s->wanted = s->asked = false;
    s->changed = true;
    tell_later();
}

void clipboard_add(const ClipboardPeer *peer)
{
    if (!peers) {
        peers = g_ptr_array_new();
    }
    g_ptr_array_add(peers, (gpointer)peer);
}

void clipboard_remove(const ClipboardPeer *peer)
{
    for (unsigned which = 0; which < CLIPBOARD_SELECTIONS; which++) {
        clipboard_release(peer, which);
    }
    if (peers) {
        g_ptr_array_remove(peers, (gpointer)peer);
    }
}

void clipboard_grab(const ClipboardPeer *peer, ClipboardSelection which)
{
    set_owner(which, peer);
}

void clipboard_release(const ClipboardPeer *peer, ClipboardSelection which)
{
    if (selections[which].owner == peer) {
        set_owner(which, NULL);
    }
}

bool clipboard_set_text(const ClipboardPeer *peer, ClipboardSelection which, const char *text,
                        size_t size)
{
    Selection *s = &selections[which];

    if (s->owner != peer || size > CLIPBOARD_TEXT_MAX || !g_utf8_validate_len(text, size, NULL)) {
        return false;
    }
    g_clear_pointer(&s->text, g_bytes_unref);
    s->text = g_bytes_new(text, size);
    s->changed = true;
    tell_later();
    return true;
}

const ClipboardPeer *clipboard_owner(ClipboardSelection which)
{
    return selections[which].owner;
}

unsigned clipboard_serial(ClipboardSelection which)
{
    return selections[which].serial;
}

GBytes *clipboard_text(ClipboardSelection which)
{
    return selections[which].text;
}

void clipboard_want(ClipboardSelection which)
{
    Selection *s = &selections[which];

    if (s->text) {
        s->changed = true;
    } else {
        s->wanted = true;
    }
    tell_later();
}
