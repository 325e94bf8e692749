/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files local-*.c. As local.h. */
#ifndef FSDEV_LOCAL_INTERNAL_H
#define FSDEV_LOCAL_INTERNAL_H

#include "fsdev/local.h"

/* A path of the file behind a descriptor, be it O_PATH. */
typedef struct LocalPath {
    char text[40];
} LocalPath;
LocalPath local_path(int fd);

enum { LOCAL_UID = 1, LOCAL_GID = 2, LOCAL_MODE = 4, LOCAL_RDEV = 8, LOCAL_ALL = 15 };

/* How owners are kept, where they are mapped. Bits say which of them. */
typedef struct LocalMap {
    /* Set those of @owner that are kept, and say which. */
    int (*load)(const FsDev *dev, const LocalPlace *place, LocalOwner *owner, unsigned *which);
    int (*store)(const FsDev *dev, const LocalPlace *place, const LocalOwner *owner,
                 unsigned which);
    /* May be NULL. Before @name may be replaced. */
    void (*replacing)(const FsDev *dev, int dir, const char *name);
    /* May be NULL. Before @name goes; after it was renamed, or linked to from there. */
    int (*unlinking)(const FsDev *dev, int dir, const char *name, bool folder);
    int (*renamed)(const FsDev *dev, int from, const char *name, int to, const char *new_name);
    int (*linked)(const FsDev *dev, const LocalPlace *from, int dir, const char *name);
} LocalMap;
extern const LocalMap local_map_xattr, local_map_file;
/* NULL: they are the files'. */
const LocalMap *local_map(const FsDev *dev);

#define LOCAL_MAP_PREFIX "user.virtfs."
#define LOCAL_METADATA   ".virtfs_metadata"

#endif
