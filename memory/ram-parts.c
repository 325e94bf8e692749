/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/ram-parts.h"

#include "memory/dirty.h"

#define WORD_BITS 64u

static RamPartsListener *listeners;

/* It stays as long as the block does, since another thread may just look at it. */
struct RamParts {
    RamParts *older; /* with another unit */
    uint64_t unit, count;
    _Atomic(bool) used; /* else all of the block is there */
    _Atomic(uint64_t) there[];
};

static RamParts *parts_of(const RamBlock *block)
{
    RamParts *parts = atomic_load_explicit(&block->parts, memory_order_acquire);

    return parts && atomic_load_explicit(&parts->used, memory_order_acquire) ? parts : NULL;
}

static uint64_t words_of(uint64_t count)
{
    return (count + WORD_BITS - 1) / WORD_BITS;
}

static void tell_changed(RamBlock *block)
{
    for (RamPartsListener *listener = listeners; listener; listener = listener->next) {
        listener->changed(listener, block);
    }
}

void ram_parts_begin(RamBlock *block, uint64_t unit)
{
    RamParts *parts = atomic_load_explicit(&block->parts, memory_order_relaxed);

    g_assert(unit % RAM_PART_MIN == 0 && block->size % unit == 0);
    if (!parts || parts->unit != unit) {
        const uint64_t count = block->size / unit;
        RamParts *older = parts;

        parts = g_malloc0(sizeof(*parts) + words_of(count) * sizeof(parts->there[0]));
        parts->older = older;
        parts->unit = unit;
        parts->count = count;
    }
    for (uint64_t i = 0; i < words_of(parts->count); i++) {
        atomic_store_explicit(&parts->there[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&parts->used, true, memory_order_release);
    atomic_store_explicit(&block->parts, parts, memory_order_release);
}

void ram_parts_end(RamBlock *block)
{
    RamParts *parts = parts_of(block);

    if (parts) {
        atomic_store_explicit(&parts->used, false, memory_order_release);
        dirty_mark(block, 0, block->size);
    }
}

void ram_parts_set(RamBlock *block, uint64_t offset, uint64_t size, bool there)
{
    RamParts *parts = parts_of(block);

    for (uint64_t i = offset / parts->unit; i < (offset + size) / parts->unit; i++) {
        const uint64_t bit = UINT64_C(1) << (i % WORD_BITS);

        if (there) {
            atomic_fetch_or_explicit(&parts->there[i / WORD_BITS], bit, memory_order_relaxed);
        } else {
            atomic_fetch_and_explicit(&parts->there[i / WORD_BITS], ~bit, memory_order_relaxed);
        }
    }
    if (size) {
        dirty_mark(block, offset, size);
    }
    tell_changed(block);
}

/* The first part from @from on that is @there or not; parts->count: none is. */
static uint64_t find(const RamParts *parts, uint64_t from, bool there)
{
    const uint64_t flip = there ? 0 : UINT64_MAX, words = words_of(parts->count);

    for (uint64_t word = from / WORD_BITS; word < words; word++) {
        uint64_t bits = atomic_load_explicit(&parts->there[word], memory_order_relaxed) ^ flip;

        if (word == from / WORD_BITS) {
            bits &= UINT64_MAX << (from % WORD_BITS);
        }
        if (bits) {
            return MIN(word * WORD_BITS + (unsigned)__builtin_ctzll(bits), parts->count);
        }
    }
    return parts->count;
}

bool ram_parts_next(const RamBlock *block, uint64_t *offset, uint64_t *size)
{
    const RamParts *parts = parts_of(block);

    if (*offset >= block->size) {
        return false;
    }
    if (!parts) {
        *size = block->size - *offset;
        return true;
    }
    const uint64_t first = find(parts, *offset / parts->unit, true);
    if (first == parts->count) {
        return false;
    }
    *offset = MAX(*offset, first * parts->unit);
    *size = find(parts, first + 1, false) * parts->unit - *offset;
    return true;
}

bool ram_parts_all(const RamBlock *block, uint64_t offset, uint64_t size, bool there)
{
    const RamParts *parts = parts_of(block);

    return parts ? find(parts, offset / parts->unit, !there) * parts->unit >= offset + size : there;
}

uint64_t ram_parts_bytes(const RamBlock *block)
{
    uint64_t bytes = 0, size;

    for (uint64_t at = 0; ram_parts_next(block, &at, &size); at += size) {
        bytes += size;
    }
    return bytes;
}

uint64_t ram_parts_unit(const RamBlock *block)
{
    const RamParts *parts = parts_of(block);

    return parts ? parts->unit : 0;
}

void ram_parts_add_listener(RamPartsListener *listener)
{
    listener->next = listeners;
    listeners = listener;
}

void ram_parts_remove_listener(RamPartsListener *listener)
{
    RamPartsListener **at = &listeners;

    while (*at != listener) {
        at = &(*at)->next;
    }
    *at = listener->next;
}

bool ram_parts_may_come(RamBlock *block, uint64_t offset, uint64_t size, GError **errp)
{
    for (RamPartsListener *listener = listeners; listener; listener = listener->next) {
        if (!listener->come(listener, block, offset, size, errp)) {
            tell_changed(block);
            return false;
        }
    }
    return true;
}

void ram_parts_free(RamBlock *block)
{
    RamParts *parts = atomic_load_explicit(&block->parts, memory_order_relaxed);

    while (parts) {
        RamParts *older = parts->older;

        g_free(parts);
        parts = older;
    }
}
