/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "block/qcow2.h"

#define WINDOW_BITS (-12) /* raw deflate, 4 KiB */

static int unpack_zlib(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    z_stream stream = { .next_in = (uint8_t *)(uintptr_t)in,
                        .avail_in = (unsigned)in_len,
                        .next_out = out,
                        .avail_out = (unsigned)out_len };
    int result;

    if (inflateInit2(&stream, WINDOW_BITS) != Z_OK) {
        return ENOMEM;
    }
    result = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    /* What is behind it in its last sector is not its own. */
    return (result == Z_STREAM_END || result == Z_BUF_ERROR) && !stream.avail_out ? 0 : EIO;
}

static int unpack_zstd(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer from = { in, in_len, 0 };
    ZSTD_outBuffer to = { out, out_len, 0 };
    size_t result = 1;

    if (!stream) {
        return ENOMEM;
    }
    while (to.pos < to.size && result && !ZSTD_isError(result)) {
        size_t from_before = from.pos, to_before = to.pos;

        result = ZSTD_decompressStream(stream, &to, &from);
        if (from.pos == from_before && to.pos == to_before) {
            break;
        }
    }
    ZSTD_freeDStream(stream);
    return !ZSTD_isError(result) && to.pos == to.size ? 0 : EIO;
}

int qcow2_unpack(bool zstd, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len)
{
    return (zstd ? unpack_zstd : unpack_zlib)(in, in_len, out, out_len);
}
