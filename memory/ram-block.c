/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: mapping, reference counts and preallocation.
 */
#include "memory/ram-block.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory/ram-parts.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/tsan.h"

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

/* ---- large pages of the host ---- */

static bool large_pages; /* mappings_mutex */

/* If the host has none, or the kernel has no such call, all stays as it is. */
static void advise_large_pages(const RamBlock *block)
{
    if (block->fd < 0 && !block->shared && block->size >= LARGE_PAGE) {
        (void)madvise(block->host, block->size, MADV_HUGEPAGE);
    }
}

/* ---- where blocks are, for signal handlers ---- */

/* Never freed, only used again, so that a handler can go through them at any moment. */
typedef struct Mapping {
    _Atomic uintptr_t host; /* 0: of no block */
    _Atomic uint64_t size, page_size;
    struct Mapping *next;
} Mapping;

static Mapping *_Atomic mappings;
static GPtrArray *blocks; /* of RamBlock *, no references; mappings_mutex */
static GMutex mappings_mutex;

static Mapping *mapping_find(uintptr_t host)
{
    Mapping *m = atomic_load(&mappings);

    while (m && atomic_load(&m->host) != host) {
        m = m->next;
    }
    return m;
}

static void mapping_add(RamBlock *block)
{
    g_mutex_lock(&mappings_mutex);
    if (!blocks) {
        blocks = g_ptr_array_new();
    }
    g_ptr_array_add(blocks, block);
    if (large_pages) {
        advise_large_pages(block);
    }
    Mapping *m = mapping_find(0);
    bool is_new = !m;
    if (is_new) {
        m = g_new0(Mapping, 1);
        m->next = atomic_load(&mappings);
    }
    atomic_store(&m->size, block->size);
    atomic_store(&m->page_size, block->page_size);
    atomic_store(&m->host, (uintptr_t)block->host);
    if (is_new) {
        atomic_store(&mappings, m);
    }
    g_mutex_unlock(&mappings_mutex);
}

static void mapping_remove(RamBlock *block)
{
    g_mutex_lock(&mappings_mutex);
    g_ptr_array_remove(blocks, block);
    atomic_store(&mapping_find((uintptr_t)block->host)->host, 0);
    g_mutex_unlock(&mappings_mutex);
}

