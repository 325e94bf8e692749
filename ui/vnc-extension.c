/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two extensions of RFB that viewers of virtual machines have, and LibVNCServer has not: keys by
 * their numbers, whatever the layout of the user's keyboard, and pointers that say how far they
 * moved (the community's rfbproto: "QEMU Extended Key Event", "QEMU Pointer Motion Change").
 */
#include "ui/vnc-internal.h"

#define ENCODING_POINTER (-257)
#define ENCODING_KEYS    (-258)
#define MESSAGE_QEMU     255
#define SUBTYPE_KEY      0

typedef struct __attribute__((packed)) ExtendedKey {
    uint8_t subtype;
    uint16_t down;
    uint32_t keysym, number;
} ExtendedKey;

/* An update with one rectangle, of this encoding and without pixels. */
static rfbBool send_encoding(rfbClientPtr cl, uint16_t x, int32_t encoding)
{
    struct __attribute__((packed)) {
        uint8_t type, pad;
        uint16_t rectangles, x, y, width, height;
        uint32_t encoding;
    } update = { .type = rfbFramebufferUpdate,
                 .rectangles = GUINT16_TO_BE(1),
                 .x = GUINT16_TO_BE(x),
                 .encoding = GUINT32_TO_BE((uint32_t)encoding) };

    return rfbWriteExact(cl, (const char *)&update, sizeof(update)) == 1;
}

static rfbBool for_each_client(rfbClientPtr cl, void **data)
{
    return TRUE;
}

static rfbBool enable(rfbClientPtr cl, void **data, int encoding)
{
    VncClient *c = cl->clientData;

    /* It is told after this message: here LibVNCServer holds a lock that all clients need. */
    if (encoding == ENCODING_KEYS) {
        c->extended_keys = true;
    }
    if (encoding == ENCODING_POINTER) {
        c->pointer_kinds = true;
    }
    return encoding == ENCODING_KEYS || encoding == ENCODING_POINTER;
}

void vnc_extension_tell(VncClient *c)
{
    if (c->extended_keys && !c->told_keys) {
        c->told_keys = true;
        send_encoding(c->cl, 0, ENCODING_KEYS);
    }
    g_mutex_lock(&c->server->lock);
    bool absolute = c->absolute;
    g_mutex_unlock(&c->server->lock);
    if (c->pointer_kinds && (!c->told || c->told_absolute != absolute)) {
        c->told = true;
        c->told_absolute = absolute;
        send_encoding(c->cl, absolute, ENCODING_POINTER);
    }
}

/* Numbers are scan codes of set 1, with 0xe0 or bit 7 for the prefix: here bit 7. */
static rfbBool message(rfbClientPtr cl, void *data, const rfbClientToServerMsg *msg)
{
    VncClient *c = cl->clientData;
    ExtendedKey key;

    if (msg->type != MESSAGE_QEMU) {
        return FALSE;
    }
    if (rfbReadExact(cl, (char *)&key, sizeof(key)) != 1) {
        rfbCloseClient(cl);
        return TRUE;
    }
    uint32_t number = GUINT32_FROM_BE(key.number);
    if (key.subtype != SUBTYPE_KEY) {
        rfbCloseClient(cl); /* sound, whose length nobody here knows */
        return TRUE;
    }
    VncEvent event = { c, VNC_EVENT_KEY, .down = key.down != 0, .code = number };
    if (!number) { /* the viewer does not know it either */
        event.kind = VNC_EVENT_KEYSYM;
        event.code = GUINT32_FROM_BE(key.keysym);
    }
    vnc_event_send(&event);
    return TRUE;
}

/* LibVNCServer 0.9.14 forgets to. */
void vnc_extension_free(VncClient *c)
{
    while (c->cl->extensions) {
        rfbExtensionData *first = c->cl->extensions;

        c->cl->extensions = first->next;
        free(first);
    }
}

void vnc_extension_register(void)
{
    static int encodings[] = { ENCODING_POINTER, ENCODING_KEYS, 0 };
    static rfbProtocolExtension extension = { .newClient = for_each_client,
                                              .pseudoEncodings = encodings,
                                              .enablePseudoEncoding = enable,
                                              .handleMessage = message };

    rfbRegisterProtocolExtension(&extension);
}
