/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flat views: a tree of regions made into a sorted array of ranges without overlaps.
 *
 * Leaves are rendered in the order in which they win; each takes what is still free of its place.
 * Addresses are 128 bits wide here and signed: a region may end at 2^64, and the target of an alias
 * may begin below 0.
 */
#include "memory/flat-view.h"

#include <string.h>

#include "memory/internal.h"

typedef __int128 i128;

/* A range under construction; sorted by start. */
typedef struct Piece {
    i128 start, end;
    MemoryRegion *mr;
    i128 origin; /* address of the region's offset 0 */
    bool readonly;
    MemoryRegion *writer; /* who takes the writes, or NULL */
    i128 writer_origin;
} Piece;

/* What a region is rendered within. */
typedef struct Clip {
    i128 start, end;
    bool readonly;
    MemoryRegion *writer;
    i128 writer_origin;
} Clip;

/* Add what is free of [start, end) to @pieces, as parts of @mr whose offset 0 is at @origin. */
static void add_leaf(GArray *pieces, MemoryRegion *mr, i128 origin, const Clip *clip)
{
    Piece piece = {
        .mr = mr,
        .origin = origin,
        .readonly = (mr->kind == REGION_RAM && (mr->readonly || clip->readonly || clip->writer)) ||
                    mr->kind == REGION_ROM_DEVICE,
        .writer = clip->writer,
        .writer_origin = clip->writer_origin,
    };
    i128 at = clip->start;

    for (unsigned i = 0; at < clip->end; i++) {
        const Piece *next = i < pieces->len ? &g_array_index(pieces, Piece, i) : NULL;

        if (next && next->end <= at) {
            continue;
        }
        piece.start = at;
        piece.end = next ? MIN(next->start, clip->end) : clip->end;
        at = next ? next->end : clip->end;
        if (piece.start < piece.end) {
            g_array_insert_val(pieces, i, piece);
            i++; /* `next` moved up by one and is dealt with */
        }
    }
}

static void add_root(GPtrArray *roots, const MemoryRegion *mr)
{
    const MemoryRegion *root = memory_region_root(mr);

    if (roots && !g_ptr_array_find(roots, root, NULL)) {
        g_ptr_array_add(roots, (gpointer)root);
    }
}

/* Render @mr, whose offset 0 is at @origin. */
static void render(GArray *pieces, GPtrArray *roots, const MemoryRegion *mr, i128 origin, Clip clip)
{
    if (!mr->enabled) {
        return;
    }
    clip.start = MAX(clip.start, origin);
    clip.end = MIN(clip.end, origin + (i128)memory_region_bytes(mr));
    clip.readonly |= mr->readonly;
    if (mr->writer) {
        clip.writer = mr->writer;
        clip.writer_origin = origin;
    }
    if (clip.start >= clip.end) {
        return;
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        const MemoryRegion *sub = g_ptr_array_index(mr->subregions, i);

        render(pieces, roots, sub, origin + (i128)sub->addr, clip);
    }
    if (mr->kind == REGION_ALIAS) {
        add_root(roots, mr->alias);
        render(pieces, roots, mr->alias, origin - (i128)mr->alias_offset, clip);
    } else if (mr->kind != REGION_CONTAINER) {
        add_leaf(pieces, (MemoryRegion *)mr, origin, &clip);
    }
}

/* Join neighbours that continue each other: an alias may have cut a region at a sibling's edge. */
static void merge(GArray *pieces)
{
    unsigned out = 0;

    for (unsigned i = 0; i < pieces->len; i++) {
        Piece piece = g_array_index(pieces, Piece, i);
        Piece *last = out ? &g_array_index(pieces, Piece, out - 1) : NULL;

        if (last && last->end == piece.start && last->mr == piece.mr &&
            last->origin == piece.origin && last->readonly == piece.readonly &&
            last->writer == piece.writer && last->writer_origin == piece.writer_origin) {
            last->end = piece.end;
        } else {
            g_array_index(pieces, Piece, out++) = piece;
        }
    }
    g_array_set_size(pieces, out);
}

static FlatRange range_of(const Piece *piece, i128 start, i128 end)
{
    uint64_t offset = (uint64_t)(start - piece->origin);

    return (FlatRange){
        .addr = (hwaddr)start,
        .size = (uint64_t)(end - start),
        .mr = piece->mr,
        .offset = offset,
        .host = piece->mr->ram && !piece->mr->commands ? piece->mr->ram->host + offset : NULL,
        .readonly = piece->readonly,
        .writer = piece->writer,
        .writer_offset = piece->writer ? (uint64_t)(start - piece->writer_origin) : 0,
    };
}

FlatView *flat_view_new(const MemoryRegion *root, GPtrArray *roots)
{
    const i128 all = (i128)1 << 64;
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    FlatView *view;

    add_root(roots, root);
    render(pieces, roots, root, 0, (Clip){ .start = 0, .end = all });
    merge(pieces);

    /* One more: 2^64 bytes in one range are too many for its size, and become two ranges. */
    view = g_malloc0(sizeof(*view) + (pieces->len + 1) * sizeof(view->ranges[0]));
    for (unsigned i = 0; i < pieces->len; i++) {
        const Piece *piece = &g_array_index(pieces, Piece, i);
        i128 start = piece->start;

        if (piece->end - start == all) {
            view->ranges[view->count++] = range_of(piece, start, all / 2);
            start = all / 2;
        }
        view->ranges[view->count++] = range_of(piece, start, piece->end);
    }
    return view;
}

bool flat_range_equal(const FlatRange *a, const FlatRange *b)
{
    return a->addr == b->addr && a->size == b->size && a->mr == b->mr && a->offset == b->offset &&
           a->host == b->host && a->readonly == b->readonly && a->writer == b->writer &&
           a->writer_offset == b->writer_offset;
}

unsigned flat_view_lower_bound(const FlatView *view, hwaddr addr)
{
    unsigned low = 0, high = view->count;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const FlatRange *range = &view->ranges[mid];

        /* Compared by the last byte: the end itself may be 2^64. */
        if (range->addr + (range->size - 1) < addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const FlatRange *flat_view_find(const FlatView *view, hwaddr addr)
{
    unsigned at = flat_view_lower_bound(view, addr);

    if (at < view->count && view->ranges[at].addr <= addr) {
        return &view->ranges[at];
    }
    return NULL;
}
