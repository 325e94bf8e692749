/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are open. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "block/iov.h"
#include "fsdev/p9-internal.h"

#define IO_HEADER  24 /* that messages with data have at most, as clients reckon */
#define WRITE_HEAD (P9_HEADER_BYTES + 16)

/* ---- opening ---- */

static void opened(P9Server *s, P9Fid *fid, int io, P9FidKind kind)
{
    fid->kind = kind;
    fid->io = io;
    s->open_files++;
}

static int answer_open(P9Call *call, P9Fid *fid)
{
    LocalPlace place;
    struct stat st;
    P9Qid qid;
    int err = -p9_node_place(call->s, fid->node, &place);

    err = err ? err : -local_stat(call->s->dev, &place, &st);
    err = err ? err : p9_qid_make(call->s, &st, &qid);
    if (err) {
        return err;
    }
    p9_put_qid(&call->out, &qid);
    p9_put_u32(&call->out, call->s->msize - IO_HEADER);
    return 0;
}

/* Open the file of a node. A descriptor, or -errno. */
static int open_node(P9Server *s, P9Node *node, uint32_t flags)
{
    LocalPlace place;
    int result;

    if (s->open_files >= s->budget) {
        return -EMFILE;
    }
    result = p9_node_place(s, node, &place);
    result = result ? result : local_open(s->dev, &place, (int)flags);
    if (result == -EMFILE) {
        p9_nodes_close(s);
        result = p9_node_place(s, node, &place);
        result = result ? result : local_open(s->dev, &place, (int)flags);
    }
    return result;
}

int p9_lopen(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in), flags = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    int io;

    if (!fid || fid->kind != P9_FID_WALKED) {
        return EBADF;
    }
    io = open_node(call->s, fid->node, flags);
    if (io < 0) {
        return -io;
    }
    opened(call->s, fid, io, S_ISDIR(fid->node->type) ? P9_FID_DIR : P9_FID_FILE);
    return answer_open(call, fid);
}

/* The fid, until now of the folder, is the open file's. */
static int become_file(P9Call *call, P9Fid *fid, const char *name, int io)
{
    int dir = p9_node_fd(call->s, fid->node);
    int fd = dir < 0 ? dir : local_walk(call->s->dev, dir, name);
    struct stat st, open_st;
    P9Node *folder = fid->node;

    if (fd < 0 || fstat(fd, &st) < 0 || fstat(io, &open_st) < 0 || st.st_ino != open_st.st_ino ||
        st.st_dev != open_st.st_dev) {
        int err = fd < 0 ? -fd : ESTALE; /* somebody on the host was faster */

        if (fd >= 0) {
            close(fd);
        }
        close(io);
        return err;
    }
    fid->node = p9_node_new(call->s, folder, name, fd, &st);
    p9_node_unref(call->s, folder);
    opened(call->s, fid, io, S_ISDIR(st.st_mode) ? P9_FID_DIR : P9_FID_FILE);
    return answer_open(call, fid);
}

/* One that is there already. A descriptor, or -errno. */
static int open_existing(P9Server *s, int dir, const char *name, uint32_t flags)
{
    int fd = local_walk(s->dev, dir, name), result;

    if (fd < 0) {
        return fd;
    }
    result = local_open(s->dev, &(LocalPlace){ fd, dir, name }, (int)flags);
    close(fd);
    return result;
}

int p9_lcreate(P9Call *call)
{
    P9Server *s = call->s;
    int dir, err, name_err, io;
    P9Fid *fid = p9_get_folder(call, &dir, &err);
    g_autofree char *name = p9_get_name(call, &name_err);
    uint32_t flags = p9_get_u32(&call->in);
    LocalOwner owner = { .mode = S_IFREG | (p9_get_u32(&call->in) & 07777) };

    owner.gid = p9_get_u32(&call->in);
    if (!fid || !name || call->in.bad) {
        return !fid ? err : !name ? name_err : EINVAL;
    }
    if (fid->kind != P9_FID_WALKED) {
        return EBADF;
    }
    if (s->open_files >= s->budget) {
        return EMFILE;
    }
    owner.uid = fid->uid;
    io = local_create(s->dev, dir, name, (int)flags, &owner);
    if (io == -EEXIST && !(flags & O_EXCL)) {
        io = open_existing(s, dir, name, flags);
    }
    return io < 0 ? -io : become_file(call, fid, name, io);
}

