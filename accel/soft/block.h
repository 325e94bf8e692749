/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoded blocks and how one leads to the next. One cache for each vCPU, touched by its thread
 * only.
 *
 * A block is found by the guest-physical address of its first byte, its RIP and the mode_key. It
 * may run while valid_gen == SoftCpu.tlb_gen: then its RIP is known to translate to its physical
 * address. So tlb_gen changes whenever that may not be so any more: by a flush that concerns a page
 * by which a block of the mode was found (tlb.c). Kernel and user code have each their own, never
 * the same and never 0.
 */
#ifndef ACCEL_SOFT_BLOCK_H
#define ACCEL_SOFT_BLOCK_H

#include "accel/soft/soft.h"

struct SoftBlock {
    /* What tells whether it may run: one line of the cache. */
    uint64_t rip;
    uint64_t cs_base;
    hwaddr phys;         /* of the first byte */
    hwaddr second;       /* of the second page, or -1 */
    const uint8_t *host; /* translated code, or NULL */
    uint32_t limit;      /* of CS, outside 64-bit mode: see SoftCpu.code_limits */
    uint32_t key;        /* mode_key */
    uint32_t valid_gen;  /* 0: not verified, or dead */
    uint16_t bytes;      /* of guest code */
    uint16_t count;      /* of micro-operations */
    bool dead;           /* the code was written to: never run again */
    uint16_t runs;       /* until it was translated */
    SoftBlock *next[2]; /* direct links: fall-through, taken; one that is never valid where there is
                           none */
    uint64_t target[2]; /* their RIPs */
    SoftBlock *hash_next;
    SoftBlock *page_next[2]; /* list of the first and the second page */
    struct SoftTranslation *translation;
    UopFn *first; /* what uops[0].fn was, where the translator has put its own there */
    Uop uops[];
};

#define SOFT_HASH_BITS 17

/* What is known of one guest page that holds code of this vCPU. */
typedef struct SoftCachePage {
    hwaddr page;          /* address / SOFT_PAGE */
    SoftBlock *blocks[2]; /* that begin here; that began on the page before in linear order */
    unsigned count;
} SoftCachePage;

typedef struct SoftCache {
    SoftBlock **hash;         /* 1 << SOFT_HASH_BITS lists */
    struct SoftChunk *chunks; /* memory of the blocks, newest first */
    size_t chunk_used;        /* bytes of the newest */
    size_t bytes;             /* of all */
    GHashTable *pages;        /* page number -> SoftCachePage */
    uint32_t epoch;           /* changes when all blocks are dropped */
    bool jumps_made;          /* SoftCpu.jump is: it takes no memory before code is run */
} SoftCache;

/* soft_blocks_init(), soft_blocks_destroy() and soft_execute() are in soft.h. */

/* Forget all blocks. Not while one is running: between calls of soft_execute(). */
void soft_cache_drop(SoftCpu *s);
/* After a flush: is @b, of this mode's 64-bit code, still what is at @rip? Then it is valid. Asks
 * the TLB only: false if that does not know the page, too. Never faults. */
bool soft_block_revalidate(SoftCpu *s, SoftBlock *b, uint64_t rip);
/* Forget those of blocks with the bits @key in their mode_key that have the byte at linear address
 * @addr. The running one goes on to its end. */
void soft_blocks_drop_at(SoftCpu *s, uint64_t addr, uint32_t key);
/* End the running block after the instruction of @op. */
void soft_blocks_stop(SoftCpu *s, const Uop *op);

#endif
