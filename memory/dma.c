/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/dma.h"

#include <sys/mman.h>

#include "memory/address-space.h"
#include "memory/dirty.h"
#include "memory/internal.h"

/* *@addr becomes one of space->as, and *@len no more than what lies together from there on. */
static bool translate(const DmaSpace *space, hwaddr *addr, uint64_t *len, bool write)
{
    hwaddr to;
    uint64_t size;

    if (G_LIKELY(!dma_is_translated(space))) {
        return true;
    }
    if (!space->iommu->translate(space->iommu->opaque, *addr, write, &to, &size)) {
        return false;
    }
    *addr = to;
    *len = MIN(*len, size);
    return true;
}

static bool is_ram(const DmaSpace *space, hwaddr addr, uint64_t len)
{
    const FlatView *view = address_space_view(space->as);

    if (len && addr + (len - 1) < addr) {
        return false;
    }
    while (len) {
        const FlatRange *range = flat_view_find(view, addr);
        if (!range || !range->host) {
            return false;
        }
        uint64_t here = MIN(len, range->size - (addr - range->addr));
        addr += here;
        len -= here;
    }
    return true;
}

/* The same, as the device may access it. */
static bool may_access(const DmaSpace *space, hwaddr addr, uint64_t len, bool write)
{
    if (!dma_is_translated(space)) {
        return is_ram(space, addr, len);
    }
    if (len && addr + (len - 1) < addr) {
        return false;
    }
    while (len) {
        hwaddr at = addr;
        uint64_t here = len;

        if (!translate(space, &at, &here, write) || !is_ram(space, at, here)) {
            return false;
        }
        addr += here;
        len -= here;
    }
    return true;
}

bool dma_is_ram(const DmaSpace *space, hwaddr addr, uint64_t len)
{
    return may_access(space, addr, len, false);
}

/* What is done to the bytes that one piece of an access is. */
typedef enum Access { ACCESS_READ, ACCESS_WRITE, ACCESS_SET } Access;

static MemTxResult access_piece(const DmaSpace *space, Access what, hwaddr addr, void *buf,
                                uint64_t len)
{
    switch (what) {
    case ACCESS_READ:
        return address_space_read(space->as, addr, buf, len);
    case ACCESS_WRITE:
        return address_space_write(space->as, addr, buf, len);
    case ACCESS_SET:
        return address_space_set(space->as, addr, *(uint8_t *)buf, len);
    }
    return MEMTX_DECODE_ERROR;
}

/* Piece by piece; if @ram, never to a device, also if the guest changes the translation
 * meanwhile. */
static MemTxResult access_pieces(const DmaSpace *space, Access what, hwaddr addr, void *buf,
                                 uint64_t len, bool ram)
{
    while (len) {
        hwaddr at = addr;
        uint64_t here = len;
        MemTxResult result = MEMTX_DECODE_ERROR;

        if (translate(space, &at, &here, what != ACCESS_READ) &&
            (!ram || is_ram(space, at, here))) {
            result = access_piece(space, what, at, buf, here);
        }
        if (result != MEMTX_OK) {
            return result;
        }
        addr += here;
        len -= here;
        buf = what == ACCESS_SET ? buf : (uint8_t *)buf + here;
    }
    return MEMTX_OK;
}

MemTxResult dma_read(const DmaSpace *space, hwaddr addr, void *buf, uint64_t len)
{
    if (!dma_is_translated(space)) {
        return address_space_read(space->as, addr, buf, len);
    }
    return access_pieces(space, ACCESS_READ, addr, buf, len, false);
}

MemTxResult dma_write(const DmaSpace *space, hwaddr addr, const void *buf, uint64_t len)
{
    if (!dma_is_translated(space)) {
        return address_space_write(space->as, addr, buf, len);
    }
    return access_pieces(space, ACCESS_WRITE, addr, (void *)(uintptr_t)buf, len, false);
}

bool dma_read_ram(const DmaSpace *space, hwaddr addr, void *buf, uint64_t len)
{
    if (!may_access(space, addr, len, false)) {
        return false;
    }
    return dma_is_translated(space)
               ? access_pieces(space, ACCESS_READ, addr, buf, len, true) == MEMTX_OK
               : dma_read(space, addr, buf, len) == MEMTX_OK;
}

bool dma_write_ram(const DmaSpace *space, hwaddr addr, const void *buf, uint64_t len)
{
    if (!may_access(space, addr, len, true)) {
        return false;
    }
    return dma_is_translated(space) ? access_pieces(space, ACCESS_WRITE, addr,
                                                    (void *)(uintptr_t)buf, len, true) == MEMTX_OK
                                    : dma_write(space, addr, buf, len) == MEMTX_OK;
}

MemTxResult dma_set(const DmaSpace *space, hwaddr addr, uint8_t byte, uint64_t len)
{
    if (!dma_is_translated(space)) {
        return address_space_set(space->as, addr, byte, len);
    }
    return access_pieces(space, ACCESS_SET, addr, &byte, len, false);
}

/* The range that has all of [@addr, @addr + @len), as RAM. */
static const FlatRange *find_ram(const DmaSpace *space, hwaddr addr, uint64_t len, bool write)
{
    const FlatRange *range = flat_view_find(address_space_view(space->as), addr);

    return range && range->host && range->mr->ram && !(write && range->readonly) &&
                   len <= range->size - (addr - range->addr)
               ? range
               : NULL;
}

