/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What files are like: owners, modes, sizes, times. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fsdev/local-internal.h"

int local_stat(const FsDev *dev, const LocalPlace *place, struct stat *st)
{
    const LocalMap *map = local_map(dev);
    LocalOwner owner;
    unsigned which = 0;
    int result;

    if (fstatat(place->fd, "", st, AT_EMPTY_PATH) < 0) {
        return -errno;
    }
    if (!map) {
        return 0;
    }
    result = map->load(dev, place, &owner, &which);
    if (result) {
        return result;
    }
    st->st_uid = which & LOCAL_UID ? owner.uid : st->st_uid;
    st->st_gid = which & LOCAL_GID ? owner.gid : st->st_gid;
    st->st_rdev = which & LOCAL_RDEV ? owner.rdev : st->st_rdev;
    if (which & LOCAL_MODE && !S_ISDIR(st->st_mode) == !S_ISDIR(owner.mode)) {
        st->st_mode = owner.mode; /* folders are folders */
    }
    return 0;
}

int local_chmod(const FsDev *dev, const LocalPlace *place, uint32_t mode)
{
    const LocalMap *map = local_map(dev);
    struct stat st;
    int result;

    if (dev->readonly) {
        return -EROFS;
    }
    result = local_stat(dev, place, &st);
    if (result) {
        return result;
    }
    if (S_ISLNK(st.st_mode)) {
        return -EOPNOTSUPP;
    }
    if (map) {
        const LocalOwner owner = { .mode = (st.st_mode & S_IFMT) | (mode & 07777) };

        return map->store(dev, place, &owner, LOCAL_MODE);
    }
    return chmod(local_path(place->fd).text, mode & 07777) < 0 ? -errno : 0;
}

int local_chown(const FsDev *dev, const LocalPlace *place, uint32_t uid, uint32_t gid)
{
    const LocalMap *map = local_map(dev);

    if (dev->readonly) {
        return -EROFS;
    }
    if (map) {
        const LocalOwner owner = { .uid = uid, .gid = gid };

        return map->store(dev, place, &owner,
                          (uid == UINT32_MAX ? 0 : LOCAL_UID) |
                              (gid == UINT32_MAX ? 0 : LOCAL_GID));
    }
    if (fchownat(place->fd, "", uid, gid, AT_EMPTY_PATH) < 0 &&
        dev->model != FSDEV_SECURITY_MODEL_NONE) {
        return -errno;
    }
    return 0;
}

int local_truncate(const FsDev *dev, const LocalPlace *place, int io, uint64_t size)
{
    struct stat st;

    if (dev->readonly) {
        return -EROFS;
    }
    if (size > INT64_MAX) {
        return -EFBIG;
    }
    if (fstat(place->fd, &st) < 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    if (io >= 0 && ftruncate(io, (off_t)size) == 0) {
        return 0;
    }
    return truncate(local_path(place->fd).text, (off_t)size) < 0 ? -errno : 0;
}

int local_utimens(const FsDev *dev, const LocalPlace *place, const struct timespec times[2])
{
    if (dev->readonly) {
        return -EROFS;
    }
    return utimensat(AT_FDCWD, local_path(place->fd).text, times, 0) < 0 ? -errno : 0;
}
