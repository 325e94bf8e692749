/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/dirty.h"

#include "memory/internal.h"
#include "memory/reader.h"

#define WORD_BITS 64u

/* Of one block, for one tracker. */
typedef struct DirtyMap DirtyMap;
struct DirtyMap {
    RamBlock *block; /* a reference */
    bool watch;      /* of a tracker that looks at this alone */
    bool counts;     /* what is marked is counted, too */
    uint64_t words;
    _Atomic(DirtyMap *) next;  /* of the block: of another tracker; changed with the machine lock */
    _Atomic(uint64_t) *marked; /* since the last sync */
    uint64_t *taken;           /* the client's thread */
};

struct DirtyTracker {
    unsigned count;
    bool watch;            /* not among `trackers` */
    _Atomic uint64_t left; /* bits set in `taken` of all; relaxed: a number of its own */
    DirtyMap maps[];
};

static unsigned trackers;                  /* machine lock */
static __thread DirtyCounter *own_counter; /* NULL: nobody counts what this thread marks */

static uint64_t pages_of(const RamBlock *block)
{
    return block->size / DIRTY_PAGE;
}

/* ---- marks ---- */

void dirty_set_counter(DirtyCounter *counter)
{
    own_counter = counter;
}

void dirty_count(DirtyCounter *counter, unsigned pages)
{
    atomic_fetch_add_explicit(&counter->pages, pages, memory_order_relaxed);
    if (counter->noted) {
        counter->noted(counter, pages);
    }
}

static void mark(DirtyMap *map, uint64_t first, uint64_t last)
{
    unsigned more = 0;

    for (uint64_t word = first / WORD_BITS; word <= last / WORD_BITS; word++) {
        uint64_t bits = UINT64_MAX;

        if (word == first / WORD_BITS) {
            bits &= UINT64_MAX << (first % WORD_BITS);
        }
        if (word == last / WORD_BITS) {
            bits &= UINT64_MAX >> (WORD_BITS - 1 - last % WORD_BITS);
        }
        if ((atomic_load_explicit(&map->marked[word], memory_order_relaxed) & bits) != bits) {
            const uint64_t before =
                atomic_fetch_or_explicit(&map->marked[word], bits, memory_order_relaxed);
            more += (unsigned)__builtin_popcountll(bits & ~before);
        }
    }
    if (more && map->counts && own_counter) {
        dirty_count(own_counter, more);
    }
}

void dirty_mark(RamBlock *block, uint64_t offset, uint64_t size)
{
    DirtyMap *map = atomic_load_explicit(&block->dirty, memory_order_acquire);

    for (; map; map = atomic_load_explicit(&map->next, memory_order_acquire)) {
        mark(map, offset / DIRTY_PAGE, (offset + size - 1) / DIRTY_PAGE);
    }
}

bool dirty_wanted(const RamBlock *block, uint64_t offset)
{
    uint64_t page = offset / DIRTY_PAGE;
    DirtyMap *map = atomic_load_explicit(&block->dirty, memory_order_acquire);

    for (; map; map = atomic_load_explicit(&map->next, memory_order_acquire)) {
        uint64_t word = atomic_load_explicit(&map->marked[page / WORD_BITS], memory_order_relaxed);

        if (!(word >> (page % WORD_BITS) & 1)) {
            return true;
        }
    }
    return false;
}

/* ---- trackers ---- */

typedef enum TrackerKind { TRACKER_PLAIN, TRACKER_WATCH, TRACKER_COUNTING } TrackerKind;

static void map_init(DirtyMap *map, RamBlock *block, TrackerKind kind)
{
    uint64_t pages = pages_of(block);

    map->block = ram_block_ref(block);
    map->watch = kind == TRACKER_WATCH;
    map->counts = kind == TRACKER_COUNTING;
    map->words = (pages + WORD_BITS - 1) / WORD_BITS;
    map->marked = g_new0(_Atomic(uint64_t), map->words);
    map->taken = g_new(uint64_t, map->words);
    for (uint64_t i = 0; i < map->words; i++) {
        map->taken[i] = UINT64_MAX;
    }
    if (pages % WORD_BITS) {
        map->taken[map->words - 1] = UINT64_MAX >> (WORD_BITS - pages % WORD_BITS);
    }
    atomic_init(&map->next, atomic_load_explicit(&block->dirty, memory_order_relaxed));
    atomic_store_explicit(&block->dirty, map, memory_order_release);
}

/* Nobody finds it any more; who has found it, may go on with it. */
static void map_unlink(DirtyMap *map)
{
    _Atomic(DirtyMap *) *link = &map->block->dirty;

    while (atomic_load_explicit(link, memory_order_relaxed) != map) {
        link = &atomic_load_explicit(link, memory_order_relaxed)->next;
    }
    atomic_store_explicit(link, atomic_load_explicit(&map->next, memory_order_relaxed),
                          memory_order_release);
}

static DirtyTracker *new_tracker(RamBlock *const *blocks, unsigned count, TrackerKind kind)
{
    DirtyTracker *tracker = g_malloc0(sizeof(*tracker) + count * sizeof(DirtyMap));

    tracker->count = count;
    tracker->watch = kind == TRACKER_WATCH;
    for (unsigned i = 0; i < count; i++) {
        map_init(&tracker->maps[i], blocks[i], kind);
        tracker->left += pages_of(blocks[i]);
    }
    if (tracker->watch) {
        memory_dirty_watch();
    } else if (trackers++ == 0) {
        memory_dirty_start();
    }
    memory_dirty_protect();
    memory_synchronize();
    return tracker;
}

