/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/vdagent.h"

#include <spice/vd_agent.h>
#include <string.h>

#include "qapi/qapi-types.h"
#include "ui/clipboard.h"

enum {
    MOVES_MAX = 4096, /* bytes that may wait, that a place of the pointer is put behind */
    BODY_MAX = CLIPBOARD_TEXT_MAX + 64,
    SELECTION_SIZE = 4,
};

struct VdAgent {
    const VdAgentHost *host;
    bool mouse, clipboard; /* what we ask for */
    ClipboardPeer peer;

    bool open, broken;
    uint32_t caps; /* the agent's, of which the first 32 count */
    bool known;    /* it has told them */

    /* what comes: chunks, whose contents, put together, are messages */
    uint8_t chunk[sizeof(VDIChunkHeader)];
    unsigned chunk_got;
    uint32_t chunk_left;
    uint8_t head[sizeof(VDAgentMessage)];
    unsigned head_got;
    uint64_t body_left; /* of the message */
    GByteArray *body;   /* too long ones are not kept */

    GByteArray *out;
    guint given; /* bytes at its beginning that the guest has */
    VDAgentMouseState state;
    bool moved;                          /* `state` is not sent yet */
    bool asked[CLIPBOARD_SELECTIONS];    /* the agent waits for our text */
    bool wanted[CLIPBOARD_SELECTIONS];   /* we wait for its text */
    unsigned told[CLIPBOARD_SELECTIONS]; /* the serial of what it knows; 0: nothing */
};

static bool has_cap(const VdAgent *a, unsigned cap)
{
    return a->caps >> cap & 1;
}

/* Does it take part in the clipboard? */
static bool shares(const VdAgent *a)
{
    return a->clipboard && a->open && a->known && has_cap(a, VD_AGENT_CAP_CLIPBOARD_BY_DEMAND);
}

/* ---- output ---- */

static guint pending(const VdAgent *a)
{
    return a->out->len - a->given;
}

/* False: there is no room, and it is not said. */
static bool send_message(VdAgent *a, uint32_t port, uint32_t type, const void *data, size_t size)
{
    g_autoptr(GByteArray) whole = g_byte_array_sized_new((guint)(sizeof(VDAgentMessage) + size));
    VDAgentMessage head = { .protocol = GUINT32_TO_LE(VD_AGENT_PROTOCOL),
                            .type = GUINT32_TO_LE(type),
                            .size = GUINT32_TO_LE((uint32_t)size) };

    if (pending(a) + size > VDAGENT_OUTPUT_MAX) {
        return false;
    }
    g_byte_array_append(whole, (const uint8_t *)&head, sizeof(head));
    if (size) {
        g_byte_array_append(whole, data, (guint)size);
    }
    for (guint at = 0; at < whole->len;) {
        uint32_t part = MIN(whole->len - at, VD_AGENT_MAX_DATA_SIZE);
        VDIChunkHeader chunk = { GUINT32_TO_LE(port), GUINT32_TO_LE(part) };

        g_byte_array_append(a->out, (const uint8_t *)&chunk, sizeof(chunk));
        g_byte_array_append(a->out, whole->data + at, part);
        at += part;
    }
    a->host->has_output(a->host->opaque);
    return true;
}

static void send_caps(VdAgent *a, bool request)
{
    uint32_t words[2] = { request, 0 };

    words[1] |= a->mouse ? 1u << VD_AGENT_CAP_MOUSE_STATE : 0;
    words[1] |= a->clipboard ? 1u << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND |
                                   1u << VD_AGENT_CAP_CLIPBOARD_SELECTION
                             : 0;
    words[0] = GUINT32_TO_LE(words[0]);
    words[1] = GUINT32_TO_LE(words[1]);
    send_message(a, VDP_CLIENT_PORT, VD_AGENT_ANNOUNCE_CAPABILITIES, words, sizeof(words));
}

/* A message about a selection: its number, if the agent knows more than one, then @type, if it is
 * not VD_AGENT_CLIPBOARD_NONE, then @data. */
