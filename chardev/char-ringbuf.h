/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev ringbuf: keeps the last bytes of the output in memory, to be read by ringbuf-read.
 * Machine lock.
 */
#ifndef CHARDEV_CHAR_RINGBUF_H
#define CHARDEV_CHAR_RINGBUF_H

#include "chardev/char.h"

#define TYPE_CHARDEV_RINGBUF "chardev-ringbuf"

/* Add @buf as if the front end had written it. @chr is a TYPE_CHARDEV_RINGBUF here and below. */
void char_ringbuf_write(Chardev *chr, const uint8_t *buf, size_t len);
/* Take the oldest bytes out, @max at most; g_byte_array_unref. */
GByteArray *char_ringbuf_read(Chardev *chr, size_t max);

#endif
