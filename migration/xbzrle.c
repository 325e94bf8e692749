/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/xbzrle.h"

#include <inttypes.h>
#include <string.h>

#include "memory/dirty.h"
#include "util/error.h"

#define PAGE     DIRTY_PAGE
#define MOST     (PAGE * 3 / 4) /* a difference of more bytes is not worth it */
#define SAME_MIN 8u             /* fewer bytes that are the same do not end a part */

/* Which page is kept at a place. */
typedef struct Slot {
    const RamBlock *block; /* NULL: none */
    uint64_t page;
} Slot;

struct Xbzrle {
    uint64_t count; /* of slots, a power of two */
    Slot *slots;
    uint8_t *pages; /* what each was, as it was written */

    /* relaxed: numbers alone */
    _Atomic uint64_t bytes, encoded, missed, overflow;
    /* machine lock: when the last round began, and what became of it */
    uint64_t bytes_before, encoded_before, missed_before, overflow_before;
    double miss_rate, encoding_rate;
};

Xbzrle *xbzrle_new(uint64_t bytes, GError **errp)
{
    Xbzrle *xbzrle = g_new0(Xbzrle, 1);

    xbzrle->count = bytes / PAGE;
    xbzrle->slots = g_try_new0(Slot, xbzrle->count);
    xbzrle->pages = g_try_malloc(bytes);
    if (!xbzrle->slots || !xbzrle->pages) {
        error_set(errp,
                  "there is no memory for xbzrle-cache-size=%" PRIu64
                  ": make it smaller, or switch "
                  "the capability xbzrle off",
                  bytes);
        xbzrle_free(xbzrle);
        return NULL;
    }
    return xbzrle;
}

void xbzrle_free(Xbzrle *xbzrle)
{
    if (xbzrle) {
        g_free(xbzrle->slots);
        g_free(xbzrle->pages);
        g_free(xbzrle);
    }
}

static uint64_t slot_of(const Xbzrle *xbzrle, const RamBlock *block, uint64_t page)
{
    return (page + ((uintptr_t)block >> 6) * 0x9e3779b1u) & (xbzrle->count - 1);
}

static void add(_Atomic uint64_t *number, uint64_t more)
{
    atomic_fetch_add_explicit(number, more, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* Bytes from @at on that are the same, or that are not. */
static size_t same_bytes(const uint8_t *a, const uint8_t *b, size_t at)
{
    size_t end = at;

    while (end + sizeof(uint64_t) <= PAGE && memcmp(a + end, b + end, sizeof(uint64_t)) == 0) {
        end += sizeof(uint64_t);
    }
    while (end < PAGE && a[end] == b[end]) {
        end++;
    }
    return end - at;
}

static size_t other_bytes(const uint8_t *a, const uint8_t *b, size_t at)
{
    size_t end = at;

    for (;;) {
        while (end < PAGE && a[end] != b[end]) {
            end++;
        }
        const size_t same = end < PAGE ? same_bytes(a, b, end) : 0;
        if (same >= SAME_MIN || end + same >= PAGE) {
            return end - at;
        }
        end += same;
    }
}

/* False: it is too long. */
static bool put_difference(const uint8_t *before, const uint8_t *now, GByteArray *out)
{
    const guint start = out->len;
    size_t at = 0;

    while (at < PAGE) {
        const uint16_t same = (uint16_t)same_bytes(before, now, at);

        at += same;
        if (at < PAGE) {
            const uint16_t size = (uint16_t)other_bytes(before, now, at);

            if (out->len - start + 4 + size > MOST) {
                g_byte_array_set_size(out, start);
                return false;
            }
            g_byte_array_append(out, (const uint8_t *)&same, sizeof(same));
            g_byte_array_append(out, (const uint8_t *)&size, sizeof(size));
            g_byte_array_append(out, now + at, size);
            at += size;
        }
    }
    return true;
}

bool xbzrle_encode(Xbzrle *xbzrle, const RamBlock *block, uint64_t page, const uint8_t *now,
                   GByteArray *out)
{
    const uint64_t n = slot_of(xbzrle, block, page);
    Slot *slot = &xbzrle->slots[n];
    uint8_t *before = xbzrle->pages + n * PAGE;
    const bool kept = slot->block == block && slot->page == page;
    const guint start = out->len;
    const bool ok = kept && put_difference(before, now, out);

    if (ok) {
        add(&xbzrle->encoded, 1);
        add(&xbzrle->bytes, out->len - start);
    } else {
        add(kept ? &xbzrle->overflow : &xbzrle->missed, 1);
    }
    *slot = (Slot){ block, page };
    memcpy(before, now, PAGE);
    return ok;
}

bool xbzrle_decode(uint8_t *page, const uint8_t *delta, size_t size)
{
    size_t at = 0;

    while (size) {
        uint16_t same, changed;

        if (size < sizeof(same) + sizeof(changed)) {
            return false;
        }
        memcpy(&same, delta, sizeof(same));
        memcpy(&changed, delta + sizeof(same), sizeof(changed));
        delta += sizeof(same) + sizeof(changed);
        size -= sizeof(same) + sizeof(changed);
        if (same > PAGE - at || changed > PAGE - at - same || changed > size) {
            return false;
        }
        memcpy(page + at + same, delta, changed);
        at += (size_t)same + changed;
        delta += changed;
        size -= changed;
    }
    return true;
}

void xbzrle_round(Xbzrle *xbzrle)
{
    const uint64_t bytes = get(&xbzrle->bytes), encoded = get(&xbzrle->encoded);
    const uint64_t missed = get(&xbzrle->missed), overflow = get(&xbzrle->overflow);
    const uint64_t pages = encoded - xbzrle->encoded_before;
    const uint64_t all =
        pages + missed - xbzrle->missed_before + overflow - xbzrle->overflow_before;

    if (all) {
        xbzrle->miss_rate = (double)(missed - xbzrle->missed_before) / (double)all;
    }
    if (bytes > xbzrle->bytes_before) {
        xbzrle->encoding_rate = (double)pages * PAGE / (double)(bytes - xbzrle->bytes_before);
    }
    xbzrle->bytes_before = bytes;
    xbzrle->encoded_before = encoded;
    xbzrle->missed_before = missed;
    xbzrle->overflow_before = overflow;
}

XbzrleStats xbzrle_stats(const Xbzrle *xbzrle)
{
    return (XbzrleStats){ .size = xbzrle->count * PAGE,
                          .bytes = get(&xbzrle->bytes),
                          .pages = get(&xbzrle->encoded),
                          .misses = get(&xbzrle->missed),
                          .overflow = get(&xbzrle->overflow),
                          .miss_rate = xbzrle->miss_rate,
                          .encoding_rate = xbzrle->encoding_rate };
}
