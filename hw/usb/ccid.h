/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-ccid: a reader of smart cards (USB CCID 1.1) with one slot, and the cards that are put on its
 * bus. A command of the host's (APDU) goes to the card, which answers when it can. Machine lock for
 * everything.
 */
#ifndef HW_USB_CCID_H
#define HW_USB_CCID_H

#include "hw/core/bus.h"

#define TYPE_USB_CCID  "usb-ccid"
#define TYPE_CCID_BUS  "ccid-bus"
#define TYPE_CCID_CARD "ccid-card"
#define CCID_APDU_MAX  261u /* bytes of a command, and of an answer */
#define CCID_ATR_MAX   40u

typedef struct CcidCard {
    Device parent;
    /* wiring */
    struct UsbCcid *reader; /* NULL: it is in none */
    uint8_t atr[CCID_ATR_MAX];
    unsigned atr_size; /* 0: there is nothing in the slot */
} CcidCard;
OBJECT_CAST_DEFINE(CcidCard, CCID_CARD, TYPE_CCID_CARD)

/* What kinds of cards define, as their ops. */
typedef struct CcidCardClass {
    DeviceClass device;
    /* A command of @size bytes, to be answered by ccid_card_answer(), at once or later. */
    void (*command)(CcidCard *card, const uint8_t *data, unsigned size);
} CcidCardClass;

/* It is in the slot, and this is what it says when it is powered; or, if @size is 0, it is gone. */
void ccid_card_present(CcidCard *card, const uint8_t *atr, unsigned size);
/* The answer to its command. */
void ccid_card_answer(CcidCard *card, const uint8_t *data, unsigned size);

#endif
