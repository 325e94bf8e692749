/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/guess.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *block_guess_from(const uint8_t bytes[BLOCK_GUESS_BYTES])
{
    static const uint8_t qcow2[BLOCK_GUESS_BYTES] = { 'Q', 'F', 'I', 0xfb };

    return memcmp(bytes, qcow2, sizeof(qcow2)) == 0 ? "qcow2" : NULL;
}

const char *block_guess_format(const char *name)
{
    uint8_t bytes[BLOCK_GUESS_BYTES];
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool read = fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes);

    if (fd >= 0) {
        close(fd);
    }
    return read ? block_guess_from(bytes) : NULL;
}
