/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ccid-card-passthru: a card that another program has (vscclient, a SPICE client), by the vscard
 * protocol on a chardev: messages with a head of three big-endian words, type, reader and length.
 * Machine lock for everything.
 */
#include <string.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/core/save-check.h"
#include "hw/usb/ccid.h"
#include "util/error.h"

#define TYPE_CCID_PASSTHRU "ccid-card-passthru"

enum { INIT = 1, ERROR, READER_ADD, READER_REMOVE, ATR, CARD_REMOVE, APDU };
enum { SUCCESS = 0, GENERAL_ERROR = 1, NO_MORE_READERS = 2 };
enum { HEAD = 12, BODY_MAX = 1024, ATR_MIN = 2, VERSION = 2, UNSENT_MAX = 64 << 10 };
#define NO_READER 0xffffffffu

typedef struct CcidPassthru {
    CcidCard parent;
    /* configuration */
    char *chardev;
    /* wiring: what is here is the other side's, and a machine with its card is not saved */
    CharFrontend fe;
    uint8_t message[HEAD + BODY_MAX];
    unsigned size;
    unsigned skip; /* bytes of one that is too long */
    bool has_reader;
} CcidPassthru;
OBJECT_CAST_DEFINE(CcidPassthru, CCID_PASSTHRU, TYPE_CCID_PASSTHRU)

static void send(CcidPassthru *s, uint32_t type, uint32_t reader, const void *body, uint32_t size)
{
    const uint32_t head[] = { GUINT32_TO_BE(type), GUINT32_TO_BE(reader), GUINT32_TO_BE(size) };

    char_write(&s->fe, head, sizeof(head));
    if (size) {
        char_write(&s->fe, body, size);
    }
}

static void send_result(CcidPassthru *s, uint32_t reader, uint32_t code)
{
    code = GUINT32_TO_BE(code);
    send(s, ERROR, reader, &code, sizeof(code));
}

static void send_hello(CcidPassthru *s)
{
    const uint32_t version = GUINT32_TO_BE(VERSION);
    uint8_t body[12] = "VSCD";

    memcpy(body + 4, &version, sizeof(version));
    send(s, INIT, NO_READER, body, sizeof(body));
}

static uint32_t word_at(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static void take_message(CcidPassthru *s)
{
    const uint8_t *body = s->message + HEAD;
    unsigned size = s->size - HEAD;

    switch (word_at(s->message)) {
    case INIT:
        send_hello(s);
        break;
    case READER_ADD:
        send_result(s, s->has_reader ? NO_READER : 0, s->has_reader ? NO_MORE_READERS : SUCCESS);
        s->has_reader = true;
        break;
    case READER_REMOVE:
        ccid_card_present(&s->parent, NULL, 0);
        send_result(s, 0, s->has_reader ? SUCCESS : GENERAL_ERROR);
        s->has_reader = false;
        break;
    case ATR:
        if (s->has_reader && size >= ATR_MIN && size <= CCID_ATR_MAX) {
            ccid_card_present(&s->parent, body, size);
        } else {
            send_result(s, 0, GENERAL_ERROR);
        }
        break;
    case CARD_REMOVE:
        ccid_card_present(&s->parent, NULL, 0);
        send_result(s, 0, SUCCESS);
        break;
    case APDU:
        ccid_card_answer(&s->parent, body, size);
        break;
    default: /* those that it answers itself, or that nobody knows */
        break;
    }
}

/* Who does not take what is answered asks no more. */
static int can_receive(void *opaque)
{
    const CcidPassthru *s = opaque;

    return char_unsent(&s->fe) <= UNSENT_MAX ? BODY_MAX : 0;
}

static void receive(void *opaque, const uint8_t *bytes, int count)
{
    CcidPassthru *s = opaque;

    for (int i = 0; i < count; i++) {
        uint32_t length;

        if (s->skip) {
            s->skip--;
            continue;
        }
        s->message[s->size++] = bytes[i];
        length = s->size >= HEAD ? word_at(s->message + 8) : 0;
        if (s->size == HEAD && length > BODY_MAX) {
            s->skip = length;
            s->size = 0;
        } else if (s->size >= HEAD && s->size == HEAD + length) {
            take_message(s);
            s->size = 0;
        }
    }
}

static void event(void *opaque, CharEvent event)
{
    CcidPassthru *s = opaque;

    if (event == CHAR_EVENT_CLOSED) {
        ccid_card_present(&s->parent, NULL, 0);
        s->has_reader = false;
        s->size = s->skip = 0;
    }
}

static void command(CcidCard *card, const uint8_t *data, unsigned size)
{
    static const uint8_t failed[] = { 0x6f, 0x00 };
    CcidPassthru *s = CCID_PASSTHRU(card);

    if (char_unsent(&s->fe) > UNSENT_MAX) { /* the other side does not keep up */
        ccid_card_answer(card, failed, sizeof(failed));
        return;
    }
    send(s, APDU, 0, data, size);
}

/* ---- life ---- */

static bool check_save(void *opaque, GError **errp)
{
    const CcidPassthru *s = opaque;

    if (s->parent.atr_size) {
        error_set(errp, "the reader has a card of another program: take it out first");
        return false;
    }
    return true;
}

static bool passthru_realize(Device *dev, GError **errp)
{
    CcidPassthru *s = CCID_PASSTHRU(dev);
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : NULL;

    if (!chr) {
        error_set(errp,
                  "chardev '%s' not found; a ccid-card-passthru needs one: -chardev ...,id=ID",
                  s->chardev ? s->chardev : "");
        return false;
    }
    s->fe = (CharFrontend){ .can_receive = can_receive,
                            .receive = receive,
                            .event = event,
                            .opaque = s,
                            .keep_output = true };
    if (!char_attach(chr, &s->fe, errp)) {
        return false;
    }
    save_check_add(check_save, s);
    return true;
}

static void passthru_unrealize(Device *dev)
{
    CcidPassthru *s = CCID_PASSTHRU(dev);

    save_check_remove(check_save, s);
    char_detach(&s->fe);
    s->has_reader = false;
    s->size = s->skip = 0;
}

static const CcidCardClass passthru_ops = {
    .device = { .category = "input",
                .bus = TYPE_CCID_BUS,
                .flags = DEVICE_USER_CREATABLE,
                .realize = passthru_realize,
                .unrealize = passthru_unrealize },
    .command = command,
};

static const Property passthru_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(CcidPassthru, chardev),
      .description = "id of the character device to the program that has the card" },
    { 0 },
};

static const ObjectType passthru_type = {
    .name = TYPE_CCID_PASSTHRU,
    .parent = TYPE_CCID_CARD,
    .description = "a smart card of another program",
    .instance_size = sizeof(CcidPassthru),
    .properties = passthru_properties,
    .ops = &passthru_ops,
};
OBJECT_TYPE_REGISTER(passthru_type)
