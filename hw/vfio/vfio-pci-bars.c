/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/pci/pci-internal.h"
#include "hw/vfio/vfio-pci.h"
#include "memory/direct.h"
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
        error_warn("%s: a write to its registers at 0x%" PRIx64 " is lost: %s", bar->owner->name,
                   addr, g_strerror(errno));
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

/* ---- in place ---- */

#define PAGE 4096u

/* What the host lets us map of it. g_free. */
static struct vfio_region_info *describe(const VfioPci *s, unsigned n)
{
    struct vfio_region_info *info = g_malloc0(sizeof(*info));
    uint32_t size = sizeof(*info);

    do {
        size = MAX(size, info->argsz);
        info = g_realloc(info, size);
        *info = (struct vfio_region_info){ .argsz = size, .index = n };
    } while (ioctl(s->fd, VFIO_DEVICE_GET_REGION_INFO, info) == 0 && info->argsz > size);
    return info;
}

static const struct vfio_region_info_cap_sparse_mmap *sparse_of(const struct vfio_region_info *info)
{
    const uint8_t *base = (const uint8_t *)info;
    uint32_t at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

    while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
        const struct vfio_info_cap_header *cap = (const void *)(base + at);

        if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            return (const void *)cap;
        }
        at = cap->next;
    }
    return NULL;
}

static void add_window(VfioPci *s, unsigned n, uint64_t start, uint64_t end)
{
    VfioBar *bar = &s->bars[n];
    VfioWindow *window;
    uint8_t *host;

    if (start >= end || (start | end) & (PAGE - 1) || end > bar->host.size) {
        return;
    }
    host = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
                (off_t)(bar->host.offset + start));
    if (host == MAP_FAILED) {
        return; /* it is reached through the descriptor, then */
    }
    window = g_new0(VfioWindow, 1);
    window->host = *bar;
    window->host.host.offset += start;
    memory_region_init_io(&window->memory, &bar_ops, &window->host, "vfio-window", end - start);
    memory_region_set_direct(&window->memory, host);
    memory_region_add_overlap(&bar->all, start, &window->memory, OVER_REGISTERS);
    g_ptr_array_add(s->windows, window);
}

/* A piece, without the pages from @hole_start to @hole_end. */
static void add_around(VfioPci *s, unsigned n, uint64_t start, uint64_t end, uint64_t hole_start,
                       uint64_t hole_end)
{
    add_window(s, n, start, MIN(end, MAX(hole_start, start)));
    add_window(s, n, MAX(start, MIN(hole_end, end)), end);
}

/* But for the pages with the table and the pending bits of MSI-X, which are ours. */
static void add_piece(VfioPci *s, unsigned n, uint64_t start, uint64_t end)
{
    const uint64_t mask = ~(uint64_t)(PAGE - 1);
    uint64_t first = UINT64_MAX, last = 0;

    if (s->parent.msix_cap && s->msix_bar == n) {
        first = s->msix_offset & mask;
        last = (s->msix_offset + s->parent.msix_bar.size + PAGE - 1) & mask;
    }
    if (s->parent.msix_cap && s->pending_bar == n) {
        first = MIN(first, s->pending_offset & mask);
        last = MAX(last, (s->pending_offset + pending_size(s) + PAGE - 1) & mask);
    }
    if (first < last) {
        add_around(s, n, start, end, first, last);
    } else {
        add_window(s, n, start, end);
    }
}

static void add_windows(VfioPci *s, unsigned n)
{
    g_autofree struct vfio_region_info *info = describe(s, VFIO_PCI_BAR0_REGION_INDEX + n);
    const struct vfio_region_info_cap_sparse_mmap *sparse = sparse_of(info);

    if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        return;
    }
    if (!sparse) {
        add_piece(s, n, 0, s->bars[n].host.size);
        return;
    }
    for (uint32_t i = 0; i < sparse->nr_areas; i++) {
        add_piece(s, n, sparse->areas[i].offset, sparse->areas[i].offset + sparse->areas[i].size);
    }
}

static void free_window(gpointer data)
{
    VfioWindow *window = data;

    memory_region_remove(&window->memory);
    munmap(memory_region_direct(&window->memory), window->memory.size);
    memory_region_set_direct(&window->memory, NULL);
    memory_region_destroy(&window->memory);
    g_free(window);
}

/* ---- the expansion ROM ---- */

enum { ROM_MIN = 1 << 11, ROM_MAX = 1 << 24 };

static uint64_t rom_read(void *opaque, hwaddr addr, unsigned size)
{
    const VfioPci *s = opaque;
    uint64_t value = 0;

    return pread(s->fd, &value, size, (off_t)(s->rom.offset + addr)) == (ssize_t)size ? value
                                                                                      : UINT64_MAX;
}

static void rom_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps rom_ops = { rom_read, rom_write, 1, 8 };

/* The device's own, unless the user gives a file, or wants none. */
static void add_rom(VfioPci *s)
{
    PciDevice *dev = &s->parent;

    if (dev->rom_bar && !dev->rom_file && vfio_pci_region(s, VFIO_PCI_ROM_REGION_INDEX, &s->rom) &&
        s->rom.size >= ROM_MIN && s->rom.size <= ROM_MAX && !(s->rom.size & (s->rom.size - 1))) {
        memory_region_init_io(&s->rom_registers, &rom_ops, s, "vfio-rom", s->rom.size);
        pci_add_rom_bar(dev, &s->rom_registers);
    }
}

static void remove_rom(VfioPci *s)
{
    if (s->rom_registers.size) {
        memory_region_destroy(&s->rom_registers);
        s->rom_registers = (MemoryRegion){ 0 };
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

    s->windows = g_ptr_array_new_with_free_func(free_window);
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
    for (unsigned n = 0; n < PCI_BARS; n++) {
        if (s->bars[n].owner) {
            add_windows(s, n);
        }
    }
    add_rom(s);
    return true;
}

void vfio_pci_bars_end(VfioPci *s)
{
    g_clear_pointer(&s->windows, g_ptr_array_unref);
    remove_msix(s);
    remove_rom(s);
    for (unsigned n = 0; n < PCI_BARS; n++) {
        VfioBar *bar = &s->bars[n];

        if (bar->owner) {
            memory_region_remove(&bar->registers);
            memory_region_destroy(&bar->registers);
            memory_region_destroy(&bar->all);
        }
        *bar = (VfioBar){ 0 };
    }
}
