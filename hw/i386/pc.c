/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine "pc": an i440FX/PIIX board with ACPI, made of the chips in hw/.
 */
#include "hw/i386/pc.h"

#include <string.h>

#include "hw/i386/acpi-build.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/port92.h"
#include "hw/char/serial.h"
#include "hw/core/machine-ram.h"
#include "hw/core/runstate.h"
#include "hw/input/i8042.h"
#include "hw/intc/apic.h"
#include "hw/intc/isa-irq.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "hw/pci/i440fx.h"
#include "hw/pci/piix.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/i8254.h"
#include "util/error.h"

#define GIB      (UINT64_C(1) << 30)
#define MIB      (UINT64_C(1) << 20)
#define ROM_SIZE 0x10000u /* at the end of the 4 GiB */

uint64_t pc_ram_below_4g(uint64_t size)
{
    return size >= 3 * GIB + GIB / 2 ? 3 * GIB : size;
}

/* ---- memory ---- */

/* RAM and the window for devices must be within the CPU's physical addresses. */
static bool pc_check_phys_bits(const PcMachine *pc, const X86CpuModel *model, GError **errp)
{
    const Machine *machine = &pc->parent;
    unsigned bits = x86_cpu_model_phys_bits(model);
    uint64_t limit = UINT64_C(1) << bits;
    uint64_t ram_end = pc->above_4g ? FOUR_GIB + pc->above_4g : 0;
    uint64_t base = memory_device_window_base(machine, ram_end);
    uint64_t window = memory_device_window_size(machine);
    uint64_t slots = machine->ram_slots * GIB;

    if (ram_end > limit || ram_end < pc->above_4g) {
        error_set(errp,
                  "-m: %" G_GUINT64_FORMAT " MiB of RAM end beyond the %u physical address bits of "
                  "the CPU '%s': at most %" G_GUINT64_FORMAT " MiB are possible",
                  machine->ram_size / MIB, bits, model->name,
                  (limit - FOUR_GIB + pc->below_4g) / MIB);
        return false;
    }
    if (window == 0 || (base <= limit && window <= limit - base)) {
        return true;
    }
    if (base > limit || slots >= limit - base) {
        error_set(errp,
                  "-m: %" G_GUINT64_FORMAT " slots, with 1 GiB of addresses each for alignment, do "
                  "not fit into the %u physical address bits of the CPU '%s': use fewer slots",
                  machine->ram_slots, bits, model->name);
        return false;
    }
    error_set(errp,
              "-m: maxmem=%" G_GUINT64_FORMAT "M is beyond the %u physical address bits of the CPU "
              "'%s': with this size and %" G_GUINT64_FORMAT " slots the largest possible is "
              "maxmem=%" G_GUINT64_FORMAT "M",
              machine->maxram_size / MIB, bits, model->name, machine->ram_slots,
              (machine->ram_size + (limit - base - slots)) / MIB);
    return false;
}

static bool pc_init_ram(PcMachine *pc, GError **errp)
{
    Machine *machine = &pc->parent;
    uint64_t ram_end = pc->above_4g ? FOUR_GIB + pc->above_4g : 0;

    MemoryRegion *ram = machine_ram_make(machine, errp);

    if (!ram) {
        return false;
    }
    memory_region_init_alias(&pc->ram_below, "ram-below-4g", ram, 0, pc->below_4g);
    memory_region_add(system_memory(), 0, &pc->ram_below);
    if (pc->above_4g) {
        memory_region_init_alias(&pc->ram_above, "ram-above-4g", ram, pc->below_4g, pc->above_4g);
        memory_region_add(system_memory(), FOUR_GIB, &pc->ram_above);
    }
    memory_device_window_init(machine, memory_device_window_base(machine, ram_end),
                              memory_device_window_size(machine));
    return true;
}

/* There is no firmware yet: a processor that starts at the reset vector halts. */
static bool pc_init_rom(PcMachine *pc, GError **errp)
{
    static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* cli; hlt; jmp to the hlt */

    pc->rom = ram_block_new("pc.rom", ROM_SIZE, -1, false, true, 0, errp);
    if (!pc->rom) {
        return false;
    }
    memcpy(pc->rom->host + ROM_SIZE - 16, halt, sizeof(halt));
    memory_region_init_ram(&pc->rom_region, "pc.rom", pc->rom);
    pc->rom_region.readonly = true;
    memory_region_add(system_memory(), FOUR_GIB - ROM_SIZE, &pc->rom_region);
    return true;
}

