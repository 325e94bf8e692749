/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DMA: how devices get at guest memory. A device has a DmaSpace, which its bus gives it.
 *
 * What is done at once, dma_read() and dma_write() do. A transfer that goes on while the machine
 * does maps the memory: the hold keeps the RAM block, not the guest's view of it, so that no eject
 * frees memory under a device (memory/ram-hold.h).
 *
 * Between a device and memory may be an IOMMU: then addresses are what the device calls them, each
 * access is translated, and what it may not reach is as if there were no RAM.
 */
#ifndef MEMORY_DMA_H
#define MEMORY_DMA_H

#include "memory/address-space.h"
#include "memory/memory.h"
#include "memory/ram-hold.h"

/* How an IOMMU sees one device. */
typedef struct DmaIommu {
    /* Where the device's @addr is, and how many bytes from there on lie together (1 or more).
     * False: it may not read, or @write, there; the IOMMU has noted the fault. By any thread that
     * may call what follows. NULL: nothing is translated. */
    bool (*translate)(void *opaque, hwaddr addr, bool write, hwaddr *to, uint64_t *size);
    void *opaque;
} DmaIommu;

typedef struct DmaSpace {
    AddressSpace *as;      /* borrowed */
    const DmaIommu *iommu; /* borrowed; NULL: nothing is translated */
} DmaSpace;

static inline bool dma_is_translated(const DmaSpace *space)
{
    return space->iommu && space->iommu->translate;
}

typedef struct DmaHold {
    uint8_t *host; /* of the first byte */
    uint64_t size; /* bytes */
    hwaddr addr;   /* where it was seen, in @as */
    AddressSpace *as;
    bool write;      /* the device writes to it */
    RamBlock *block; /* the hold's */
    RamHold *ram;
} DmaHold;

/* Is all of [@addr, @addr + @len) RAM, be it read-only? Machine lock or a read section, as for all
 * that follow; dma_read() and dma_write(), which may reach devices, need the lock. */
bool dma_is_ram(const DmaSpace *space, hwaddr addr, uint64_t len);
MemTxResult dma_read(const DmaSpace *space, hwaddr addr, void *buf, uint64_t len);
MemTxResult dma_write(const DmaSpace *space, hwaddr addr, const void *buf, uint64_t len);
/* The same where all of it is RAM; else false, and nothing was reached: what an address of the
 * guest leads to is never a device, which could be the one that is at work. */
bool dma_read_ram(const DmaSpace *space, hwaddr addr, void *buf, uint64_t len);
bool dma_write_ram(const DmaSpace *space, hwaddr addr, const void *buf, uint64_t len);
MemTxResult dma_set(const DmaSpace *space, hwaddr addr, uint8_t byte, uint64_t len);

/* Where [@addr, @addr + @len) is, if that is RAM in one piece, which for a @write can be written to
 * directly; else NULL. For what two sides read and write with atomic accesses, such as rings. Good
 * until the lock is given back or the section ends. */
void *dma_host(const DmaSpace *space, hwaddr addr, uint64_t len, bool write);
/* It was written to there. In the same section. */
void dma_written(const DmaSpace *space, hwaddr addr, uint64_t len);

/* Map for @holder as much of [@addr, @addr + @len) as lies in one piece, hold->size bytes, which
 * the device may read, and, if @write, write to until dma_unmap(). @holder is a name for messages,
 * borrowed until then; the hold must end by itself. False: @len is 0, or what begins at @addr is no
 * RAM, for a @write cannot be written to directly, or is being taken out of the machine. */
bool dma_map(const DmaSpace *space, hwaddr addr, uint64_t len, bool write, const char *holder,
             DmaHold *hold);
/* The device is through, and has written to the first @written bytes: their pages are marked dirty,
 * and what is made from them, such as decoded code, is made anew, wherever they are seen now. */
void dma_unmap(DmaHold *hold, uint64_t written);
/* Nobody needs what is in @hold, which is for writing: give the whole pages of the backing in it to
 * the host, and let the guest find zeros, or what is in the file of a private mapping, when it
 * touches them. They are marked as written to. False: the host does not take them
 * back, as when they are locked in memory; errno says why. */
bool dma_discard(const DmaHold *hold);
/* @fn is called before pages of a block are given back, with the machine lock or in the thread of a
 * device: who still wants their contents takes them. NULL: nobody does. Any thread. */
void dma_set_before_discard(void (*fn)(RamBlock *block, uint64_t offset, uint64_t size));
/* As often as @on is true rather than false: dma_discard() leaves all as it is, and says true. For
 * those who have the pages pinned, and would not see the guest's new ones. Machine lock. */
void dma_keep_discarded(bool on);
/* As dma_discard() of [@offset, @offset + @size) of @block, whole pages of its backing, which are
 * seen at
 * @addr of @as, or will be; whoever holds them. False: the host does not take them back; errno says
 * why. Machine lock. */
bool dma_discard_ram(AddressSpace *as, hwaddr addr, RamBlock *block, uint64_t offset,
                     uint64_t size);

#endif