static void send_selection(VdAgent *a, uint32_t message, ClipboardSelection which, uint32_t type,
                           GBytes *data)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    const uint8_t selection[SELECTION_SIZE] = { (uint8_t)which };
    gsize size = 0;
    const uint8_t *bytes = data ? g_bytes_get_data(data, &size) : NULL;

    if (has_cap(a, VD_AGENT_CAP_CLIPBOARD_SELECTION)) {
        g_byte_array_append(body, selection, sizeof(selection));
    } else if (which != CLIPBOARD_CLIPBOARD) {
        return;
    }
    if (type != VD_AGENT_CLIPBOARD_NONE) {
        uint32_t number = GUINT32_TO_LE(type);

        g_byte_array_append(body, (const uint8_t *)&number, sizeof(number));
    }
    if (size) {
        g_byte_array_append(body, bytes, (guint)size);
    }
    send_message(a, VDP_CLIENT_PORT, message, body->data, body->len);
}

const uint8_t *vdagent_output(const VdAgent *a, size_t *size)
{
    *size = pending(a);
    return *size ? a->out->data + a->given : NULL;
}

static void send_state(VdAgent *a)
{
    a->moved = false;
    send_message(a, VDP_SERVER_PORT, VD_AGENT_MOUSE_STATE, &a->state, sizeof(a->state));
}

void vdagent_output_taken(VdAgent *a, size_t size)
{
    /* The rest is moved seldom: the guest may take a byte at a time. */
    a->given += (guint)size;
    if (a->given >= pending(a)) {
        g_byte_array_remove_range(a->out, 0, a->given);
        a->given = 0;
    }
    if (a->moved && pending(a) < MOVES_MAX) {
        send_state(a);
    }
}

static const uint32_t button_bits[INPUT_BUTTON__MAX] = {
    [INPUT_BUTTON_LEFT] = VD_AGENT_LBUTTON_MASK,
    [INPUT_BUTTON_MIDDLE] = VD_AGENT_MBUTTON_MASK,
    [INPUT_BUTTON_RIGHT] = VD_AGENT_RBUTTON_MASK,
    [INPUT_BUTTON_WHEEL_UP] = VD_AGENT_UBUTTON_MASK,
    [INPUT_BUTTON_WHEEL_DOWN] = VD_AGENT_DBUTTON_MASK,
    [INPUT_BUTTON_SIDE] = VD_AGENT_SBUTTON_MASK,
    [INPUT_BUTTON_EXTRA] = VD_AGENT_EBUTTON_MASK,
};

void vdagent_move(VdAgent *a, uint32_t x, uint32_t y, unsigned buttons)
{
    uint32_t bits = 0;

    for (unsigned i = 0; i < INPUT_BUTTON__MAX; i++) {
        bits |= buttons >> i & 1 ? button_bits[i] : 0;
    }
    if (!a->open || !has_cap(a, VD_AGENT_CAP_MOUSE_STATE)) {
        return;
    }
    a->state = (VDAgentMouseState){ GUINT32_TO_LE(x), GUINT32_TO_LE(y), GUINT32_TO_LE(bits), 0 };
    a->moved = true;
    if (pending(a) < MOVES_MAX) {
        send_state(a);
    }
}

/* ---- the clipboard, from others ---- */

