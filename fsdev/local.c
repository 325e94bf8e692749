/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: walking, making and removing. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fsdev/local-internal.h"

LocalPath local_path(int fd)
{
    LocalPath path;

    snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
    return path;
}

const LocalMap *local_map(const FsDev *dev)
{
    switch (dev->model) {
    case FSDEV_SECURITY_MODEL_MAPPED:
    case FSDEV_SECURITY_MODEL_MAPPED_XATTR:
        return &local_map_xattr;
    case FSDEV_SECURITY_MODEL_MAPPED_FILE:
        return &local_map_file;
    default:
        return NULL;
    }
}

int local_check_name(const FsDev *dev, const char *name)
{
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return -EINVAL;
    }
    if (strlen(name) > NAME_MAX) {
        return -ENAMETOOLONG;
    }
    if (dev->model == FSDEV_SECURITY_MODEL_MAPPED_FILE && g_str_has_prefix(name, LOCAL_METADATA)) {
        return -EINVAL; /* where owners are kept */
    }
    return 0;
}

/* ---- walking and opening ---- */

int local_walk(const FsDev *dev, int dir, const char *name)
{
    const struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

#define GUEST_FLAGS (O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC | O_DSYNC | O_DIRECTORY)
#define OUR_FLAGS   (O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_LARGEFILE)

static int check_flags(const FsDev *dev, int flags)
{
    if ((flags & O_ACCMODE) == O_ACCMODE) {
        return -EINVAL;
    }
    return dev->readonly && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC) ? -EROFS : 0;
}

int local_open(const FsDev *dev, const LocalPlace *place, int flags)
{
    struct stat st;
    int result = check_flags(dev, flags), fd;

    if (result) {
        return result;
    }
    if (fstat(place->fd, &st) < 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return -ENXIO; /* opening a device does things, and a FIFO may wait */
    }
    fd = open(local_path(place->fd).text, (flags & GUEST_FLAGS) | OUR_FLAGS);
    return fd < 0 ? -errno : fd;
}

/* ---- what is new ---- */

