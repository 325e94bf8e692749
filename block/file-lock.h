/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks of image files against other programs, by open file descriptions (F_OFD_SETLK). A byte
 * stands for each BLOCK_PERM_: whoever does that holds a shared lock on byte 100 + its number, and
 * whoever does not let others do it, one on byte 200 + its number. So programs that know of these
 * places, as Debian's qemu-img, and this one do not meet in a file.
 */
#ifndef BLOCK_FILE_LOCK_H
#define BLOCK_FILE_LOCK_H

#include <stdbool.h>

typedef struct FileLock {
    int fd;               /* borrowed */
    unsigned uses, keeps; /* bits of BLOCK_PERM_ that are locked: done, and kept from others */
} FileLock;

/* Hold the locks for @uses, and to keep others from all but @shares, in place of those that are
 * held. 0 or a positive errno value: EAGAIN is another program's lock that does not go with that,
 * and *@perm what it is about; ENOSYS: files there cannot be locked. The locks are then as before.
 */
int file_lock_set(FileLock *lock, unsigned uses, unsigned shares, unsigned *perm);

#endif
