/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/nic-card.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/loop.h"

void nic_card_transmit(NicCard *card)
{
    if (!card->sending) {
        card->sending = true;
        card->transmit(card->opaque);
        card->sending = false;
    }
}

static gboolean go_on(gpointer opaque)
{
    NicCard *card = opaque;

    g_clear_pointer(&card->again, g_source_unref);
    nic_card_transmit(card);
    return G_SOURCE_REMOVE;
}

void nic_card_transmit_later(NicCard *card)
{
    if (!card->again) {
        card->again = g_idle_source_new();
        g_source_set_priority(card->again, G_PRIORITY_DEFAULT);
        g_source_set_callback(card->again, go_on, card, NULL);
        loop_attach(loop_main(), card->again);
    }
}

static void soon(void *opaque)
{
    nic_card_transmit(opaque);
}

void nic_card_transmit_soon(NicCard *card)
{
    timer_mod(card->soon, clock_ns() + NS_PER_SEC / 1000);
}

/* What waited while the machine stood. */
static void machine_starts(void *opaque)
{
    NicCard *card = opaque;

    nic_card_transmit_later(card);
    net_client_ready(&card->nic.client);
}

bool nic_card_realize(NicCard *card, Device *dev, const NicOps *ops, void (*transmit)(void *opaque),
                      void *opaque, GError **errp)
{
    if (!boot_order_add(dev, card->boot_index, dev, "ethernet", "/ethernet-phy@0", errp)) {
        return false;
    }
    card->transmit = transmit;
    card->opaque = opaque;
    card->packet = g_malloc(NET_PACKET_MAX);
    if (!nic_realize(&card->nic, dev, ops, opaque, 1, errp)) {
        g_clear_pointer(&card->packet, g_free);
        boot_order_remove(dev);
        return false;
    }
    card->soon = timer_new(soon, card);
    runstate_add_start(machine_starts, card);
    return true;
}

void nic_card_unrealize(NicCard *card, Device *dev)
{
    runstate_remove_start(machine_starts, card);
    boot_order_remove(dev);
    nic_unrealize(&card->nic);
    if (card->again) {
        g_source_destroy(card->again);
        g_clear_pointer(&card->again, g_source_unref);
    }
    g_clear_pointer(&card->soon, timer_free);
    g_clear_pointer(&card->packet, g_free);
}

unsigned nic_card_hash(const uint8_t address[NET_MAC_SIZE], bool reflected)
{
    uint32_t sum = 0xffffffff;

    for (unsigned i = 0; i < NET_MAC_SIZE * 8; i++) {
        bool bit = address[i / 8] >> i % 8 & 1;

        if (reflected) {
            sum = (sum >> 1) ^ ((sum & 1) ^ bit ? 0xedb88320 : 0);
        } else {
            sum = sum << 1 ^ ((sum >> 31) ^ bit ? 0x04c11db7 : 0);
        }
    }
    return sum >> 26;
}

bool nic_card_is_broadcast(const uint8_t address[NET_MAC_SIZE])
{
    static const uint8_t all[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    return memcmp(address, all, sizeof(all)) == 0;
}

size_t nic_card_pad(uint8_t *copy, const uint8_t *packet, size_t size)
{
    memmove(copy, packet, size);
    if (size < NIC_PACKET_MIN) {
        memset(copy + size, 0, NIC_PACKET_MIN - size);
        size = NIC_PACKET_MIN;
    }
    return size;
}
