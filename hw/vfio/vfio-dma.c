/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/vfio/vfio-dma.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "memory/dma.h"
#include "util/error.h"
#include "util/units.h"

#define PAGE 4096u /* what IOMMUs map */

/* One mapping. The container takes back only what it was given as one. */
typedef struct VfioRange {
    hwaddr addr;
    uint64_t size;
    uint8_t *host;
    RamBlock *block; /* a reference */
} VfioRange;

static void clear_range(gpointer data)
{
    ram_block_unref(((VfioRange *)data)->block);
}

static GArray *ranges_new(void)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(VfioRange));

    g_array_set_clear_func(ranges, clear_range);
    return ranges;
}

static const VfioRange *range_at(const GArray *ranges, unsigned i)
{
    return &g_array_index(ranges, VfioRange, i);
}

static void append(GArray *ranges, hwaddr addr, uint64_t size, uint8_t *host, RamBlock *block)
{
    VfioRange range = { addr, size, host, ram_block_ref(block) };

    g_array_append_val(ranges, range);
}

/* ---- the container ---- */

static const char *hint(int err)
{
    return err == ENOMEM   ? ": all memory of the machine is locked for it, within the limit of "
                             "locked memory (ulimit -l)"
           : err == ENOSPC ? ": the host takes no more ranges (parameter dma_entry_limit of its "
                             "module vfio_iommu_type1)"
           : err == EINVAL || err == EPERM
               ? ": the address is not one that the host's IOMMU has for devices"
               : "";
}

static bool map_range(int fd, const VfioRange *range, GError **errp)
{
    struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
                                            .flags =
                                                VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                            .vaddr = (uintptr_t)range->host,
                                            .iova = range->addr,
                                            .size = range->size };

    if (ioctl(fd, VFIO_IOMMU_MAP_DMA, &map) < 0) {
        error_set_errno(errp, errno,
                        "devices of the host (vfio-pci) cannot be given the 0x%" PRIx64
                        " bytes of memory at 0x%" PRIx64 "%s",
                        range->size, range->addr, hint(errno));
        return false;
    }
    return true;
}

static void unmap_range(int fd, const VfioRange *range)
{
    struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
                                                .iova = range->addr,
                                                .size = range->size };

    if (ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0) {
        error_report("memory at 0x%" PRIx64 " cannot be taken from devices of the host: %s",
                     range->addr, g_strerror(errno));
    }
}

/* ---- what they should reach ---- */

/* Each part of memory that comes in parts is a mapping of its own, so that it can go alone. */
static void want_parts(GArray *wanted, hwaddr addr, RamBlock *block)
{
    const uint64_t unit = ram_parts_unit(block);
    uint64_t size;

    for (uint64_t at = 0; ram_parts_next(block, &at, &size); at += size) {
        for (uint64_t part = at; part < at + size; part += unit) {
            append(wanted, addr + part, unit, block->host + part, block);
        }
    }
}

/* The whole pages of it. */
static void want_piece(GArray *wanted, const FlatRange *flat, uint64_t from, uint64_t to)
{
    const hwaddr start = (flat->addr + from + PAGE - 1) & ~(hwaddr)(PAGE - 1);
    const hwaddr end = (flat->addr + to) & ~(hwaddr)(PAGE - 1);

    if (start < end) {
        append(wanted, start, end - start, flat->host + (start - flat->addr), flat->mr->ram);
    }
}

/* Below 1 MiB firmware shows and hides memory, with which the rest does not change. */
static void want_range(GArray *wanted, const FlatRange *flat)
{
    const uint64_t low = flat->addr < MIB && flat->addr + flat->size > MIB ? MIB - flat->addr : 0;

    want_piece(wanted, flat, 0, low);
    want_piece(wanted, flat, low, flat->size);
}

static GArray *look(void)
{
    const FlatView *view = address_space_view(&address_space_memory);
    const GArray *devices = memory_devices(machine_current());
    GArray *wanted = ranges_new();

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *flat = &view->ranges[i];

        if (flat->host && !flat->readonly && !flat->writer && !ram_parts_unit(flat->mr->ram)) {
            want_range(wanted, flat);
        }
    }
    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);

        if (md->backend && md->backend->ram && ram_parts_unit(md->backend->ram)) {
            want_parts(wanted, md->addr, md->backend->ram);
        }
    }
    return wanted;
}

/* ---- what they do reach ---- */

