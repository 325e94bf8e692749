/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/virtq-driver.h"

#include <stdatomic.h>
#include <string.h>

enum { AVAIL = 1 << 7, USED = 1 << 15, WRAP = 1 << 15 };

static _Atomic uint16_t *half(const VirtqDriver *d, uint64_t at)
{
    return (_Atomic uint16_t *)(d->ram + at);
}

static uint16_t get16(const VirtqDriver *d, uint64_t at)
{
    return atomic_load_explicit(half(d, at), memory_order_acquire);
}

static void put16(const VirtqDriver *d, uint64_t at, uint16_t value)
{
    atomic_store_explicit(half(d, at), value, memory_order_release);
}

static uint32_t get32(const VirtqDriver *d, uint64_t at)
{
    uint32_t value;

    memcpy(&value, d->ram + at, sizeof(value));
    return value;
}

void virtq_driver_init(VirtqDriver *d, uint8_t *ram, uint64_t base, unsigned size, bool packed,
                       bool event)
{
    *d = (VirtqDriver){ .ram = ram,
                        .size = size,
                        .packed = packed,
                        .event = event,
                        .desc = base,
                        .driver = base + 0x4000,
                        .device = base + 0x8000,
                        .avail_wrap = true,
                        .used_wrap = true };
    memset(ram + base, 0, 0x10000);
}

void virtq_driver_desc(const VirtqDriver *d, uint64_t at, const VirtqBuffer *buffer, uint16_t flags,
                       uint16_t link)
{
    memcpy(d->ram + at, &buffer->addr, 8);
    memcpy(d->ram + at + 8, &buffer->len, 4);
    put16(d, at + (d->packed ? 12 : 14), link);
    put16(d, at + (d->packed ? 14 : 12), flags); /* last */
}

void virtq_driver_table(const VirtqDriver *d, uint64_t at, const VirtqBuffer *buffers,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned next = !d->packed && i + 1 < count ? DRIVER_NEXT : 0;

        virtq_driver_desc(d, at + 16 * i, &buffers[i], buffers[i].flags | next, i + 1);
    }
}

static void add_split(VirtqDriver *d, uint16_t head, const VirtqBuffer *buffers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        virtq_driver_desc(d, d->desc + 16 * ((head + i) % d->size), &buffers[i],
                          buffers[i].flags | (i + 1 < count ? DRIVER_NEXT : 0),
                          (head + i + 1) % d->size);
    }
    put16(d, d->driver + 4 + 2 * (d->avail % d->size), head);
    put16(d, d->driver + 2, ++d->avail);
}

static void add_packed(VirtqDriver *d, uint16_t id, const VirtqBuffer *buffers, unsigned count)
{
    uint16_t first = d->avail, flags[64];

    for (unsigned i = 0; i < count; i++) {
        flags[i] =
            buffers[i].flags | (i + 1 < count ? DRIVER_NEXT : 0) | (d->avail_wrap ? AVAIL : USED);
        if (++d->avail == d->size) {
            d->avail = 0;
            d->avail_wrap = !d->avail_wrap;
        }
    }
    for (unsigned i = count; i-- > 0;) { /* the first one is the last to be seen */
        virtq_driver_desc(d, d->desc + 16 * ((first + i) % d->size), &buffers[i], flags[i], id);
    }
    d->lengths[id] = count;
}

void virtq_driver_add(VirtqDriver *d, uint16_t head, const VirtqBuffer *buffers, unsigned count)
{
    (d->packed ? add_packed : add_split)(d, head, buffers, count);
}

static bool take_packed(VirtqDriver *d, uint16_t *id, uint32_t *len)
{
    uint64_t at = d->desc + 16 * d->used;
    uint16_t flags = get16(d, at + 14);

    if (!!(flags & AVAIL) != d->used_wrap || !!(flags & USED) != d->used_wrap) {
        return false;
    }
    *id = get16(d, at + 12);
    *len = get32(d, at + 8);
    d->used += d->lengths[*id];
    if (d->used >= d->size) {
        d->used -= d->size;
        d->used_wrap = !d->used_wrap;
    }
    return true;
}

bool virtq_driver_take(VirtqDriver *d, uint16_t *head, uint32_t *len)
{
    if (d->packed) {
        return take_packed(d, head, len);
    }
    if (get16(d, d->device + 2) == d->used) {
        return false;
    }
    *head = get32(d, d->device + 4 + 8 * (d->used % d->size));
    *len = get32(d, d->device + 8 + 8 * (d->used % d->size));
    d->used++;
    return true;
}

static bool passed(uint16_t event, uint16_t now, unsigned count)
{
    return (uint16_t)(now - event - 1) < count;
}

bool virtq_driver_should_kick(const VirtqDriver *d, unsigned count)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!d->packed) {
        return d->event ? passed(get16(d, d->device + 4 + 8 * d->size), d->avail, count)
                        : !(get16(d, d->device) & 1);
    }
    uint32_t word = get32(d, d->device);
    uint16_t event = word & (WRAP - 1);
    if (!d->event || word >> 16 != 2) {
        return word >> 16 != 1;
    }
    return passed(!!(word & WRAP) == d->avail_wrap ? event : event - d->size, d->avail, count);
}

void virtq_driver_want(const VirtqDriver *d, bool on)
{
    if (!d->packed && d->event) {
        put16(d, d->driver + 4 + 2 * d->size, on ? d->used : d->used - 1);
    } else if (!d->packed) {
        put16(d, d->driver, !on);
    } else {
        uint32_t word = !on        ? 1 << 16
                        : d->event ? 2 << 16 | (d->used_wrap ? WRAP : 0) | d->used
                                   : 0;

        atomic_store((_Atomic uint32_t *)(d->ram + d->driver), word);
    }
    atomic_thread_fence(memory_order_seq_cst);
}
