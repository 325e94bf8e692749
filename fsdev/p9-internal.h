/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the files p9-*.c. Handlers of messages return 0 or an errno of Linux, which is what the
 * client gets (Rlerror).
 */
#ifndef FSDEV_P9_INTERNAL_H
#define FSDEV_P9_INTERNAL_H

#include <glib.h>
#include <sys/uio.h>

#include "fsdev/local.h"
#include "fsdev/p9-server.h"

#define P9_NO_FID 0xffffffffu

/* ---- files that the client knows ---- */

/* A file at its place. It is known by a descriptor, so it stays the same whatever is renamed; if
 * there are too many, that is closed, and opened again by the name. */
typedef struct P9Node {
    unsigned refs;
    struct P9Node *parent; /* a reference; NULL: the shared folder */
    char *name;            /* in that */
    int fd;                /* O_PATH; -1: closed meanwhile */
    dev_t dev;
    ino_t ino;
    mode_t type; /* S_IFMT of the host's file */
    bool pinned; /* it may have no name any more: the descriptor must stay */
    GList link;  /* in P9Server.nodes */
} P9Node;

typedef enum P9FidKind {
    P9_FID_WALKED, /* not open */
    P9_FID_FILE,
    P9_FID_DIR,
    P9_FID_XATTR_READ,
    P9_FID_XATTR_WRITE,
} P9FidKind;

typedef struct P9Fid {
    P9FidKind kind;
    P9Node *node; /* a reference */
    uint32_t uid; /* who attached */
    int io;       /* FILE, DIR: open; else -1 */
    char *name;   /* XATTR_WRITE: the attribute's */
    char *value;  /* XATTR_*: what is read, or was written; size bytes */
    size_t size;
    size_t written; /* XATTR_WRITE: bytes that have come */
    int flags;      /* XATTR_WRITE: of setxattr(2) */
} P9Fid;

typedef struct P9Locks P9Locks;
typedef struct P9Qids P9Qids;

struct P9Server {
    const FsDev *dev;
    uint32_t msize;   /* 0: there was no Tversion */
    GHashTable *fids; /* number to P9Fid *, owned */
    gint mounted;     /* how many; atomic */
    P9Node *root;
    GQueue nodes;        /* that have been made, the last used first */
    unsigned open_nodes; /* with a descriptor */
    unsigned open_files; /* descriptors of fids */
    unsigned pinned;
    unsigned budget;    /* for each of these */
    size_t value_bytes; /* of attributes that fids have */
    P9Locks *locks;
    P9Qids *qids;
    uint8_t *request, *answer; /* P9_MAX_MSIZE each */
};

/* A message that is carried out. */
typedef struct P9Call {
    P9Server *s;
    P9Reader in;  /* what is behind the header; of a Twrite without the data */
    P9Writer out; /* the answer, with a header */
    /* Data that are not copied: of a Twrite to write, of a Tread to fill. */
    const struct iovec *out_iov, *in_iov;
    unsigned out_count, in_count;
    size_t out_size, in_size; /* bytes of all of it */
    struct iovec *pieces;     /* room for as many as the larger one has */
    size_t direct;            /* bytes that were put behind the answer */
} P9Call;

/* ---- p9-fid.c ---- */

P9Fid *p9_fid_find(P9Server *s, uint32_t number);
/* A new one with a reference of @node; its number is free. */
P9Fid *p9_fid_add(P9Server *s, uint32_t number, P9Node *node, uint32_t uid);
/* 0 if @number can be used for a new one. */
int p9_fid_check_new(P9Server *s, uint32_t number);
void p9_fid_remove(P9Server *s, uint32_t number);
void p9_fids_clear(P9Server *s);
void p9_fid_free(P9Server *s, P9Fid *fid);

/* Takes @fd, of which @st is known; counts no reference of @parent before. A new reference. */
P9Node *p9_node_new(P9Server *s, P9Node *parent, const char *name, int fd, const struct stat *st);
P9Node *p9_node_ref(P9Node *node);
void p9_node_unref(P9Server *s, P9Node *node);
/* A descriptor, good until the next node is asked for; or -errno. */
int p9_node_fd(P9Server *s, P9Node *node);
/* The same for it and its folder. 0 or -errno. The name is the node's. */
int p9_node_place(P9Server *s, P9Node *node, LocalPlace *place);
/* The node was renamed, and all others that are at the same place. */
void p9_nodes_renamed(P9Server *s, const P9Node *from, const char *name, P9Node *to,
                      const char *new_name);
/* Before @name in @dir goes: those that are there keep their file. */
void p9_nodes_leaving(P9Server *s, const P9Node *dir, const char *name);
/* Is the node's file still where its name says? 0 or -errno. */
int p9_node_check_name(P9Server *s, P9Node *node);
/* Close all descriptors that can be had again: no more can be opened. */
void p9_nodes_close(P9Server *s);

/* ---- p9-qid.c ---- */

P9Qids *p9_qids_new(void);
void p9_qids_free(P9Qids *qids);
/* What the client knows a file by. 0 or an errno. */
int p9_qid_make(P9Server *s, const struct stat *st, P9Qid *qid);

/* ---- p9-lock.c ---- */

P9Locks *p9_locks_new(void);
void p9_locks_free(P9Locks *locks);
void p9_locks_fid_gone(P9Locks *locks, const P9Fid *fid);

/* ---- p9-dir.c, p9-names.c ---- */

/* Get a name for a new file, or of one there is; g_free. NULL: *@err says why. */
char *p9_get_name(P9Call *call, int *err);
/* The walked fid of a folder, with its descriptor. NULL: *@err says why. */
P9Fid *p9_get_folder(P9Call *call, int *fd, int *err);

/* ---- p9-xattr.c ---- */

/* The fid has a value of @size bytes, @value (taken) or zeros. False: all fids together have too
 * much. */
bool p9_xattr_hold(P9Server *s, P9Fid *fid, char *value, size_t size);
/* A fid of an attribute goes: write it. */
int p9_xattr_clunk(P9Server *s, P9Fid *fid);

/* ---- the messages ---- */

typedef int P9Handler(P9Call *call);
P9Handler p9_version, p9_attach, p9_auth, p9_flush, p9_walk, p9_clunk, p9_remove;
P9Handler p9_lopen, p9_lcreate, p9_read, p9_write, p9_fsync;
P9Handler p9_getattr, p9_setattr, p9_statfs;
P9Handler p9_readdir, p9_mkdir, p9_mknod, p9_symlink, p9_link, p9_readlink;
P9Handler p9_rename, p9_renameat, p9_unlinkat;
P9Handler p9_xattrwalk, p9_xattrcreate;
P9Handler p9_lock, p9_getlock;

#endif