static void clipboard_changed(void *opaque, ClipboardSelection which)
{
    VdAgent *a = opaque;
    const ClipboardPeer *owner = clipboard_owner(which);
    GBytes *text = clipboard_text(which);

    if (owner == &a->peer || !shares(a)) {
        return;
    }
    if (a->asked[which] && (text || !owner)) {
        a->asked[which] = false;
        send_selection(a, VD_AGENT_CLIPBOARD, which,
                       text ? VD_AGENT_CLIPBOARD_UTF8_TEXT : VD_AGENT_CLIPBOARD_NONE, text);
    }
    if (a->told[which] == clipboard_serial(which)) {
        return;
    }
    a->told[which] = clipboard_serial(which);
    if (owner) {
        send_selection(a, VD_AGENT_CLIPBOARD_GRAB, which, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
    } else {
        send_selection(a, VD_AGENT_CLIPBOARD_RELEASE, which, VD_AGENT_CLIPBOARD_NONE, NULL);
    }
}

static void clipboard_wanted(void *opaque, ClipboardSelection which)
{
    VdAgent *a = opaque;

    a->wanted[which] = true;
    send_selection(a, VD_AGENT_CLIPBOARD_REQUEST, which, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
}

/* ---- messages ---- */

/* What of a message has not been looked at. */
typedef struct Body {
    const uint8_t *data;
    size_t size;
} Body;

static bool take_word(Body *body, uint32_t *word)
{
    if (body->size < sizeof(*word)) {
        return false;
    }
    memcpy(word, body->data, sizeof(*word));
    *word = GUINT32_FROM_LE(*word);
    body->data += sizeof(*word);
    body->size -= sizeof(*word);
    return true;
}

/* The number of a selection is a byte and three that say nothing. */
static bool take_selection(const VdAgent *a, Body *body, ClipboardSelection *which)
{
    uint32_t word = CLIPBOARD_CLIPBOARD;

    if (has_cap(a, VD_AGENT_CAP_CLIPBOARD_SELECTION) && !take_word(body, &word)) {
        return false;
    }
    word &= 0xff;
    *which = (ClipboardSelection)word;
    return word < CLIPBOARD_SELECTIONS;
}

/* Those who were there before it. */
static void show_selections(VdAgent *a)
{
    for (unsigned which = 0; which < CLIPBOARD_SELECTIONS; which++) {
        if (clipboard_owner(which) && clipboard_owner(which) != &a->peer) {
            clipboard_changed(a, which);
        }
    }
}

static void got_caps(VdAgent *a, Body body)
{
    uint32_t request, caps = 0;
    bool had = has_cap(a, VD_AGENT_CAP_MOUSE_STATE), first = !a->known;

    if (!take_word(&body, &request)) {
        return;
    }
    take_word(&body, &caps);
    a->caps = caps;
    a->known = true;
    if (request) {
        send_caps(a, false);
    }
    if (a->mouse && had != has_cap(a, VD_AGENT_CAP_MOUSE_STATE)) {
        a->host->mouse(a->host->opaque, !had);
    }
    if (first && shares(a)) {
        show_selections(a);
    }
}

/* It knows that. */
static void release(VdAgent *a, ClipboardSelection which)
{
    if (clipboard_owner(which) == &a->peer) {
        clipboard_release(&a->peer, which);
        a->told[which] = clipboard_serial(which);
    }
}

static void got_grab(VdAgent *a, Body body)
{
    ClipboardSelection which;
    uint32_t type;

    if (!shares(a) || !take_selection(a, &body, &which)) {
        return;
    }
    while (take_word(&body, &type)) {
        if (type == VD_AGENT_CLIPBOARD_UTF8_TEXT) {
            a->asked[which] = false;
            clipboard_grab(&a->peer, which);
            return;
        }
    }
    release(a, which); /* it has something, which is no text */
}

static void got_release(VdAgent *a, Body body)
{
    ClipboardSelection which;

    if (shares(a) && take_selection(a, &body, &which)) {
        release(a, which);
    }
}

static void got_request(VdAgent *a, Body body)
{
    ClipboardSelection which;
    uint32_t type;

    if (!shares(a) || !take_selection(a, &body, &which) || !take_word(&body, &type)) {
        return;
    }
    if (type != VD_AGENT_CLIPBOARD_UTF8_TEXT || !clipboard_owner(which) ||
        clipboard_owner(which) == &a->peer) {
        send_selection(a, VD_AGENT_CLIPBOARD, which, VD_AGENT_CLIPBOARD_NONE, NULL);
        return;
    }
    a->asked[which] = true;
    clipboard_want(which);
}

static void got_text(VdAgent *a, Body body)
{
    ClipboardSelection which;
    uint32_t type;

    if (!shares(a) || !take_selection(a, &body, &which) || !take_word(&body, &type) ||
        !a->wanted[which]) {
        return;
    }
    a->wanted[which] = false;
    if (type == VD_AGENT_CLIPBOARD_UTF8_TEXT) {
        clipboard_set_text(&a->peer, which, (const char *)body.data, body.size);
    }
}

static const struct {
    uint32_t type;
    void (*got)(VdAgent *a, Body body);
} messages[] = {
    { VD_AGENT_ANNOUNCE_CAPABILITIES, got_caps },
    { VD_AGENT_CLIPBOARD_GRAB, got_grab },
    { VD_AGENT_CLIPBOARD_RELEASE, got_release },
    { VD_AGENT_CLIPBOARD_REQUEST, got_request },
    { VD_AGENT_CLIPBOARD, got_text },
};

static void got_message(VdAgent *a)
{
    VDAgentMessage head;

    memcpy(&head, a->head, sizeof(head));
    for (unsigned i = 0; i < G_N_ELEMENTS(messages); i++) {
        if (messages[i].type == GUINT32_FROM_LE(head.type)) {
            messages[i].got(a, (Body){ a->body->data, a->body->len });
        }
    }
}

/* ---- input ---- */

/* Copy what is missing of @size bytes to @to, of which there are *@got. True: all are there. */
static bool fill(uint8_t *to, unsigned size, unsigned *got, const uint8_t **data, size_t *left)
{
    unsigned part = (unsigned)MIN(size - *got, *left);

    memcpy(to + *got, *data, part);
    *got += part;
    *data += part;
    *left -= part;
    return *got == size;
}

static void begin_body(VdAgent *a)
{
    VDAgentMessage head;

    memcpy(&head, a->head, sizeof(head));
    a->broken = GUINT32_FROM_LE(head.protocol) != VD_AGENT_PROTOCOL;
    a->body_left = GUINT32_FROM_LE(head.size);
    g_byte_array_set_size(a->body, 0);
}

static void end_body(VdAgent *a)
{
    VDAgentMessage head;

    memcpy(&head, a->head, sizeof(head));
    a->head_got = 0;
    if (GUINT32_FROM_LE(head.size) <= BODY_MAX) {
        got_message(a);
    }
    g_byte_array_set_size(a->body, 0);
}

/* Contents of chunks. */
static void take_contents(VdAgent *a, const uint8_t *data, size_t left)
{
    while (left && !a->broken) {
        if (a->head_got < sizeof(a->head)) {
            if (!fill(a->head, sizeof(a->head), &a->head_got, &data, &left)) {
                return;
            }
            begin_body(a);
        }
        size_t part = MIN(a->body_left, left);
        if (part && a->body->len + a->body_left <= BODY_MAX) {
            g_byte_array_append(a->body, data, (guint)part);
        }
        data += part;
        left -= part;
        a->body_left -= part;
        if (!a->body_left && !a->broken) {
            end_body(a);
        }
    }
}

static void begin_chunk(VdAgent *a)
{
    VDIChunkHeader chunk;

    memcpy(&chunk, a->chunk, sizeof(chunk));
    a->chunk_left = GUINT32_FROM_LE(chunk.size);
    a->broken = GUINT32_FROM_LE(chunk.port) == 0 || GUINT32_FROM_LE(chunk.port) >= VDP_END_PORT;
}

void vdagent_input(VdAgent *a, const uint8_t *data, size_t size)
{
    while (size && a->open && !a->broken) {
        if (a->chunk_got < sizeof(a->chunk)) {
            if (!fill(a->chunk, sizeof(a->chunk), &a->chunk_got, &data, &size)) {
                return;
            }
            begin_chunk(a);
        }
        size_t part = MIN(a->chunk_left, size);
        if (!a->broken) {
            take_contents(a, data, part);
        }
        data += part;
        size -= part;
        a->chunk_left -= (uint32_t)part;
        if (!a->chunk_left) {
            a->chunk_got = 0;
        }
    }
}

/* ---- life ---- */

void vdagent_set_open(VdAgent *a, bool open)
{
    if (a->open) {
        clipboard_remove(&a->peer);
        if (a->mouse && has_cap(a, VD_AGENT_CAP_MOUSE_STATE)) {
            a->host->mouse(a->host->opaque, false);
        }
    }
    a->open = open;
    a->broken = a->known = a->moved = false;
    a->caps = 0;
    a->chunk_got = a->head_got = 0;
    a->chunk_left = 0;
    a->body_left = 0;
    memset(a->asked, 0, sizeof(a->asked));
    memset(a->wanted, 0, sizeof(a->wanted));
    memset(a->told, 0, sizeof(a->told));
    g_byte_array_set_size(a->body, 0);
    g_byte_array_set_size(a->out, 0);
    a->given = 0;
    if (open) {
        clipboard_add(&a->peer);
        send_caps(a, true);
    }
}

VdAgent *vdagent_new(bool mouse, bool clipboard, const VdAgentHost *host)
{
    VdAgent *a = g_new0(VdAgent, 1);

    a->host = host;
    a->mouse = mouse;
    a->clipboard = clipboard;
    a->peer = (ClipboardPeer){ clipboard_changed, clipboard_wanted, a };
    a->body = g_byte_array_new();
    a->out = g_byte_array_new();
    return a;
}

void vdagent_free(VdAgent *a)
{
    if (a) {
        vdagent_set_open(a, false);
        g_byte_array_unref(a->body);
        g_byte_array_unref(a->out);
        g_free(a);
    }
}
