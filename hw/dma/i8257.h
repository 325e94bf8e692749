/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two DMA controllers of the ISA bus (Intel 8237A data sheet): channels 0 to 3 move bytes, 5 to
 * 7 words; 4 is where the first controller's requests come in. A device takes a channel, and moves
 * what it has itself, as far as the channel lets it: the controller only counts. Machine lock for
 * everything.
 */
#ifndef HW_DMA_I8257_H
#define HW_DMA_I8257_H

#include "hw/core/device.h"

#define TYPE_I8257       "i8257"
#define ISA_DMA_CHANNELS 8u

typedef struct IsaDmaUser {
    /* While the device asks: the guest has done something, after which the channel may move. NULL:
     * the device looks by itself. */
    void (*ready)(void *opaque);
    void *opaque;
} IsaDmaUser;

/* Both controllers, with their ports in @io. Belong to the device tree. */
void isa_dma_create(MemoryRegion *io);

/* Channel @channel is @user's, which is borrowed, from now on. Errors: there is no such channel, or
 * it is another's. */
bool isa_dma_take(unsigned channel, const IsaDmaUser *user, GError **errp);
void isa_dma_give_back(unsigned channel);
/* The device asks to move something, or not any more. */
void isa_dma_request(unsigned channel, bool asks);
/* Move up to @size bytes between @data and memory, as far as the channel goes until it ends, which
 * *@ended says (terminal count). Returns how many. What the guest has set up for the other
 * direction, or only to count, changes no memory, and gives 0xff. */
uint32_t isa_dma_move(unsigned channel, void *data, uint32_t size, bool to_memory, bool *ended);

#endif
