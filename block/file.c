/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers "file" and "host_device": a file, or a block device of the host.
 *
 * With cache.direct=on requests whose place, length and memory are whole pages go past the host's
 * page cache. All others go through it by a second open file, which the kernel keeps coherent.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/driver.h"
#include "block/file-lock.h"
#include "block/host-device.h"
#include "block/iov.h"
#include "block/pr-manager.h"
#include "util/error.h"

#define DIRECT_ALIGN 4096
#define HOST_SECTOR  512 /* unit of st_blocks */

typedef struct FileState {
    int fd, direct_fd; /* direct_fd -1: not asked for */
    bool device;
    bool locking;          /* can be, and is wanted */
    PrManager *pr_manager; /* NULL: none */
    FileLock lock;         /* of the first open file: it may be another one than `fd` */
    /* The last run of data that was found: some filesystems look at each page up to its end to find
     * that. That it may be no data any more, when another program changes it, harms nobody. */
    GMutex mutex;
    uint64_t data_from, data_to; /* under it */
} FileState;

/* ---- opening ---- */

static int open_for(const char *name, bool read_only, int flags)
{
    return open(name, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | flags);
}

/* auto-read-only: a file that cannot be written is only read. */
static int open_file(BlockNode *node, const char *name)
{
    int fd = open_for(name, node->read_only, O_NONBLOCK); /* a FIFO does not make it wait */

    if (fd < 0 && !node->read_only && node->options->auto_read_only &&
        (errno == EACCES || errno == EROFS || errno == EPERM)) {
        node->read_only = true;
        fd = open_for(name, true, O_NONBLOCK);
    }
    return fd;
}

static bool check_kind(BlockNode *node, int fd, const char *name, GError **errp)
{
    bool device = node->options->driver == BLOCKDEV_DRIVER_HOST_DEVICE;
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "%s: cannot look at it", name);
        return false;
    }
    if (device ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode)) {
        error_set(errp, "%s is no %s: %s", name, device ? "block device" : "regular file",
                  S_ISBLK(st.st_mode)   ? "driver host_device is for block devices"
                  : S_ISREG(st.st_mode) ? "driver file is for files"
                                        : "it holds no image");
        return false;
    }
    return true;
}

static bool check_aio(const BlockNode *node, GError **errp)
{
    const BlockdevOptionsFile *options = node->options->u.file;

    if (!options->has_aio || options->aio == BLOCKDEV_AIO_OPTIONS_THREADS) {
        return true;
    }
    if (options->aio == BLOCKDEV_AIO_OPTIONS_NATIVE && !node->direct) {
        error_set(errp,
                  "%s: aio=native needs cache.direct=on (of -drive: cache=none or "
                  "directsync); aio=io_uring and aio=threads do not",
                  options->filename);
        return false;
    }
    return aio_is_there(options->aio, errp);
}

/* For requests past the page cache, and for aio=. *@fd is -1 if it is not asked for. */
static bool open_direct(const BlockNode *node, const char *name, int *fd, GError **errp)
{
    *fd = -1;
    if (!check_aio(node, errp)) {
        return false;
    }
    *fd = node->direct ? open_for(name, node->read_only, O_DIRECT) : -1;
    if (node->direct && *fd < 0) {
        error_set_errno(errp, errno, "%s: cache.direct=on (cache=none) is not possible", name);
        return false;
    }
    return true;
}

static bool file_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsFile *options = node->options->u.file;
    const char *name = options->filename;
    FileState *s = node->state = g_new0(FileState, 1);

    g_mutex_init(&s->mutex);
    s->direct_fd = s->fd = s->lock.fd = -1;
    if (options->pr_manager) {
        s->pr_manager = pr_manager_get(options->pr_manager, errp);
        if (!s->pr_manager) {
            return false;
        }
    }
    s->fd = s->lock.fd = open_file(node, name);
    if (s->fd < 0) {
        error_set_errno(errp, errno, "cannot open %s%s", name,
                        node->read_only ? "" : " to read and write it");
        return false;
    }
    if (!check_kind(node, s->fd, name, errp)) {
        return false;
    }
    s->device = node->options->driver == BLOCKDEV_DRIVER_HOST_DEVICE;
    if (!open_direct(node, name, &s->direct_fd, errp)) {
        return false;
    }
    s->locking = !s->device && (!options->has_locking || options->locking != BLOCKDEV_LOCKING_OFF);
    node->filename = g_strdup(name);
    return true;
}

