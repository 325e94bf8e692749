/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clipboards: texts that a user copies on one side (the guest, a viewer) and pastes on another. Of
 * each selection one peer is the owner, and has a text, which it is asked for when somebody wants
 * it. The others are told from the main loop, once for all that changed meanwhile, however often.
 *
 * Machine lock for everything.
 */
#ifndef UI_CLIPBOARD_H
#define UI_CLIPBOARD_H

#include <glib.h>
#include <stdbool.h>

#define CLIPBOARD_TEXT_MAX (1u << 20) /* bytes */

typedef enum ClipboardSelection {
    CLIPBOARD_CLIPBOARD, /* what is copied */
    CLIPBOARD_PRIMARY,   /* what is selected */
    CLIPBOARD_SECONDARY,
    CLIPBOARD_SELECTIONS,
} ClipboardSelection;

/* The functions are called on the main thread, and may be NULL. */
typedef struct ClipboardPeer {
    /* The selection has another owner or none, or its text is there. */
    void (*changed)(void *opaque, ClipboardSelection selection);
    /* It owns the selection, and is to call clipboard_set_text(), now or later. */
    void (*wanted)(void *opaque, ClipboardSelection selection);
    void *opaque;
} ClipboardPeer;

/* @peer, borrowed until it is removed, is told of changes from now on. */
void clipboard_add(const ClipboardPeer *peer);
/* What it owns is nobody's. Harmless if it is none. */
void clipboard_remove(const ClipboardPeer *peer);

/* @peer has a text from now on. */
void clipboard_grab(const ClipboardPeer *peer, ClipboardSelection selection);
/* Nobody has one any more, if @peer had. */
void clipboard_release(const ClipboardPeer *peer, ClipboardSelection selection);
/* This is the text of its owner @peer; false: @peer is not, or it is longer than
 * CLIPBOARD_TEXT_MAX, or no UTF-8. */
bool clipboard_set_text(const ClipboardPeer *peer, ClipboardSelection selection, const char *text,
                        size_t size);

/* NULL: nobody. Borrowed. */
const ClipboardPeer *clipboard_owner(ClipboardSelection selection);
/* Another number, whenever it was grabbed or released. */
unsigned clipboard_serial(ClipboardSelection selection);
/* NULL: there is none, or none that is known. Borrowed. */
GBytes *clipboard_text(ClipboardSelection selection);
/* Ask the owner for the text, if it is not known; changed() is called when it is there, and in any
 * case if it is known. */
void clipboard_want(ClipboardSelection selection);

#endif
