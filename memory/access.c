/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses through an address space: of any length, and single ones as devices see them.
 *
 * A device function may change the memory map, and so free the view that led to it. Each step
 * therefore makes one call at most, and looks its address up anew.
 */
#include <string.h>

#include "memory/address-space.h"
#include "memory/dirty.h"
#include "memory/internal.h"
#include "util/copy.h"
#include "util/shared-event.h"

#define IO_MAX_ACCESS 8

/* What one step of an access does: @n bytes at an address that belongs to @range, or to nothing. */
typedef struct Step {
    const FlatRange *range;
    const MemoryRegion *mr; /* of the range, or who takes its writes */
    hwaddr offset;          /* within mr */
    uint64_t n;
} Step;

static bool is_io(const FlatRange *range)
{
    return range && !range->host;
}

/* Whose writes go to a device: flash can be read as memory all the same. */
static bool takes_writes(const FlatRange *range)
{
    return is_io(range) || (range && (range->writer || range->mr->kind == REGION_ROM_DEVICE));
}

/* Largest naturally aligned access at @offset that is not longer than @len and that the device
 * takes. */
static unsigned io_access_size(const MemoryRegion *mr, hwaddr offset, uint64_t len)
{
    unsigned size = mr->ops->max_access ? mr->ops->max_access : IO_MAX_ACCESS;

    while (size > len || (offset & (size - 1))) {
        size >>= 1;
    }
    return size;
}

static Step next_step(AddressSpace *as, hwaddr addr, uint64_t len, bool write)
{
    const FlatView *view = address_space_view(as);
    unsigned at = flat_view_lower_bound(view, addr);
    const FlatRange *range = at < view->count ? &view->ranges[at] : NULL;
    Step step = { .n = len };

    if (range && range->addr <= addr) {
        uint64_t skip = addr - range->addr;

        step.range = range;
        step.mr = write && range->writer ? range->writer : range->mr;
        step.offset = (write && range->writer ? range->writer_offset : range->offset) + skip;
        step.n = MIN(len, range->size - skip);
        if (write ? takes_writes(range) : is_io(range)) {
            step.n = io_access_size(step.mr, step.offset, step.n);
        }
    } else if (range) {
        step.n = MIN(len, range->addr - addr);
    } else if (addr != 0) {
        step.n = MIN(len, -addr); /* up to 2^64, and on from 0 */
    }
    return step;
}

/* ---- devices ---- */

static uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

static uint64_t io_read(const MemoryRegion *mr, hwaddr offset, unsigned size)
{
    unsigned wide = MAX(size, mr->ops->min_access);
    hwaddr start = offset & ~(hwaddr)(wide - 1);
    uint64_t value;

    if (!mr->ops->read || memory_region_bytes(mr) - start < wide) {
        return size_mask(size);
    }
    value = mr->ops->read(mr->opaque, start, wide);
    return (value >> ((offset - start) * 8)) & size_mask(size);
}

/* If the write is one that signals an eventfd: do that. */
static bool signal_event(const MemoryRegion *mr, hwaddr offset, uint64_t value, unsigned size)
{
    for (unsigned i = 0; mr->events && i < mr->events->len; i++) {
        const MemoryEvent *event = &g_array_index(mr->events, MemoryEvent, i);

        if (event->offset == offset && (!event->size || event->size == size) &&
            (!event->match || event->value == (value & size_mask(size)))) {
            shared_event_signal(event->fd);
            return true;
        }
    }
    return false;
}

static void io_write(const MemoryRegion *mr, hwaddr offset, uint64_t value, unsigned size)
{
    unsigned wide = MAX(size, mr->ops->min_access);
    hwaddr start = offset & ~(hwaddr)(wide - 1);

    if (signal_event(mr, offset, value, size)) {
        return;
    }
    if (mr->ops->write && memory_region_bytes(mr) - start >= wide) {
        value = (value & size_mask(size)) << ((offset - start) * 8);
        mr->ops->write(mr->opaque, start, value, wide);
    }
}