static void close_both(const FileState *s)
{
    if (s->fd >= 0 && s->fd != s->lock.fd) {
        close(s->fd);
    }
    if (s->direct_fd >= 0) {
        close(s->direct_fd);
    }
}

static void file_close(BlockNode *node)
{
    FileState *s = node->state;

    close_both(s);
    if (s->lock.fd >= 0) {
        close(s->lock.fd);
    }
    pr_manager_unref(s->pr_manager);
    g_mutex_clear(&s->mutex);
    g_free(s);
}

/* Another way to the same file. */
static bool file_reopen(BlockNode *node, GError **errp)
{
    FileState *s = node->state;
    const char *name = node->options->u.file->filename;
    struct stat old, now;
    int fd = open_file(node, name), direct_fd = -1;
    bool ok = fd >= 0 && open_direct(node, name, &direct_fd, errp);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open %s again", name);
    } else if (ok && (fstat(fd, &now) < 0 || fstat(s->fd, &old) < 0 || old.st_ino != now.st_ino ||
                      old.st_dev != now.st_dev)) {
        error_set(errp, "%s is another file than it was", name);
        ok = false;
    }
    if (ok) {
        close_both(s);
        s->fd = fd;
        s->direct_fd = direct_fd;
        return true;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (direct_fd >= 0) {
        close(direct_fd);
    }
    return false;
}

static bool file_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    FileState *s = node->state;
    const BlockdevOptionsFile *options = node->options->u.file;
    unsigned perm;
    int err;

    if (!s->locking) {
        return true;
    }
    err = file_lock_set(&s->lock, uses, shares, &perm);
    if (err == ENOSYS && (!options->has_locking || options->locking != BLOCKDEV_LOCKING_ON)) {
        s->locking = false;
        return true;
    }
    if (err == EAGAIN) {
        error_set(errp,
                  "%s is in use by another program, or another drive of this one (%s): only "
                  "one may write to an image",
                  options->filename,
                  uses & perm ? "which keeps it for itself" : "whose use this one does not allow");
    } else if (err) {
        error_set_errno(errp, err, "%s: cannot lock it (locking=off does without)",
                        options->filename);
    }
    return !err;
}

/* ---- requests ---- */

static bool is_direct(const FileState *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    uint64_t bits = offset;

    for (unsigned i = 0; s->direct_fd >= 0 && i < iovcnt; i++) {
        bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
    }
    return s->direct_fd >= 0 && bits % DIRECT_ALIGN == 0;
}

/* Once more for what is left: less than all was done. EOF: *@done is less than it might be. */
static int transfer(int fd, uint64_t offset, const struct iovec *iov, unsigned iovcnt, bool write,
                    size_t *done)
{
    size_t size = iov_size(iov, iovcnt);
    g_autofree struct iovec *left = NULL; /* most often all is done at once */
    const struct iovec *next = iov;
    unsigned count = iovcnt;

    *done = 0;
    while (*done < size) {
        unsigned some = MIN(count, IOV_MAX);
        ssize_t n = write ? pwritev(fd, next, (int)some, (off_t)(offset + *done))
                          : preadv(fd, next, (int)some, (off_t)(offset + *done));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 || (n == 0 && write)) {
            return n < 0 ? errno : ENOSPC;
        }
        if (n == 0) {
            break;
        }
        *done += (size_t)n;
        if (*done < size) {
            left = left ? left : g_new(struct iovec, iovcnt);
            count = iov_slice(iov, iovcnt, *done, size - *done, left);
            next = left;
        }
    }
    return 0;
}

