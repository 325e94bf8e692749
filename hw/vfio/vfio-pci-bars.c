/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hw/vfio/vfio-pci.h"
#include "util/error.h"

enum { OVER_REGISTERS = 1, OVER_MEMORY = 2 }; /* which of them the guest sees */

/* ---- through the descriptor ---- */

static uint64_t bar_read(void *opaque, hwaddr addr, unsigned size)
{
    VfioBar *bar = opaque;
    uint64_t value = 0;

    if (pread(bar->owner->fd, &value, size, (off_t)(bar->host.offset + addr)) != (ssize_t)size) {
        value = UINT64_MAX;
    }
    vfio_pci_irqs_eoi(bar->owner);
    return value;
}

/* What the host refuses, as while the device sleeps, is lost, as it is on a bus. */
static void bar_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    VfioBar *bar = opaque;

    if (pwrite(bar->owner->fd, &value, size, (off_t)(bar->host.offset + addr)) != (ssize_t)size) {
        error_warn("%s: a write to BAR %td at 0x%" PRIx64 " is lost: %s", bar->owner->name,
                   bar - bar->owner->bars, addr, g_strerror(errno));
    }
    vfio_pci_irqs_eoi(bar->owner);
}

static const MemoryRegionOps bar_ops = { bar_read, bar_write, 1, 8 };

/* ---- MSI-X ---- */

static uint64_t pending_read(void *opaque, hwaddr addr, unsigned size)
{
    return pci_msix_pending(opaque, (unsigned)addr * 8);
}

static void pending_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps pending_ops = { pending_read, pending_write, 4, 4 };

static bool check_place(const VfioPci *s, const char *what, unsigned bar, uint64_t offset,
                        uint64_t size, GError **errp)
{
    const VfioBar *of = &s->bars[bar];

    if (!of->owner || offset > of->host.size || size > of->host.size - offset) {
        error_set(errp, "its MSI-X %s is not within BAR %u", what, bar);
        return false;
    }
    return true;
}

static uint64_t pending_size(const VfioPci *s)
{
    return (s->parent.msix_vectors + 63) / 64 * 8;
}

static bool add_msix(VfioPci *s, GError **errp)
{
    PciDevice *dev = &s->parent;

    if (!dev->msix_cap) {
        return true;
    }
    if (!check_place(s, "table", s->msix_bar, s->msix_offset, dev->msix_bar.size, errp) ||
        !check_place(s, "pending bits", s->pending_bar, s->pending_offset, pending_size(s), errp)) {
        return false;
    }
    memory_region_init_io(&s->pending, &pending_ops, dev, "msix-pending", pending_size(s));
    memory_region_add_overlap(&s->bars[s->msix_bar].all, s->msix_offset, &dev->msix_bar,
                              OVER_MEMORY);
    memory_region_add_overlap(&s->bars[s->pending_bar].all, s->pending_offset, &s->pending,
                              OVER_MEMORY);
    return true;
}

static void remove_msix(VfioPci *s)
{
    if (s->pending.container) {
        memory_region_remove(&s->parent.msix_bar);
        memory_region_remove(&s->pending);
        memory_region_destroy(&s->pending);
        s->pending = (MemoryRegion){ 0 };
    }
}

void vfio_pci_bars_trap(VfioPci *s, bool on)
{
    for (unsigned i = 0; i < s->windows->len; i++) {
        memory_region_set_enabled(&((VfioWindow *)s->windows->pdata[i])->memory, !on);
    }
}

/* ---- life ---- */

static void add_bar(VfioPci *s, unsigned n, uint8_t flags)
{
    VfioBar *bar = &s->bars[n];
    g_autofree char *name = g_strdup_printf("vfio-bar%u", n);

    bar->owner = s;
    memory_region_init_container(&bar->all, name, bar->host.size);
    memory_region_init_io(&bar->registers, &bar_ops, bar, name, bar->host.size);
    memory_region_add(&bar->all, 0, &bar->registers);
    pci_add_bar(&s->parent, n, flags, &bar->all);
}

static bool begin_bar(VfioPci *s, unsigned n, bool *wide, GError **errp)
{
    VfioBar *bar = &s->bars[n];
    uint32_t reg;

    if (!vfio_pci_region(s, VFIO_PCI_BAR0_REGION_INDEX + n, &bar->host) || !bar->host.size) {
        return true;
    }
    if (pread(s->fd, &reg, 4, (off_t)(s->config.offset + PCI_BASE_ADDRESS_0 + 4 * n)) != 4) {
        error_set_errno(errp, errno, "its BAR %u cannot be read", n);
        return false;
    }
    const bool io = reg & PCI_BAR_IO;
    const uint64_t size = bar->host.size;
    *wide = !io && reg & PCI_BAR_MEM64;
    if (size & (size - 1) || size < (io ? 4 : 16) || n + *wide >= PCI_BARS ||
        (!*wide && size > 1u << 31)) {
        error_set(errp, "its BAR %u has 0x%" PRIx64 " bytes, which no BAR can have", n, size);
        return false;
    }
    add_bar(s, n, reg & (io ? PCI_BAR_IO : PCI_BAR_MEM64 | PCI_BAR_PREFETCH));
    return true;
}

bool vfio_pci_bars_begin(VfioPci *s, GError **errp)
{
    bool wide = false;

    s->windows = g_ptr_array_new_with_free_func(g_free);
    for (unsigned n = 0; n < PCI_BARS; n += 1 + wide) {
        wide = false;
        if (!begin_bar(s, n, &wide, errp)) {
            vfio_pci_bars_end(s);
            return false;
        }
    }
    if (!add_msix(s, errp)) {
        vfio_pci_bars_end(s);
        return false;
    }
    return true;
}

void vfio_pci_bars_end(VfioPci *s)
{
    remove_msix(s);
    for (unsigned n = 0; n < PCI_BARS; n++) {
        VfioBar *bar = &s->bars[n];

        if (bar->owner) {
            memory_region_remove(&bar->registers);
            memory_region_destroy(&bar->registers);
            memory_region_destroy(&bar->all);
        }
        *bar = (VfioBar){ 0 };
    }
    g_clear_pointer(&s->windows, g_ptr_array_unref);
}