/* Give @place, which is new, its owner and mode. */
static int settle_new(const FsDev *dev, const LocalPlace *place, const LocalOwner *owner)
{
    const LocalMap *map = local_map(dev);

    if (map) {
        bool plain = S_ISREG(owner->mode) || S_ISDIR(owner->mode) || S_ISLNK(owner->mode);

        return map->store(dev, place, owner, plain ? LOCAL_ALL & ~LOCAL_RDEV : LOCAL_ALL);
    }
    if (fchownat(place->fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0 &&
        dev->model != FSDEV_SECURITY_MODEL_NONE) {
        return -errno;
    }
    if (!S_ISLNK(owner->mode) && chmod(local_path(place->fd).text, owner->mode & 07777) < 0) {
        return -errno;
    }
    return 0;
}

/* The same for @name; it goes again if that fails. */
static int settle_name(const FsDev *dev, int dir, const char *name, const LocalOwner *owner)
{
    int fd = local_walk(dev, dir, name), result = fd < 0 ? fd : 0;

    if (fd >= 0) {
        result = settle_new(dev, &(LocalPlace){ fd, dir, name }, owner);
        close(fd);
    }
    if (result) {
        unlinkat(dir, name, S_ISDIR(owner->mode) ? AT_REMOVEDIR : 0);
    }
    return result;
}

int local_create(const FsDev *dev, int dir, const char *name, int flags, const LocalOwner *owner)
{
    int result = dev->readonly ? -EROFS : check_flags(dev, flags), fd;

    if (result) {
        return result;
    }
    fd = openat(dir, name,
                (flags & GUEST_FLAGS & ~O_DIRECTORY) | OUR_FLAGS | O_CREAT | O_EXCL | O_NOFOLLOW,
                local_map(dev) ? dev->fmode : owner->mode & 0777);
    if (fd < 0) {
        return -errno;
    }
    result = settle_new(dev, &(LocalPlace){ fd, dir, name }, owner);
    if (result) {
        close(fd);
        unlinkat(dir, name, 0);
        return result;
    }
    return fd;
}

int local_mkdir(const FsDev *dev, int dir, const char *name, const LocalOwner *owner)
{
    if (dev->readonly) {
        return -EROFS;
    }
    if (mkdirat(dir, name, local_map(dev) ? dev->dmode : owner->mode & 0777) < 0) {
        return -errno;
    }
    return settle_name(dev, dir, name, owner);
}

int local_mknod(const FsDev *dev, int dir, const char *name, const LocalOwner *owner)
{
    mode_t mode = local_map(dev) ? S_IFREG | dev->fmode : owner->mode & (S_IFMT | 0777);

    if (dev->readonly) {
        return -EROFS;
    }
    if (S_ISDIR(owner->mode) || S_ISLNK(owner->mode)) {
        return -EINVAL;
    }
    if (mknodat(dir, name, mode, owner->rdev) < 0) {
        return -errno;
    }
    return settle_name(dev, dir, name, owner);
}

/* A file with the target as contents. */
static int create_mapped_link(const FsDev *dev, int dir, const char *name, const char *target,
                              const LocalOwner *owner)
{
    int fd = local_create(dev, dir, name, O_WRONLY, owner), result = 0;
    size_t len = strlen(target);
    ssize_t n;

    if (fd < 0) {
        return fd;
    }
    n = write(fd, target, len);
    if (n < 0 || (size_t)n < len) {
        result = n < 0 ? -errno : -ENOSPC;
    }
    close(fd);
    if (result) {
        local_unlink(dev, dir, name, false);
    }
    return result;
}

int local_symlink(const FsDev *dev, int dir, const char *name, const char *target,
                  const LocalOwner *owner)
{
    if (dev->readonly) {
        return -EROFS;
    }
    if (!*target || strlen(target) >= PATH_MAX) {
        return *target ? -ENAMETOOLONG : -ENOENT;
    }
    if (local_map(dev)) {
        return create_mapped_link(dev, dir, name, target, owner);
    }
    if (symlinkat(target, dir, name) < 0) {
        return -errno;
    }
    return settle_name(dev, dir, name, owner);
}

int local_link(const FsDev *dev, const LocalPlace *from, int dir, const char *name)
{
    const LocalMap *map = local_map(dev);
    int result;

    if (dev->readonly) {
        return -EROFS;
    }
    if (linkat(AT_FDCWD, local_path(from->fd).text, dir, name, AT_SYMLINK_FOLLOW) < 0) {
        return -errno;
    }
    result = map && map->linked ? map->linked(dev, from, dir, name) : 0;
    if (result) {
        unlinkat(dir, name, 0);
    }
    return result;
}

/* ---- what goes ---- */

int local_rename(const FsDev *dev, int from, const char *name, int to, const char *new_name)
{
    const LocalMap *map = local_map(dev);

    if (dev->readonly) {
        return -EROFS;
    }
    if (map && map->replacing) {
        map->replacing(dev, to, new_name);
    }
    if (renameat(from, name, to, new_name) < 0) {
        return -errno;
    }
    return map && map->renamed ? map->renamed(dev, from, name, to, new_name) : 0;
}

int local_unlink(const FsDev *dev, int dir, const char *name, bool folder)
{
    const LocalMap *map = local_map(dev);
    int result;

    if (dev->readonly) {
        return -EROFS;
    }
    result = map && map->unlinking ? map->unlinking(dev, dir, name, folder) : 0;
    if (result) {
        return result;
    }
    return unlinkat(dir, name, folder ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

char *local_readlink(const FsDev *dev, const LocalPlace *place, int *result)
{
    g_autofree char *target = g_malloc0(PATH_MAX);
    ssize_t len = readlinkat(place->fd, "", target, PATH_MAX - 1);

    if (len < 0 && local_map(dev)) {
        int fd = local_open(dev, place, O_RDONLY);

        len = fd < 0 ? fd : read(fd, target, PATH_MAX - 1);
        *result = fd < 0 ? fd : -errno;
        if (fd >= 0) {
            close(fd);
        }
    } else {
        *result = -errno;
    }
    if (len < 0 || strlen(target) != (size_t)len) {
        *result = len < 0 ? *result : -EINVAL;
        return NULL;
    }
    *result = 0;
    return g_steal_pointer(&target);
}
