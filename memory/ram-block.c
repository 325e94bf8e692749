/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: mapping, reference counts and preallocation.
 */
#include "memory/ram-block.h"

#include <errno.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/error.h"
#include "util/interrupt.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Blocks of this size and more are aligned to it, so that the host can use large pages. */
#define LARGE_PAGE (2ull << 20)

uint64_t ram_block_page_size(int fd)
{
    struct statfs fs;

    if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) {
        return (uint64_t)fs.f_bsize;
    }
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Reserve address space with slack, map in its aligned part, give the slack back. */
static uint8_t *map_aligned(uint64_t size, uint64_t align, int fd, int flags)
{
    uint64_t total = size + align;
    uint8_t *area, *host;

    area = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    /* With all memory locked this would count twice against the limit. */
    munlock(area, total);
    host = (uint8_t *)(((uintptr_t)area + align - 1) & ~(uintptr_t)(align - 1));
    if (mmap(host, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int err = errno;

        munmap(area, total);
        errno = err;
        return NULL;
    }
    if (host > area) {
        munmap(area, (size_t)(host - area));
    }
    if (area + total > host + size) {
        munmap(host + size, (size_t)(area + total - (host + size)));
    }
    return host;
}

RamBlock *ram_block_new(const char *name, uint64_t size, int fd, bool shared, bool reserve,
                        uint64_t align, GError **errp)
{
    uint64_t page_size = ram_block_page_size(fd);
    int flags = shared ? MAP_SHARED : MAP_PRIVATE;
    RamBlock *block;
    uint8_t *host;

    if (size == 0 || size % page_size != 0) {
        error_set(errp,
                  "RAM '%s': size 0x%" G_GINT64_MODIFIER
                  "x must be a multiple of the backing's page size, 0x%" G_GINT64_MODIFIER
                  "x, and not 0",
                  name, size, page_size);
        return NULL;
    }
    if (align & (align - 1)) {
        error_set(errp, "RAM '%s': alignment 0x%" G_GINT64_MODIFIER "x must be a power of 2", name,
                  align);
        return NULL;
    }
    if (size > G_MAXINT64 - MAX(align, LARGE_PAGE)) {
        error_set(errp, "RAM '%s': size 0x%" G_GINT64_MODIFIER "x is more than the host can map",
                  name, size);
        return NULL;
    }
    align = MAX(align, page_size);
    if (size >= LARGE_PAGE) {
        align = MAX(align, LARGE_PAGE);
    }
    flags |= fd < 0 ? MAP_ANONYMOUS : 0;
    flags |= reserve ? 0 : MAP_NORESERVE;
    host = map_aligned(size, align, fd, flags);
    if (!host) {
        /* EAGAIN: all memory is locked (-overcommit mem-lock=on). */
        error_set_errno(errp, errno, "RAM '%s': cannot map %" G_GUINT64_FORMAT " MiB%s", name,
                        size >> 20,
                        errno == EAGAIN ? " within the limit of locked memory (ulimit -l)" : "");
        return NULL;
    }

    block = g_new0(RamBlock, 1);
    block->name = g_strdup(name);
    block->host = host;
    block->size = size;
    block->page_size = page_size;
    block->fd = fd;
    block->shared = shared;
    block->refs = 1;
    return block;
}

RamBlock *ram_block_ref(RamBlock *block)
{
    g_atomic_int_inc(&block->refs);
    return block;
}

void ram_block_unref(RamBlock *block)
{
    if (!block || !g_atomic_int_dec_and_test(&block->refs)) {
        return;
    }
    munmap(block->host, block->size);
    if (block->fd >= 0) {
        close(block->fd);
    }
    g_free(block->name);
    g_free(block);
}

/* ---- preallocation ---- */

/* So much at a time, that a signal can end it. */
#define PREALLOC_STEP (UINT64_C(256) << 20)

/* Where to go on SIGBUS; only in the thread that touches pages. */
static __thread sigjmp_buf *touch_escape;

static void touch_sigbus(int sig)
{
    if (touch_escape) {
        siglongjmp(*touch_escape, 1);
    }
    /* Not ours: die of it when the instruction runs again. */
    signal(sig, SIG_DFL);
}

/* For kernels without MADV_POPULATE_WRITE (before 5.14). */
static bool touch_pages(const RamBlock *block, uint8_t *host, uint64_t size)
{
    struct sigaction action = { .sa_handler = touch_sigbus }, before;
    sigjmp_buf escape;
    volatile bool ok = false;

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
    if (sigsetjmp(escape, 1) == 0) {
        touch_escape = &escape;
        for (uint64_t at = 0; at < size; at += block->page_size) {
            /* Writes what is there, also if another process writes at the same time. */
            atomic_fetch_or((_Atomic uint8_t *)(host + at), 0);
        }
        ok = true;
    }
    touch_escape = NULL;
    sigaction(SIGBUS, &before, NULL);
    return ok;
}

/* errno on failure. */
static bool populate(const RamBlock *block, uint8_t *host, uint64_t size)
{
    int ret;

    do {
        ret = madvise(host, size, MADV_POPULATE_WRITE);
    } while (ret < 0 && errno == EINTR && !interrupt_pending());
    if (ret == 0 || errno == EINTR) {
        return true; /* the next look at the signal ends it */
    }
    if (errno == EINVAL || errno == ENOSYS) {
        if (touch_pages(block, host, size)) {
            return true;
        }
        errno = ENOMEM;
    }
    return false;
}

bool ram_block_prealloc(RamBlock *block, GError **errp)
{
    uint64_t step = MAX(PREALLOC_STEP, block->page_size), at = 0;

    while (at < block->size && populate(block, block->host + at, MIN(step, block->size - at))) {
        at += step;
        if (interrupt_check(errp)) {
            g_prefix_error(errp, "RAM '%s': preallocation: ", block->name);
            return false;
        }
    }
    if (at >= block->size) {
        return true;
    }
    error_set_errno(errp, errno,
                    "RAM '%s': cannot preallocate %" G_GUINT64_FORMAT
                    " MiB: the host has not that much free memory (or free pages) of this kind",
                    block->name, block->size >> 20);
    return false;
}
