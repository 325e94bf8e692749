/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/guess.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

typedef struct Signature {
    const char *format;
    const char *bytes;
    unsigned count, at;
} Signature;

#define SIGNATURE(FORMAT, BYTES, AT)          \
    {                                         \
        FORMAT, BYTES, sizeof(BYTES) - 1, AT, \
    }

/* As the formats' documents have them. */
static const Signature signatures[] = {
    SIGNATURE("qcow2", "QFI\xfb", 0),
    SIGNATURE("vmdk", "KDMV", 0),
    SIGNATURE("vmdk", "COWD", 0),
    SIGNATURE("vmdk", "# Disk DescriptorFile", 0), /* text that names the files with the data */
    SIGNATURE("vdi", "\x7f\x10\xda\xbe", 64),
    SIGNATURE("vhdx", "vhdxfile", 0),
    SIGNATURE("vpc", "conectix", 0), /* of fixed size it ends so, and has the disk before it */
    SIGNATURE("qed", "QED\0", 0),
    SIGNATURE("parallels", "WithoutFreeSpace", 0),
    SIGNATURE("parallels", "WithouFreSpacExt", 0),
    SIGNATURE("luks", "LUKS\xba\xbe", 0),
    SIGNATURE("bochs", "Bochs Virtual HD Image", 0),
    SIGNATURE("cloop", "#!/bin/sh\n#V2.0 Format\nmodprobe cloop", 0),
};

const char *block_guess_from(const uint8_t bytes[BLOCK_GUESS_BYTES])
{
    for (unsigned i = 0; i < G_N_ELEMENTS(signatures); i++) {
        const Signature *s = &signatures[i];

        if (memcmp(bytes + s->at, s->bytes, s->count) == 0) {
            return s->format;
        }
    }
    return NULL;
}

/* A dmg begins with anything, and has its header at its end; what a guest may have written there
 * counts only where the name says it, too. */
static bool is_dmg(int fd, const char *name)
{
    static const char koly[12] = "koly\0\0\0\4\0\0\2"; /* and its version and size */
    char bytes[sizeof(koly)];
    off_t end = g_str_has_suffix(name, ".dmg") ? lseek(fd, 0, SEEK_END) : 0;

    return end >= 512 && pread(fd, bytes, sizeof(bytes), end - 512) == sizeof(bytes) &&
           memcmp(bytes, koly, sizeof(koly)) == 0;
}

bool block_guess_format(const char *name, const char **driver, GError **errp)
{
    uint8_t bytes[BLOCK_GUESS_BYTES] = { 0 };
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool read = fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) > 0;
    const char *format = read ? block_guess_from(bytes) : NULL;

    if (read && !format && is_dmg(fd, name)) {
        format = "dmg";
    }
    if (fd >= 0) {
        close(fd);
    }
    *driver = format && strcmp(format, "qcow2") == 0 ? format : NULL;
    if (format && !*driver) {
        error_set(
            errp,
            "%s looks like an image of format %s, which is not known here: let 'qemu-nbd -r "
            "-f %s -k SOCKET' serve it and use nbd:unix:SOCKET, or say that it is raw (-f raw, "
            "format=raw) if its bytes are meant as they are",
            name, format, format);
        return false;
    }
    return true;
}
