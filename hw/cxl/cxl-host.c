/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-host.h"

#include <inttypes.h>
#include <string.h>

#include "hw/cxl/cxl-port.h"
#include "hw/cxl/cxl-type3.h"
#include "hw/cxl/pxb-cxl.h"
#include "qapi/qapi-types.h"
#include "util/error.h"
#include "util/units.h"

#define WINDOW_ALIGN   (256 * MIB)
#define REGISTER_ALIGN MIB

static CxlHost *the_host;

CxlHost *cxl_host_current(void)
{
    return the_host;
}

/* ---- what the user says ---- */

static uint64_t granularity_of(const CXLFixedMemoryWindowOptions *o)
{
    return o->has_interleave_granularity ? o->interleave_granularity : CXL_GRANULARITY_LEAST;
}

static bool check_window(const CXLFixedMemoryWindowOptions *o, unsigned n, GError **errp)
{
    uint64_t granularity = granularity_of(o);
    const unsigned most = CXL_GRANULARITY_LEAST << (CXL_GRANULARITY_CODES - 1);

    if (!o->size || o->size % WINDOW_ALIGN) {
        error_set(errp,
                  "cxl-fmw.%u.size is %" PRIu64 ": it must be a multiple of 256 MiB, and not 0", n,
                  o->size);
        return false;
    }
    if (cxl_interleave_code(o->targets->len) == UINT_MAX) {
        error_set(errp,
                  "cxl-fmw.%u.targets: %u host bridges cannot take turns: it must be 1, 2, 4, 8, "
                  "16, 3, 6 or 12 of them",
                  n, o->targets->len);
        return false;
    }
    if (granularity < CXL_GRANULARITY_LEAST || granularity > most ||
        (granularity & (granularity - 1))) {
        error_set(errp,
                  "cxl-fmw.%u.interleave-granularity is %" PRIu64
                  ": it must be 256, 512, 1k, 2k, 4k, 8k or 16k",
                  n, granularity);
        return false;
    }
    if (o->size % (WINDOW_ALIGN * o->targets->len)) {
        error_set(errp,
                  "cxl-fmw.%u.size is %" PRIu64
                  ": each of its %u targets must have a multiple of 256 MiB",
                  n, o->size, o->targets->len);
        return false;
    }
    return true;
}

