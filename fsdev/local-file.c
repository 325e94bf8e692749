/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owners that are kept in files: of FOLDER/NAME in FOLDER/.virtfs_metadata/NAME, of the shared
 * folder itself in its .virtfs_metadata_root. Lines "virtfs.uid=N", "virtfs.gid=N",
 * "virtfs.mode=N", "virtfs.rdev=N", decimal.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fsdev/local-internal.h"

#define ROOT_FILE LOCAL_METADATA "_root"
#define TEXT_MAX  256 /* bytes of such a file that are looked at */

/* The folder of metadata of @dir; made if @make. A descriptor or -errno. */
static int open_metadata(const FsDev *dev, int dir, bool make)
{
    int fd;

    if (make && mkdirat(dir, LOCAL_METADATA, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    fd = openat(dir, LOCAL_METADATA, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Where the owner of @place is kept: *@name in the folder that is returned. */
static int open_folder_of(const FsDev *dev, const LocalPlace *place, bool make, const char **name)
{
    if (place->dir < 0) {
        int fd = openat(dev->root, ".", O_PATH | O_CLOEXEC);

        *name = ROOT_FILE;
        return fd < 0 ? -errno : fd;
    }
    *name = place->name;
    return open_metadata(dev, place->dir, make);
}

static int read_text(int dir, const char *name, char text[TEXT_MAX])
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, TEXT_MAX - 1);
    int result = len < 0 ? -errno : 0;

    text[MAX(len, 0)] = 0;
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

static void parse(char *text, LocalOwner *owner, unsigned *which)
{
    uint64_t values[4];
    static const char *const keys[] = { "virtfs.uid=", "virtfs.gid=", "virtfs.mode=",
                                        "virtfs.rdev=" };

    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *at = strstr(text, keys[i]);

        if (at) {
            values[i] = strtoull(at + strlen(keys[i]), NULL, 10);
            *which |= 1u << i; /* the order of LOCAL_UID, ... */
        }
    }
    owner->uid = *which & LOCAL_UID ? (uint32_t)values[0] : 0;
    owner->gid = *which & LOCAL_GID ? (uint32_t)values[1] : 0;
    owner->mode = *which & LOCAL_MODE ? (uint32_t)values[2] : 0;
    owner->rdev = *which & LOCAL_RDEV ? values[3] : 0;
}

static int file_load(const FsDev *dev, const LocalPlace *place, LocalOwner *owner, unsigned *which)
{
    char text[TEXT_MAX];
    const char *name;
    int dir = open_folder_of(dev, place, false, &name), result;

    *which = 0;
    if (dir < 0) {
        return dir == -ENOENT ? 0 : dir;
    }
    result = read_text(dir, name, text);
    close(dir);
    if (!result) {
        parse(text, owner, which);
    }
    return result == -ENOENT ? 0 : result;
}

static char *format(const LocalOwner *owner, unsigned which)
{
    GString *text = g_string_new(NULL);

    if (which & LOCAL_UID) {
        g_string_append_printf(text, "virtfs.uid=%u\n", owner->uid);
    }
    if (which & LOCAL_GID) {
        g_string_append_printf(text, "virtfs.gid=%u\n", owner->gid);
    }
    if (which & LOCAL_MODE) {
        g_string_append_printf(text, "virtfs.mode=%u\n", owner->mode);
    }
    if (which & LOCAL_RDEV) {
        g_string_append_printf(text, "virtfs.rdev=%" PRIu64 "\n", owner->rdev);
    }
    return g_string_free(text, FALSE);
}

static int write_text(int dir, const char *name, const char *text)
{
    int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    ssize_t n = fd < 0 ? -1 : write(fd, text, len);
    int result = n < 0 ? -errno : (size_t)n < len ? -ENOSPC : 0;

    if (fd >= 0) {
        close(fd);
    }
    return result;
}

static int file_store(const FsDev *dev, const LocalPlace *place, const LocalOwner *owner,
                      unsigned which)
{
    LocalOwner all;
    unsigned before = 0;
    const char *name;
    int result = file_load(dev, place, &all, &before), dir;

    if (result) {
        return result;
    }
    all.uid = which & LOCAL_UID ? owner->uid : all.uid;
    all.gid = which & LOCAL_GID ? owner->gid : all.gid;
    all.mode = which & LOCAL_MODE ? owner->mode : all.mode;
    all.rdev = which & LOCAL_RDEV ? owner->rdev : all.rdev;
    g_autofree char *text = format(&all, before | which);
    dir = open_folder_of(dev, place, true, &name);
    if (dir < 0) {
        return dir;
    }
    result = write_text(dir, name, text);
    close(dir);
    return result;
}

/* ---- names ---- */

/* A folder that is empty but for metadata loses them first. */
static int empty_folder(int dir, const char *name)
{
    int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), result = 0;

    if (fd < 0) {
        return -errno;
    }
    if (unlinkat(fd, LOCAL_METADATA, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        result = -errno; /* ENOTEMPTY, as there are files */
    }
    close(fd);
    return result;
}

/* One that is not empty stays, and cannot be replaced. */
static void file_replacing(const FsDev *dev, int dir, const char *name)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
        empty_folder(dir, name);
    }
}

static int file_unlinking(const FsDev *dev, int dir, const char *name, bool folder)
{
    struct stat st;
    int metadata, result;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    if (folder != S_ISDIR(st.st_mode)) {
        return folder ? -ENOTDIR : -EISDIR;
    }
    result = folder ? empty_folder(dir, name) : 0;
    if (result) {
        return result;
    }
    metadata = open_metadata(dev, dir, false);
    if (metadata >= 0) {
        unlinkat(metadata, name, 0);
        close(metadata);
    }
    return 0;
}

/* The metadata of @name in @from go to those of @to; there are none: none are left there. */
static int move_metadata(const FsDev *dev, int from, const char *name, int to, const char *new_name)
{
    int old = open_metadata(dev, from, false), new = open_metadata(dev, to, old >= 0), result = 0;

    if (new >= 0 && (old < 0 || renameat(old, name, new, new_name) < 0)) {
        result = old < 0 || errno == ENOENT ? 0 : -errno;
        unlinkat(new, new_name, 0);
    }
    if (old >= 0) {
        close(old);
    }
    if (new >= 0) {
        close(new);
    }
    return result;
}

static int file_linked(const FsDev *dev, const LocalPlace *from, int dir, const char *name)
{
    LocalOwner owner;
    unsigned which = 0;
    int result = file_load(dev, from, &owner, &which);

    if (result || !which) {
        return result;
    }
    return file_store(dev, &(LocalPlace){ .dir = dir, .name = name }, &owner, which);
}

const LocalMap local_map_file = {
    .load = file_load,
    .store = file_store,
    .replacing = file_replacing,
    .unlinking = file_unlinking,
    .renamed = move_metadata,
    .linked = file_linked,
};
