/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "util/error.h"

#define CHUNK (1u << 20) /* bytes of RAM in a record, at most */

/* A record begins with the offset of its first page in the block, 8 bytes. */
typedef struct RamRun {
    uint32_t pages;
    uint32_t kind;
} RamRun;

/* The values are part of the format. */
enum { RUN_ZERO = 0, RUN_DATA = 1 };

/* ---- writing ---- */

bool ram_source_init(RamSource *source, GError **errp)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    *source = (RamSource){ .blocks = ram_blocks_list() };
    for (unsigned i = 0; i < source->blocks->len; i++) {
        const RamBlock *block = source->blocks->pdata[i];
        if (!g_hash_table_add(names, block->name)) {
            error_set(errp, "there are two RAM blocks '%s': they could not be told apart",
                      block->name);
            ram_source_clear(source);
            return false;
        }
        source->total += block->size;
    }
    return true;
}

void ram_source_clear(RamSource *source)
{
    g_clear_pointer(&source->blocks, g_ptr_array_unref);
}

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, RAM_PAGE - 1) == 0;
}

/* The run that begins at @at; pages up to @end. */
static RamRun next_run(const uint8_t *at, const uint8_t *end)
{
    bool zero = page_is_zero(at);
    RamRun run = { .kind = zero ? RUN_ZERO : RUN_DATA };

    while (at < end && page_is_zero(at) == zero) {
        at += RAM_PAGE;
        run.pages++;
    }
    return run;
}

/* Append [@offset, @offset + @size) of @block to @out. */
static void put_runs(RamSource *source, const RamBlock *block, uint64_t offset, uint64_t size,
                     GByteArray *out)
{
    const uint8_t *at = block->host + offset, *end = at + size;

    g_byte_array_append(out, (const uint8_t *)&offset, sizeof(offset));
    while (at < end) {
        RamRun run = next_run(at, end);
        g_byte_array_append(out, (const uint8_t *)&run, sizeof(run));
        if (run.kind == RUN_DATA) {
            g_byte_array_append(out, at, run.pages * RAM_PAGE);
        }
        atomic_fetch_add_explicit(run.kind == RUN_DATA ? &source->data : &source->zero, run.pages,
                                  memory_order_relaxed);
        at += (size_t)run.pages * RAM_PAGE;
    }
}

bool ram_source_write(RamSource *source, Stream *stream, GError **errp)
{
    g_autoptr(GByteArray) out = g_byte_array_sized_new(CHUNK + 4096);

    for (unsigned i = 0; i < source->blocks->len; i++) {
        const RamBlock *block = source->blocks->pdata[i];
        for (uint64_t offset = 0; offset < block->size; offset += CHUNK) {
            uint64_t size = MIN(CHUNK, block->size - offset);
            g_byte_array_set_size(out, 0);
            put_runs(source, block, offset, size, out);
            if (!stream_put_record(stream, RECORD_RAM, block->name, out->data, out->len, errp)) {
                return false;
            }
            atomic_fetch_add_explicit(&source->done, size, memory_order_relaxed);
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

/* Pages that are zero already are not touched: they may not exist yet. */
static void clear_pages(uint8_t *at, uint64_t size)
{
    for (const uint8_t *end = at + size; at < end; at += RAM_PAGE) {
        if (!page_is_zero(at)) {
            memset(at, 0, RAM_PAGE);
        }
    }
}

bool ram_load(const GPtrArray *blocks, const Record *record, GError **errp)
{
    RamBlock *block = find_block(blocks, record->name);
    const uint8_t *data = record->data, *end = data + record->size;
    uint64_t offset;

    if (!block) {
        g_autofree char *name = g_strescape(record->name, NULL);
        error_set(errp, "RAM '%s' is not there: the machine that was saved has more memory", name);
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
            run.kind > RUN_DATA || (run.kind == RUN_DATA && size > (uint64_t)(end - data))) {
            error_set(errp, "RAM '%s': a run of %u pages of kind %u at 0x%" PRIx64 " cannot be",
                      block->name, run.pages, run.kind, offset);
            return false;
        }
        if (run.kind == RUN_DATA) {
            memcpy(block->host + offset, data, size);
            data += size;
        } else {
            clear_pages(block->host + offset, size);
        }
        offset += size;
    }
    return true;
}
