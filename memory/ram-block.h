/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: host memory that can be guest RAM. A block is a mapping, anonymous or of a file
 * descriptor; it is reference-counted, and unmapped with its last reference.
 */
#ifndef MEMORY_RAM_BLOCK_H
#define MEMORY_RAM_BLOCK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RamBlock {
    char *name;
    uint8_t *host;
    uint64_t size;      /* bytes, a multiple of page_size */
    uint64_t page_size; /* of the backing: 4 KiB or a hugetlbfs size */
    int fd;             /* -1: anonymous; owned */
    bool shared;
    gint refs; /* atomic */
} RamBlock;

/* @fd >= 0 is taken over, on success only. @align (0: page size) aligns the host address.
 * @reserve false: no swap space is reserved (MAP_NORESERVE). */
RamBlock *ram_block_new(const char *name, uint64_t size, int fd, bool shared, bool reserve,
                        uint64_t align, GError **errp);
/* Bytes of a page of what backs @fd: a hugetlbfs size, else (and for -1) the host's page size. */
uint64_t ram_block_page_size(int fd);
RamBlock *ram_block_ref(RamBlock *block);
void ram_block_unref(RamBlock *block);
/* Touch every page, without changing its contents; SIGBUS becomes an error, and
 * so does a signal that ends the program (util/interrupt.h). */
bool ram_block_prealloc(RamBlock *block, GError **errp);

#endif
