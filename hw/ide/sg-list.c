/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/sg-list.h"

#define BUS_MASTER_ENTRY 8
#define BUS_MASTER_LAST  0x80000000u
#define AHCI_ENTRY       16
#define AHCI_BYTES       0x3fffffu

SgList sg_list(SgFormat format, const DmaSpace *space, hwaddr table, uint32_t entries)
{
    return (SgList){ .format = format, .space = space, .table = table, .entries = entries };
}

/* Lengths are even: bit 0 of a length is not there, of one that is less by 1 it counts as set. */
static void set_entry(SgList *list, const uint32_t words[4])
{
    if (list->format == SG_BUS_MASTER) {
        list->addr = words[0] & ~1u;
        list->left = words[1] & 0xfffe ? words[1] & 0xfffe : 0x10000;
        if (words[1] & BUS_MASTER_LAST) {
            list->entries = list->index;
        }
    } else {
        list->addr = (words[0] & ~1u) | (uint64_t)words[1] << 32;
        list->left = ((words[3] & AHCI_BYTES) | 1) + 1;
    }
}

/* Have something left of an entry; false: there is none. */
static bool have_entry(SgList *list)
{
    unsigned size = list->format == SG_BUS_MASTER ? BUS_MASTER_ENTRY : AHCI_ENTRY;
    uint32_t words[4] = { 0 };

    if (list->left) {
        return true;
    }
    if (list->broken || list->index >= list->entries) {
        return false;
    }
    if (!dma_read_ram(list->space, list->table + (hwaddr)list->index * size, words, size)) {
        list->broken = true;
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    list->index++;
    set_entry(list, words);
    return true;
}

static void go_on(SgList *list, uint64_t bytes)
{
    list->addr += bytes;
    list->left -= bytes;
    list->used += bytes;
}

bool sg_at_end(SgList *list)
{
    return !have_entry(list);
}

uint64_t sg_copy(SgList *list, void *buf, uint64_t size, bool to_guest, bool *failed)
{
    uint64_t done = 0;

    while (done < size && have_entry(list)) {
        uint64_t bytes = MIN(list->left, size - done);
        uint8_t *at = (uint8_t *)buf + done;
        bool ok = to_guest ? dma_write_ram(list->space, list->addr, at, bytes)
                           : dma_read_ram(list->space, list->addr, at, bytes);

        if (!ok) {
            *failed = true;
            return done;
        }
        go_on(list, bytes);
        done += bytes;
    }
    if (list->broken) {
        *failed = true;
    }
    return done;
}

/* Let go of what is behind the first @keep bytes of @pieces with @got bytes. The pieces that stay.
 */
static unsigned cut(DmaHold *holds, struct iovec *iov, unsigned pieces, uint64_t got, uint64_t keep)
{
    while (got > keep) {
        struct iovec *last = &iov[pieces - 1];
        size_t excess = MIN(last->iov_len, got - keep);

        last->iov_len -= excess;
        got -= excess;
        if (!last->iov_len) {
            dma_unmap(&holds[--pieces], 0);
        }
    }
    return pieces;
}

uint64_t sg_map(SgList *list, uint64_t size, unsigned unit, bool to_guest, const char *holder,
                DmaHold *holds, struct iovec *iov, unsigned max, unsigned *pieces, bool *failed)
{
    SgList whole = *list; /* behind the last whole unit */
    uint64_t got = 0, units = 0;
    unsigned n = 0;

    while (n < max && got < size && have_entry(list)) {
        DmaHold *hold = &holds[n];

        if (!dma_map(list->space, list->addr, MIN(list->left, size - got), to_guest, holder,
                     hold)) {
            *failed = *failed || !units; /* what is before it can still be moved */
            break;
        }
        iov[n++] = (struct iovec){ hold->host, hold->size };
        go_on(list, hold->size);
        got += hold->size;
        if (got - got % unit > units) {
            units = got - got % unit;
            whole = *list;
            whole.addr -= got - units;
            whole.left += got - units;
            whole.used -= got - units;
        }
    }
    if (list->broken && !units) {
        *failed = true;
    }
    *pieces = cut(holds, iov, n, got, units);
    *list = whole;
    return units;
}