static int file_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    const FileState *s = node->state;
    int fd = is_direct(s, offset, iov, iovcnt) ? s->direct_fd : s->fd;
    size_t done;
    int err = transfer(fd, offset, iov, iovcnt, false, &done);

    if (!err) {
        iov_clear(iov, iovcnt, done); /* beyond the end */
    }
    return err;
}

/* The page cache has all of it. */
static bool file_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov,
                          unsigned iovcnt)
{
    const FileState *s = node->state;

    return !is_direct(s, offset, iov, iovcnt) && iovcnt <= IOV_MAX &&
           preadv2(s->fd, iov, (int)iovcnt, (off_t)offset, RWF_NOWAIT) ==
               (ssize_t)iov_size(iov, iovcnt);
}

static int file_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                      unsigned flags)
{
    const FileState *s = node->state;
    int fd = is_direct(s, offset, iov, iovcnt) ? s->direct_fd : s->fd;
    size_t done;

    return transfer(fd, offset, iov, iovcnt, true, &done);
}

static BlockdevAioOptions aio_of(const BlockNode *node)
{
    const BlockdevOptionsFile *options = node->options->u.file;

    return options->has_aio ? options->aio : BLOCKDEV_AIO_OPTIONS_THREADS;
}

/* Linux AIO waits, where it should not, for what is not direct. */
static bool file_locate(BlockNode *node, BlockLocation *at)
{
    const FileState *s = node->state;
    AioRequest *r = &at->request;
    bool direct = r->op != AIO_FLUSH && is_direct(s, r->offset, r->iov, r->iovcnt);

    r->fd = direct ? s->direct_fd : s->fd;
    at->aio = aio_of(node);
    return direct || r->op == AIO_FLUSH || at->aio != BLOCKDEV_AIO_OPTIONS_NATIVE;
}

/* What filesystems and devices answer that cannot do it. */
static int as_support(int err)
{
    return err == EOPNOTSUPP || err == ENOTTY || err == ENOSYS || err == EINVAL ? ENOTSUP : err;
}

/* Up to where it is data from @offset on, as was found before; 0: not known. */
static uint64_t known_data(FileState *s, uint64_t offset)
{
    uint64_t end;

    g_mutex_lock(&s->mutex);
    end = offset >= s->data_from && offset < s->data_to ? s->data_to : 0;
    g_mutex_unlock(&s->mutex);
    return end;
}

static void know_data(FileState *s, uint64_t from, uint64_t to)
{
    g_mutex_lock(&s->mutex);
    s->data_from = from;
    s->data_to = to;
    g_mutex_unlock(&s->mutex);
}

static int allocate(FileState *s, int mode, uint64_t offset, uint64_t bytes)
{
    int result;

    do {
        result = fallocate(s->fd, mode, (off_t)offset, (off_t)bytes);
    } while (result < 0 && errno == EINTR);
    know_data(s, 0, 0);
    return result < 0 ? as_support(errno) : 0;
}

static int64_t file_length(BlockNode *node)
{
    const FileState *s = node->state;
    uint64_t size = 0;
    struct stat st;

    if (s->device) {
        return ioctl(s->fd, BLKGETSIZE64, &size) < 0 ? -errno : (int64_t)size;
    }
    return fstat(s->fd, &st) < 0 ? -errno : st.st_size;
}

/* The next place from @offset on that is data, or a hole. Filesystems that know no holes have one
 * at the end. */
static int seek(const FileState *s, uint64_t offset, int whence, uint64_t *place)
{
    off_t at = lseek(s->fd, (off_t)offset, whence);

    *place = at < 0 ? 0 : (uint64_t)at;
    return at < 0 ? errno : 0;
}

