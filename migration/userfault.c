/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/error.h"

#ifndef USERFAULTFD_IOC_NEW /* of /dev/userfaultfd, since Linux 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM /* since Linux 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED /* since Linux 6.4 */
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define HOST_PAGE 4096u

static int open_any(void)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    int why = errno;

    if (fd < 0) {
        int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
        if (dev >= 0) {
            fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
            why = errno;
            close(dev);
        }
    }
    errno = why;
    return fd;
}

int userfault_open(GError **errp)
{
    struct uffdio_api api = { .api = UFFD_API,
                              .features = UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_MISSING_SHMEM |
                                          UFFD_FEATURE_MISSING_HUGETLBFS };
    int fd = open_any();

    if (fd < 0) {
        error_set_errno(errp, errno,
                        "this host lets nobody wait for memory (userfaultfd): it needs root, "
                        "access to /dev/userfaultfd, or sysctl vm.unprivileged_userfaultfd=1");
        return -1;
    }
    if (ioctl(fd, UFFDIO_API, &api) < 0) {
        error_set_errno(errp, errno, "the kernel of this host is too old for postcopy");
        close(fd);
        return -1;
    }
    return fd;
}

bool userfault_supported(GError **errp)
{
    int fd = userfault_open(errp);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static struct uffdio_range range_of(const RamBlock *block, uint64_t offset, uint64_t size)
{
    return (struct uffdio_range){ .start = (uintptr_t)block->host + offset, .len = size };
}

bool userfault_register(int fd, const RamBlock *block, GError **errp)
{
    struct uffdio_register reg = { .range = range_of(block, 0, block->size),
                                   .mode = UFFDIO_REGISTER_MODE_MISSING };

    if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0) {
        error_set_errno(errp, errno,
                        "RAM '%s': its pages cannot come late: it must be memory of no file, or a "
                        "file of tmpfs, hugetlbfs or a memfd with share=on",
                        block->name);
        return false;
    }
    return true;
}

void userfault_unregister(int fd, const RamBlock *block)
{
    struct uffdio_range range = range_of(block, 0, block->size);

    ioctl(fd, UFFDIO_UNREGISTER, &range);
}

bool userfault_check(const RamBlock *block, GError **errp)
{
    if (block->fd >= 0 && !block->shared && block->page_size == HOST_PAGE) {
        error_set(errp,
                  "RAM '%s': its pages cannot come late, as it is a private copy of a file: use "
                  "share=on, or memory of no file",
                  block->name);
        return false;
    }
    int fd = userfault_open(errp);
    bool ok = fd >= 0 && userfault_register(fd, block, errp);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool userfault_discard(const RamBlock *block, uint64_t offset, uint64_t size, GError **errp)
{
    uint8_t *at = block->host + offset;
    bool ok = madvise(at, size, block->shared ? MADV_REMOVE : MADV_DONTNEED) == 0;

    if (!ok && errno == EINVAL) { /* it is locked in memory */
        ok = block->shared ? block->fd >= 0 &&
                                 fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                           (off_t)offset, (off_t)size) == 0
                           : madvise(at, size, MADV_DONTNEED_LOCKED) == 0;
    }
    if (!ok) {
        error_set_errno(errp, errno, "RAM '%s': its pages cannot be given back", block->name);
    }
    return ok;
}

/* ---- pages ---- */

/* What was done of @size bytes; negative: an error number. */
static int64_t copy(int fd, uint8_t *at, const uint8_t *data, uint64_t size)
{
    struct uffdio_copy arg = { .dst = (uintptr_t)at, .src = (uintptr_t)data, .len = size };

    return ioctl(fd, UFFDIO_COPY, &arg) == 0 ? (int64_t)size
           : arg.copy > 0                    ? arg.copy
                                             : -(int64_t)errno;
}

static int64_t put_zeros(int fd, const RamBlock *block, uint8_t *at, uint64_t size)
{
    struct uffdio_zeropage arg = { .range = { .start = (uintptr_t)at, .len = size } };

    if (block->page_size == HOST_PAGE) {
        return ioctl(fd, UFFDIO_ZEROPAGE, &arg) == 0 ? (int64_t)size
               : arg.zeropage > 0                    ? arg.zeropage
                                                     : -(int64_t)errno;
    }
    g_autofree uint8_t *page = g_try_malloc0(block->page_size);
    return page ? copy(fd, at, page, block->page_size) : -(int64_t)ENOMEM;
}

