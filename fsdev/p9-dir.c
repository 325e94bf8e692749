/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in a folder. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fsdev/p9-internal.h"

#define ENTRY_BYTES (P9_QID_BYTES + 8 + 1 + 2) /* of an entry without its name */
#define READ_BYTES  32768

/* Entries are named by what the host's folder says of them; where modes are mapped, a regular file
 * may be anything for the guest. Files of other file systems below the folder look as if they were
 * of its own, as they do to programs of the host. */
static int entry_qid(P9Server *s, const P9Fid *fid, const struct dirent64 *entry, P9Qid *qid,
                     uint8_t *type)
{
    bool up = strcmp(entry->d_name, "..") == 0;
    const P9Node *at = up && fid->node->parent ? fid->node->parent : fid->node;
    struct stat st = { .st_dev = at->dev,
                       .st_ino = up ? at->ino : entry->d_ino,
                       .st_mode = DTTOIF(entry->d_type) };

    *type = entry->d_type == DT_REG && fsdev_is_mapped(s->dev) ? DT_UNKNOWN : entry->d_type;
    return p9_qid_make(s, &st, qid);
}

static bool is_hidden(const P9Server *s, const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && local_check_name(s->dev, name) != 0;
}

/* Put entries from @bytes into the answer until it has no room left of @room: true, there is none.
 */
static bool put_entries(P9Call *call, P9Fid *fid, const char *bytes, ssize_t len, size_t *room,
                        int *err)
{
    const struct dirent64 *entry;

    for (ssize_t at = 0; at < len; at += entry->d_reclen) {
        P9Qid qid;
        uint8_t type;
        size_t size;

        entry = (const struct dirent64 *)(const void *)(bytes + at);
        size = ENTRY_BYTES + strlen(entry->d_name);
        if (is_hidden(call->s, entry->d_name)) {
            continue;
        }
        if (size > *room) {
            return true;
        }
        *err = entry_qid(call->s, fid, entry, &qid, &type);
        if (*err) {
            return true;
        }
        p9_put_qid(&call->out, &qid);
        p9_put_u64(&call->out, (uint64_t)entry->d_off);
        p9_put_u8(&call->out, type);
        p9_put_string(&call->out, entry->d_name);
        *room -= size;
    }
    return false;
}

int p9_readdir(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    uint64_t offset = p9_get_u64(&call->in);
    uint32_t count = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    size_t start = call->out.used, room = count;
    char bytes[READ_BYTES] __attribute__((aligned(8)));
    ssize_t len = 0;
    int err = 0;

    if (!fid || fid->kind != P9_FID_DIR) {
        return EBADF;
    }
    if (start + sizeof(count) + count > call->out.size) {
        return EMSGSIZE;
    }
    if (lseek(fid->io, (off_t)offset, SEEK_SET) < 0) {
        return errno;
    }
    p9_put_u32(&call->out, 0);
    do {
        len = getdents64(fid->io, bytes, MIN(sizeof(bytes), MAX(room, 512)));
        if (len < 0) {
            return errno;
        }
    } while (len > 0 && !put_entries(call, fid, bytes, len, &room, &err));
    if (!err && len > 0 && room == count) {
        return EINVAL; /* not one of them fits */
    }
    if (err && room == count) {
        return err;
    }
    P9Writer patch = { call->out.data + start, sizeof(count) };
    p9_put_u32(&patch, count - (uint32_t)room);
    return 0;
}
