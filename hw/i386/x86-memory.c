/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How boot RAM, the window for memory devices and PCI memory lie in the physical address space. */
#include "hw/i386/x86.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/machine-ram.h"
#include "hw/cxl/cxl-host.h"
#include "hw/i386/e820.h"
#include "hw/mem/memory-device.h"
#include "util/error.h"
#include "util/units.h"

/* What PCI memory has below 4 GiB, at least, whatever max-ram-below-4g says. */
#define LEAST_PCI_HOLE (128 * MIB)
#define RAM_PAGE       (4 * KIB)

/* CPUs with so few address bits are of 32 bits: they get what there is of PCI memory above 4 GiB.
 */
#define SMALL_PHYS_BITS 36

uint64_t x86_ram_below_4g(const X86Machine *x86, uint64_t size)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    uint64_t limit = MIN(x86->max_ram_below_4g, PCI_HOLE_LAST + 1 - LEAST_PCI_HOLE);
    uint64_t split_at = ops->low_ram_split_at ? ops->low_ram_split_at : limit;
    uint64_t low = size >= split_at ? ops->low_ram_max : size;

    return MIN(low, limit) & ~(RAM_PAGE - 1);
}

/* ---- above 4 GiB ---- */

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t whole_gib(uint64_t size)
{
    return size > UINT64_MAX - GIB ? UINT64_MAX - GIB + 1 : (size + GIB - 1) & ~(GIB - 1);
}

static hwaddr ram_end(const X86Machine *x86)
{
    return add(x86->high_base, x86->above_4g);
}

static hwaddr window_end(const X86Machine *x86)
{
    hwaddr base = memory_device_window_base(&x86->parent, ram_end(x86));
    uint64_t window = memory_device_window_size(&x86->parent);

    return window ? add(base, window) : ram_end(x86);
}

hwaddr x86_memory_end(const X86Machine *x86)
{
    hwaddr end = window_end(x86);

    return x86->cxl_enabled ? cxl_host_end(x86->cxl_windows, end) : end;
}

/* The first address that nothing of the machine's uses. */
static hwaddr end_of_all(const X86Machine *x86)
{
    hwaddr end = x86_memory_end(x86);

    return x86->pci_hole64 ? add(whole_gib(end), x86->pci_hole64) : end;
}

/* ---- what the CPU can address ---- */

/* What is to lie within the addresses up to @end, which are the machine's but for @pci bytes at
 * their end. */
typedef struct Room {
    const X86CpuModel *model;
    uint64_t end, pci;
    bool below_ht; /* and not the CPU's bits say where they end */
} Room;

static Room room_of(const X86Machine *x86, const X86CpuModel *model)
{
    unsigned bits = x86_cpu_model_phys_bits(model);
    Room room = { .model = model, .end = UINT64_C(1) << bits };

    room.pci = bits > SMALL_PHYS_BITS ? whole_gib(x86->pci_hole64) : 0;
    room.below_ht = x86->ht_reserved && room.end <= AMD_HIGH_BASE && room.end > AMD_HT_START;
    room.end = room.below_ht ? AMD_HT_START : room.end;
    return room;
}

/* "the 40 physical address bits of the CPU 'EPYC', ..."; g_free. */
static char *describe_room(const Room *room)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "the %u physical address bits of the CPU '%s'",
                    x86_cpu_model_phys_bits(room->model), room->model->name);
    if (room->pci) {
        g_string_append_printf(text, " beside %" PRIu64 " MiB for PCI (pci-hole64-size)",
                               room->pci / MIB);
    }
    if (room->below_ht) {
        g_string_append(text, ", of which an AMD CPU has those from 0xfd00000000 on not for "
                              "memory (with more phys-bits= it begins at 1 TiB)");
    }
    return g_string_free(text, FALSE);
}

