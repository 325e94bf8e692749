/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What inputs must not do to the host: see fuzz.h. tests/fuzz/meson.build lists what is wrapped. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/ram-block.h"
#include "tests/fuzz/fuzz.h"
#include "util/clock.h"
#include "util/error.h"

#define MOST_PREALLOC (UINT64_C(16) << 20)
#define MOST_STEP     (10 * NS_PER_SEC)
#define MOST_EXPIRIES 500

static _Atomic bool wall_up; /* commands run in threads of their own */
static int expiries_left;

void fuzz_wall(bool up)
{
    wall_up = up;
    expiries_left = MOST_EXPIRIES;
}

static bool refused(void)
{
    errno = EACCES;
    return wall_up;
}

static bool path_refused(const char *path)
{
    const char *findings = getenv("FUZZ_FINDINGS");

    if (findings && strncmp(path, findings, strlen(findings)) == 0) {
        return false;
    }
    return refused();
}

/* RET __wrap_NAME(PARAMS): -1 or NULL behind the wall, else the real one. */
#define WRAP(ret, name, params, args, is_refused, failure) \
    ret __real_##name params;                              \
    ret __wrap_##name params;                              \
    ret __wrap_##name params                               \
    {                                                      \
        return is_refused ? failure : __real_##name args;  \
    }

WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), path_refused(path), NULL)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), path_refused(path), NULL)
WRAP(int, mkostemp64, (char *path, int flags), (path, flags), refused(), -1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), path_refused(path), -1)
WRAP(int, unlink, (const char *path), (path), path_refused(path), -1)
WRAP(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), refused(),
     -1)
WRAP(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), refused(),
     -1)
WRAP(int, posix_openpt, (int flags), (flags), refused(), -1)

/* open() has its mode only where it makes a file. */
#define WRAP_OPEN(name)                                                    \
    int __real_##name(const char *path, int flags, ...);                   \
    int __wrap_##name(const char *path, int flags, ...);                   \
    int __wrap_##name(const char *path, int flags, ...)                    \
    {                                                                      \
        va_list ap;                                                        \
        mode_t mode;                                                       \
                                                                           \
        va_start(ap, flags);                                               \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;     \
        va_end(ap);                                                        \
        return path_refused(path) ? -1 : __real_##name(path, flags, mode); \
    }

WRAP_OPEN(open)
WRAP_OPEN(open64)

/* GLib's own calls do not pass through the linker's hands. */
static gboolean refuse_file(const char *path, GError **errp)
{
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_ACCES, "%s: no files here", path);
    return FALSE;
}

WRAP(gboolean, g_file_get_contents, (const char *path, char **text, gsize *len, GError **errp),
     (path, text, len, errp), wall_up, refuse_file(path, errp))
WRAP(gboolean, g_file_set_contents, (const char *path, const char *text, gssize len, GError **errp),
     (path, text, len, errp), wall_up, refuse_file(path, errp))

static bool refuse_prealloc(GError **errp)
{
    error_set(errp, "too much to preallocate here");
    return false;
}

WRAP(bool, ram_block_prealloc,
     (RamBlock * block, unsigned threads, RamBlockSpawn *spawn, void *opaque, GError **errp),
     (block, threads, spawn, opaque, errp), wall_up && block->size > MOST_PREALLOC,
     refuse_prealloc(errp))

/*
 * A day of a timer that fires each microsecond is right, and takes for ever: an input has so many
 * expiries, after which no timer seems to be there and the clock stands.
 */
int64_t __real_timers_next_expiry(void);
int64_t __wrap_timers_next_expiry(void);
int64_t __wrap_timers_next_expiry(void)
{
    return expiries_left > 0 ? __real_timers_next_expiry() : -1;
}

void __real_timers_step_to(int64_t ns);
void __wrap_timers_step_to(int64_t ns);
void __wrap_timers_step_to(int64_t ns)
{
    ns = MIN(ns, clock_ns() + MOST_STEP);
    while (expiries_left > 0) {
        int64_t next = __real_timers_next_expiry();

        if (next < 0 || next > ns) {
            __real_timers_step_to(ns);
            return;
        }
        expiries_left--;
        __real_timers_step_to(next);
    }
}
