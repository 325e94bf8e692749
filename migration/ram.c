/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "memory/ram-parts.h"
#include "memory/ram-resident.h"
#include "migration/multifd.h"
#include "util/error.h"

#define CHUNK \
    (RAM_NEXT_MAX * RAM_PAGE) /* a record has so many bytes, or less, or up to twice as many */
#define RECORD_PAGES 65536u   /* it covers no more pages than this, and those of a chunk */

/* A record begins with the offset of its first page in the block, 8 bytes. */
typedef struct RamRun {
    uint32_t pages;
    uint32_t kind;
} RamRun;

/* The values are part of the format. */
enum { RUN_ZERO = 0, RUN_DATA = 1, RUN_SKIP = 2, RUN_CHANGE = 3 };

/* ---- writing ---- */

/* What the guest does not have of block @n need not be written. */
static void drop_absent(RamSource *source, unsigned n)
{
    const RamBlock *block = source->blocks->pdata[n];
    uint64_t end = 0, at = 0, size;

    while (ram_parts_next(block, &at, &size)) {
        dirty_tracker_drop(source->tracker, n, end / RAM_PAGE, (at - end) / RAM_PAGE);
        end = at += size;
    }
    dirty_tracker_drop(source->tracker, n, end / RAM_PAGE, (block->size - end) / RAM_PAGE);
}

/* The other end has mapped the same files. */
static void leave_shared(GPtrArray *blocks)
{
    for (guint i = blocks->len; i > 0; i--) {
        const RamBlock *block = blocks->pdata[i - 1];

        if (block->shared && block->fd >= 0) {
            g_ptr_array_remove_index(blocks, i - 1);
        }
    }
}

bool ram_source_init(RamSource *source, bool private, GError **errp)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    *source = (RamSource){ .blocks = ram_blocks_list_used() };
    if (private) {
        leave_shared(source->blocks);
    }
    for (unsigned i = 0; i < source->blocks->len; i++) {
        const RamBlock *block = source->blocks->pdata[i];
        if (!g_hash_table_add(names, block->name)) {
            error_set(errp, "there are two RAM blocks '%s': they could not be told apart",
                      block->name);
            ram_source_clear(source);
            return false;
        }
        source->total += ram_parts_bytes(block);
    }
    source->tracker = dirty_tracker_new(source->blocks);
    for (unsigned i = 0; i < source->blocks->len; i++) {
        drop_absent(source, i);
    }
    return true;
}

void ram_source_clear(RamSource *source)
{
    g_clear_pointer(&source->xbzrle, xbzrle_free);
    g_clear_pointer(&source->tracker, dirty_tracker_free);
    g_clear_pointer(&source->blocks, g_ptr_array_unref);
}

uint64_t ram_source_left(const RamSource *source)
{
    return source->tracker ? dirty_tracker_left(source->tracker) * RAM_PAGE : 0;
}

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, RAM_PAGE - 1) == 0;
}

/* The run that begins at @at; pages up to @end. The guest may write to them at the same time: then
 * they are written once more. */
static RamRun next_run(const uint8_t *at, const uint8_t *end)
{
    bool zero = page_is_zero(at);
    RamRun run = { .kind = zero ? RUN_ZERO : RUN_DATA };

    do {
        at += RAM_PAGE;
        run.pages++;
    } while (at < end && page_is_zero(at) == zero);
    return run;
}

/* What nobody has touched is not read either: that would make the host map a page of zeros for
 * each.
 */
void ram_put_runs(RamSource *source, const RamBlock *block, uint64_t page, uint64_t count,
                  GByteArray *out)
{
    const uint8_t *at = block->host + page * RAM_PAGE, *end = at + count * RAM_PAGE;
    const bool untouched = ram_block_all_untouched(block, page * RAM_PAGE, count * RAM_PAGE);

    while (at < end) {
        RamRun run =
            untouched ? (RamRun){ .pages = (uint32_t)count, .kind = RUN_ZERO } : next_run(at, end);
        g_byte_array_append(out, (const uint8_t *)&run, sizeof(run));
        if (run.kind == RUN_DATA) {
            g_byte_array_append(out, at, run.pages * RAM_PAGE);
        }
        atomic_fetch_add_explicit(run.kind == RUN_DATA ? &source->data : &source->zero, run.pages,
                                  memory_order_relaxed);
        at += (size_t)run.pages * RAM_PAGE;
    }
}