/* ---- data ---- */

static P9Fid *find_open(P9Call *call, uint32_t number)
{
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);

    return fid && fid->kind != P9_FID_WALKED && fid->kind != P9_FID_DIR ? fid : NULL;
}

/* Bytes that were read straight into the answer's place, behind its count. */
static ssize_t read_data(P9Call *call, const P9Fid *fid, uint64_t offset, size_t count)
{
    size_t skip = call->out.used + sizeof(uint32_t);

    if (fid->kind == P9_FID_XATTR_READ) {
        size_t left = offset < fid->size ? fid->size - offset : 0, n = MIN(left, count);

        iov_from_buf(call->in_iov, call->in_count, skip, fid->value + MIN(offset, fid->size), n);
        return (ssize_t)n;
    }
    unsigned pieces = iov_slice(call->in_iov, call->in_count, skip, count, call->pieces);
    ssize_t n = preadv(fid->io, call->pieces, (int)pieces, (off_t)offset);

    return n < 0 ? -errno : n;
}

int p9_read(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    uint64_t offset = p9_get_u64(&call->in);
    uint32_t count = p9_get_u32(&call->in);
    P9Fid *fid = find_open(call, number);
    ssize_t n;

    if (!fid || fid->kind == P9_FID_XATTR_WRITE) {
        return EBADF;
    }
    if (offset > INT64_MAX) {
        return EINVAL;
    }
    if (call->out.used + sizeof(count) + count > call->out.size) {
        return EMSGSIZE;
    }
    n = read_data(call, fid, offset, count);
    if (n < 0) {
        return (int)-n;
    }
    p9_put_u32(&call->out, (uint32_t)n);
    call->direct = (size_t)n;
    return 0;
}

/* The value of an attribute, a piece at a time. */
static ssize_t write_xattr(P9Call *call, P9Fid *fid, uint64_t offset, size_t count)
{
    if (offset > fid->size || count > fid->size - offset) {
        return -ENOSPC;
    }
    iov_to_buf(call->out_iov, call->out_count, WRITE_HEAD, fid->value + offset, count);
    fid->written = MAX(fid->written, offset + count);
    return (ssize_t)count;
}

static ssize_t write_data(P9Call *call, P9Fid *fid, uint64_t offset, size_t count)
{
    unsigned pieces;
    ssize_t n;

    if (fid->kind == P9_FID_XATTR_WRITE) {
        return write_xattr(call, fid, offset, count);
    }
    pieces = iov_slice(call->out_iov, call->out_count, WRITE_HEAD, count, call->pieces);
    n = pwritev(fid->io, call->pieces, (int)pieces, (off_t)offset);
    if (n < 0) {
        return -errno;
    }
    if (n > 0 && call->s->dev->writeout) {
        sync_file_range(fid->io, (off_t)offset, n,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
    }
    return n;
}

int p9_write(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    uint64_t offset = p9_get_u64(&call->in);
    uint32_t count = p9_get_u32(&call->in);
    P9Fid *fid = find_open(call, number);
    ssize_t n;

    if (!fid || fid->kind == P9_FID_XATTR_READ) {
        return EBADF;
    }
    if (offset > INT64_MAX || count > call->out_size - WRITE_HEAD) {
        return EINVAL;
    }
    n = write_data(call, fid, offset, count);
    if (n < 0) {
        return (int)-n;
    }
    p9_put_u32(&call->out, (uint32_t)n);
    return 0;
}

/* Old clients do not say whether the data are enough. */
int p9_fsync(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    uint32_t data_only = call->in.left ? p9_get_u32(&call->in) : 0;

    if (!fid || fid->io < 0) {
        return EBADF;
    }
    return (data_only ? fdatasync(fid->io) : fsync(fid->io)) < 0 ? errno : 0;
}
