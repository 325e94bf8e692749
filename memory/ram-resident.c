/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/ram-resident.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW 2048u /* pages that are asked for at a time */

/* An entry of /proc/self/pagemap (the kernel's admin-guide/mm/pagemap). */
#define PAGEMAP_PRESENT   (UINT64_C(1) << 63)
#define PAGEMAP_ELSEWHERE (UINT64_C(1) << 62) /* swapped out, or on its way to another page */
#define PAGEMAP_FILE      (UINT64_C(1) << 61) /* of a file, or shared */
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56) /* nobody else has it */

/* What the ioctl PAGEMAP_SCAN of that file takes, since Linux 6.7; <linux/fs.h> has it since then.
 */
typedef struct ScanArg {
    uint64_t size, flags;
    uint64_t start, end; /* addresses */
    uint64_t walk_end;   /* out */
    uint64_t vec, vec_len, max_pages;
    uint64_t inverted, all_of, any_of, returned; /* masks of categories */
} ScanArg;

typedef struct ScanRegion {
    uint64_t start, end, categories;
} ScanRegion;

#define SCAN_IOCTL   _IOWR('f', 16, ScanArg)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_ZEROS   (UINT64_C(1) << 5) /* the one page of zeros */

/* Private memory is there when a page has been made for it. mincore() counts those that share the
 * one page of zeros, too: pagemap can tell them apart, and takes longer. */
static bool needs_pagemap(const RamBlock *block)
{
    return block->fd < 0 && !block->shared;
}

static int open_pagemap(const RamBlock *block)
{
    return needs_pagemap(block) ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
}

/* The @entries of @count pages at @host; false: the host does not tell. */
static bool read_pagemap(int pagemap, const uint8_t *host, size_t count, long page,
                         uint64_t *entries)
{
    const off_t at = (off_t)((uintptr_t)host / (uintptr_t)page * sizeof(entries[0]));
    const ssize_t size = (ssize_t)(count * sizeof(entries[0]));

    return pagemap >= 0 && pread(pagemap, entries, (size_t)size, at) == size;
}

static bool is_own(uint64_t entry)
{
    return entry & PAGEMAP_PRESENT && entry & (PAGEMAP_FILE | PAGEMAP_EXCLUSIVE);
}

/* Of the @count pages at @host those that are there: @there is what mincore() said. */
static uint64_t count_pages(const uint8_t *host, const uint8_t *there, size_t count, long page,
                            int pagemap)
{
    uint64_t entries[WINDOW];
    uint64_t found = 0;

    if (!memchr(there, 1, count)) {
        return 0;
    }
    bool own = read_pagemap(pagemap, host, count, page, entries);
    for (size_t i = 0; i < count; i++) {
        found += there[i] & 1 && (!own || is_own(entries[i]));
    }
    return found;
}

/* The first page of @block from page @at on that may be there: a long way in which nothing is takes
 * no time. @at itself if the host cannot tell. */
static uint64_t skip_absent(const RamBlock *block, uint64_t at, long page, int pagemap)
{
    const uintptr_t host = (uintptr_t)block->host;
    ScanRegion region;
    ScanArg arg = {
        .size = sizeof(arg),
        .start = host + at * (uint64_t)page,
        .end = host + block->size,
        .vec = (uintptr_t)&region,
        .vec_len = 1,
        .max_pages = 1,
        .inverted = SCAN_ZEROS,
        .all_of = SCAN_PRESENT | SCAN_ZEROS,
        .returned = SCAN_PRESENT,
    };
    const int found = pagemap >= 0 ? ioctl(pagemap, SCAN_IOCTL, &arg) : -1;

    return found < 0 ? at : ((found ? region.start : arg.end) - host) / (uint64_t)page;
}

uint64_t ram_block_resident(const RamBlock *block, uint64_t size)
{
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t pages = size / (uint64_t)page;
    const int pagemap = open_pagemap(block);
    uint8_t there[WINDOW];
    uint64_t found = 0;

    for (uint64_t at = 0; (at = skip_absent(block, at, page, pagemap)) < pages; at += WINDOW) {
        const size_t count = MIN(WINDOW, pages - at);
        uint8_t *host = block->host + at * (uint64_t)page;

        if (mincore(host, count * (size_t)page, there) == 0) {
            found += count_pages(host, there, count, page, pagemap);
        }
    }
    if (pagemap >= 0) {
        close(pagemap);
    }
    return found * (uint64_t)page;
}

bool ram_block_all_untouched(const RamBlock *block, uint64_t offset, uint64_t size)
{
    const long page = sysconf(_SC_PAGESIZE);
    const int pagemap = open_pagemap(block);
    uint64_t entries[WINDOW / 16];
    bool untouched = pagemap >= 0;

    for (uint64_t at = 0; untouched && at < size;) {
        const size_t count = MIN(G_N_ELEMENTS(entries), (size - at) / (uint64_t)page);

        untouched = count && read_pagemap(pagemap, block->host + offset + at, count, page, entries);
        for (size_t i = 0; untouched && i < count; i++) {
            untouched = !(entries[i] & (PAGEMAP_PRESENT | PAGEMAP_ELSEWHERE));
        }
        at += count * (uint64_t)page;
    }
    if (pagemap >= 0) {
        close(pagemap);
    }
    return untouched;
}
