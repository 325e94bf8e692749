/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/dirty-bits.h"

#include <string.h>

#define WORD_BITS   64
#define CHUNK_WORDS 512
#define CHUNK_BITS  (CHUNK_WORDS * WORD_BITS)

static uint64_t chunks_of(uint64_t size)
{
    return (size + CHUNK_BITS - 1) / CHUNK_BITS;
}

DirtyBits *dirty_bits_new(uint64_t size)
{
    DirtyBits *bits = g_new0(DirtyBits, 1);

    g_assert(size <= DIRTY_BITS_MAX);
    bits->size = size;
    bits->chunks = g_new0(uint64_t *, chunks_of(size));
    return bits;
}

void dirty_bits_free(DirtyBits *bits)
{
    if (!bits) {
        return;
    }
    for (uint64_t i = 0; i < chunks_of(bits->size); i++) {
        g_free(bits->chunks[i]);
    }
    g_free(bits->chunks);
    g_free(bits);
}

DirtyBits *dirty_bits_copy(const DirtyBits *bits)
{
    DirtyBits *copy = dirty_bits_new(bits->size);

    copy->count = bits->count;
    for (uint64_t i = 0; i < chunks_of(bits->size); i++) {
        copy->chunks[i] = g_memdup2(bits->chunks[i], bits->chunks[i] ? CHUNK_WORDS * 8 : 0);
    }
    return copy;
}

void dirty_bits_resize(DirtyBits *bits, uint64_t size)
{
    uint64_t had = chunks_of(bits->size), has = chunks_of(size);

    g_assert(size <= DIRTY_BITS_MAX);
    if (size < bits->size) { /* what is beyond the end is clear */
        dirty_bits_reset(bits, size, bits->size - size);
    }
    for (uint64_t i = has; i < had; i++) {
        g_free(bits->chunks[i]);
    }
    bits->chunks = g_renew(uint64_t *, bits->chunks, has);
    for (uint64_t i = had; i < has; i++) {
        bits->chunks[i] = NULL;
    }
    bits->size = size;
}

bool dirty_bits_get(const DirtyBits *bits, uint64_t bit)
{
    const uint64_t *chunk = bits->chunks[bit / CHUNK_BITS];

    return chunk && chunk[bit % CHUNK_BITS / WORD_BITS] >> bit % WORD_BITS & 1;
}

/* Of the word with @first: the bits of [@first, @end) in it; *@next is what follows it. */
static uint64_t word_mask(uint64_t first, uint64_t end, uint64_t *next)
{
    uint64_t from = first % WORD_BITS, n = MIN(WORD_BITS - from, end - first);

    *next = first + n;
    return (n == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << n) - 1) << from;
}

void dirty_bits_set(DirtyBits *bits, uint64_t first, uint64_t n)
{
    uint64_t end = first + n;

    g_assert(end <= bits->size);
    while (first < end) {
        uint64_t **chunk = &bits->chunks[first / CHUNK_BITS];
        unsigned i = first % CHUNK_BITS / WORD_BITS;
        uint64_t mask = word_mask(first, end, &first);

        if (!*chunk) {
            *chunk = g_new0(uint64_t, CHUNK_WORDS);
        }
        bits->count += (unsigned)__builtin_popcountll(mask & ~(*chunk)[i]);
        (*chunk)[i] |= mask;
    }
}

void dirty_bits_reset(DirtyBits *bits, uint64_t first, uint64_t n)
{
    uint64_t end = first + n;

    g_assert(end <= bits->size);
    while (first < end) {
        uint64_t *chunk = bits->chunks[first / CHUNK_BITS];
        unsigned i = first % CHUNK_BITS / WORD_BITS;
        uint64_t mask;

        if (!chunk) {
            first = MIN(end, (first / CHUNK_BITS + 1) * CHUNK_BITS);
            continue;
        }
        mask = word_mask(first, end, &first);
        bits->count -= (unsigned)__builtin_popcountll(mask & chunk[i]);
        chunk[i] &= ~mask;
    }
}

uint64_t dirty_bits_next(const DirtyBits *bits, uint64_t first, bool set)
{
    while (first < bits->size) {
        const uint64_t *chunk = bits->chunks[first / CHUNK_BITS];
        uint64_t word, next;

        if (!chunk) {
            if (!set) {
                return first;
            }
            first = (first / CHUNK_BITS + 1) * CHUNK_BITS;
            continue;
        }
        word = chunk[first % CHUNK_BITS / WORD_BITS];
        word = (set ? word : ~word) & word_mask(first, bits->size, &next);
        if (word) {
            return first / WORD_BITS * WORD_BITS + (unsigned)__builtin_ctzll(word);
        }
        first = next;
    }
    return bits->size;
}

void dirty_bits_load(DirtyBits *bits, uint64_t first, const uint8_t *in, size_t len)
{
    for (size_t i = 0; i < len && first < bits->size; i += 8, first += WORD_BITS) {
        uint64_t raw, word, next, mask = word_mask(first, bits->size, &next);

        memcpy(&raw, in + i, 8);
        word = GUINT64_FROM_LE(raw) & mask;
        if (word) {
            uint64_t **chunk = &bits->chunks[first / CHUNK_BITS];
            unsigned at = first % CHUNK_BITS / WORD_BITS;

            *chunk = *chunk ? *chunk : g_new0(uint64_t, CHUNK_WORDS);
            bits->count += (unsigned)__builtin_popcountll(word & ~(*chunk)[at]);
            (*chunk)[at] |= word;
        }
    }
}

bool dirty_bits_store(const DirtyBits *bits, uint64_t first, uint8_t *out, size_t len)
{
    uint64_t any = 0;

    memset(out, 0, len);
    for (size_t i = 0; i < len && first < bits->size; i += 8, first += WORD_BITS) {
        const uint64_t *chunk = bits->chunks[first / CHUNK_BITS];
        uint64_t word = chunk ? chunk[first % CHUNK_BITS / WORD_BITS] : 0;
        uint64_t raw = GUINT64_TO_LE(word);

        memcpy(out + i, &raw, 8);
        any |= word;
    }
    return any;
}