bool userfault_put(int fd, const RamBlock *block, uint64_t offset, uint64_t size,
                   const uint8_t *data, GError **errp)
{
    while (size) {
        uint8_t *at = block->host + offset;
        int64_t done = data ? copy(fd, at, data, size) : put_zeros(fd, block, at, size);

        if (done == -EAGAIN) { /* the map of the program is being changed */
            continue;
        }
        if (done == -EEXIST) {
            struct uffdio_range range = range_of(block, offset, block->page_size);
            ioctl(fd, UFFDIO_WAKE, &range);
            done = (int64_t)block->page_size;
        }
        if (done < 0) {
            error_set_errno(errp, (int)-done,
                            "RAM '%s': pages at 0x%" PRIx64 " cannot be put there", block->name,
                            offset);
            return false;
        }
        offset += (uint64_t)done;
        size -= (uint64_t)done;
        data = data ? data + done : NULL;
    }
    return true;
}

bool userfault_read(int fd, Userfault *fault)
{
    struct uffd_msg msg;

    while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
        if (msg.event == UFFD_EVENT_PAGEFAULT) {
            *fault = (Userfault){ (const uint8_t *)(uintptr_t)msg.arg.pagefault.address,
                                  msg.arg.pagefault.feat.ptid };
            return true;
        }
    }
    return false;
}

/* ---- memory that is not to be written yet ---- */

/* What the kernel can do; 0: nothing, and *@why is an error number. */
static uint64_t kernel_features(int *why)
{
    struct uffdio_api api = { .api = UFFD_API };
    int fd = open_any();
    const bool ok = fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0;

    *why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? api.features : 0;
}

int userfault_protect_open(GError **errp)
{
    const uint64_t optional = UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED;
    int why = 0;
    const uint64_t has = kernel_features(&why);
    struct uffdio_api api = { .api = UFFD_API,
                              .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | (has & optional) };

    if (!has) {
        error_set_errno(errp, why,
                        "this host lets nobody wait for memory (userfaultfd): it needs root, "
                        "access to /dev/userfaultfd, or sysctl vm.unprivileged_userfaultfd=1");
        return -1;
    }
    int fd = has & UFFD_FEATURE_PAGEFAULT_FLAG_WP ? open_any() : -1;
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0) {
        error_set(errp, "the kernel of this host cannot protect memory for that (userfaultfd-wp, "
                        "since Linux 5.7)");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

bool userfault_protect_supported(GError **errp)
{
    int fd = userfault_protect_open(errp);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

bool userfault_protect_register(int fd, const RamBlock *block, GError **errp)
{
    struct uffdio_register reg = { .range = range_of(block, 0, block->size),
                                   .mode = UFFDIO_REGISTER_MODE_WP };

    if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0 || !(reg.ioctls & 1ull << _UFFDIO_WRITEPROTECT)) {
        error_set(
            errp,
            "RAM '%s': its pages cannot be protected: it must be memory of no file, or, since "
            "Linux 5.19, a file of tmpfs, hugetlbfs or a memfd with share=on",
            block->name);
        return false;
    }
    return true;
}

/* Without UFFD_FEATURE_WP_UNPOPULATED what is not there cannot be protected: it is there then, as
 * the host's page of zeros. */
static void populate(const RamBlock *block)
{
    int why;

    if (block->fd < 0 && !block->shared && !(kernel_features(&why) & UFFD_FEATURE_WP_UNPOPULATED)) {
        madvise(block->host, block->size, MADV_POPULATE_READ);
    }
}

bool userfault_protect(int fd, const RamBlock *block, uint64_t offset, uint64_t size, bool on,
                       GError **errp)
{
    struct uffdio_writeprotect arg = { .range = range_of(block, offset, size),
                                       .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

    if (on) {
        populate(block);
    }
    while (ioctl(fd, UFFDIO_WRITEPROTECT, &arg) < 0) {
        if (errno != EAGAIN) { /* the map of the program is being changed */
            error_set_errno(errp, errno,
                            "RAM '%s': pages at 0x%" PRIx64 " cannot be protected, or let go",
                            block->name, offset);
            return false;
        }
    }
    return true;
}
