/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folders of the host that devices share with the guest (-fsdev): what the user has said of each,
 * and the open folder. Made before devices are, and never changed or removed after that; so any
 * thread may read one that it has found. The list itself: machine lock.
 */
#ifndef FSDEV_FSDEV_H
#define FSDEV_FSDEV_H

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "qapi/qapi-types.h"

typedef struct FsDev {
    char *id;
    char *path; /* of the folder, as it was typed */
    int root;   /* the folder, O_PATH */
    FsdevSecurityModel model;
    FsdevMultidevs multidevs;
    bool readonly;
    bool writeout;       /* what is written goes to the host's disk at once */
    mode_t fmode, dmode; /* of files and folders that are made, where modes are mapped */
} FsDev;

/* One of -fsdev. NULL with an error. */
FsDev *fsdev_add(const FsdevOptions *options, GError **errp);
/* By its id; NULL: there is none. */
FsDev *fsdev_find(const char *id);
/* Does the guest see owners and modes that are kept beside the files, not theirs? */
static inline bool fsdev_is_mapped(const FsDev *dev)
{
    return dev->model == FSDEV_SECURITY_MODEL_MAPPED_XATTR ||
           dev->model == FSDEV_SECURITY_MODEL_MAPPED ||
           dev->model == FSDEV_SECURITY_MODEL_MAPPED_FILE;
}
/* For tests, which have no options: all are removed. Nothing uses them. */
void fsdev_remove_all(void);

#endif
