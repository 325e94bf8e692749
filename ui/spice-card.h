/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Graphics cards that speak SPICE's own language (QXL): while such a card's guest draws by
 * commands, the display of its console is the card's. The library's thread fetches them from the
 * card, draws them where the card says, and sends them to clients. Else the display shows the
 * console's pixels, as any other.
 *
 * Without -spice there is a server that listens nowhere, from the first time on that a card needs
 * one: it draws.
 */
#ifndef UI_SPICE_CARD_H
#define UI_SPICE_CARD_H

#include <spice.h>
#include <stdbool.h>

#include "qom/object.h"

/* Of addresses: every address in a card's commands is one of the program. */
#define SPICE_CARD_GROUP 1

typedef struct SpiceCardOps {
    /* ---- on the library's thread, without the machine lock: they must not wait for it ---- */

    /* The next command, of SPICE_CARD_GROUP; false: there is none now. The id of its QXLReleaseInfo
     * comes back by release(). */
    bool (*get_command)(void *opaque, QXLCommandExt *ext);
    bool (*get_cursor)(void *opaque, QXLCommandExt *ext);
    /* There is none: spice_qxl_wakeup() is to come when there is. False: there is one. */
    bool (*wait_command)(void *opaque);
    bool (*wait_cursor)(void *opaque);
    void (*release)(void *opaque, uint64_t id);
    void (*notify_update)(void *opaque, uint32_t id);
    void (*async_complete)(void *opaque, uint64_t cookie);
    void (*client)(void *opaque, bool present, const uint8_t caps[SPICE_CAPABILITIES_SIZE]);

    /* ---- on the main thread ---- */

    /* A client would like these sizes (NULL: would it be heard?). False: nobody hears it. */
    bool (*monitors)(void *opaque, const VDAgentMonitorsConfig *config);
    /* The display that was taken is gone, and nothing comes from the library any more. */
    void (*lost)(void *opaque);
} SpiceCardOps;

typedef struct SpiceCard {
    const Object *device; /* whose console 0 it is */
    const SpiceCardOps *ops;
    void *opaque;
    uint32_t surfaces; /* ids from 0 on, before that */
} SpiceCard;

/* For a device that makes its console afterwards; @card is borrowed until it is removed. */
void spice_card_add(SpiceCard *card);
/* After the console went. Harmless if it is none. */
void spice_card_remove(SpiceCard *card);
/* The display of @card's console is the card's from now on, without a surface. NULL: there is none,
 * and none can be had. Machine lock, as for the next. */
QXLInstance *spice_card_take(SpiceCard *card);
/* It shows the console again; surfaces and cursors of the card are gone. Harmless if it does. */
void spice_card_give_back(SpiceCard *card);

#endif
