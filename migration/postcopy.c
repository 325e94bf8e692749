/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"

#define RECORD_RANGES 65536u /* in a record, at most */

bool postcopy_put_lacks(Stream *stream, const RamBlock *block, const GArray *ranges, GError **errp)
{
    for (guint at = 0; at < ranges->len; at += RECORD_RANGES) {
        const guint count = MIN(ranges->len - at, RECORD_RANGES);

        if (!stream_put_record(stream, RECORD_LACKS, block->name,
                               &g_array_index(ranges, PageRange, at), count * sizeof(PageRange),
                               errp)) {
            return false;
        }
    }
    return true;
}

/* The number of the block that @record is about. */
static bool find_block(const GPtrArray *blocks, const Record *record, unsigned *n, GError **errp)
{
    RamBlock *block = ram_find(blocks, record->name, errp);

    return block && g_ptr_array_find((GPtrArray *)(uintptr_t)blocks, block, n);
}

static bool check_range(const RamBlock *block, const PageRange *range, GError **errp)
{
    const uint64_t pages = block->size / RAM_PAGE;

    if (!range->count || range->first >= pages || range->count > pages - range->first) {
        error_set(errp,
                  "RAM '%s': it has no %" PRIu64 " pages from page %" PRIu64
                  " on: there are %" PRIu64,
                  block->name, range->count, range->first, pages);
        return false;
    }
    return true;
}

bool postcopy_read_lacks(const GPtrArray *blocks, const Record *record, PostcopyTakeRange *take,
                         void *opaque, GError **errp)
{
    unsigned n;

    if (!find_block(blocks, record, &n, errp)) {
        return false;
    }
    if (record->size % sizeof(PageRange)) {
        error_set(errp, "RAM '%s': a record of %zu bytes has no whole ranges of pages",
                  record->name, record->size);
        return false;
    }
    for (size_t at = 0; at < record->size; at += sizeof(PageRange)) {
        PageRange range;

        memcpy(&range, record->data + at, sizeof(range));
        if (!check_range(blocks->pdata[n], &range, errp) || !take(opaque, n, &range, errp)) {
            return false;
        }
    }
    return true;
}

bool postcopy_read_request(const GPtrArray *blocks, const Record *record, unsigned *n,
                           PageRange *range, GError **errp)
{
    if (!find_block(blocks, record, n, errp)) {
        return false;
    }
    if (record->size != sizeof(*range)) {
        error_set(errp, "RAM '%s': a request has %zu bytes, not %zu", record->name, record->size,
                  sizeof(*range));
        return false;
    }
    memcpy(range, record->data, sizeof(*range));
    return check_range(blocks->pdata[*n], range, errp);
}

bool postcopy_read_has(const Record *record, uint64_t *pages, GError **errp)
{
    if (record->size != sizeof(*pages)) {
        error_set(errp, "a number of pages has %zu bytes, not %zu", record->size, sizeof(*pages));
        return false;
    }
    memcpy(pages, record->data, sizeof(*pages));
    return true;
}

bool postcopy_put_resume(Stream *stream, const uint8_t *id, GError **errp)
{
    return stream_put_record(stream, RECORD_RESUME, "", id, POSTCOPY_ID_SIZE, errp);
}

bool postcopy_check_resume(const Record *record, const uint8_t *id, GError **errp)
{
    if (record->kind != RECORD_RESUME || record->size != POSTCOPY_ID_SIZE ||
        memcmp(record->data, id, POSTCOPY_ID_SIZE) != 0) {
        error_set(errp, "the other end is not that of this migration");
        return false;
    }
    return true;
}

/* ---- before it begins ---- */

static bool check_block(const GPtrArray *blocks, const char *name, uint64_t page_size,
                        GError **errp)
{
    const RamBlock *block = ram_find(blocks, name, errp);

    if (!block) {
        return false;
    }
    if (block->page_size > page_size) {
        error_set(errp,
                  "RAM '%s' has pages of %" PRIu64 " bytes here and of %" PRIu64
                  " at the other end: they must be the same",
                  name, block->page_size, page_size);
        return false;
    }
    return true;
}

bool postcopy_read_advice(const GPtrArray *blocks, const Record *record, uint8_t *id, GError **errp)
{
    const uint8_t *at = record->data, *end = at + record->size;

    if (record->name[0] && strcmp(record->name, POSTCOPY_TELL_ME) != 0) {
        g_autofree char *escaped = g_strescape(record->name, NULL);
        error_set(errp,
                  "the other end wants '%s' of postcopy, which is not known here: it must be "
                  "nothing, or '%s'",
                  escaped, POSTCOPY_TELL_ME);
        return false;
    }
    if (record->size < POSTCOPY_ID_SIZE) {
        error_set(errp, "what there is to know of postcopy is too short");
        return false;
    }
    memcpy(id, at, POSTCOPY_ID_SIZE);
    for (at += POSTCOPY_ID_SIZE; at < end;) {
        uint64_t page_size;
        char name[256] = "";

        if ((size_t)(end - at) < sizeof(page_size) + 1 ||
            (size_t)(end - at) - sizeof(page_size) - 1 < at[sizeof(page_size)]) {
            error_set(errp, "what there is to know of postcopy ends in the middle");
            return false;
        }
        memcpy(&page_size, at, sizeof(page_size));
        at += sizeof(page_size);
        memcpy(name, at + 1, at[0]);
        at += 1 + at[0];
        if (!check_block(blocks, name, page_size, errp)) {
            return false;
        }
    }
    return true;
}