static bool check_room(const X86Machine *x86, const Room *room, GError **errp)
{
    const Machine *machine = &x86->parent;
    hwaddr base = memory_device_window_base(machine, ram_end(x86));
    uint64_t window = memory_device_window_size(machine);
    uint64_t slots = machine->ram.slots * GIB, limit = room->end - room->pci;
    g_autofree char *text = describe_room(room);

    if (room->pci > room->end - x86->high_base) {
        error_set(errp,
                  "pci-hole64-size of the host bridge, %" PRIu64 " MiB, does not fit into the %u "
                  "physical address bits of the CPU '%s': at most %" PRIu64 " MiB are possible",
                  room->pci / MIB, x86_cpu_model_phys_bits(room->model), room->model->name,
                  (room->end - x86->high_base) / MIB);
        return false;
    }
    if (x86->above_4g && ram_end(x86) > limit) {
        error_set(errp,
                  "-m: %" PRIu64 " MiB of RAM end beyond %s: at most %" PRIu64 " MiB are possible",
                  machine->ram.size / MIB, text, (limit - x86->high_base + x86->below_4g) / MIB);
        return false;
    }
    if (window == 0 || (base <= limit && window <= limit - base)) {
        return true;
    }
    if (base > limit || slots >= limit - base) {
        error_set(errp,
                  "-m: %" PRIu64 " slots, with 1 GiB of addresses each for alignment, do "
                  "not fit into %s: use fewer slots",
                  machine->ram.slots, text);
        return false;
    }
    error_set(errp,
              "-m: maxmem=%" PRIu64 "M is beyond %s: with this size and %" PRIu64
              " slots the largest possible is maxmem=%" PRIu64 "M",
              machine->ram.max_size / MIB, text, machine->ram.slots,
              (machine->ram.size + (limit - base - slots)) / MIB);
    return false;
}

static bool check_cxl(const X86Machine *x86, const Room *room, GError **errp)
{
    g_autofree char *text = describe_room(room);

    if (x86->cxl_windows && !x86->cxl_enabled) {
        error_set(errp, "-M cxl-fmw: the machine has no CXL: add cxl=on");
        return false;
    }
    if (x86->cxl_enabled && x86_memory_end(x86) > room->end - room->pci) {
        error_set(errp,
                  "-M cxl-fmw: CXL, which begins at %" PRIu64 " MiB, ends beyond %s: use smaller "
                  "windows, or fewer",
                  window_end(x86) / MIB, text);
        return false;
    }
    return true;
}

bool x86_lay_out(X86Machine *x86, const X86CpuModel *model, GError **errp)
{
    uint64_t size = x86->parent.ram.size;

    if (!pci_host_hole64(x86_machine_ops(&x86->parent)->host_type, &x86->pci_hole64, errp)) {
        return false;
    }
    x86->below_4g = x86_ram_below_4g(x86, size);
    x86->above_4g = size - x86->below_4g;
    x86->ht_reserved = x86->amd_hole && strcmp(model->vendor, X86_CPU_VENDOR) == 0;
    x86->high_base = FOUR_GIB;

    const Room room = room_of(x86, model);

    if (x86->ht_reserved && end_of_all(x86) > AMD_HT_START && room.end > AMD_HIGH_BASE) {
        x86->high_base = AMD_HIGH_BASE;
    }
    return check_room(x86, &room, errp) && check_cxl(x86, &room, errp);
}

/* ---- the memory map ---- */

bool x86_init_ram(X86Machine *x86, GError **errp)
{
    Machine *machine = &x86->parent;
    MemoryRegion *ram = machine_ram_make(machine, errp);

    if (!ram) {
        return false;
    }
    memory_region_init_alias(&x86->ram_below, "ram-below-4g", ram, 0, x86->below_4g);
    memory_region_add(memory_system(), 0, &x86->ram_below);
    if (x86->above_4g) {
        memory_region_init_alias(&x86->ram_above, "ram-above-4g", ram, x86->below_4g,
                                 x86->above_4g);
        memory_region_add(memory_system(), x86->high_base, &x86->ram_above);
    }
    memory_device_window_init(machine, memory_device_window_base(machine, ram_end(x86)),
                              memory_device_window_size(machine));
    if (x86->cxl_enabled) {
        x86->cxl = cxl_host_create(x86->cxl_windows, window_end(x86));
        cxl_host_map(x86->cxl, memory_system());
    }
    return true;
}
