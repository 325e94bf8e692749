/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/ram-hold.h"

#include "util/main-loop.h"

struct RamHold {
    RamBlock *block;       /* a reference */
    uint64_t offset, size; /* of what is held */
    const char *holder;
    bool lasting;
    RamHold *previous, *next; /* of the block; its hold_lock */
};

/* Takes @hold. */
static RamHold *add(RamHold *hold)
{
    RamBlock *block = hold->block;

    g_mutex_lock(&block->hold_lock);
    if (block->closed) {
        g_mutex_unlock(&block->hold_lock);
        g_free(hold);
        return NULL;
    }
    hold->next = block->holds;
    if (hold->next) {
        hold->next->previous = hold;
    }
    block->holds = hold;
    ram_block_ref(block);
    g_mutex_unlock(&block->hold_lock);
    return hold;
}

RamHold *ram_hold_new(RamBlock *block, const char *holder, bool lasting)
{
    RamHold *hold = g_new(RamHold, 1);

    *hold = (RamHold){ .block = block, .size = block->size, .holder = holder, .lasting = lasting };
    return add(hold);
}

RamHold *ram_hold_part(RamBlock *block, uint64_t offset, uint64_t size, const char *holder)
{
    RamHold *hold = g_new(RamHold, 1);

    *hold = (RamHold){ .block = block, .offset = offset, .size = size, .holder = holder };
    return add(hold);
}

/* In the main loop, some time after the last hold of @opaque, a block and a reference, ended. */
static void tell_closed(void *opaque)
{
    RamBlock *block = opaque;
    void (*done)(void *opaque) = NULL;

    g_mutex_lock(&block->hold_lock);
    if (block->closed && !block->holds) { /* it may have been opened, and closed again */
        done = g_steal_pointer(&block->close_done);
    }
    g_mutex_unlock(&block->hold_lock);
    if (done) {
        done(block->close_opaque);
    }
    ram_block_unref(block);
}

void ram_hold_release(RamHold *hold)
{
    RamBlock *block;
    bool last;

    if (!hold) {
        return;
    }
    block = hold->block;
    g_mutex_lock(&block->hold_lock);
    if (hold->previous) {
        hold->previous->next = hold->next;
    } else {
        block->holds = hold->next;
    }
    if (hold->next) {
        hold->next->previous = hold->previous;
    }
    last = block->closed && !block->holds;
    g_mutex_unlock(&block->hold_lock);
    g_free(hold);
    if (last) {
        main_loop_schedule(tell_closed, block); /* with the hold's reference */
    } else {
        ram_block_unref(block);
    }
}

/* With the lock. */
static const RamHold *find(const RamBlock *block, bool lasting)
{
    const RamHold *hold = block->holds;

    while (hold && lasting && !hold->lasting) {
        hold = hold->next;
    }
    return hold;
}

char *ram_block_holder(RamBlock *block, bool lasting)
{
    char *name = NULL;

    g_mutex_lock(&block->hold_lock);
    const RamHold *hold = find(block, lasting);
    if (hold) {
        name = g_strdup(hold->holder);
    }
    g_mutex_unlock(&block->hold_lock);
    return name;
}

bool ram_block_part_is_held(RamBlock *block, uint64_t offset, uint64_t size)
{
    g_mutex_lock(&block->hold_lock);
    const RamHold *hold = block->holds;
    while (hold && (hold->offset >= offset + size || offset >= hold->offset + hold->size)) {
        hold = hold->next;
    }
    g_mutex_unlock(&block->hold_lock);
    return hold;
}

RamClose ram_block_close(RamBlock *block, void (*done)(void *opaque), void *opaque, char **holder)
{
    RamClose result = RAM_CLOSE_IN_USE;

    g_mutex_lock(&block->hold_lock);
    const RamHold *lasting = find(block, true);
    if (lasting) {
        *holder = g_strdup(lasting->holder);
    } else {
        block->closed = true;
        block->close_done = block->holds ? done : NULL;
        block->close_opaque = opaque;
        result = block->holds ? RAM_CLOSE_WAITS : RAM_CLOSED;
    }
    g_mutex_unlock(&block->hold_lock);
    return result;
}

void ram_block_open(RamBlock *block)
{
    g_mutex_lock(&block->hold_lock);
    block->closed = false;
    block->close_done = NULL;
    g_mutex_unlock(&block->hold_lock);
}

bool ram_block_is_closed(RamBlock *block)
{
    bool closed;

    g_mutex_lock(&block->hold_lock);
    closed = block->closed;
    g_mutex_unlock(&block->hold_lock);
    return closed;
}