/* ---- processors and chips ---- */

static bool pc_init_cpus(PcMachine *pc, const X86CpuModel *model, GError **errp)
{
    Machine *machine = &pc->parent;

    machine->cpus = g_new0(X86Cpu *, machine->smp.cpus);
    for (unsigned i = 0; i < machine->smp.cpus; i++) {
        X86CpuDevice *dev = x86_cpu_device_create(machine, model, i, errp);
        if (!dev) {
            return false;
        }
        machine->cpus[i] = dev->cpu;
        machine->num_cpus = i + 1;
    }
    return true;
}

/* ISA interrupts go to the 8259s and to the I/O APIC. */
static void pc_isa_irq_set(void *opaque, int n, int level)
{
    PcMachine *pc = opaque;
    Irq pic = i8259_irq(pc->pic, n);
    Irq pin = ioapic_irq(pc->ioapic, n);

    irq_set(&pic, level);
    irq_set(&pin, level);
}

static void pc_init_interrupts(PcMachine *pc)
{
    Irq irqs[ISA_IRQS];

    apic_map(system_memory());
    pc->ioapic = ioapic_create(system_memory());
    pc->pic = i8259_create(system_io(), apic_pic_irq());
    apic_connect_pic(pc->pic);
    for (int i = 0; i < ISA_IRQS; i++) {
        /* 2 is the cascade: it is no line of the bus, and its pin is interrupt 0's. */
        irqs[i] = (Irq){ i == 2 ? NULL : pc_isa_irq_set, pc, i };
    }
    isa_irqs_connect(irqs);
}

static void pc_memory_hotplug_notify(void *opaque)
{
    PcMachine *pc = opaque;

    acpi_pm_raise_gpe(pc->pm, ACPI_GPE_MEMORY_HOTPLUG);
}

static bool pc_init_devices(PcMachine *pc, GError **errp)
{
    Machine *machine = &pc->parent;
    MemoryRegion *io = system_io();
    Mc146818 *rtc;

    piix_create(i440fx_create(io));
    i8254_create(io, isa_irq(0));
    i8042_create(io, isa_irq(1));
    rtc = mc146818_create(io, isa_irq(MC146818_IRQ));
    mc146818_set_memory(rtc, pc->below_4g, pc->above_4g);
    port92_create(io);
    pc->pm = acpi_pm_create(io, isa_irq(ACPI_SCI_IRQ));
    if (machine->ram_slots) {
        pc->memory_hotplug =
            memory_hotplug_create(machine, io, MEMHP_IO_BASE, pc_memory_hotplug_notify, pc);
    }
    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (machine->serial[i] && !isa_serial_create(i, machine->serial[i], errp)) {
            return false;
        }
    }
    return true;
}

static void pc_powerdown(Machine *machine)
{
    acpi_pm_power_button(PC_MACHINE(machine)->pm);
}

/* ---- boot ---- */

static bool pc_init_boot(PcMachine *pc, GError **errp)
{
    const Machine *machine = &pc->parent;

    if (!machine->kernel) {
        return true;
    }
    if (pc->below_4g < LEAST_RAM) {
        error_set(errp, "-kernel: a kernel needs at least -m %uM", (unsigned)(LEAST_RAM / MIB));
        return false;
    }
    pc->boot = linux_boot_open(machine->kernel, machine->initrd, machine->append, errp);
    return pc->boot && linux_boot_plan(pc->boot, pc->below_4g - ACPI_AREA, errp);
}

static bool pc_init(Machine *machine, GError **errp)
{
    PcMachine *pc = PC_MACHINE(machine);
    const char *cpu =
        machine->cpu_model ? machine->cpu_model : machine_ops(machine)->default_cpu_type;
    X86CpuModel model;

    pc->below_4g = pc_ram_below_4g(machine->ram_size);
    pc->above_4g = machine->ram_size - pc->below_4g;
    if (!x86_cpu_model_parse(&model, cpu, errp) || !pc_check_phys_bits(pc, &model, errp) ||
        !pc_init_boot(pc, errp) || !pc_init_ram(pc, errp) || !pc_init_rom(pc, errp) ||
        !pc_init_cpus(pc, &model, errp)) {
        return false;
    }
    pc_init_interrupts(pc);
    machine->powerdown = pc_powerdown;
    return pc_init_devices(pc, errp);
}

