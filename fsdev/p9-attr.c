/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What files and file systems are like. */
#include <errno.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "fsdev/p9-internal.h"

#define GETATTR_BASIC \
    0x7ffull /* all that stat(2) has: what the answer has, whatever is asked for */
#define V9FS_MAGIC 0x01021997u

enum {
    SET_MODE = 0x1,
    SET_UID = 0x2,
    SET_GID = 0x4,
    SET_SIZE = 0x8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_CTIME = 0x40,
    SET_ATIME_TO = 0x80, /* to what is given, not to now */
    SET_MTIME_TO = 0x100,
};

static P9Fid *get_place(P9Call *call, LocalPlace *place, int *err)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);

    *err = fid ? -p9_node_place(call->s, fid->node, place) : EBADF;
    return *err ? NULL : fid;
}

static void put_time(P9Writer *out, const struct timespec *time)
{
    p9_put_u64(out, (uint64_t)time->tv_sec);
    p9_put_u64(out, (uint64_t)time->tv_nsec);
}

int p9_getattr(P9Call *call)
{
    P9Writer *out = &call->out;
    LocalPlace place;
    struct stat st;
    P9Qid qid;
    int err;
    P9Fid *fid = get_place(call, &place, &err);

    if (!fid) {
        return err;
    }
    err = -local_stat(call->s->dev, &place, &st);
    err = err ? err : p9_qid_make(call->s, &st, &qid);
    if (err) {
        return err;
    }
    p9_put_u64(out, GETATTR_BASIC);
    p9_put_qid(out, &qid);
    p9_put_u32(out, st.st_mode);
    p9_put_u32(out, st.st_uid);
    p9_put_u32(out, st.st_gid);
    p9_put_u64(out, st.st_nlink);
    p9_put_u64(out, st.st_rdev);
    p9_put_u64(out, (uint64_t)st.st_size);
    p9_put_u64(out, (uint64_t)st.st_blksize);
    p9_put_u64(out, (uint64_t)st.st_blocks);
    put_time(out, &st.st_atim);
    put_time(out, &st.st_mtim);
    put_time(out, &st.st_ctim);
    put_time(out, &(struct timespec){ 0 }); /* birth */
    p9_put_u64(out, 0);                     /* generation */
    p9_put_u64(out, 0);                     /* version of the data */
    return 0;
}

typedef struct Changes {
    uint32_t valid, mode, uid, gid;
    uint64_t size;
    struct timespec times[2];
} Changes;

static struct timespec get_time(P9Reader *in)
{
    int64_t s = (int64_t)p9_get_u64(in);

    return (struct timespec){ .tv_sec = s, .tv_nsec = (long)p9_get_u64(in) };
}

/* What utimensat(2) is to do with one of them. */
static void choose_time(struct timespec *time, uint32_t valid, uint32_t set, uint32_t to)
{
    if (!(valid & set)) {
        time->tv_nsec = UTIME_OMIT;
    } else if (!(valid & to)) {
        time->tv_nsec = UTIME_NOW;
    }
}

static int set_times(P9Call *call, const LocalPlace *place, Changes *c)
{
    enum { NS_PER_SECOND = 1000000000 };

    for (unsigned i = 0; i < 2; i++) {
        if (c->times[i].tv_nsec < 0 || c->times[i].tv_nsec >= NS_PER_SECOND) {
            return -EINVAL;
        }
    }
    choose_time(&c->times[0], c->valid, SET_ATIME, SET_ATIME_TO);
    choose_time(&c->times[1], c->valid, SET_MTIME, SET_MTIME_TO);
    return local_utimens(call->s->dev, place, c->times);
}

/* In this order: a change of owner takes away bits of the mode. */
static int set_all(P9Call *call, const P9Fid *fid, const LocalPlace *place, Changes *c)
{
    const FsDev *dev = call->s->dev;
    int result = 0;

    if (c->valid & (SET_UID | SET_GID)) {
        result = local_chown(dev, place, c->valid & SET_UID ? c->uid : UINT32_MAX,
                             c->valid & SET_GID ? c->gid : UINT32_MAX);
    } else if (c->valid == SET_CTIME) {
        result = local_chown(dev, place, UINT32_MAX, UINT32_MAX);
    }
    if (!result && c->valid & SET_MODE) {
        result = local_chmod(dev, place, c->mode);
    }
    if (!result && c->valid & SET_SIZE) {
        result = local_truncate(dev, place, fid->kind == P9_FID_FILE ? fid->io : -1, c->size);
    }
    if (!result && c->valid & (SET_ATIME | SET_MTIME)) {
        result = set_times(call, place, c);
    }
    return result;
}

int p9_setattr(P9Call *call)
{
    LocalPlace place;
    int err;
    P9Fid *fid = get_place(call, &place, &err);
    Changes c = { .valid = p9_get_u32(&call->in) };

    c.mode = p9_get_u32(&call->in);
    c.uid = p9_get_u32(&call->in);
    c.gid = p9_get_u32(&call->in);
    c.size = p9_get_u64(&call->in);
    c.times[0] = get_time(&call->in);
    c.times[1] = get_time(&call->in);
    if (!fid || call->in.bad) {
        return fid ? EINVAL : err;
    }
    return -set_all(call, fid, &place, &c);
}

int p9_statfs(P9Call *call)
{
    P9Writer *out = &call->out;
    struct statfs fs;
    LocalPlace place;
    uint64_t id;
    int err;

    if (!get_place(call, &place, &err)) {
        return err;
    }
    if (fstatfs(place.fd, &fs) < 0) {
        return errno;
    }
    memcpy(&id, &fs.f_fsid, sizeof(id));
    p9_put_u32(out, V9FS_MAGIC);
    p9_put_u32(out, (uint32_t)fs.f_bsize);
    p9_put_u64(out, fs.f_blocks);
    p9_put_u64(out, fs.f_bfree);
    p9_put_u64(out, fs.f_bavail);
    p9_put_u64(out, fs.f_files);
    p9_put_u64(out, fs.f_ffree);
    p9_put_u64(out, id);
    p9_put_u32(out, (uint32_t)fs.f_namelen);
    return 0;
}
