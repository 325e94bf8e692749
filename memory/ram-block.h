/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: host memory that can be guest RAM. A block is a mapping, anonymous or of a file
 * descriptor; it is reference-counted, and unmapped with its last reference.
 */
#ifndef MEMORY_RAM_BLOCK_H
#define MEMORY_RAM_BLOCK_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RamHold RamHold; /* memory/ram-hold.h */

typedef struct RamBlock {
    char *name;
    uint8_t *host;
    uint64_t size;      /* bytes, a multiple of page_size */
    uint64_t page_size; /* of the backing: 4 KiB or a hugetlbfs size */
    uint64_t align;     /* that was asked for, at least page_size; a power of 2 */
    int fd;             /* -1: anonymous; owned */
    bool shared;
    gint refs; /* atomic */
    /* A backend's that no device and no machine has mapped: the guest cannot have anything in it.
     * Changed with the machine lock, read by all: relaxed, as nothing else is known by it. */
    _Atomic bool unused;
    /* Who wants to know of writes (memory/dirty.h); changed with the machine lock, read by all. */
    _Atomic(struct DirtyMap *) dirty;
    /* Of memory/ram-parts.c: which parts of it the guest has; NULL: all. Changed with the machine
     * lock, read by all. */
    _Atomic(struct RamParts *) parts;
    /* Of memory/ram-hold.c, under hold_lock, in which no other lock is taken: who holds the block,
     * whether it is closed, and who waits for the last hold to end. */
    GMutex hold_lock;
    RamHold *holds;
    bool closed;
    void (*close_done)(void *opaque);
    void *close_opaque;
} RamBlock;

typedef struct RamBlockOptions {
    const char *name; /* for messages and listings */
    uint64_t size;    /* bytes; a multiple of the backing's page size */
    int fd;           /* taken over, on success only; -1: anonymous */
    bool shared;
    bool reserve;    /* false: no swap space is reserved (MAP_NORESERVE) */
    bool persistent; /* a shared file in persistent memory (MAP_SYNC); a warning if it is not */
    uint64_t align;  /* of the host address, bytes, a power of 2; 0: the page size */
} RamBlockOptions;

/* A new mapping, with one reference. */
RamBlock *ram_block_map(const RamBlockOptions *options, GError **errp);
/* The same with the options that most need. */
RamBlock *ram_block_new(const char *name, uint64_t size, int fd, bool shared, bool reserve,
                        uint64_t align, GError **errp);
/* Bytes of a page of what backs @fd: a hugetlbfs size, else (and for -1) the host's page size. */
uint64_t ram_block_page_size(int fd);
RamBlock *ram_block_ref(RamBlock *block);
void ram_block_unref(RamBlock *block);

/* All blocks there are, in the order in which they were made; the array has a reference to each and
 * gives them back when it is freed. Any thread. */
GPtrArray *ram_blocks_list(void);

/* The same without those that are unused. */
GPtrArray *ram_blocks_list_used(void);

/* From now on the host may give a block large pages as it is touched, where it does so on request
 * (madvise): for private anonymous memory, of blocks there are and of new ones. Called when guest
 * code first runs, and not before: a machine that is only prepared stays as small as what was put
 * into it. Any thread. */
void ram_blocks_use_large_pages(void);

/* For a handler of SIGBUS at @host: if that is in a block, put a page of zeros there instead of the
 * one that is lost, so that the access goes on; false: it is in none. Async-signal-safe. */
bool ram_block_replace_page(const void *host);

#define RAM_BLOCK_MAX_THREADS 256

/* Start a thread that runs @fn(@data); the caller joins it. NULL with @errp. */
typedef GThread *RamBlockSpawn(void *opaque, GThreadFunc fn, void *data, GError **errp);

/* Touch every page, without changing its contents, in so many threads at the same time (1 to
 * RAM_BLOCK_MAX_THREADS, and no more than there are pages), which @spawn(@opaque) starts; NULL:
 * plain ones, and none for 1. SIGBUS becomes an error, and so does a signal that ends the program
 * (util/interrupt.h). Any thread; needs no lock. */
bool ram_block_prealloc(RamBlock *block, unsigned threads, RamBlockSpawn *spawn, void *opaque,
                        GError **errp);
/* The same for [@offset, @offset + @size), whole pages, in this thread; what could be had of it
 * stays on failure. */
bool ram_block_prealloc_part(RamBlock *block, uint64_t offset, uint64_t size, GError **errp);

#endif
