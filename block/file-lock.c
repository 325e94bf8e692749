/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/file-lock.h"

#include <errno.h>
#include <fcntl.h>

#include "block/node.h"

enum { PLACE_USES = 100, PLACE_KEEPS = 200, PERMS = 4 };

/* One byte; @type: F_RDLCK, F_UNLCK. */
static int set_byte(int fd, int place, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? errno : 0;
}

/* Does another open file have a lock there? */
static int is_locked(int fd, int place, bool *locked)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0) {
        return errno;
    }
    *locked = lock.l_type != F_UNLCK;
    return 0;
}

static int change(int fd, int place, unsigned *held, unsigned wanted, short type)
{
    for (int i = 0; i < PERMS; i++) {
        unsigned bit = 1u << i;
        bool lock = wanted & bit && !(*held & bit), unlock = *held & bit && !(wanted & bit);
        int err = 0;

        if (type == F_RDLCK ? lock : unlock) {
            err = set_byte(fd, place + i, type);
        }
        if (err) {
            return err;
        }
        *held = type == F_RDLCK ? *held | (wanted & bit) : *held & (wanted | ~bit);
    }
    return 0;
}

static int find_clash(int fd, int place, unsigned bits, unsigned *perm)
{
    for (int i = 0; i < PERMS; i++) {
        bool locked = false;
        int err = bits >> i & 1 ? is_locked(fd, place + i, &locked) : 0;

        if (err || locked) {
            *perm = 1u << i;
            return err ? err : EAGAIN;
        }
    }
    return 0;
}

int file_lock_set(FileLock *lock, unsigned uses, unsigned shares, unsigned *perm)
{
    const FileLock before = *lock;
    unsigned keeps = BLOCK_PERM_ALL & ~shares;
    int err;

    *perm = 0;
    /* First our own, so that of two that come at the same time at least one sees the other. */
    err = change(lock->fd, PLACE_USES, &lock->uses, uses, F_RDLCK);
    err = err ? err : change(lock->fd, PLACE_KEEPS, &lock->keeps, keeps, F_RDLCK);
    err = err ? err : find_clash(lock->fd, PLACE_KEEPS, uses, perm);
    err = err ? err : find_clash(lock->fd, PLACE_USES, keeps, perm);
    if (err) {
        uses = before.uses;
        keeps = before.keeps;
    }
    change(lock->fd, PLACE_USES, &lock->uses, uses, F_UNLCK);
    change(lock->fd, PLACE_KEEPS, &lock->keeps, keeps, F_UNLCK);
    return err == EINVAL || err == ENOLCK || err == EOPNOTSUPP ? ENOSYS
           : err == EACCES                                     ? EAGAIN
                                                               : err;
}
