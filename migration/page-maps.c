/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/page-maps.h"

#define WORD_BITS 64u

static uint64_t pages_of(const PageMap *map)
{
    return map->block->size / RAM_PAGE;
}

static bool is_set(const uint64_t *bits, uint64_t page)
{
    return bits[page / WORD_BITS] >> (page % WORD_BITS) & 1;
}

static void set(uint64_t *bits, uint64_t page, bool to)
{
    const uint64_t bit = 1ull << (page % WORD_BITS);

    bits[page / WORD_BITS] = to ? bits[page / WORD_BITS] | bit : bits[page / WORD_BITS] & ~bit;
}

PageMaps *page_maps_new(const GPtrArray *blocks)
{
    PageMaps *maps = g_malloc0(sizeof(*maps) + blocks->len * sizeof(PageMap));

    maps->count = blocks->len;
    for (unsigned i = 0; i < blocks->len; i++) {
        PageMap *map = &maps->maps[i];

        map->block = ram_block_ref(blocks->pdata[i]);
        const uint64_t words = (pages_of(map) + WORD_BITS - 1) / WORD_BITS;
        map->there = g_new(uint64_t, words);
        for (uint64_t word = 0; word < words; word++) {
            map->there[word] = UINT64_MAX;
        }
        map->asked = g_new0(uint64_t, words);
    }
    return maps;
}

void page_maps_free(PageMaps *maps)
{
    for (unsigned i = 0; maps && i < maps->count; i++) {
        PageMap *map = &maps->maps[i];

        g_free(map->there);
        g_free(map->asked);
        ram_block_unref(map->block);
    }
    g_free(maps);
}

PageMap *page_maps_find(PageMaps *maps, const RamBlock *block)
{
    for (unsigned i = 0; i < maps->count; i++) {
        if (maps->maps[i].block == block) {
            return &maps->maps[i];
        }
    }
    return NULL;
}

PageMap *page_maps_find_host(PageMaps *maps, const uint8_t *host)
{
    for (unsigned i = 0; i < maps->count; i++) {
        const RamBlock *block = maps->maps[i].block;
        if (host >= block->host && host < block->host + block->size) {
            return &maps->maps[i];
        }
    }
    return NULL;
}

bool page_map_has(const PageMap *map, uint64_t page)
{
    return is_set(map->there, page);
}

static void change(PageMaps *maps, PageMap *map, const PageRange *range, bool there)
{
    for (uint64_t page = range->first; page < range->first + range->count; page++) {
        if (is_set(map->there, page) != there) {
            set(map->there, page, there);
            map->lacks += there ? UINT64_MAX : 1; /* one less, or more */
            maps->left += there ? UINT64_MAX : 1;
        }
    }
}

void page_maps_lack(PageMaps *maps, PageMap *map, const PageRange *range)
{
    change(maps, map, range, false);
}

void page_maps_have(PageMaps *maps, PageMap *map, const PageRange *range)
{
    change(maps, map, range, true);
}

bool page_map_next(const PageMap *map, uint64_t from, uint64_t end, PageRange *range)
{
    end = MIN(end, pages_of(map));
    while (from < end && is_set(map->there, from)) {
        from = map->there[from / WORD_BITS] == UINT64_MAX ? (from / WORD_BITS + 1) * WORD_BITS
                                                          : from + 1;
    }
    if (from >= end) {
        return false;
    }
    *range = (PageRange){ .first = from };
    while (from < end && !is_set(map->there, from)) {
        range->count++;
        from++;
    }
    return true;
}

bool page_map_ask(PageMap *map, uint64_t page)
{
    const bool first = !is_set(map->asked, page);

    set(map->asked, page, true);
    return first;
}

bool page_map_next_wait(const PageMap *map, uint64_t *page)
{
    const uint64_t words = (pages_of(map) + WORD_BITS - 1) / WORD_BITS;
    uint64_t mask = UINT64_MAX << (*page % WORD_BITS);

    for (uint64_t word = *page / WORD_BITS; map->lacks && word < words; word++) {
        const uint64_t bits = map->asked[word] & ~map->there[word] & mask;

        if (bits) {
            *page = word * WORD_BITS + (unsigned)__builtin_ctzll(bits);
            return true;
        }
        mask = UINT64_MAX;
    }
    return false;
}

bool page_maps_wait(const PageMaps *maps)
{
    bool waits = false;

    for (unsigned i = 0; i < maps->count && !waits; i++) {
        uint64_t page = 0;

        waits = page_map_next_wait(&maps->maps[i], &page);
    }
    return waits;
}