static uint64_t bytes_load(const void *p, unsigned n)
{
    uint64_t value = 0;

    memcpy(&value, p, n);
    return value;
}

void address_space_written(AddressSpace *as, hwaddr addr, uint64_t len)
{
    const GPtrArray *listeners = atomic_load_explicit(&as->listeners, memory_order_acquire);

    for (unsigned i = 0; i < listeners->len; i++) {
        MemoryListener *listener = g_ptr_array_index(listeners, i);

        if (listener->written) {
            listener->written(listener, addr, len);
        }
    }
}

void address_space_rewritten(AddressSpace *as)
{
    address_space_written(as, 0, UINT64_MAX);
}

static void tell_written(AddressSpace *as, const FlatRange *range, hwaddr addr, uint64_t len)
{
    dirty_mark(range->mr->ram, range->offset + (addr - range->addr), len);
    address_space_written(as, addr, len);
}

/* ---- buffers ---- */

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, void *buf, uint64_t len)
{
    MemTxResult result = MEMTX_OK;
    uint8_t *out = buf;

    while (len) {
        Step step = next_step(as, addr, len, false);

        if (!step.range) {
            memset(out, 0xff, step.n);
            result = MEMTX_DECODE_ERROR;
        } else if (is_io(step.range)) {
            uint64_t value = io_read(step.mr, step.offset, (unsigned)step.n);

            memcpy(out, &value, step.n);
        } else {
            copy_operand(out, step.range->host + (addr - step.range->addr), step.n);
        }
        addr += step.n;
        out += step.n;
        len -= step.n;
    }
    return result;
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len)
{
    MemTxResult result = MEMTX_OK;
    const uint8_t *in = buf;

    while (len) {
        Step step = next_step(as, addr, len, true);

        if (!step.range) {
            result = MEMTX_DECODE_ERROR;
        } else if (takes_writes(step.range)) {
            io_write(step.mr, step.offset, bytes_load(in, (unsigned)step.n), (unsigned)step.n);
        } else if (!step.range->readonly) {
            copy_operand(step.range->host + (addr - step.range->addr), in, step.n);
            tell_written(as, step.range, addr, step.n);
        }
        addr += step.n;
        in += step.n;
        len -= step.n;
    }
    return result;
}

MemTxResult address_space_set(AddressSpace *as, hwaddr addr, uint8_t byte, uint64_t len)
{
    uint8_t chunk[512];
    MemTxResult result = MEMTX_OK;

    memset(chunk, byte, sizeof(chunk));
    while (len) {
        Step step = next_step(as, addr, len, true);

        if (step.range && step.range->host && !step.range->readonly) {
            memset(step.range->host + (addr - step.range->addr), byte, step.n);
            tell_written(as, step.range, addr, step.n);
        } else if (takes_writes(step.range)) {
            step.n = MIN(step.n, sizeof(chunk));
            address_space_write(as, addr, chunk, step.n);
        } else if (!step.range) {
            result = MEMTX_DECODE_ERROR;
        }
        addr += step.n;
        len -= step.n;
    }
    return result;
}

/* ---- single accesses ---- */

uint64_t address_space_load(AddressSpace *as, hwaddr addr, unsigned size)
{
    Step step = next_step(as, addr, size, false);
    uint64_t value = UINT64_MAX;

    if (step.n == size && is_io(step.range)) {
        return io_read(step.mr, step.offset, size);
    }
    address_space_read(as, addr, &value, size);
    return value & size_mask(size);
}

void address_space_store(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size)
{
    address_space_write(as, addr, &value, size);
}

void *address_space_host(AddressSpace *as, hwaddr addr, uint64_t len)
{
    const FlatRange *range = flat_view_find(address_space_view(as), addr);

    if (!range || !range->host || len > range->size - (addr - range->addr)) {
        return NULL;
    }
    return range->host + (addr - range->addr);
}
