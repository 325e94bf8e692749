/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of file descriptors that were handed to us (-add-fd, QMP add-fd), and the opening of paths
 * that may name one of them: "/dev/fdset/N" is a descriptor of set N.
 *
 * A set has descriptors of different access modes, one of which fits what it is opened for. Machine
 * lock for everything.
 */
#ifndef UTIL_FDSET_H
#define UTIL_FDSET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor in a set. */
typedef struct FdsetFd {
    int fd;
    char *opaque;     /* the user's description, or NULL */
    bool from_client; /* goes away with the last QMP client */
} FdsetFd;

typedef struct Fdset {
    int64_t id;
    GPtrArray *fds; /* of FdsetFd *, never empty */
} Fdset;

/* Clients can have so many descriptors in sets; what they could take without limit, the program
 * would lack for clients, files and memory. */
#define FDSET_CLIENT_MAX 256

#define FDSET_NEW (-1)
#define FDSET_ALL (-1)

/* Put @fd, which is the set's from now on, in set @id (0 or more), which is made if missing;
 * FDSET_NEW: a new one, with the lowest number that is free. @opaque may be NULL. Returns the
 * number of the set. */
int64_t fdset_add(int64_t id, int fd, const char *opaque, bool from_client);
/* Close @fd of set @id, or FDSET_ALL of them. What was opened by fdset_open_path() stays open. */
bool fdset_remove(int64_t id, int64_t fd, GError **errp);
/* How many descriptors of clients there are. */
unsigned fdset_count_from_clients(void);
/* Close what clients have added. */
void fdset_remove_from_clients(void);
/* The sets, by number; of Fdset *, all borrowed. */
GPtrArray *fdset_list(void);

/* open(), with /dev/fdset/N too: a duplicate of the descriptor of set N whose access mode is that
 * of @flags, else of one for reading and writing. It gets O_APPEND, O_NONBLOCK, O_TRUNC and
 * O_CLOEXEC from @flags; O_EXCL fails with EEXIST. -1 with errno: ENOENT if there is no such set,
 * EACCES if none of its descriptors fits. */
int fdset_open_path(const char *path, int flags, mode_t mode);
/* Does @path name a set? */
bool fdset_is_path(const char *path);

#endif
