/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a card shows of its registers: all of them in memory, and one at a time through the I/O
 * window (section 13.2.2). */
#include "hw/net/e1000-core.h"

enum {
    IO_ADDR = 0, /* which register */
    IO_DATA = 4, /* its value */
};

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    E1000 *s = opaque;

    return addr == IO_ADDR ? s->io_addr : addr == IO_DATA ? e1000_read(s, s->io_addr, 4) : 0;
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    E1000 *s = opaque;

    if (addr == IO_ADDR) {
        s->io_addr = (uint32_t)value % E1000_MEMORY_SIZE & ~UINT32_C(3);
    } else if (addr == IO_DATA) {
        e1000_write(s, s->io_addr, value, 4);
    }
}

static const MemoryRegionOps memory_ops = { e1000_read, e1000_write, 4, 4 };
static const MemoryRegionOps io_ops = { io_read, io_write, 4, 4 };

void e1000_add_bars(E1000 *s, unsigned memory_bar, unsigned io_bar, uint64_t io_size)
{
    memory_region_init_io(&s->memory, &memory_ops, s, "e1000-memory", E1000_MEMORY_SIZE);
    memory_region_init_io(&s->io, &io_ops, s, "e1000-io", io_size);
    pci_add_bar(&s->parent, memory_bar, 0, &s->memory);
    pci_add_bar(&s->parent, io_bar, PCI_BAR_IO, &s->io);
}

void e1000_drop_bars(E1000 *s)
{
    memory_region_destroy(&s->memory);
    memory_region_destroy(&s->io);
}
