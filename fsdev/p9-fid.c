/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fids, and the files behind them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fsdev/p9-internal.h"

/* ---- nodes ---- */

static void close_node(P9Server *s, P9Node *node)
{
    if (node->fd >= 0) {
        close(node->fd);
        node->fd = -1;
        s->open_nodes--;
    }
}

static void close_some(P9Server *s, unsigned keep)
{
    for (GList *link = s->nodes.tail, *prev; link && s->open_nodes > keep; link = prev) {
        P9Node *node = link->data;

        prev = link->prev;
        if (!node->pinned && node->parent) {
            close_node(s, node);
        }
    }
}

void p9_nodes_close(P9Server *s)
{
    close_some(s, 0);
}

/* It was used: it is the last one to be closed. Room for one more descriptor is made a quarter at a
 * time, for each time all are looked at. */
static void opened(P9Server *s, P9Node *node, int fd)
{
    if (s->open_nodes >= s->budget) {
        close_some(s, s->budget - s->budget / 4);
    }
    node->fd = fd;
    s->open_nodes++;
}

P9Node *p9_node_new(P9Server *s, P9Node *parent, const char *name, int fd, const struct stat *st)
{
    P9Node *node = g_new(P9Node, 1);

    *node = (P9Node){
        .refs = 1,
        .parent = parent ? p9_node_ref(parent) : NULL,
        .name = g_strdup(name),
        .dev = st->st_dev,
        .ino = st->st_ino,
        .type = st->st_mode & S_IFMT,
        .link.data = node,
    };
    opened(s, node, fd);
    g_queue_push_head_link(&s->nodes, &node->link);
    return node;
}

P9Node *p9_node_ref(P9Node *node)
{
    node->refs++;
    return node;
}

/* A deep tree goes without a deep stack. */
void p9_node_unref(P9Server *s, P9Node *node)
{
    while (node && --node->refs == 0) {
        P9Node *parent = node->parent;

        close_node(s, node);
        s->pinned -= node->pinned;
        g_queue_unlink(&s->nodes, &node->link);
        g_free(node->name);
        g_free(node);
        node = parent;
    }
}

/* Its folder is open. */
static int reopen(P9Server *s, P9Node *node)
{
    int fd = local_walk(s->dev, node->parent->fd, node->name);
    struct stat st;

    if (fd == -EMFILE || fd == -ENFILE) {
        return fd;
    }
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != node->dev || st.st_ino != node->ino) {
        if (fd >= 0) {
            close(fd);
        }
        return -ESTALE; /* it is somewhere else, or nowhere */
    }
    opened(s, node, fd);
    return 0;
}

int p9_node_fd(P9Server *s, P9Node *node)
{
    while (node->fd < 0) {
        P9Node *first = node;
        int result;

        while (first->parent->fd < 0) {
            first = first->parent;
        }
        result = reopen(s, first);
        if (result) {
            return result;
        }
        g_queue_unlink(&s->nodes, &first->link);
        g_queue_push_head_link(&s->nodes, &first->link);
    }
    if (s->nodes.head != &node->link) {
        g_queue_unlink(&s->nodes, &node->link);
        g_queue_push_head_link(&s->nodes, &node->link);
    }
    return node->fd;
}

/* The second one does not close the first: the budget is far more than two. */
int p9_node_place(P9Server *s, P9Node *node, LocalPlace *place)
{
    int dir = -1, fd;

    if (node->parent && s->dev->model == FSDEV_SECURITY_MODEL_MAPPED_FILE) {
        dir = p9_node_fd(s, node->parent);
        if (dir < 0) {
            return dir;
        }
    }
    fd = p9_node_fd(s, node);
    *place = (LocalPlace){ fd, dir, node->name };
    return MIN(fd, 0);
}

static bool is_at(const P9Node *node, const P9Node *dir, const char *name)
{
    return node->parent && node->parent->ino == dir->ino && node->parent->dev == dir->dev &&
           strcmp(node->name, name) == 0;
}

/* Is @node above @below, or that? After renames on the host it may seem so. */
static bool is_above(const P9Node *node, const P9Node *below)
{
    while (below && below != node) {
        below = below->parent;
    }
    return below;
}

void p9_nodes_renamed(P9Server *s, const P9Node *from, const char *name, P9Node *to,
                      const char *new_name)
{
    g_autoptr(GPtrArray) left = g_ptr_array_new(); /* for a reference that each of them had */

    for (GList *link = s->nodes.head; link; link = link->next) {
        P9Node *node = link->data;

        if (is_at(node, from, name) && !is_above(node, to)) {
            g_ptr_array_add(left, node->parent);
            node->parent = p9_node_ref(to);
            g_free(node->name);
            node->name = g_strdup(new_name);
        }
    }
    for (unsigned i = 0; i < left->len; i++) {
        p9_node_unref(s, left->pdata[i]);
    }
}

void p9_nodes_leaving(P9Server *s, const P9Node *dir, const char *name)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (GList *link = s->nodes.head; link; link = link->next) {
        if (is_at(link->data, dir, name)) {
            g_ptr_array_add(found, link->data);
        }
    }
    for (unsigned i = 0; i < found->len; i++) {
        P9Node *node = found->pdata[i];

        if (!node->pinned && s->pinned < s->budget / 2 && p9_node_fd(s, node) >= 0) {
            node->pinned = true;
            s->pinned++;
        }
    }
}

int p9_node_check_name(P9Server *s, P9Node *node)
{
    int dir = node->parent ? p9_node_fd(s, node->parent) : -EBUSY;
    struct stat st;

    if (dir < 0) {
        return dir;
    }
    if (fstatat(dir, node->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    return st.st_dev == node->dev && st.st_ino == node->ino ? 0 : -ESTALE;
}

/* ---- fids ---- */

P9Fid *p9_fid_find(P9Server *s, uint32_t number)
{
    return g_hash_table_lookup(s->fids, GUINT_TO_POINTER(number));
}

int p9_fid_check_new(P9Server *s, uint32_t number)
{
    if (number == P9_NO_FID || p9_fid_find(s, number)) {
        return EBADF;
    }
    return g_hash_table_size(s->fids) >= P9_MAX_FIDS ? ENFILE : 0;
}

P9Fid *p9_fid_add(P9Server *s, uint32_t number, P9Node *node, uint32_t uid)
{
    P9Fid *fid = g_new0(P9Fid, 1);

    fid->node = node;
    fid->uid = uid;
    fid->io = -1;
    g_hash_table_insert(s->fids, GUINT_TO_POINTER(number), fid);
    g_atomic_int_inc(&s->mounted);
    return fid;
}

void p9_fid_free(P9Server *s, P9Fid *fid)
{
    p9_locks_fid_gone(s->locks, fid);
    if (fid->io >= 0) {
        close(fid->io);
        s->open_files--;
    }
    p9_node_unref(s, fid->node);
    s->value_bytes -= fid->value ? fid->size : 0;
    g_free(fid->name);
    g_free(fid->value);
    g_free(fid);
    g_atomic_int_add(&s->mounted, -1);
}

void p9_fid_remove(P9Server *s, uint32_t number)
{
    P9Fid *fid = p9_fid_find(s, number);

    g_hash_table_remove(s->fids, GUINT_TO_POINTER(number));
    p9_fid_free(s, fid);
}

void p9_fids_clear(P9Server *s)
{
    GHashTableIter iter;
    gpointer fid;

    g_hash_table_iter_init(&iter, s->fids);
    while (g_hash_table_iter_next(&iter, NULL, &fid)) {
        p9_fid_free(s, fid);
        g_hash_table_iter_remove(&iter);
    }
}
