/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/output-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fdset.h"

#define OPEN_FLAGS (O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

bool output_file_open(OutputFile *file, const char *path, bool places, GError **errp)
{
    int fd = fdset_open_path(path, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
    bool created = fd >= 0;

    if (fd < 0 && errno == EEXIST) {
        fd = fdset_open_path(path, OPEN_FLAGS, 0);
    }
    if (fd < 0) {
        error_set(errp, "cannot write to '%s': %s%s", path, g_strerror(errno),
                  errno == ENXIO ? " (nobody reads that FIFO or socket)" : "");
        return false;
    }
    if (places && lseek(fd, 0, SEEK_CUR) < 0) {
        error_set(errp,
                  "'%s' has no places to write to; give the name of a regular file, or a new one",
                  path);
        close(fd);
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *file = (OutputFile){ fd, created ? g_strdup(path) : NULL };
    return true;
}

bool output_file_write_at(const OutputFile *file, const void *buf, uint64_t len, uint64_t offset,
                          GError **errp)
{
    const char *p = buf;

    while (len > 0) {
        ssize_t n = pwrite(file->fd, p, MIN(len, 1u << 30), (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            error_set(errp, "cannot write to the file: %s", g_strerror(n < 0 ? errno : ENOSPC));
            return false;
        }
        p += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

void output_file_close(OutputFile *file, bool ok)
{
    if (!ok && file->path) {
        unlink(file->path);
    }
    close(file->fd);
    g_clear_pointer(&file->path, g_free);
}