bool cxl_host_check(const GPtrArray *options, GError **errp)
{
    for (unsigned n = 0; n < options->len; n++) {
        if (!check_window(options->pdata[n], n, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- places ---- */

static hwaddr round_up(hwaddr addr, uint64_t align)
{
    return addr > UINT64_MAX - align ? UINT64_MAX : (addr + align - 1) & ~(align - 1);
}

static hwaddr add(hwaddr addr, uint64_t size)
{
    return addr > UINT64_MAX - size ? UINT64_MAX : addr + size;
}

static hwaddr first_window(hwaddr start)
{
    hwaddr registers = round_up(start, REGISTER_ALIGN);

    return round_up(add(registers, CXL_HOST_BRIDGES * CXL_COMPONENT_SIZE), WINDOW_ALIGN);
}

hwaddr cxl_host_end(const GPtrArray *options, hwaddr start)
{
    hwaddr at = first_window(start);

    for (unsigned n = 0; options && n < options->len; n++) {
        at = add(at, ((const CXLFixedMemoryWindowOptions *)options->pdata[n])->size);
    }
    return at;
}

/* ---- the way of an access ---- */

typedef struct Route {
    CxlType3 *dev;
    uint64_t dpa;
    uint64_t run;     /* bytes from there on that go the same way, unless others take turns */
    bool interleaved; /* they do */
} Route;

static PciDevice *port_numbered(const PciBus *bus, unsigned number)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *dev = bus->devices[i];

        if (dev && cxl_port_is(dev) && PCIE_PORT(dev)->port == number) {
            return dev;
        }
    }
    return NULL;
}

static bool any_decoder(const CxlComponent *c)
{
    CxlDecoder decoder;
    bool any = false;

    for (unsigned n = 0; n < CXL_DECODERS; n++) {
        any |= cxl_component_decoder(c, n, &decoder);
    }
    return any;
}

/* Of the ports on @bus the one to which the decoders of @c send @addr. Linux before 6.3 takes it
 * that a bridge or a switch with one port has nothing to decode, and commits none: then all goes
 * there. */
static PciDevice *decode(const CxlComponent *c, const PciBus *bus, hwaddr addr, Route *route)
{
    CxlDecoder decoder;
    unsigned target;

    if (!any_decoder(c)) {
        return cxl_port_only(bus);
    }
    if (!cxl_component_decoder_at(c, addr, &decoder)) {
        return NULL;
    }
    target = cxl_interleave_target(decoder.ways, decoder.granularity, addr);
    route->run = MIN(route->run, decoder.size - (addr - decoder.base));
    route->interleaved |= decoder.ways > 1;
    return target < CXL_DECODER_TARGETS ? port_numbered(bus, decoder.targets[target]) : NULL;
}

/* Each step goes one bus down. */
static bool find_route(const CxlWindow *window, hwaddr addr, Route *route)
{
    unsigned target = cxl_interleave_target(window->ways, window->granularity, addr);
    PciBus *bus = cxl_window_target(window, target);
    const CxlComponent *c = bus ? pxb_cxl_component(bus) : NULL;
    PciDevice *port = NULL;

    *route =
        (Route){ .run = window->size - (addr - window->base), .interleaved = window->ways > 1 };
    while (c) {
        port = decode(c, bus, addr, route);
        bus = port ? pci_secondary_bus(port) : NULL;
        c = bus ? cxl_upstream_component(bus->devices[0]) : NULL;
        if (c) {
            bus = pci_secondary_bus(bus->devices[0]);
        }
    }
    if (!bus || !bus->devices[0] || !object_is_a(OBJECT(bus->devices[0]), TYPE_CXL_TYPE3)) {
        return false;
    }
    route->dev = CXL_TYPE3(bus->devices[0]);
    return cxl_type3_decode(route->dev, addr, &route->dpa, &route->run, &route->interleaved);
}

static uint64_t window_read(void *opaque, hwaddr offset, unsigned size)
{
    const CxlWindow *window = opaque;
    uint64_t value = UINT64_MAX;
    Route route;

    if (find_route(window, window->base + offset, &route)) {
        cxl_type3_read(route.dev, route.dpa, &value, size);
    }
    return value;
}

static void window_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    const CxlWindow *window = opaque;
    Route route;

    if (find_route(window, window->base + offset, &route)) {
        cxl_type3_write(route.dev, route.dpa, &value, size);
    }
}

static const MemoryRegionOps window_ops = { window_read, window_write, 1, 8 };

/* ---- the memory map ---- */

/* Memory of a device that is seen in a window. */
typedef struct Map {
    CxlWindow *window;
    CxlType3 *dev; /* borrowed: it has this undone before it goes */
    uint64_t offset, dpa, size;
    MemoryRegion region;
} Map;

static void free_map(void *data)
{
    Map *map = data;

    memory_region_destroy(&map->region);
    g_free(map);
}

/* What of decoder @d, which is @dev's, leads through @window without turns. */
static void collect_decoder(GPtrArray *maps, CxlWindow *window, CxlType3 *dev, const CxlDecoder *d)
{
    hwaddr last = MIN(d->base + (d->size - 1), window->base + (window->size - 1));
    hwaddr addr = MAX(d->base, window->base);
    Route route;

    while (addr <= last && find_route(window, addr, &route) && !route.interleaved &&
           route.dev == dev) {
        Map *map = g_new0(Map, 1);
        uint64_t size = MIN(route.run, last - addr + 1);

        *map = (Map){ window, dev, addr - window->base, route.dpa, size, { 0 } };
        g_ptr_array_add(maps, map);
        addr += size;
    }
}

static void collect_device(GPtrArray *maps, CxlWindow *window, CxlType3 *dev)
{
    CxlDecoder decoder;

    for (unsigned n = 0; n < CXL_DECODERS; n++) {
        if (cxl_component_decoder(&dev->component, n, &decoder)) {
            collect_decoder(maps, window, dev, &decoder);
        }
    }
}

/* Devices are behind ports, and behind those of switches. */
static void collect_bus(GPtrArray *maps, CxlWindow *window, const PciBus *bus)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *dev = bus->devices[i];

        if (dev && object_is_a(OBJECT(dev), TYPE_CXL_TYPE3)) {
            collect_device(maps, window, CXL_TYPE3(dev));
        } else if (dev && pci_secondary_bus(dev)) {
            collect_bus(maps, window, pci_secondary_bus(dev));
        }
    }
}

/* Where host bridges take turns, nothing can be in the map. */
static GPtrArray *collect(const CxlHost *host)
{
    GPtrArray *maps = g_ptr_array_new_with_free_func(free_map);

    for (unsigned n = 0; n < host->windows->len; n++) {
        CxlWindow *window = host->windows->pdata[n];
        PciBus *bus = window->ways == 1 ? cxl_window_target(window, 0) : NULL;

        if (bus) {
            collect_bus(maps, window, bus);
        }
    }
    return maps;
}

static bool same_maps(const GPtrArray *a, const GPtrArray *b)
{
    for (unsigned i = 0; a->len == b->len && i < a->len; i++) {
        const Map *x = a->pdata[i], *y = b->pdata[i];

        if (x->window != y->window || x->dev != y->dev || x->offset != y->offset ||
            x->dpa != y->dpa || x->size != y->size) {
            return false;
        }
    }
    return a->len == b->len;
}

void cxl_host_update(void)
{
    CxlHost *host = the_host;
    g_autoptr(GPtrArray) maps = host ? collect(host) : NULL;

    if (!host || same_maps(maps, host->maps)) {
        return;
    }
    memory_transaction_begin();
    for (unsigned i = 0; i < host->maps->len; i++) {
        memory_region_remove(&((Map *)host->maps->pdata[i])->region);
    }
    for (unsigned i = 0; i < maps->len; i++) {
        Map *map = maps->pdata[i];

        memory_region_init_alias(&map->region, "cxl-memory", &map->dev->memory, map->dpa,
                                 map->size);
        memory_region_add_overlap(&map->window->region, map->offset, &map->region, 1);
    }
    memory_transaction_commit(); /* now nobody sees the old ones any more */
    g_ptr_array_unref(host->maps);
    host->maps = g_steal_pointer(&maps);
}

