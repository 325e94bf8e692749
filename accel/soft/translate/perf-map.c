/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/perf-map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

static GMutex lock;
static FILE *file; /* lock; of the first CPU, and then all of them */

/* With the lock. /tmp is everybody's: what another one put there is not followed. */
static bool make_file(GError **errp)
{
    g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        error_set(errp, "perf-map=on: cannot write %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    setvbuf(file, NULL, _IOLBF, 0);
    return true;
}

bool perf_map_open(GError **errp)
{
    g_mutex_lock(&lock);
    bool ok = file || make_file(errp);
    g_mutex_unlock(&lock);
    return ok;
}

void perf_map_add(const uint8_t *start, size_t size, const char *name)
{
    g_mutex_lock(&lock);
    if (file) {
        fprintf(file, "%" PRIxPTR " %zx %s\n", (uintptr_t)start, size, name);
    }
    g_mutex_unlock(&lock);
}

void perf_map_add_block(const uint8_t *start, size_t size, uint64_t rip)
{
    char name[32];

    snprintf(name, sizeof(name), "guest-0x%" PRIx64, rip);
    perf_map_add(start, size, name);
}
