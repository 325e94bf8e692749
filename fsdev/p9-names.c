/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that walk to names, make, move and remove them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fsdev/p9-internal.h"

#define MAX_NAMES 16 /* in a Twalk (Plan 9's walk(5)) */

char *p9_get_name(P9Call *call, int *err)
{
    g_autofree char *name = p9_get_string(&call->in);

    *err = name ? -local_check_name(call->s->dev, name) : EINVAL;
    return *err ? NULL : g_steal_pointer(&name);
}

P9Fid *p9_get_folder(P9Call *call, int *fd, int *err)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);

    if (!fid) {
        *err = EBADF;
        return NULL;
    }
    if (!S_ISDIR(fid->node->type)) {
        *err = ENOTDIR;
        return NULL;
    }
    *fd = p9_node_fd(call->s, fid->node);
    *err = MAX(-*fd, 0);
    return *err ? NULL : fid;
}

/* ---- walking ---- */

/* One step; a new reference, and its qid. NULL: *@err says why. */
static P9Node *step(P9Server *s, P9Node *from, const char *name, P9Qid *qid, int *err)
{
    LocalPlace place;
    struct stat st;
    P9Node *node = NULL;
    int dir, fd;

    if (!S_ISDIR(from->type)) {
        *err = ENOTDIR;
        return NULL;
    }
    if (strcmp(name, "..") == 0) { /* of the shared folder: itself */
        node = p9_node_ref(from->parent ? from->parent : from);
    } else {
        *err = -local_check_name(s->dev, name);
        dir = *err ? -*err : p9_node_fd(s, from);
        fd = dir < 0 ? dir : local_walk(s->dev, dir, name);
        if (fd == -EMFILE) {
            p9_nodes_close(s);
            dir = p9_node_fd(s, from);
            fd = dir < 0 ? dir : local_walk(s->dev, dir, name);
        }
        if (fd < 0 || fstat(fd, &st) < 0) {
            *err = fd < 0 ? -fd : errno;
            return NULL;
        }
        node = p9_node_new(s, from, name, fd, &st);
    }
    *err = -p9_node_place(s, node, &place);
    *err = *err ? *err : -local_stat(s->dev, &place, &st);
    *err = *err ? *err : p9_qid_make(s, &st, qid);
    if (*err) {
        p9_node_unref(s, node);
        return NULL;
    }
    return node;
}

/* As many of the names as are there: *@done, and the last node of those. An error only for the
 * first one. */
static P9Node *walk_names(P9Call *call, P9Node *from, char *const *names, unsigned count,
                          unsigned *done, P9Qid *qids, int *err)
{
    P9Node *node = p9_node_ref(from);

    for (*done = 0; *done < count; ++*done) {
        P9Node *next = step(call->s, node, names[*done], &qids[*done], err);

        if (!next) {
            break;
        }
        p9_node_unref(call->s, node);
        node = next;
    }
    *err = *done || !count ? 0 : *err;
    return node;
}

int p9_walk(P9Call *call)
{
    P9Server *s = call->s;
    uint32_t number = p9_get_u32(&call->in), new_number = p9_get_u32(&call->in);
    unsigned count = p9_get_u16(&call->in), done;
    g_auto(GStrv) names = g_new0(char *, MAX_NAMES + 1);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(s, number);
    P9Qid qids[MAX_NAMES];
    P9Node *node;
    int err = 0;

    for (unsigned i = 0; i < MIN(count, MAX_NAMES); i++) {
        names[i] = p9_get_string(&call->in);
    }
    if (call->in.bad || count > MAX_NAMES) {
        return EINVAL;
    }
    if (!fid || (fid->kind != P9_FID_WALKED && number == new_number)) {
        return EBADF;
    }
    err = number == new_number ? 0 : p9_fid_check_new(s, new_number);
    if (err) {
        return err;
    }
    node = walk_names(call, fid->node, names, count, &done, qids, &err);
    if (err || done < count) {
        p9_node_unref(s, node);
    } else if (number == new_number) {
        p9_node_unref(s, fid->node);
        fid->node = node;
    } else {
        p9_fid_add(s, new_number, node, fid->uid);
    }
    p9_put_u16(&call->out, (uint16_t)done);
    for (unsigned i = 0; i < done; i++) {
        p9_put_qid(&call->out, &qids[i]);
    }
    return err;
}

/* ---- making ---- */

/* Answer with the qid of @name in the folder, which is new. */
static int answer_new(P9Call *call, P9Node *folder, const char *name)
{
    P9Qid qid;
    int err;
    P9Node *node = step(call->s, folder, name, &qid, &err);

    if (node) {
        p9_node_unref(call->s, node);
        p9_put_qid(&call->out, &qid);
    }
    return node ? 0 : err;
}

