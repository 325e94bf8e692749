/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "migration/multifd.h"
#include "util/error.h"

/* Each page with a run of its own, twice as many as are sent. */
#define RAW_MAX (MULTIFD_JOB_PAGES * 2 * (RAM_PAGE + 16))

/* Little endian, as on the host; what is packed follows. The values of method are the schema's. */
typedef struct PackedHeader {
    uint32_t method;
    uint32_t size; /* of what it was */
} PackedHeader;

struct MultifdPacker {
    MultiFDCompression method;
    int level;
    GByteArray *buffer;
    ZSTD_CCtx *packing;
    ZSTD_DCtx *unpacking;
};

MultifdPacker *multifd_packer_new(MultiFDCompression method, int level)
{
    MultifdPacker *packer = g_new0(MultifdPacker, 1);

    packer->method = method;
    packer->level = level;
    packer->buffer = g_byte_array_new();
    return packer;
}

void multifd_packer_free(MultifdPacker *packer)
{
    if (packer) {
        ZSTD_freeCCtx(packer->packing);
        ZSTD_freeDCtx(packer->unpacking);
        g_byte_array_unref(packer->buffer);
        g_free(packer);
    }
}

/* ---- each method: bytes, or 0 if it failed ---- */

static size_t pack_zlib(MultifdPacker *packer, void *to, size_t room, const void *data, size_t size)
{
    uLongf packed = room;

    return compress2(to, &packed, data, size, packer->level) == Z_OK ? packed : 0;
}

static size_t unpack_zlib(MultifdPacker *packer, void *to, size_t room, const void *data,
                          size_t size)
{
    uLongf raw = room;

    return uncompress(to, &raw, data, size) == Z_OK ? raw : 0;
}

static size_t pack_zstd(MultifdPacker *packer, void *to, size_t room, const void *data, size_t size)
{
    if (!packer->packing) {
        packer->packing = ZSTD_createCCtx();
    }
    size_t packed = ZSTD_compressCCtx(packer->packing, to, room, data, size, packer->level);
    return ZSTD_isError(packed) ? 0 : packed;
}

static size_t unpack_zstd(MultifdPacker *packer, void *to, size_t room, const void *data,
                          size_t size)
{
    if (!packer->unpacking) {
        packer->unpacking = ZSTD_createDCtx();
    }
    size_t raw = ZSTD_decompressDCtx(packer->unpacking, to, room, data, size);
    return ZSTD_isError(raw) ? 0 : raw;
}

static const struct {
    size_t (*pack)(MultifdPacker *packer, void *to, size_t room, const void *data, size_t size);
    size_t (*unpack)(MultifdPacker *packer, void *to, size_t room, const void *data, size_t size);
} methods[MULTI_FD_COMPRESSION__MAX] = {
    [MULTI_FD_COMPRESSION_ZLIB] = { pack_zlib, unpack_zlib },
    [MULTI_FD_COMPRESSION_ZSTD] = { pack_zstd, unpack_zstd },
};

/* ---- users ---- */

const uint8_t *multifd_pack(MultifdPacker *packer, const void *data, size_t size, size_t *packed)
{
    const PackedHeader header = { packer->method, (uint32_t)size };

    if (!methods[packer->method].pack || size <= sizeof(header)) {
        return NULL;
    }
    g_byte_array_set_size(packer->buffer, (guint)size);
    size_t done = methods[packer->method].pack(packer, packer->buffer->data + sizeof(header),
                                               size - sizeof(header), data, size);
    memcpy(packer->buffer->data, &header, sizeof(header));
    *packed = sizeof(header) + done;
    return done ? packer->buffer->data : NULL;
}

bool multifd_unpack(MultifdPacker *packer, Record *record, GError **errp)
{
    PackedHeader header = { .method = MULTI_FD_COMPRESSION__MAX };

    if (record->size >= sizeof(header)) {
        memcpy(&header, record->data, sizeof(header));
    }
    if (header.method >= G_N_ELEMENTS(methods) || !methods[header.method].unpack || !header.size ||
        header.size > RAW_MAX) {
        error_set(errp, "RAM that is packed by method %u, to be %u bytes, cannot be", header.method,
                  header.size);
        return false;
    }
    g_byte_array_set_size(packer->buffer, header.size);
    if (methods[header.method].unpack(packer, packer->buffer->data, header.size,
                                      record->data + sizeof(header),
                                      record->size - sizeof(header)) != header.size) {
        error_set(errp, "RAM that is packed cannot be unpacked: it is damaged");
        return false;
    }
    record->kind = RECORD_RAM;
    record->data = packer->buffer->data;
    record->size = header.size;
    return true;
}