bool ram_block_replace_page(const void *host)
{
    for (Mapping *m = atomic_load(&mappings); m; m = m->next) {
        uintptr_t start = atomic_load(&m->host), offset = (uintptr_t)host - start;

        if (start && offset < atomic_load(&m->size)) {
            uint64_t page = atomic_load(&m->page_size);

            return mmap((void *)(start + offset / page * page), page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
        }
    }
    return false;
}

/* ---- mapping ---- */

/* MAP_SYNC, which only files in persistent memory (DAX) have, or a warning and without. */
static bool map_fixed(uint8_t *host, uint64_t size, int flags, int fd)
{
    int persistent = (flags & ~MAP_TYPE) | MAP_FIXED | MAP_SHARED_VALIDATE;

    if (flags & MAP_SYNC) {
        if (mmap(host, size, PROT_READ | PROT_WRITE, persistent, fd, 0) != MAP_FAILED) {
            return true;
        }
        flags &= ~MAP_SYNC;
        error_warn("pmem=on: the file is not in persistent memory (DAX): what the guest makes "
                   "persistent is lost if the host crashes; pmem=off is right for such a file");
    }
    return mmap(host, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0) != MAP_FAILED;
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
    if (!map_fixed(host, size, flags, fd)) {
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

/* What may help against mmap()'s error, for pages of @page_size. */
static const char *hint(int err, uint64_t page_size)
{
    switch (err) {
    case ENOMEM:
        return page_size > (uint64_t)sysconf(_SC_PAGESIZE)
                   ? " of huge pages, of which the host has fewer free (vm.nr_hugepages)"
                   : "";
    case EAGAIN: /* all memory is locked (-overcommit mem-lock=on) */
        return " within the limit of locked memory (ulimit -l)";
    case ENODEV:
        return " of what backs it, which is no memory: give a file, or a device that has memory";
    default:
        return "";
    }
}

static RamBlock *block_new(const RamBlock *model, uint8_t *host)
{
    RamBlock *block = g_new(RamBlock, 1);

    *block = *model;
    block->name = g_strdup(model->name);
    block->host = host;
    block->refs = 1;
    tsan_guest_memory(host, block->size);
    g_mutex_init(&block->hold_lock);
    mapping_add(block);
    return block;
}

RamBlock *ram_block_map(const RamBlockOptions *options, GError **errp)
{
    const char *name = options->name;
    uint64_t page_size = ram_block_page_size(options->fd);
    uint64_t size = options->size, align = options->align;
    int flags = options->shared ? MAP_SHARED : MAP_PRIVATE;
    uint8_t *host;

    if (size == 0 || size % page_size != 0) {
        error_set(errp,
                  "RAM '%s': its memory size must be whole pages of what backs it, and not "
                  "0x%" PRIx64 ": sizes there must be multiples of page size 0x%" PRIx64,
                  name, size, page_size);
        return NULL;
    }
    if (align & (align - 1)) {
        error_set(errp, "RAM '%s': alignment 0x%" PRIx64 " must be a power of 2", name, align);
        return NULL;
    }
    if (size > G_MAXINT64 - MAX(align, LARGE_PAGE)) {
        error_set(errp, "RAM '%s': size 0x%" PRIx64 " is more than the host can map", name, size);
        return NULL;
    }
    align = MAX(align, page_size);
    flags |= options->fd < 0 ? MAP_ANONYMOUS : 0;
    flags |= options->reserve ? 0 : MAP_NORESERVE;
    flags |= options->persistent && options->shared ? MAP_SYNC : 0;
    host =
        map_aligned(size, size >= LARGE_PAGE ? MAX(align, LARGE_PAGE) : align, options->fd, flags);
    if (!host) {
        error_set_errno(errp, errno, "RAM '%s': cannot map %" PRIu64 " MiB%s", name, size >> 20,
                        hint(errno, page_size));
        return NULL;
    }
    return block_new(&(RamBlock){ .name = (char *)(uintptr_t)name,
                                  .size = size,
                                  .page_size = page_size,
                                  .align = align,
                                  .fd = options->fd,
                                  .shared = options->shared },
                     host);
}

RamBlock *ram_block_new(const char *name, uint64_t size, int fd, bool shared, bool reserve,
                        uint64_t align, GError **errp)
{
    return ram_block_map(&(RamBlockOptions){ .name = name,
                                             .size = size,
                                             .fd = fd,
                                             .shared = shared,
                                             .reserve = reserve,
                                             .align = align },
                         errp);
}

/* ---- references ---- */

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
    mapping_remove(block);
    ram_parts_free(block);
    munmap(block->host, block->size);
    if (block->fd >= 0) {
        close(block->fd);
    }
    g_mutex_clear(&block->hold_lock);
    g_free(block->name);
    g_free(block);
}

GPtrArray *ram_blocks_list(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);

    g_mutex_lock(&mappings_mutex);
    for (unsigned i = 0; blocks && i < blocks->len; i++) {
        RamBlock *block = blocks->pdata[i];
        gint refs = g_atomic_int_get(&block->refs);

        /* One without references waits for the mutex, to go. */
        while (refs && !g_atomic_int_compare_and_exchange(&block->refs, refs, refs + 1)) {
            refs = g_atomic_int_get(&block->refs);
        }
        if (refs) {
            g_ptr_array_add(list, block);
        }
    }
    g_mutex_unlock(&mappings_mutex);
    return list;
}

GPtrArray *ram_blocks_list_used(void)
{
    GPtrArray *list = ram_blocks_list();

    for (guint i = list->len; i-- > 0;) {
        const RamBlock *block = list->pdata[i];

        if (atomic_load_explicit(&block->unused, memory_order_relaxed)) {
            g_ptr_array_remove_index(list, i);
        }
    }
    return list;
}

void ram_blocks_use_large_pages(void)
{
    g_mutex_lock(&mappings_mutex);
    for (unsigned i = 0; !large_pages && blocks && i < blocks->len; i++) {
        advise_large_pages(blocks->pdata[i]);
    }
    large_pages = true;
    g_mutex_unlock(&mappings_mutex);
}

/* ---- preallocation ---- */

/* So much at a time, that a signal or a failure elsewhere can end it. */
#define PREALLOC_STEP (UINT64_C(64) << 20)

/* Where to go on SIGBUS; only in the threads that touch pages. */
static __thread sigjmp_buf *touch_escape;

static GMutex touch_lock;
static unsigned touchers;             /* threads that need the handler; under the lock */
static struct sigaction before_touch; /* whose handler it was; changed while there are none */

/* A fault of another thread is for the handler that was there before. */
static void touch_sigbus(int sig, siginfo_t *info, void *context)
{
    if (touch_escape) {
        siglongjmp(*touch_escape, 1);
    }
    if (before_touch.sa_flags & SA_SIGINFO) {
        before_touch.sa_sigaction(sig, info, context);
    } else if (before_touch.sa_handler != SIG_DFL && before_touch.sa_handler != SIG_IGN) {
        before_touch.sa_handler(sig);
    } else {
        signal(sig, SIG_DFL); /* die of it when the instruction runs again */
    }
}

static void touch_begin(void)
{
    struct sigaction action = { .sa_sigaction = touch_sigbus, .sa_flags = SA_SIGINFO };

    sigemptyset(&action.sa_mask);
    g_mutex_lock(&touch_lock);
    if (touchers++ == 0) {
        sigaction(SIGBUS, &action, &before_touch);
    }
    g_mutex_unlock(&touch_lock);
}

static void touch_end(void)
{
    g_mutex_lock(&touch_lock);
    if (--touchers == 0) {
        sigaction(SIGBUS, &before_touch, NULL);
    }
    g_mutex_unlock(&touch_lock);
}

/* For kernels without MADV_POPULATE_WRITE (before 5.14). */
static bool touch_pages(const RamBlock *block, uint8_t *host, uint64_t size)
{
    sigjmp_buf escape;
    volatile bool ok = false;

    touch_begin();
    if (sigsetjmp(escape, 1) == 0) {
        touch_escape = &escape;
        for (uint64_t at = 0; at < size; at += block->page_size) {
            /* Writes what is there, also if another process writes at the same time. */
            atomic_fetch_or((_Atomic uint8_t *)(host + at), 0);
        }
        ok = true;
    }
    touch_escape = NULL;
    touch_end();
    return ok;
}

/* errno on failure; EFAULT is what would be SIGBUS otherwise. */
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
        errno = EFAULT;
    }
    return false;
}

