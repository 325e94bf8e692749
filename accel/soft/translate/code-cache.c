/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/code-cache.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CODE_ALIGN = 16 };

/* Shared memory without a name, mapped a second time: perf looks into its map of names for such
 * memory only, not for that of files. */
bool code_cache_init(CodeCache *cache, size_t size, GError **errp)
{
    void *w = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *x = w == MAP_FAILED ? w : mremap(w, 0, size, MREMAP_MAYMOVE);

    if (x == MAP_FAILED || mprotect(x, size, PROT_READ | PROT_EXEC) < 0) {
        error_set(errp, "no memory of %zu MiB for translated code (tb-size): %s", size >> 20,
                  strerror(errno));
        if (x != MAP_FAILED) {
            munmap(x, size);
        }
        if (w != MAP_FAILED) {
            munmap(w, size);
        }
        return false;
    }
    *cache = (CodeCache){ .write = w, .exec = x, .size = size };
    return true;
}

void code_cache_destroy(CodeCache *cache)
{
    if (cache->write) {
        munmap(cache->write, cache->size);
        munmap((void *)cache->exec, cache->size);
    }
    *cache = (CodeCache){ 0 };
}

void code_cache_empty(CodeCache *cache, size_t keep)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (keep + page - 1) / page * page;

    if (cache->used > first) {
        /* If it fails the pages are merely kept. */
        (void)madvise(cache->write + first, cache->size - first, MADV_REMOVE);
    }
    cache->used = keep;
}

bool code_cache_begin(CodeCache *cache, size_t room, HostCode *code)
{
    if (cache->size - cache->used < room) {
        return false;
    }
    *code = (HostCode){ .write = cache->write + cache->used,
                        .exec = cache->exec + cache->used,
                        .end = cache->write + cache->size };
    return true;
}

void code_cache_commit(CodeCache *cache, const HostCode *code)
{
    size_t used = (size_t)(code->write - cache->write);
    cache->used = (used + CODE_ALIGN - 1) & ~(size_t)(CODE_ALIGN - 1);
    cache->used = cache->used > cache->size ? cache->size : cache->used;
}