void ram_put_gap(uint64_t pages, GByteArray *out)
{
    RamRun gap = { .pages = (uint32_t)pages, .kind = RUN_SKIP };

    if (pages) {
        g_byte_array_append(out, (const uint8_t *)&gap, sizeof(gap));
    }
}

static void put_run(uint32_t pages, uint32_t kind, GByteArray *out)
{
    const RamRun run = { pages, kind };

    g_byte_array_append(out, (const uint8_t *)&run, sizeof(run));
}

/* The same with what differs from what was written last. The guest goes on meanwhile: what is
 * written is a copy. */
static void put_changes(RamSource *source, const RamBlock *block, uint64_t page, uint64_t count,
                        GByteArray *out)
{
    for (const uint64_t end = page + count; page < end; page++) {
        uint8_t now[RAM_PAGE];
        const guint start = out->len;
        uint32_t size = 0;

        memcpy(now, block->host + page * RAM_PAGE, RAM_PAGE);
        put_run(1, RUN_CHANGE, out);
        g_byte_array_append(out, (const uint8_t *)&size, sizeof(size));
        if (xbzrle_encode(source->xbzrle, block, page, now, out)) {
            size = out->len - start - sizeof(RamRun) - sizeof(size);
            memcpy(out->data + start + sizeof(RamRun), &size, sizeof(size));
            continue;
        }
        const bool zero = page_is_zero(now);
        g_byte_array_set_size(out, start);
        put_run(1, zero ? RUN_ZERO : RUN_DATA, out);
        if (!zero) {
            g_byte_array_append(out, now, RAM_PAGE);
        }
        atomic_fetch_add_explicit(zero ? &source->zero : &source->data, 1, memory_order_relaxed);
    }
}

/* Has the record, of which the next run would be the @pages-th page, enough? */
static bool is_full(const GByteArray *out, uint64_t pages)
{
    return out->len >= CHUNK || pages >= RECORD_PAGES;
}

/* Parts are larger than a chunk: of one that the guest has only the beginning or the end is
 * missing.
 */
bool ram_source_next(RamSource *source, unsigned n, uint64_t *page, uint64_t *count)
{
    const RamBlock *block = source->blocks->pdata[n];

    while (dirty_tracker_next(source->tracker, n, page, RAM_NEXT_MAX, count)) {
        const uint64_t first = *page * RAM_PAGE, end = first + *count * RAM_PAGE;
        uint64_t at = first, size;

        if (ram_parts_next(block, &at, &size) && at < end) {
            *page = at / RAM_PAGE;
            *count = (MIN(at + size, end) - at) / RAM_PAGE;
            return true;
        }
        *page = end / RAM_PAGE;
    }
    return false;
}

/* All that is to be written of block @n. */
static bool write_block(RamSource *source, unsigned n, Stream *stream, GByteArray *out,
                        GError **errp)
{
    const RamBlock *block = source->blocks->pdata[n];
    uint64_t start = 0, page = 0, count; /* start: where the record begins */
    bool more = true;

    while (more) {
        uint64_t before = page;
        more = !atomic_load_explicit(&source->stop, memory_order_relaxed) &&
               ram_source_next(source, n, &page, &count);
        if (out->len && (!more || is_full(out, page - start))) {
            if (!stream_put_record(stream, RECORD_RAM, block->name, out->data, out->len, errp)) {
                return false;
            }
            g_byte_array_set_size(out, 0);
        }
        if (more && out->len == 0) {
            uint64_t offset = page * RAM_PAGE;
            start = page;
            g_byte_array_append(out, (const uint8_t *)&offset, sizeof(offset));
        } else if (more && page > before) {
            ram_put_gap(page - before, out);
        }
        if (more) {
            if (source->xbzrle && source->again) {
                put_changes(source, block, page, count, out);
            } else {
                ram_put_runs(source, block, page, count, out);
            }
            page += count;
        }
    }
    return true;
}

bool ram_source_write(RamSource *source, Stream *stream, GError **errp)
{
    g_autoptr(GByteArray) out = NULL;

    if (source->multifd) {
        return multifd_send_round(source->multifd, source, errp);
    }
    out = g_byte_array_sized_new(2 * CHUNK);
    for (unsigned i = 0; i < source->blocks->len; i++) {
        if (!write_block(source, i, stream, out, errp)) {
            return false;
        }
    }
    return true;
}

