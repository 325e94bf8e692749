/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fdset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/parse.h"

#define PATH_PREFIX "/dev/fdset/"

static GPtrArray *sets; /* of Fdset *, by id */

static void fd_free(void *opaque)
{
    FdsetFd *fd = opaque;

    close(fd->fd);
    g_free(fd->opaque);
    g_free(fd);
}

static void set_free(void *opaque)
{
    Fdset *set = opaque;

    g_ptr_array_unref(set->fds);
    g_free(set);
}

GPtrArray *fdset_list(void)
{
    if (!sets) {
        sets = g_ptr_array_new_with_free_func(set_free);
    }
    return sets;
}

/* Where set @id is or would be. */
static guint set_index(int64_t id)
{
    guint i = 0;

    while (i < fdset_list()->len && ((Fdset *)sets->pdata[i])->id < id) {
        i++;
    }
    return i;
}

static Fdset *set_find(int64_t id)
{
    guint i = set_index(id);
    Fdset *set = i < sets->len ? sets->pdata[i] : NULL;

    return set && set->id == id ? set : NULL;
}

static int64_t free_id(void)
{
    int64_t id = 0;

    while (set_find(id)) {
        id++;
    }
    return id;
}

int64_t fdset_add(int64_t id, int fd, const char *opaque, bool from_client)
{
    FdsetFd *entry;
    Fdset *set;

    if (id == FDSET_NEW) {
        id = free_id();
    }
    set = set_find(id);
    if (!set) {
        set = g_new0(Fdset, 1);
        set->id = id;
        set->fds = g_ptr_array_new_with_free_func(fd_free);
        g_ptr_array_insert(sets, (int)set_index(id), set);
    }
    entry = g_new0(FdsetFd, 1);
    *entry = (FdsetFd){ .fd = fd, .opaque = g_strdup(opaque), .from_client = from_client };
    g_ptr_array_add(set->fds, entry);
    return id;
}

/* Those that @match are closed; an empty set goes. Returns how many there were. */
static unsigned remove_matching(Fdset *set, bool (*match)(const FdsetFd *entry, int64_t fd),
                                int64_t fd)
{
    unsigned count = 0;

    for (guint i = set->fds->len; i-- > 0;) {
        if (match(set->fds->pdata[i], fd)) {
            g_ptr_array_remove_index(set->fds, i);
            count++;
        }
    }
    if (!set->fds->len) {
        g_ptr_array_remove(sets, set);
    }
    return count;
}

static bool is_fd(const FdsetFd *entry, int64_t fd)
{
    return fd == FDSET_ALL || entry->fd == fd;
}

bool fdset_remove(int64_t id, int64_t fd, GError **errp)
{
    Fdset *set = set_find(id);

    if (!set) {
        error_set(errp, "there is no set of descriptors %" PRId64 "; query-fdsets lists them", id);
        return false;
    }
    if (!remove_matching(set, is_fd, fd)) {
        error_set(errp,
                  "descriptor %" PRId64 " is not in set %" PRId64 "; query-fdsets lists what is",
                  fd, id);
        return false;
    }
    return true;
}

static bool is_from_client(const FdsetFd *entry, int64_t fd)
{
    return entry->from_client;
}

unsigned fdset_count_from_clients(void)
{
    unsigned count = 0;

    for (guint i = 0; i < fdset_list()->len; i++) {
        const Fdset *set = sets->pdata[i];

        for (guint j = 0; j < set->fds->len; j++) {
            count += ((const FdsetFd *)set->fds->pdata[j])->from_client;
        }
    }
    return count;
}

void fdset_remove_from_clients(void)
{
    for (guint i = fdset_list()->len; i-- > 0;) {
        remove_matching(sets->pdata[i], is_from_client, -1);
    }
}

/* ---- opening ---- */

/* The descriptor of @set to be opened with access @mode (O_RDONLY, ...), or -1. */
static int choose(const Fdset *set, int mode)
{
    int other = -1;

    for (guint i = 0; i < set->fds->len; i++) {
        int fd = ((FdsetFd *)set->fds->pdata[i])->fd;
        int has = fcntl(fd, F_GETFL) & O_ACCMODE;

        if (has == mode) {
            return fd;
        }
        if (has == O_RDWR && other < 0) {
            other = fd;
        }
    }
    return other;
}

static int open_from_set(const Fdset *set, int flags)
{
    int from = choose(set, flags & O_ACCMODE), fd;

    if (from < 0) {
        errno = EACCES;
        return -1;
    }
    fd = fcntl(from, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    if (fd >= 0) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | (flags & (O_APPEND | O_NONBLOCK)));
        if (flags & O_TRUNC && ftruncate(fd, 0) < 0) {
            errno = 0; /* a pipe or a terminal, which open() would not cut either */
        }
    }
    return fd;
}

bool fdset_is_path(const char *path)
{
    return g_str_has_prefix(path, PATH_PREFIX);
}

int fdset_open_path(const char *path, int flags, mode_t mode)
{
    const Fdset *set;
    uint64_t id;

    if (!fdset_is_path(path)) {
        return open(path, flags, mode);
    }
    set = parse_uint(path + strlen(PATH_PREFIX), INT64_MAX, &id) ? set_find((int64_t)id) : NULL;
    if (!set) {
        errno = ENOENT;
        return -1;
    }
    if (flags & O_EXCL) {
        errno = EEXIST;
        return -1;
    }
    return open_from_set(set, flags);
}
