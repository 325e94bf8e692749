/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/ram-resident.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW 8192u /* pages that are asked for at a time */

/* An entry of /proc/self/pagemap (the kernel's admin-guide/mm/pagemap). */
#define PAGEMAP_PRESENT   (UINT64_C(1) << 63)
#define PAGEMAP_FILE      (UINT64_C(1) << 61) /* of a file, or shared */
#define PAGEMAP_EXCLUSIVE (UINT64_C(1) << 56) /* nobody else has it */

/* Private memory is there when a page has been made for it. mincore() counts those that share the
 * one page of zeros, too: pagemap can tell them apart, and takes longer. */
static bool needs_pagemap(const RamBlock *block)
{
    return block->fd < 0 && !block->shared;
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
    off_t at = (off_t)((uintptr_t)host / (uintptr_t)page * sizeof(entries[0]));
    bool own = pagemap >= 0 && pread(pagemap, entries, count * sizeof(entries[0]), at) ==
                                   (ssize_t)(count * sizeof(entries[0]));
    for (size_t i = 0; i < count; i++) {
        found += there[i] & 1 && (!own || is_own(entries[i]));
    }
    return found;
}

uint64_t ram_block_resident(const RamBlock *block)
{
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t pages = block->size / (uint64_t)page;
    int pagemap = needs_pagemap(block) ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
    uint8_t there[WINDOW];
    uint64_t found = 0;

    for (uint64_t at = 0; at < pages; at += WINDOW) {
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
