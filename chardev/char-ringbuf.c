/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/char-ringbuf.h"

#include <inttypes.h>

#include "chardev/char-backend.h"
#include "util/error.h"

#define DEFAULT_SIZE (64 * 1024)
#define RING_MAX     (1024u * 1024 * 1024)

typedef struct CharRingbuf {
    Chardev parent;
    uint64_t size; /* a power of two */
    uint8_t *bytes;
    uint64_t in, out; /* how many were ever written, and read or lost */
} CharRingbuf;
OBJECT_CAST_DEFINE(CharRingbuf, CHAR_RINGBUF, TYPE_CHARDEV_RINGBUF)

void char_ringbuf_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    CharRingbuf *ring = CHAR_RINGBUF(chr);

    for (size_t i = 0; i < len; i++) {
        ring->bytes[ring->in++ & (ring->size - 1)] = buf[i];
    }
    if (ring->in - ring->out > ring->size) {
        ring->out = ring->in - ring->size;
    }
}

GByteArray *char_ringbuf_read(Chardev *chr, size_t max)
{
    CharRingbuf *ring = CHAR_RINGBUF(chr);
    size_t len = MIN(max, ring->in - ring->out);
    GByteArray *bytes = g_byte_array_sized_new(len);

    for (size_t i = 0; i < len; i++) {
        g_byte_array_append(bytes, &ring->bytes[ring->out++ & (ring->size - 1)], 1);
    }
    return bytes;
}

static bool ringbuf_complete(Object *obj, GError **errp)
{
    CharRingbuf *ring = CHAR_RINGBUF(obj);

    if (!ring->size || ring->size & (ring->size - 1) || ring->size > RING_MAX) {
        error_set(errp, "size=%" PRIu64 ": must be a power of two, 1 GiB at most", ring->size);
        return false;
    }
    ring->bytes = g_try_malloc0(ring->size);
    if (!ring->bytes) {
        error_set(errp, "there is no memory for %" PRIu64 " bytes; choose a smaller size",
                  ring->size);
        return false;
    }
    chardev_connected(CHARDEV(ring), -1, -1);
    return true;
}

static void ringbuf_finalize(Object *obj)
{
    g_free(CHAR_RINGBUF(obj)->bytes);
}

static const Property ringbuf_properties[] = {
    { .name = "size",
      .kind = PROP_SIZE,
      .offset = offsetof(CharRingbuf, size),
      .has_default = true,
      .default_int = DEFAULT_SIZE,
      .description = "bytes that are kept, a power of two" },
    { NULL },
};

static const ChardevOps ringbuf_ops = {
    .write = char_ringbuf_write,
};

static const ObjectType ringbuf_type = {
    .name = TYPE_CHARDEV_RINGBUF,
    .parent = TYPE_CHARDEV,
    .description = "the last bytes of the output, in memory",
    .instance_size = sizeof(CharRingbuf),
    .properties = ringbuf_properties,
    .ops = &ringbuf_ops,
    .finalize = ringbuf_finalize,
    .complete = ringbuf_complete,
};
OBJECT_TYPE_REGISTER(ringbuf_type)
