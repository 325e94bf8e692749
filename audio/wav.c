/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "audio/wav.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

enum { HEADER = 44, SILENCE = 0x80 }; /* of 8 bits, which have no sign */

struct WavFile {
    int fd;
    unsigned rate, channels, bits;
    uint32_t bytes; /* of sound */
};

static void put_word(uint8_t *at, uint16_t value)
{
    value = GUINT16_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static void put_long(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static bool write_header(const WavFile *f)
{
    uint8_t header[HEADER];
    unsigned frame = f->channels * f->bits / 8;

    memcpy(header, "RIFF", 4);
    put_long(header + 4, HEADER - 8 + f->bytes);
    memcpy(header + 8, "WAVEfmt ", 8);
    put_long(header + 16, 16); /* bytes of the format */
    put_word(header + 20, 1);  /* plain samples */
    put_word(header + 22, (uint16_t)f->channels);
    put_long(header + 24, f->rate);
    put_long(header + 28, f->rate * frame);
    put_word(header + 32, (uint16_t)frame);
    put_word(header + 34, (uint16_t)f->bits);
    memcpy(header + 36, "data", 4);
    put_long(header + 40, f->bytes);
    return pwrite(f->fd, header, HEADER, 0) == HEADER;
}

WavFile *wav_open(const char *path, unsigned rate, unsigned channels, unsigned bits, GError **errp)
{
    /* Nobody waits for a reader of what may be a FIFO, which can be no such file. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
    WavFile *f;

    if (fd < 0) {
        error_set(errp, "path=%s: %s", path, g_strerror(errno));
        return NULL;
    }
    f = g_new(WavFile, 1);
    *f = (WavFile){ .fd = fd, .rate = rate, .channels = channels, .bits = bits };
    if (!write_header(f)) {
        error_set(errp, "path=%s: %s", path, g_strerror(errno));
        g_clear_pointer(&f, wav_close);
    }
    return f;
}

void wav_write(WavFile *f, const int16_t *samples, unsigned count)
{
    g_autofree uint16_t *bytes = g_new(uint16_t, count);
    size_t size = (size_t)count * f->bits / 8;

    for (unsigned i = 0; i < count; i++) {
        if (f->bits == 8) {
            ((uint8_t *)bytes)[i] = (uint8_t)((samples[i] >> 8) + SILENCE);
        } else {
            bytes[i] = GUINT16_TO_LE((uint16_t)samples[i]);
        }
    }
    if (f->bytes < UINT32_MAX - HEADER - size &&
        pwrite(f->fd, bytes, size, HEADER + (off_t)f->bytes) == (ssize_t)size) {
        f->bytes += (uint32_t)size;
        write_header(f);
    }
}

unsigned wav_bytes(const WavFile *f)
{
    return f->bytes;
}

void wav_close(WavFile *f)
{
    close(f->fd);
    g_free(f);
}
