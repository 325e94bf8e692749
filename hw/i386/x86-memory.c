/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How boot RAM and the window for memory devices lie in the physical address space. */
#include "hw/i386/x86.h"

#include <inttypes.h>

#include "hw/core/machine-ram.h"
#include "hw/i386/e820.h"
#include "hw/mem/memory-device.h"
#include "util/error.h"
#include "util/units.h"

uint64_t x86_ram_below_4g(const X86MachineOps *ops, uint64_t size)
{
    return size >= ops->low_ram_split_at ? ops->low_ram_max : size;
}

bool x86_check_phys_bits(const X86Machine *x86, const X86CpuModel *model, GError **errp)
{
    const Machine *machine = &x86->parent;
    unsigned bits = x86_cpu_model_phys_bits(model);
    uint64_t limit = UINT64_C(1) << bits;
    uint64_t ram_end = x86->above_4g ? FOUR_GIB + x86->above_4g : 0;
    uint64_t base = memory_device_window_base(machine, ram_end);
    uint64_t window = memory_device_window_size(machine);
    uint64_t slots = machine->ram.slots * GIB;

    if (ram_end > limit || ram_end < x86->above_4g) {
        error_set(errp,
                  "-m: %" PRIu64 " MiB of RAM end beyond the %u physical address bits of "
                  "the CPU '%s': at most %" PRIu64 " MiB are possible",
                  machine->ram.size / MIB, bits, model->name,
                  (limit - FOUR_GIB + x86->below_4g) / MIB);
        return false;
    }
    if (window == 0 || (base <= limit && window <= limit - base)) {
        return true;
    }
    if (base > limit || slots >= limit - base) {
        error_set(errp,
                  "-m: %" PRIu64 " slots, with 1 GiB of addresses each for alignment, do "
                  "not fit into the %u physical address bits of the CPU '%s': use fewer slots",
                  machine->ram.slots, bits, model->name);
        return false;
    }
    error_set(errp,
              "-m: maxmem=%" PRIu64 "M is beyond the %u physical address bits of the CPU "
              "'%s': with this size and %" PRIu64 " slots the largest possible is "
              "maxmem=%" PRIu64 "M",
              machine->ram.max_size / MIB, bits, model->name, machine->ram.slots,
              (machine->ram.size + (limit - base - slots)) / MIB);
    return false;
}

bool x86_init_ram(X86Machine *x86, GError **errp)
{
    Machine *machine = &x86->parent;
    uint64_t ram_end = x86->above_4g ? FOUR_GIB + x86->above_4g : 0;

    MemoryRegion *ram = machine_ram_make(machine, errp);

    if (!ram) {
        return false;
    }
    memory_region_init_alias(&x86->ram_below, "ram-below-4g", ram, 0, x86->below_4g);
    memory_region_add(memory_system(), 0, &x86->ram_below);
    if (x86->above_4g) {
        memory_region_init_alias(&x86->ram_above, "ram-above-4g", ram, x86->below_4g,
                                 x86->above_4g);
        memory_region_add(memory_system(), FOUR_GIB, &x86->ram_above);
    }
    memory_device_window_init(machine, memory_device_window_base(machine, ram_end),
                              memory_device_window_size(machine));
    return true;
}
