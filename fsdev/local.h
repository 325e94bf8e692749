/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files below a folder of the host, for a guest that is not trusted. Everything is reached from
 * descriptors of folders by one name at a time, and no symbolic link is ever followed: there is no
 * path that could lead out, whatever is renamed meanwhile. What is neither a file nor a folder is
 * never opened.
 *
 * Owners, modes and device numbers are those of the host's files (models "passthrough" and "none"),
 * or are kept beside them: in extended attributes "user.virtfs.*" ("mapped-xattr"), or in a folder
 * ".virtfs_metadata" in each folder ("mapped-file"). Then folders are folders, and all else is a
 * regular file that belongs to this process: a symbolic link has its target as contents.
 *
 * Functions return 0, a descriptor or a size, or -errno. Any thread.
 */
#ifndef FSDEV_LOCAL_H
#define FSDEV_LOCAL_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

#include "fsdev/fsdev.h"

/* A file, and where it is. */
typedef struct LocalPlace {
    int fd;           /* of itself, O_PATH */
    int dir;          /* of its folder, O_PATH; -1: it is the shared folder */
    const char *name; /* in that */
} LocalPlace;

/* What a new file gets. */
typedef struct LocalOwner {
    uint32_t uid, gid;
    uint32_t mode; /* with its type */
    uint64_t rdev;
} LocalOwner;

/* May a guest use @name for a file? 0, or why not. */
int local_check_name(const FsDev *dev, const char *name);

/* A descriptor, O_PATH, of @name in @dir. */
int local_walk(const FsDev *dev, int dir, const char *name);
/* As the guest sees it. */
int local_stat(const FsDev *dev, const LocalPlace *place, struct stat *st);
/* Open a file or folder with these flags of open(2), as far as a guest may say them. */
int local_open(const FsDev *dev, const LocalPlace *place, int flags);
/* Make a file that is not there, and open it. @owner->mode is S_IFREG. */
int local_create(const FsDev *dev, int dir, const char *name, int flags, const LocalOwner *owner);
/* Make a folder, a node, which may be a file, or a link to @target. */
int local_mkdir(const FsDev *dev, int dir, const char *name, const LocalOwner *owner);
int local_mknod(const FsDev *dev, int dir, const char *name, const LocalOwner *owner);
int local_symlink(const FsDev *dev, int dir, const char *name, const char *target,
                  const LocalOwner *owner);
int local_link(const FsDev *dev, const LocalPlace *from, int dir, const char *name);
int local_rename(const FsDev *dev, int from, const char *name, int to, const char *new_name);
int local_unlink(const FsDev *dev, int dir, const char *name, bool folder);
/* The target, g_free; NULL: *@result is -errno. */
char *local_readlink(const FsDev *dev, const LocalPlace *place, int *result);

int local_chmod(const FsDev *dev, const LocalPlace *place, uint32_t mode);
/* UINT32_MAX: leave it. */
int local_chown(const FsDev *dev, const LocalPlace *place, uint32_t uid, uint32_t gid);
/* @io is open for writing; or -1. */
int local_truncate(const FsDev *dev, const LocalPlace *place, int io, uint64_t size);
int local_utimens(const FsDev *dev, const LocalPlace *place, const struct timespec times[2]);

/* The names, each with a NUL, or a value; g_free; *@size: how many bytes, or -errno with NULL. */
char *local_list_xattr(const FsDev *dev, const LocalPlace *place, ssize_t *size);
char *local_get_xattr(const FsDev *dev, const LocalPlace *place, const char *name, ssize_t *size);
int local_set_xattr(const FsDev *dev, const LocalPlace *place, const char *name, const void *value,
                    size_t size, int flags);
int local_remove_xattr(const FsDev *dev, const LocalPlace *place, const char *name);

#endif