/* The tables as they are now, in guest memory. Address of the RSDP. */
static bool pc_load_acpi(PcMachine *pc, uint64_t *rsdp, GError **errp)
{
    g_autoptr(AcpiTables) tables = acpi_build(&pc->parent);

    if (!acpi_link_direct(tables, pc->below_4g, errp)) {
        return false;
    }
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        address_space_write(&address_space_memory, blob->address, blob->data->data,
                            blob->data->len);
    }
    *rsdp = acpi_blob_find(tables, "rsdp")->address;
    return true;
}

/* The tables are in memory with and without -kernel: a test that plays the guest looks for them. */
static void pc_reset(Machine *machine)
{
    PcMachine *pc = PC_MACHINE(machine);
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) e820 = NULL;
    BootRam ram;
    uint64_t rsdp;

    if (pc->below_4g < LEAST_RAM) {
        return; /* no room for tables, and pc_init_boot() refused a kernel */
    }
    if (!pc_load_acpi(pc, &rsdp, &err)) {
        error_report("%s", err->message);
        system_internal_error();
        return;
    }
    if (!pc->boot) {
        return;
    }
    ram = (BootRam){ &address_space_memory, pc->below_4g - ACPI_AREA };
    e820 = e820_build(pc->below_4g, pc->above_4g);
    linux_boot_load(pc->boot, &ram, e820, rsdp);
    linux_boot_start(pc->boot, machine->cpus[0]);
    acpi_pm_set_sci_enabled(pc->pm, true);
}

static bool pc_dump_acpi(Machine *machine, const char *dir, GError **errp)
{
    g_autoptr(AcpiTables) tables = acpi_build(machine);

    return acpi_link_direct(tables, MAX(PC_MACHINE(machine)->below_4g, LEAST_RAM), errp) &&
           acpi_tables_dump(tables, dir, errp);
}

/* ---- hot-plug ---- */

static void pc_dimm_plugged(Machine *machine, Device *dev)
{
    pc_dimm_plug(machine, dev);
    memory_hotplug_plug(PC_MACHINE(machine)->memory_hotplug, dev);
}

static bool pc_dimm_unplug_requested(Machine *machine, Device *dev, GError **errp)
{
    return memory_hotplug_unplug_request(PC_MACHINE(machine)->memory_hotplug, dev, errp);
}

static bool pc_dimm_unplug_withdrawn(Machine *machine, Device *dev, int64_t delay_ns, GError **errp)
{
    return memory_hotplug_unplug_withdraw(PC_MACHINE(machine)->memory_hotplug, dev, delay_ns, errp);
}

static void pc_dimm_unplugged(Machine *machine, Device *dev)
{
    memory_hotplug_unplug(PC_MACHINE(machine)->memory_hotplug, dev);
    pc_dimm_unplug(machine, dev);
}

static const HotplugHandler pc_hotplug[] = {
    { .device_type = TYPE_PC_DIMM,
      .pre_plug = pc_dimm_pre_plug, /* refuses every DIMM where there are no slots */
      .plug = pc_dimm_plugged,
      .unplug_request = pc_dimm_unplug_requested,
      .unplug_withdraw = pc_dimm_unplug_withdrawn,
      .unplug = pc_dimm_unplugged },
    {},
};

static const MachineOps pc_machine_ops = {
    .name = "pc-i440fx-7.2",
    .alias = "pc",
    .description = "PC with an i440FX host bridge and a PIIX south bridge",
    .is_default = true,
    .max_cpus = MAX_CPUS,
    .default_cpu_type = "qemu64",
    .default_ram_size = 128 * MIB,
    .init = pc_init,
    .reset = pc_reset,
    .dump_acpi = pc_dump_acpi,
    .hotplug = pc_hotplug,
};

static const ObjectType pc_machine_type = {
    .name = TYPE_PC_MACHINE,
    .parent = TYPE_MACHINE,
    .description = "a PC with an i440FX host bridge",
    .instance_size = sizeof(PcMachine),
    .ops = &pc_machine_ops,
};
OBJECT_TYPE_REGISTER(pc_machine_type)