DirtyTracker *dirty_tracker_new(const GPtrArray *blocks)
{
    return new_tracker((RamBlock *const *)blocks->pdata, blocks->len, TRACKER_PLAIN);
}

DirtyTracker *dirty_tracker_new_counting(const GPtrArray *blocks)
{
    return new_tracker((RamBlock *const *)blocks->pdata, blocks->len, TRACKER_COUNTING);
}

DirtyTracker *dirty_tracker_new_watch(RamBlock *block)
{
    return new_tracker(&block, 1, TRACKER_WATCH);
}

bool dirty_is_watched(const RamBlock *block)
{
    const DirtyMap *map = atomic_load_explicit(&block->dirty, memory_order_relaxed);

    while (map && !map->watch) {
        map = atomic_load_explicit(&map->next, memory_order_relaxed);
    }
    return map;
}

void dirty_tracker_free(DirtyTracker *tracker)
{
    if (!tracker) {
        return;
    }
    if (!tracker->watch && --trackers == 0) {
        memory_dirty_stop();
    }
    for (unsigned i = 0; i < tracker->count; i++) {
        map_unlink(&tracker->maps[i]);
    }
    if (tracker->watch) {
        memory_dirty_watch();
    }
    memory_synchronize();
    for (unsigned i = 0; i < tracker->count; i++) {
        DirtyMap *map = &tracker->maps[i];

        g_free((void *)map->marked);
        g_free(map->taken);
        ram_block_unref(map->block);
    }
    g_free(tracker);
}

/* Returns how many pages were marked. */
static uint64_t map_take(DirtyTracker *tracker, DirtyMap *map)
{
    uint64_t count = 0, more = 0;

    for (uint64_t i = 0; i < map->words; i++) {
        if (atomic_load_explicit(&map->marked[i], memory_order_relaxed)) {
            uint64_t bits = atomic_exchange_explicit(&map->marked[i], 0, memory_order_relaxed);

            count += (unsigned)__builtin_popcountll(bits);
            more += (unsigned)__builtin_popcountll(bits & ~map->taken[i]);
            map->taken[i] |= bits;
        }
    }
    atomic_fetch_add_explicit(&tracker->left, more, memory_order_relaxed);
    return count;
}

uint64_t dirty_tracker_sync(DirtyTracker *tracker)
{
    uint64_t count = 0;

    memory_dirty_collect();
    for (unsigned i = 0; i < tracker->count; i++) {
        count += map_take(tracker, &tracker->maps[i]);
    }
    if (count || !tracker->watch) { /* what was not taken needs no second mark */
        memory_dirty_protect();
        memory_synchronize();
    }
    return count;
}

/* The first bit at or after @from that is @value; map->words * WORD_BITS if there is none. */
static uint64_t find(const DirtyMap *map, uint64_t from, bool value)
{
    uint64_t word = from / WORD_BITS, flip = value ? 0 : UINT64_MAX;

    if (word >= map->words) {
        return map->words * WORD_BITS;
    }
    uint64_t bits = (map->taken[word] ^ flip) & UINT64_MAX << (from % WORD_BITS);
    while (!bits && ++word < map->words) {
        bits = map->taken[word] ^ flip;
    }
    return word * WORD_BITS + (bits ? (unsigned)__builtin_ctzll(bits) : 0);
}

bool dirty_tracker_next(DirtyTracker *tracker, unsigned n, uint64_t *page, uint64_t max,
                        uint64_t *count)
{
    DirtyMap *map = &tracker->maps[n];
    uint64_t first = find(map, *page, true);

    if (first >= pages_of(map->block)) {
        return false;
    }
    *page = first;
    *count = MIN(find(map, first, false) - first, max);
    for (uint64_t i = first; i < first + *count; i++) {
        map->taken[i / WORD_BITS] &= ~(1ull << (i % WORD_BITS));
    }
    atomic_fetch_sub_explicit(&tracker->left, *count, memory_order_relaxed);
    return true;
}

/* Make @count pages from @page on ones that are to be given, or not; returns how many were not so
 * before. */
static uint64_t change(DirtyMap *map, uint64_t page, uint64_t count, bool to)
{
    uint64_t changed = 0;

    for (const uint64_t end = page + count; page < end; page += count) {
        const unsigned bit = page % WORD_BITS;
        count = MIN(WORD_BITS - bit, end - page);
        const uint64_t bits = (UINT64_MAX >> (WORD_BITS - count)) << bit;
        uint64_t *word = &map->taken[page / WORD_BITS];

        changed += (unsigned)__builtin_popcountll((to ? ~*word : *word) & bits);
        *word = to ? *word | bits : *word & ~bits;
    }
    return changed;
}

void dirty_tracker_drop(DirtyTracker *tracker, unsigned n, uint64_t page, uint64_t count)
{
    const uint64_t dropped = change(&tracker->maps[n], page, count, false);

    atomic_fetch_sub_explicit(&tracker->left, dropped, memory_order_relaxed);
}

void dirty_tracker_add(DirtyTracker *tracker, unsigned n, uint64_t page, uint64_t count)
{
    const uint64_t added = change(&tracker->maps[n], page, count, true);

    atomic_fetch_add_explicit(&tracker->left, added, memory_order_relaxed);
}

bool dirty_tracker_gives(const DirtyTracker *tracker, unsigned n, uint64_t page)
{
    return tracker->maps[n].taken[page / WORD_BITS] >> (page % WORD_BITS) & 1;
}

uint64_t dirty_tracker_left(const DirtyTracker *tracker)
{
    return atomic_load_explicit(&tracker->left, memory_order_relaxed);
}