/* ---- making it ---- */

static void free_window(void *data)
{
    CxlWindow *window = data;

    g_strfreev(window->targets);
    g_free(window);
}

static CxlWindow *new_window(CxlHost *host, const CXLFixedMemoryWindowOptions *o, hwaddr base)
{
    CxlWindow *window = g_new0(CxlWindow, 1);

    window->host = host;
    window->ways = o->targets->len;
    window->targets = g_new0(char *, window->ways + 1);
    for (unsigned i = 0; i < window->ways; i++) {
        window->targets[i] = g_strdup(o->targets->pdata[i]);
    }
    window->granularity = granularity_of(o);
    window->size = o->size;
    window->base = base;
    return window;
}

CxlHost *cxl_host_create(const GPtrArray *options, hwaddr start)
{
    CxlHost *host = g_new0(CxlHost, 1);
    hwaddr at = first_window(start);

    g_assert(!the_host);
    host->windows = g_ptr_array_new_with_free_func(free_window);
    host->maps = g_ptr_array_new_with_free_func(free_map);
    host->registers = round_up(start, REGISTER_ALIGN);
    for (unsigned n = 0; options && n < options->len; n++) {
        CxlWindow *window = new_window(host, options->pdata[n], at);

        g_ptr_array_add(host->windows, window);
        at += window->size;
    }
    the_host = host;
    return host;
}

void cxl_host_map(CxlHost *host, MemoryRegion *system)
{
    memory_region_init_container(&host->region, "cxl-host-registers",
                                 CXL_HOST_BRIDGES * CXL_COMPONENT_SIZE);
    memory_region_add(system, host->registers, &host->region);
    for (unsigned n = 0; n < host->windows->len; n++) {
        CxlWindow *window = host->windows->pdata[n];
        g_autofree char *name = g_strdup_printf("cxl-fixed-memory-window-%u", n);

        memory_region_init_container(&window->region, name, window->size);
        memory_region_init_io(&window->io, &window_ops, window, name, window->size);
        memory_region_add(&window->region, 0, &window->io);
        memory_region_add(system, window->base, &window->region);
    }
}

void cxl_host_free(CxlHost *host)
{
    if (!host) {
        return;
    }
    the_host = NULL;
    for (unsigned i = 0; i < host->maps->len; i++) {
        memory_region_remove(&((Map *)host->maps->pdata[i])->region);
    }
    for (unsigned n = 0; n < host->windows->len; n++) {
        CxlWindow *window = host->windows->pdata[n];

        if (window->region.container) {
            memory_region_remove(&window->region);
            memory_region_remove(&window->io);
            memory_region_destroy(&window->region);
            memory_region_destroy(&window->io);
        }
    }
    if (host->region.container) {
        memory_region_remove(&host->region);
        memory_region_destroy(&host->region);
    }
    g_ptr_array_unref(host->maps);
    g_ptr_array_unref(host->windows);
    g_free(host);
}

/* ---- host bridges ---- */

PciBus *cxl_window_target(const CxlWindow *window, unsigned n)
{
    const PciBus *root = pci_root_bus();

    for (guint i = 0; root && i < root->extra_roots->len; i++) {
        PciBus *bus = root->extra_roots->pdata[i];

        if (pxb_cxl_component(bus) && g_str_equal(bus->parent.parent.name, window->targets[n])) {
            return bus;
        }
    }
    return NULL;
}

bool cxl_host_check_targets(const CxlHost *host, GError **errp)
{
    for (unsigned n = 0; n < host->windows->len; n++) {
        const CxlWindow *window = host->windows->pdata[n];

        for (unsigned i = 0; i < window->ways; i++) {
            if (!cxl_window_target(window, i)) {
                error_set(errp,
                          "-M cxl-fmw.%u.targets.%u is '%s': it must be the id of a host bridge, "
                          "as with -device pxb-cxl,id=%s,bus_nr=12",
                          n, i, window->targets[i], window->targets[i]);
                return false;
            }
        }
    }
    return true;
}

bool cxl_host_take(CxlHost *host, MemoryRegion *registers, hwaddr *addr, GError **errp)
{
    for (unsigned i = 0; i < CXL_HOST_BRIDGES; i++) {
        if (!host->used[i]) {
            host->used[i] = true;
            memory_region_add(&host->region, i * CXL_COMPONENT_SIZE, registers);
            *addr = host->registers + i * CXL_COMPONENT_SIZE;
            return true;
        }
    }
    error_set(errp, "there are %u CXL host bridges already, and no more are possible",
              CXL_HOST_BRIDGES);
    return false;
}

void cxl_host_give_back(CxlHost *host, MemoryRegion *registers, hwaddr addr)
{
    memory_region_remove(registers);
    host->used[(addr - host->registers) / CXL_COMPONENT_SIZE] = false;
}