static int file_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    FileState *s = node->state;
    uint64_t data = offset, hole = known_data(s, offset);
    int err = s->device ? EINVAL : hole ? 0 : seek(s, offset, SEEK_DATA, &data);

    *status = (BlockStatus){ .bytes = bytes,
                             .allocated = true,
                             .data = true,
                             .has_at = true,
                             .at = offset,
                             .filename = node->filename };
    if (err == ENXIO || (!err && data > offset)) {
        status->data = false;
        status->zero = true;
        status->bytes = err ? bytes : data - offset;
    } else if (hole) {
        status->bytes = hole - offset;
    } else if (!err && seek(s, offset, SEEK_HOLE, &hole) == 0 && hole > offset) {
        status->bytes = hole - offset;
        know_data(s, offset, hole);
    }
    return 0;
}

/* A hole makes a file no longer: zeros are written then. */
static int file_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    FileState *s = node->state;
    int64_t length = file_length(node);

    if (flags & BLOCK_UNMAP && length >= 0 && offset + bytes <= (uint64_t)length) {
        int err = allocate(s, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);

        if (err != ENOTSUP) {
            return err;
        }
    }
    return allocate(s, FALLOC_FL_ZERO_RANGE, offset, bytes);
}

static int file_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    FileState *s = node->state;
    uint64_t range[2] = { offset, bytes };

    if (s->device) {
        return ioctl(s->fd, BLKDISCARD, range) < 0 ? as_support(errno) : 0;
    }
    return allocate(s, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
}

static int file_flush(BlockNode *node)
{
    const FileState *s = node->state;

    return fdatasync(s->fd) < 0 ? errno : 0;
}

/* The host that the machine has come from may have written to it: network filesystems need not
 * know. Pages that are not on the disk yet cannot be dropped; there are none, unless it comes back.
 */
static bool file_activate(BlockNode *node, GError **errp)
{
    const FileState *s = node->state;
    const BlockdevOptionsFile *options = node->options->u.file;

    if (options->has_drop_cache && !options->drop_cache) {
        return true;
    }
    int err = node->read_only ? 0 : file_flush(node);
    err = err ? err : posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
    if (err) {
        error_set_errno(
            errp, err,
            "%s: what the host's page cache has of it cannot be dropped (drop-cache=off keeps it)",
            options->filename);
    }
    return !err;
}

static int file_truncate(BlockNode *node, uint64_t size)
{
    FileState *s = node->state;

    if (s->device) { /* its size is the host's to change: it may have been */
        int64_t length = file_length(node);
        return length < 0 ? (int)-length : size > (uint64_t)length ? ENOTSUP : 0;
    }
    know_data(s, 0, 0);
    return ftruncate(s->fd, (off_t)size) < 0 ? errno : 0;
}

static int64_t file_allocated(BlockNode *node)
{
    const FileState *s = node->state;
    struct stat st;

    return fstat(s->fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * HOST_SECTOR;
}

static const FileState *device_of(const BlockNode *node)
{
    while (node->options->driver == BLOCKDEV_DRIVER_RAW && node->file.node) {
        node = node->file.node;
    }
    return node->options->driver == BLOCKDEV_DRIVER_HOST_DEVICE ? node->state : NULL;
}

int block_host_device_fd(const BlockNode *node)
{
    const FileState *s = device_of(node);

    return s ? s->fd : -1;
}

PrManager *block_host_device_pr_manager(const BlockNode *node)
{
    const FileState *s = device_of(node);

    return s ? s->pr_manager : NULL;
}

#define FILE_DRIVER(ID)                                                                  \
    {                                                                                    \
        .id = (ID), .open = file_open, .close = file_close, .reopen = file_reopen,       \
        .set_perms = file_set_perms, .read = file_read, .write = file_write,             \
        .write_zeroes = file_write_zeroes, .discard = file_discard, .flush = file_flush, \
        .locate = file_locate, .read_now = file_read_now, .status = file_status,         \
        .length = file_length, .truncate = file_truncate, .allocated = file_allocated,   \
        .activate = file_activate,                                                       \
    }

static const BlockDriver file_driver = FILE_DRIVER(BLOCKDEV_DRIVER_FILE);
static const BlockDriver device_driver = FILE_DRIVER(BLOCKDEV_DRIVER_HOST_DEVICE);
BLOCK_DRIVER_REGISTER(file_driver)
BLOCK_DRIVER_REGISTER(device_driver)