int p9_mkdir(P9Call *call)
{
    int dir, err, name_err;
    P9Fid *folder = p9_get_folder(call, &dir, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    LocalOwner owner = { .mode = S_IFDIR | (p9_get_u32(&call->in) & 07777) };

    owner.gid = p9_get_u32(&call->in);
    if (!folder || !name || call->in.bad) {
        return !folder ? err : !name ? name_err : EINVAL;
    }
    owner.uid = folder->uid;
    err = -local_mkdir(call->s->dev, dir, name, &owner);
    return err ? err : answer_new(call, folder->node, name);
}

int p9_mknod(P9Call *call)
{
    int dir, err, name_err;
    P9Fid *folder = p9_get_folder(call, &dir, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    LocalOwner owner = { .mode = p9_get_u32(&call->in) };
    uint32_t major = p9_get_u32(&call->in), minor = p9_get_u32(&call->in);

    owner.rdev = makedev(major, minor);
    owner.gid = p9_get_u32(&call->in);
    if (!folder || !name || call->in.bad) {
        return !folder ? err : !name ? name_err : EINVAL;
    }
    owner.mode |= owner.mode & S_IFMT ? 0 : S_IFREG;
    owner.uid = folder->uid;
    err = -local_mknod(call->s->dev, dir, name, &owner);
    return err ? err : answer_new(call, folder->node, name);
}

int p9_symlink(P9Call *call)
{
    int dir, err, name_err;
    P9Fid *folder = p9_get_folder(call, &dir, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    g_autofree char *target = p9_get_string(&call->in);
    LocalOwner owner = { .mode = S_IFLNK | 0777, .gid = p9_get_u32(&call->in) };

    if (!folder || !name || call->in.bad) {
        return !folder ? err : !name ? name_err : EINVAL;
    }
    owner.uid = folder->uid;
    err = -local_symlink(call->s->dev, dir, name, target, &owner);
    return err ? err : answer_new(call, folder->node, name);
}

int p9_link(P9Call *call)
{
    int dir, err, name_err;
    P9Fid *folder = p9_get_folder(call, &dir, &err);
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    g_autofree char *name = p9_get_name(call, &name_err);
    LocalPlace place;

    if (!folder || !fid || !name) {
        return !folder ? err : !fid ? EBADF : name_err;
    }
    err = -p9_node_place(call->s, fid->node, &place);
    dir = p9_node_fd(call->s, folder->node);
    if (err || dir < 0) {
        return err ? err : -dir;
    }
    return -local_link(call->s->dev, &place, dir, name);
}

int p9_readlink(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    g_autofree char *target = NULL;
    LocalPlace place;
    struct stat st;
    int err;

    if (!fid) {
        return EBADF;
    }
    err = -p9_node_place(call->s, fid->node, &place);
    err = err ? err : -local_stat(call->s->dev, &place, &st);
    if (err || !S_ISLNK(st.st_mode)) {
        return err ? err : EINVAL;
    }
    target = local_readlink(call->s->dev, &place, &err);
    if (target) {
        p9_put_string(&call->out, target);
    }
    return -err;
}

/* ---- moving and removing ---- */

static int rename_to(P9Server *s, P9Node *from, const char *name, P9Node *to, const char *new_name)
{
    int old = p9_node_fd(s, from), new = p9_node_fd(s, to), result;

    if (old < 0 || new < 0) {
        return old < 0 ? -old : -new;
    }
    p9_nodes_leaving(s, to, new_name);
    old = p9_node_fd(s, from);
    new = p9_node_fd(s, to);
    result = old < 0 ? old : new < 0 ? new : local_rename(s->dev, old, name, new, new_name);
    if (!result) {
        p9_nodes_renamed(s, from, name, to, new_name);
    }
    return -result;
}

int p9_renameat(P9Call *call)
{
    int fd, err, new_err, name_err, new_name_err;
    P9Fid *from = p9_get_folder(call, &fd, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    P9Fid *to = p9_get_folder(call, &fd, &new_err);
    g_autofree char *new_name = p9_get_name(call, &new_name_err);

    if (!from || !to) {
        return !from ? err : new_err;
    }
    if (!name || !new_name) {
        return !name ? name_err : new_name_err;
    }
    return rename_to(call->s, from->node, name, to->node, new_name);
}

int p9_rename(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    int fd, err, name_err;
    P9Fid *to = p9_get_folder(call, &fd, &err);
    g_autofree char *new_name = p9_get_name(call, &name_err);

    if (!fid || !to || !new_name) {
        return !fid ? EBADF : !to ? err : name_err;
    }
    err = -p9_node_check_name(call->s, fid->node);
    if (err) {
        return err;
    }
    P9Node *from = p9_node_ref(fid->node->parent);
    g_autofree char *name = g_strdup(fid->node->name);

    err = rename_to(call->s, from, name, to->node, new_name);
    p9_node_unref(call->s, from);
    return err;
}

static int unlink_at(P9Server *s, P9Node *folder, const char *name, bool is_folder)
{
    int dir;

    p9_nodes_leaving(s, folder, name);
    dir = p9_node_fd(s, folder);
    return dir < 0 ? -dir : -local_unlink(s->dev, dir, name, is_folder);
}

int p9_unlinkat(P9Call *call)
{
    int dir, err, name_err;
    P9Fid *folder = p9_get_folder(call, &dir, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    uint32_t flags = p9_get_u32(&call->in);

    if (!folder || !name || call->in.bad || flags & ~(uint32_t)AT_REMOVEDIR) {
        return !folder ? err : !name ? name_err : EINVAL;
    }
    return unlink_at(call->s, folder->node, name, flags & AT_REMOVEDIR);
}

/* The fid goes in any case. */
int p9_remove(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    int err;

    if (!fid) {
        return EBADF;
    }
    err = -p9_node_check_name(call->s, fid->node);
    if (!err) {
        P9Node *parent = fid->node->parent;

        err = unlink_at(call->s, parent, fid->node->name, S_ISDIR(fid->node->type));
    }
    p9_fid_remove(call->s, number);
    return err;
}