void *dma_host(const DmaSpace *space, hwaddr addr, uint64_t len, bool write)
{
    uint64_t here = len;

    if (!translate(space, &addr, &here, write) || here < len) {
        return NULL;
    }
    const FlatRange *range = find_ram(space, addr, len, write);

    return range ? range->host + (addr - range->addr) : NULL;
}

void dma_written(const DmaSpace *space, hwaddr addr, uint64_t len)
{
    uint64_t here = len;

    if (!translate(space, &addr, &here, true)) {
        return;
    }
    const FlatRange *range = find_ram(space, addr, here, true);

    if (range) { /* whoever holds the machine lock may have changed the map meanwhile */
        dirty_mark(range->mr->ram, range->offset + (addr - range->addr), here);
        address_space_written(space->as, addr, here);
    }
}

/* As translate(), with pages that lie together in one piece. */
static bool translate_run(const DmaSpace *space, hwaddr *addr, uint64_t *len, bool write)
{
    const hwaddr from = *addr;
    const uint64_t wanted = *len;

    if (!translate(space, addr, len, write)) {
        return false;
    }
    while (*len < wanted) {
        hwaddr next = from + *len;
        uint64_t more = wanted - *len;

        if (!translate(space, &next, &more, write) || next != *addr + *len) {
            break;
        }
        *len += more;
    }
    return true;
}

bool dma_map(const DmaSpace *space, hwaddr addr, uint64_t len, bool write, const char *holder,
             DmaHold *hold)
{
    if (!len || !translate_run(space, &addr, &len, write)) {
        return false;
    }
    const FlatRange *range = find_ram(space, addr, 1, write);
    if (!range) {
        return false;
    }
    len = MIN(len, range->size - (addr - range->addr));
    RamHold *ram = ram_hold_part(range->mr->ram, range->offset + (addr - range->addr), len, holder);
    if (!ram) {
        return false;
    }
    *hold = (DmaHold){ .host = range->host + (addr - range->addr),
                       .size = len,
                       .addr = addr,
                       .as = space->as,
                       .write = write,
                       .block = range->mr->ram,
                       .ram = ram };
    return true;
}

/* Of what was written, the part that is seen through @range now. */
static void tell_range(const DmaHold *hold, uint64_t written, const FlatRange *range)
{
    uintptr_t first = (uintptr_t)hold->host, last = first + (written - 1);
    uintptr_t start = (uintptr_t)range->host, end = start + (range->size - 1);

    if (range->host && first <= end && start <= last) {
        uintptr_t from = MAX(first, start);

        address_space_written(hold->as, range->addr + (from - start), MIN(last, end) - from + 1);
    }
}

static void tell_written(const DmaHold *hold, uint64_t written)
{
    const FlatView *view = address_space_view(hold->as);
    const FlatRange *range = flat_view_find(view, hold->addr);

    if (range && range->host && range->host + (hold->addr - range->addr) == hold->host &&
        written <= range->size - (hold->addr - range->addr)) {
        address_space_written(hold->as, hold->addr, written);
        return;
    }
    for (unsigned i = 0; i < view->count; i++) { /* the map has changed meanwhile */
        tell_range(hold, written, &view->ranges[i]);
    }
}

void dma_unmap(DmaHold *hold, uint64_t written)
{
    g_return_if_fail(written <= hold->size && (hold->write || !written));
    if (written) {
        dirty_mark(hold->block, (uint64_t)(hold->host - hold->block->host), written);
        tell_written(hold, written);
    }
    ram_hold_release(g_steal_pointer(&hold->ram));
}

static void (*_Atomic before_discard)(RamBlock *block, uint64_t offset, uint64_t size);

void dma_set_before_discard(void (*fn)(RamBlock *block, uint64_t offset, uint64_t size))
{
    atomic_store(&before_discard, fn);
}

static bool discard(RamBlock *block, uint8_t *host, uint64_t size)
{
    void (*fn)(RamBlock *, uint64_t, uint64_t) = atomic_load(&before_discard);

    if (fn) {
        fn(block, (uint64_t)(host - block->host), size);
    }
    return madvise(host, size, block->shared ? MADV_REMOVE : MADV_DONTNEED) == 0;
}

static _Atomic int keepers;

void dma_keep_discarded(bool on)
{
    atomic_fetch_add(&keepers, on ? 1 : -1);
}

bool dma_discard(const DmaHold *hold)
{
    const uintptr_t page = hold->block->page_size;
    uintptr_t start = ((uintptr_t)hold->host + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)hold->host + hold->size) & ~(page - 1);

    g_return_val_if_fail(hold->write, true);
    if (start >= end || atomic_load(&keepers)) {
        return true;
    }
    if (!discard(hold->block, (void *)start, end - start)) {
        return false;
    }
    dirty_mark(hold->block, (uint64_t)(hold->host - hold->block->host), hold->size);
    tell_written(hold, hold->size);
    return true;
}

bool dma_discard_ram(AddressSpace *as, hwaddr addr, RamBlock *block, uint64_t offset, uint64_t size)
{
    if (!discard(block, block->host + offset, size)) {
        return false;
    }
    dirty_mark(block, offset, size);
    address_space_written(as, addr, size);
    return true;
}