static int compare(const void *a, const void *b)
{
    const VfioRange *left = a, *right = b;

    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static bool same(const VfioRange *a, const VfioRange *b)
{
    return a->addr == b->addr && a->size == b->size && a->host == b->host && a->block == b->block;
}

/* What of @from is not in @other, both sorted, goes to @fn; false ends it. */
static bool differences(const GArray *from, const GArray *other,
                        bool (*fn)(VfioDma *dma, const VfioRange *range, GError **errp),
                        VfioDma *dma, GError **errp)
{
    unsigned at = 0;

    for (unsigned i = 0; i < from->len; i++) {
        const VfioRange *range = range_at(from, i);

        while (at < other->len && range_at(other, at)->addr < range->addr) {
            at++;
        }
        if (!(at < other->len && same(range, range_at(other, at))) && !fn(dma, range, errp)) {
            return false;
        }
    }
    return true;
}

static bool take_away(VfioDma *dma, const VfioRange *range, GError **errp)
{
    unmap_range(dma->fd, range);
    return true;
}

static bool give(VfioDma *dma, const VfioRange *range, GError **errp)
{
    if (!map_range(dma->fd, range, errp)) {
        return false;
    }
    append(dma->mapped, range->addr, range->size, range->host, range->block);
    return true;
}

/* Whoever brought memory has asked before: what fails then is not there for devices, whose accesses
 * the IOMMU refuses. */
static bool give_or_say(VfioDma *dma, const VfioRange *range, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (!give(dma, range, &err)) {
        error_report("%s", err->message);
    }
    return true;
}

static void keep(GArray *kept, const GArray *mapped, const GArray *wanted)
{
    unsigned at = 0;

    for (unsigned i = 0; i < mapped->len; i++) {
        const VfioRange *range = range_at(mapped, i);

        while (at < wanted->len && range_at(wanted, at)->addr < range->addr) {
            at++;
        }
        if (at < wanted->len && same(range, range_at(wanted, at))) {
            append(kept, range->addr, range->size, range->host, range->block);
        }
    }
}

static bool follow(VfioDma *dma, bool (*come)(VfioDma *dma, const VfioRange *range, GError **errp),
                   GError **errp)
{
    g_autoptr(GArray) wanted = look();
    g_autoptr(GArray) before = dma->mapped;

    dma->stale = false;
    g_array_sort(wanted, compare);
    g_array_sort(before, compare);
    differences(before, wanted, take_away, dma, NULL);
    dma->mapped = ranges_new();
    keep(dma->mapped, before, wanted);
    return differences(wanted, before, come, dma, errp);
}

/* ---- the map ---- */

static void region_changed(MemoryListener *listener, const FlatRange *range)
{
    VfioDma *dma = (VfioDma *)((char *)listener - offsetof(VfioDma, listener));

    dma->stale = dma->stale || range->host;
}

static void map_changed(MemoryListener *listener)
{
    VfioDma *dma = (VfioDma *)((char *)listener - offsetof(VfioDma, listener));

    if (dma->stale && dma->in_use) {
        follow(dma, give_or_say, NULL);
    }
}

/* Can it all be mapped? It is tried where it is going to be, before anything changes. What comes in
 * parts is asked for by itself. */
static bool guard_check(MemoryGuard *guard, const Machine *machine, const MemoryDevice *md,
                        GError **errp)
{
    VfioDma *dma = (VfioDma *)((char *)guard - offsetof(VfioDma, guard));
    const HostMemoryBackend *backend = md->backend;

    if (!backend || !backend->ram || md->memslots || backend->readonly) {
        return true;
    }
    const VfioRange range = { md->addr, MIN(md->size, backend->ram->size), backend->ram->host,
                              backend->ram };
    if (!map_range(dma->fd, &range, errp)) {
        return false;
    }
    unmap_range(dma->fd, &range);
    return true;
}

static unsigned guard_room(MemoryGuard *guard, const Machine *machine)
{
    return UINT_MAX;
}

/* ---- memory in parts ---- */

static const MemoryDevice *device_of(const RamBlock *block)
{
    const GArray *devices = memory_devices(machine_current());

    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);

        if (md->backend && md->backend->ram == block) {
            return md;
        }
    }
    return NULL;
}

static bool parts_come(RamPartsListener *listener, RamBlock *block, uint64_t offset, uint64_t size,
                       GError **errp)
{
    VfioDma *dma = (VfioDma *)((char *)listener - offsetof(VfioDma, parts));
    const MemoryDevice *md = device_of(block);
    const uint64_t unit = ram_parts_unit(block);
    const unsigned before = dma->mapped->len;

    for (uint64_t at = offset; md && at < offset + size; at += unit) {
        const VfioRange range = { md->addr + at, unit, block->host + at, block };

        if (!give(dma, &range, errp)) {
            while (dma->mapped->len > before) {
                unmap_range(dma->fd, range_at(dma->mapped, dma->mapped->len - 1));
                g_array_set_size(dma->mapped, dma->mapped->len - 1);
            }
            return false;
        }
    }
    return true;
}

static void parts_changed(RamPartsListener *listener, RamBlock *block)
{
    VfioDma *dma = (VfioDma *)((char *)listener - offsetof(VfioDma, parts));

    follow(dma, give_or_say, NULL);
}

/* ---- life ---- */

static void drop_all(VfioDma *dma)
{
    for (unsigned i = 0; i < dma->mapped->len; i++) {
        unmap_range(dma->fd, range_at(dma->mapped, i));
    }
    g_clear_pointer(&dma->mapped, g_array_unref);
}

bool vfio_dma_begin(VfioDma *dma, int fd, GError **errp)
{
    *dma = (VfioDma){ .fd = fd, .mapped = ranges_new() };
    if (!follow(dma, give, errp)) {
        drop_all(dma);
        return false;
    }
    dma->listener = (MemoryListener){ .region_del = region_changed,
                                      .region_add = region_changed,
                                      .commit = map_changed };
    dma->guard = (MemoryGuard){ .check = guard_check, .room = guard_room };
    dma->parts = (RamPartsListener){ .come = parts_come, .changed = parts_changed };
    address_space_add_listener(&address_space_memory, &dma->listener);
    memory_device_add_guard(&dma->guard);
    ram_parts_add_listener(&dma->parts);
    dma_keep_discarded(true);
    dma->in_use = true;
    return true;
}

void vfio_dma_end(VfioDma *dma)
{
    dma->in_use = false;
    dma_keep_discarded(false);
    ram_parts_remove_listener(&dma->parts);
    memory_device_remove_guard(&dma->guard);
    address_space_remove_listener(&address_space_memory, &dma->listener);
    drop_all(dma);
}
