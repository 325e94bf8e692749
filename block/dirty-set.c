/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/dirty-set.h"

#define WORD_BITS 64

struct DirtySet {
    uint64_t size, chunk, chunks; /* constant */
    GMutex mutex;
    uint64_t *words, count; /* under the mutex */
};

DirtySet *dirty_set_new(uint64_t size, uint64_t chunk)
{
    DirtySet *set = g_new0(DirtySet, 1);

    set->size = size;
    set->chunk = chunk;
    set->chunks = size / chunk + (size % chunk != 0);
    set->words = g_new0(uint64_t, set->chunks / WORD_BITS + 1);
    g_mutex_init(&set->mutex);
    return set;
}

void dirty_set_free(DirtySet *set)
{
    if (set) {
        g_mutex_clear(&set->mutex);
        g_free(set->words);
        g_free(set);
    }
}

static bool get(const DirtySet *set, uint64_t i)
{
    return set->words[i / WORD_BITS] >> i % WORD_BITS & 1;
}

static void put(DirtySet *set, uint64_t offset, uint64_t bytes, bool in)
{
    uint64_t end = offset < set->size ? offset + MIN(bytes, set->size - offset) : 0;

    g_mutex_lock(&set->mutex);
    for (uint64_t i = offset / set->chunk; i * set->chunk < end; i++) {
        if (get(set, i) != in) {
            set->words[i / WORD_BITS] ^= UINT64_C(1) << i % WORD_BITS;
            set->count += in ? 1 : -UINT64_C(1);
        }
    }
    g_mutex_unlock(&set->mutex);
}

void dirty_set_add(DirtySet *set, uint64_t offset, uint64_t bytes)
{
    put(set, offset, bytes, true);
}

void dirty_set_remove(DirtySet *set, uint64_t offset, uint64_t bytes)
{
    put(set, offset, bytes, false);
}

bool dirty_set_has(DirtySet *set, uint64_t offset)
{
    bool has;

    g_mutex_lock(&set->mutex);
    has = offset < set->size && get(set, offset / set->chunk);
    g_mutex_unlock(&set->mutex);
    return has;
}

/* The first that is in it of [@i, @end); @end: none. */
static uint64_t find(const DirtySet *set, uint64_t i, uint64_t end)
{
    while (i < end && !get(set, i)) {
        i = set->words[i / WORD_BITS] >> i % WORD_BITS ? i + 1 : (i / WORD_BITS + 1) * WORD_BITS;
    }
    return MIN(i, end);
}

bool dirty_set_next(DirtySet *set, uint64_t *offset, uint64_t max, uint64_t *bytes)
{
    uint64_t from = MIN(*offset / set->chunk, set->chunks), i, n = 0;

    g_mutex_lock(&set->mutex);
    i = find(set, from, set->chunks);
    if (i == set->chunks) {
        i = find(set, 0, from);
        i = i == from ? set->chunks : i;
    }
    while (i + n < set->chunks && get(set, i + n) && (n == 0 || (n + 1) * set->chunk <= max)) {
        n++;
    }
    g_mutex_unlock(&set->mutex);
    *offset = i * set->chunk;
    *bytes = MIN(n * set->chunk, set->size - MIN(*offset, set->size));
    return n > 0;
}

uint64_t dirty_set_bytes(DirtySet *set)
{
    uint64_t bytes;

    g_mutex_lock(&set->mutex);
    bytes = set->count * set->chunk;
    g_mutex_unlock(&set->mutex);
    return MIN(bytes, set->size);
}