/* The part of a block that one thread touches. */
typedef struct Part {
    const RamBlock *block;
    uint64_t begin, end;
    atomic_int *failure; /* of all threads: errno of the first that failed, or 0 */
} Part;

static gpointer populate_part(gpointer opaque)
{
    const Part *part = opaque;
    uint64_t step = MAX(PREALLOC_STEP, part->block->page_size);

    for (uint64_t at = part->begin; at < part->end; at += step) {
        if (interrupt_pending() || atomic_load(part->failure)) {
            break;
        }
        if (!populate(part->block, part->block->host + at, MIN(step, part->end - at))) {
            atomic_store(part->failure, errno);
        }
    }
    return NULL;
}

static GThread *spawn_plain(void *opaque, GThreadFunc fn, void *data, GError **errp)
{
    return g_thread_try_new("prealloc", fn, data, errp);
}

/* False with @errp if a thread could not be started; none runs any more then. */
static bool populate_in_threads(Part *parts, unsigned n, RamBlockSpawn *spawn, void *opaque,
                                GError **errp)
{
    g_autofree GThread **threads = g_new0(GThread *, n);
    unsigned started = 0;

    while (started < n &&
           (threads[started] = spawn(opaque, populate_part, &parts[started], errp))) {
        started++;
    }
    if (started < n) {
        atomic_store(parts[0].failure, ECANCELED);
    }
    for (unsigned i = 0; i < started; i++) {
        g_thread_join(threads[i]);
    }
    return started == n;
}

/* Why pages could not be had, where the kernel says no more than "bad address". */
static int reason(const RamBlock *block, int err)
{
    struct statfs fs;

    if (err != EFAULT) {
        return err;
    }
    if (block->fd < 0 || fstatfs(block->fd, &fs) < 0 || fs.f_type == HUGETLBFS_MAGIC) {
        return ENOMEM;
    }
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < block->size ? ENOSPC : EIO;
}

static void set_prealloc_error(const RamBlock *block, int err, GError **errp)
{
    g_autofree char *what = g_strdup_printf("RAM '%s': cannot preallocate %" PRIu64 " MiB",
                                            block->name, block->size >> 20);

    err = reason(block, err);
    if (err == ENOSPC) {
        error_set_errno(errp, err, "%s: the file system of the file behind it is full", what);
    } else if (err == EIO) {
        error_set_errno(errp, err, "%s: the file behind it cannot be written to", what);
    } else {
        error_set_errno(errp, err,
                        "%s: the host has not that much free memory in pages of %" PRIu64 " KiB",
                        what, block->page_size >> 10);
    }
}

/* @failure: errno, or 0. */
static bool populated(const RamBlock *block, int failure, GError **errp)
{
    if (interrupt_check(errp)) {
        g_prefix_error(errp, "RAM '%s': preallocation: ", block->name);
        return false;
    }
    if (failure) {
        set_prealloc_error(block, failure, errp);
    }
    return !failure;
}

bool ram_block_prealloc(RamBlock *block, unsigned threads, RamBlockSpawn *spawn, void *opaque,
                        GError **errp)
{
    uint64_t pages = block->size / block->page_size;
    unsigned n = (unsigned)MIN(MIN(MAX(threads, 1), RAM_BLOCK_MAX_THREADS), pages);
    g_autofree Part *parts = g_new0(Part, n);
    atomic_int failure = 0;

    advise_large_pages(block);
    for (unsigned i = 0; i < n; i++) {
        parts[i] = (Part){
            .block = block,
            .begin = pages / n * i * block->page_size,
            .end = i + 1 < n ? pages / n * (i + 1) * block->page_size : block->size,
            .failure = &failure,
        };
    }
    if (n == 1 && !spawn) {
        populate_part(&parts[0]);
    } else if (!populate_in_threads(parts, n, spawn ? spawn : spawn_plain, opaque, errp)) {
        g_prefix_error(errp, "RAM '%s': cannot start %u threads that preallocate: ", block->name,
                       n);
        return false;
    }
    return populated(block, failure, errp);
}

bool ram_block_prealloc_part(RamBlock *block, uint64_t offset, uint64_t size, GError **errp)
{
    atomic_int failure = 0;
    Part part = { block, offset, offset + size, &failure };

    populate_part(&part);
    return populated(block, failure, errp);
}
