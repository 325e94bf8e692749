/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/spice-card.h"

#include "ui/spice-internal.h"

static GPtrArray *cards; /* of SpiceCard, borrowed; NULL: none yet */

void spice_card_add(SpiceCard *card)
{
    if (!cards) {
        cards = g_ptr_array_new();
    }
    g_ptr_array_add(cards, card);
}

void spice_card_remove(SpiceCard *card)
{
    if (cards) {
        g_ptr_array_remove(cards, card);
    }
}

SpiceCard *spice_card_of(const Object *device)
{
    for (unsigned i = 0; cards && i < cards->len; i++) {
        SpiceCard *card = cards->pdata[i];

        if (card->device == device) {
            return card;
        }
    }
    return NULL;
}
