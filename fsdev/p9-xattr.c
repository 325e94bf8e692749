/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extended attributes: fids that are read or written as if they were files. */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fsdev/p9-internal.h"

#define MAX_VALUE 65536       /* XATTR_SIZE_MAX */
#define MAX_NAME  255         /* XATTR_NAME_MAX */
#define MAX_ALL   (16u << 20) /* bytes of values that are open at once */

bool p9_xattr_hold(P9Server *s, P9Fid *fid, char *value, size_t size)
{
    if (size > MAX_ALL - s->value_bytes) {
        g_free(value);
        return false;
    }
    s->value_bytes += size;
    fid->value = value ? value : g_malloc0(size + 1);
    fid->size = size;
    return true;
}

int p9_xattrwalk(P9Call *call)
{
    P9Server *s = call->s;
    uint32_t number = p9_get_u32(&call->in), new_number = p9_get_u32(&call->in);
    g_autofree char *name = p9_get_string(&call->in), *value = NULL;
    P9Fid *fid = name ? p9_fid_find(s, number) : NULL, *made;
    LocalPlace place;
    ssize_t size;
    int err;

    if (!fid) {
        return name ? EBADF : EINVAL;
    }
    err = p9_fid_check_new(s, new_number);
    err = err ? err : -p9_node_place(s, fid->node, &place);
    if (err) {
        return err;
    }
    value = *name ? local_get_xattr(s->dev, &place, name, &size)
                  : local_list_xattr(s->dev, &place, &size);
    if (!value) {
        return (int)-size;
    }
    made = p9_fid_add(s, new_number, p9_node_ref(fid->node), fid->uid);
    made->kind = P9_FID_XATTR_READ;
    if (!p9_xattr_hold(s, made, g_steal_pointer(&value), (size_t)size)) {
        p9_fid_remove(s, new_number);
        return ENOSPC;
    }
    p9_put_u64(&call->out, (uint64_t)size);
    return 0;
}

int p9_xattrcreate(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    g_autofree char *name = p9_get_string(&call->in);
    uint64_t size = p9_get_u64(&call->in);
    uint32_t flags = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);

    if (!fid || fid->kind != P9_FID_WALKED) {
        return EBADF;
    }
    if (!*name || strlen(name) > MAX_NAME || flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)) {
        return EINVAL;
    }
    if (size > MAX_VALUE || !p9_xattr_hold(call->s, fid, NULL, size)) {
        return ENOSPC;
    }
    fid->kind = P9_FID_XATTR_WRITE;
    fid->name = g_steal_pointer(&name);
    fid->flags = (int)flags;
    return 0;
}

/* A size of 0 removes it, as clients know it. */
int p9_xattr_clunk(P9Server *s, P9Fid *fid)
{
    LocalPlace place;
    int err = -p9_node_place(s, fid->node, &place);

    if (err) {
        return err;
    }
    if (fid->written < fid->size) {
        return EIO; /* not all of it came */
    }
    return fid->size
               ? -local_set_xattr(s->dev, &place, fid->name, fid->value, fid->size, fid->flags)
               : -local_remove_xattr(s->dev, &place, fid->name);
}