bool ram_source_write_pages(RamSource *source, unsigned n, uint64_t page, uint64_t count,
                            Stream *stream, GError **errp)
{
    const RamBlock *block = source->blocks->pdata[n];
    g_autoptr(GByteArray) out = g_byte_array_sized_new(2 * CHUNK);

    for (uint64_t part; count; page += part, count -= part) {
        const uint64_t offset = page * RAM_PAGE;

        part = MIN(count, CHUNK / RAM_PAGE);
        g_byte_array_set_size(out, 0);
        g_byte_array_append(out, (const uint8_t *)&offset, sizeof(offset));
        ram_put_runs(source, block, page, part, out);
        if (!stream_put_record(stream, RECORD_RAM, block->name, out->data, out->len, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- reading ---- */

static RamBlock *find_block(const GPtrArray *blocks, const char *name)
{
    for (unsigned i = 0; i < blocks->len; i++) {
        RamBlock *block = blocks->pdata[i];
        if (strcmp(block->name, name) == 0) {
            return block;
        }
    }
    return NULL;
}

/* Pages that are zero already are not written to, and those that do not exist yet not even read. */
static void clear_pages(const RamBlock *block, uint64_t offset, uint64_t size)
{
    uint8_t *at = block->host + offset;

    if (ram_block_all_untouched(block, offset, size)) {
        return;
    }
    for (const uint8_t *end = at + size; at < end; at += RAM_PAGE) {
        if (!page_is_zero(at)) {
            memset(at, 0, RAM_PAGE);
        }
    }
}

RamBlock *ram_find(const GPtrArray *blocks, const char *name, GError **errp)
{
    RamBlock *block = find_block(blocks, name);

    if (!block) {
        g_autofree char *escaped = g_strescape(name, NULL);
        error_set(errp, "RAM '%s' is not there: the machine that was saved has more memory",
                  escaped);
    }
    return block;
}

static bool put_into(void *opaque, RamBlock *block, uint64_t offset, uint64_t size,
                     const uint8_t *data, GError **errp)
{
    if (data) {
        memcpy(block->host + offset, data, size);
    } else {
        clear_pages(block, offset, size);
    }
    return true;
}

/* The size of what follows the run, 4 bytes, and that, which makes one page of what it was; *@data
 * is behind it then. */
static bool take_change(RamBlock *block, uint64_t offset, const uint8_t **data, const uint8_t *end)
{
    uint32_t size;

    if ((size_t)(end - *data) < sizeof(size)) {
        return false;
    }
    memcpy(&size, *data, sizeof(size));
    *data += sizeof(size);
    if (size > (size_t)(end - *data) || !xbzrle_decode(block->host + offset, *data, size)) {
        return false;
    }
    *data += size;
    return true;
}

bool ram_load_by(const GPtrArray *blocks, const Record *record, RamTake *take, void *opaque,
                 GError **errp)
{
    RamBlock *block = ram_find(blocks, record->name, errp);
    const uint8_t *data = record->data, *end = data + record->size;
    uint64_t offset;

    if (!block) {
        return false;
    }
    if (record->size < sizeof(offset)) {
        error_set(errp, "RAM '%s': the record is too short", block->name);
        return false;
    }
    memcpy(&offset, data, sizeof(offset));
    data += sizeof(offset);
    while (data < end) {
        RamRun run;
        if ((size_t)(end - data) < sizeof(run)) {
            error_set(errp, "RAM '%s': the record ends in the middle of a run", block->name);
            return false;
        }
        memcpy(&run, data, sizeof(run));
        data += sizeof(run);
        uint64_t size = (uint64_t)run.pages * RAM_PAGE;
        if (offset % RAM_PAGE || offset > block->size || size > block->size - offset ||
            run.kind > RUN_CHANGE || (run.kind == RUN_DATA && size > (uint64_t)(end - data)) ||
            (run.kind == RUN_CHANGE &&
             (run.pages != 1 || take != put_into || !take_change(block, offset, &data, end)))) {
            error_set(errp, "RAM '%s': a run of %u pages of kind %u at 0x%" PRIx64 " cannot be",
                      block->name, run.pages, run.kind, offset);
            return false;
        }
        if (run.kind < RUN_SKIP &&
            !take(opaque, block, offset, size, run.kind == RUN_DATA ? data : NULL, errp)) {
            return false;
        }
        data += run.kind == RUN_DATA ? size : 0;
        offset += size;
    }
    return true;
}

bool ram_load(const GPtrArray *blocks, const Record *record, GError **errp)
{
    return ram_load_by(blocks, record, put_into, NULL, errp);
}
