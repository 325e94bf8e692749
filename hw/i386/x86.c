/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/x86.h"

#include <string.h>

#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/i386/port92.h"
#include "hw/char/serial.h"
#include "hw/input/i8042.h"
#include "hw/intc/apic.h"
#include "hw/intc/isa-irq.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/i8254.h"

#define ROM_SIZE 0x10000u /* at the end of the 4 GiB */

/* There is no firmware yet: a processor that starts at the reset vector halts. */
static bool x86_init_rom(X86Machine *x86, GError **errp)
{
    static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* cli; hlt; jmp to the hlt */

    x86->rom = ram_block_new("pc.rom", ROM_SIZE, -1, false, true, 0, errp);
    if (!x86->rom) {
        return false;
    }
    memcpy(x86->rom->host + ROM_SIZE - 16, halt, sizeof(halt));
    memory_region_init_ram(&x86->rom_region, "pc.rom", x86->rom);
    x86->rom_region.readonly = true;
    memory_region_add(system_memory(), FOUR_GIB - ROM_SIZE, &x86->rom_region);
    return true;
}

/* ---- processors and chips ---- */

static bool x86_init_cpus(X86Machine *x86, const X86CpuModel *model, GError **errp)
{
    Machine *machine = &x86->parent;

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
static void x86_isa_irq_set(void *opaque, int n, int level)
{
    X86Machine *x86 = opaque;
    Irq pic = i8259_irq(x86->pic, n);
    Irq pin = ioapic_irq(x86->ioapic, n);

    irq_set(&pic, level);
    irq_set(&pin, level);
}

static void x86_init_interrupts(X86Machine *x86)
{
    Irq irqs[ISA_IRQS];

    apic_map(system_memory());
    x86->ioapic = ioapic_create(system_memory());
    x86->pic = i8259_create(system_io(), apic_pic_irq());
    apic_connect_pic(x86->pic);
    for (int i = 0; i < ISA_IRQS; i++) {
        /* 2 is the cascade: it is no line of the bus, and its pin is interrupt 0's. */
        irqs[i] = (Irq){ i == 2 ? NULL : x86_isa_irq_set, x86, i };
    }
    isa_irqs_connect(irqs);
}

static void x86_memory_hotplug_notify(void *opaque)
{
    X86Machine *x86 = opaque;

    acpi_pm_raise_gpe(x86->pm, ACPI_GPE_MEMORY_HOTPLUG);
}

static bool x86_init_devices(X86Machine *x86, GError **errp)
{
    Machine *machine = &x86->parent;
    MemoryRegion *io = system_io();
    Mc146818 *rtc;

    x86_machine_ops(machine)->create_chipset(x86);
    i8254_create(io, isa_irq(0));
    i8042_create(io, isa_irq(1));
    rtc = mc146818_create(io, isa_irq(MC146818_IRQ));
    mc146818_set_memory(rtc, x86->below_4g, x86->above_4g);
    port92_create(io);
    x86->pm = acpi_pm_create(io, isa_irq(ACPI_SCI_IRQ));
    if (machine->ram_slots) {
        x86->memory_hotplug =
            memory_hotplug_create(machine, io, MEMHP_IO_BASE, x86_memory_hotplug_notify, x86);
    }
    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (machine->serial[i] && !isa_serial_create(i, machine->serial[i], errp)) {
            return false;
        }
    }
    return true;
}

static void x86_powerdown(Machine *machine)
{
    acpi_pm_power_button(X86_MACHINE(machine)->pm);
}

bool x86_machine_init(Machine *machine, GError **errp)
{
    X86Machine *x86 = X86_MACHINE(machine);
    const char *cpu =
        machine->cpu_model ? machine->cpu_model : machine_ops(machine)->default_cpu_type;
    X86CpuModel model;

    x86->below_4g = x86_ram_below_4g(x86_machine_ops(machine), machine->ram_size);
    x86->above_4g = machine->ram_size - x86->below_4g;
    if (!x86_cpu_model_parse(&model, cpu, errp) || !x86_check_phys_bits(x86, &model, errp) ||
        !x86_init_boot(x86, errp) || !x86_init_ram(x86, errp) || !x86_init_rom(x86, errp) ||
        !x86_init_cpus(x86, &model, errp)) {
        return false;
    }
    x86_init_interrupts(x86);
    machine->powerdown = x86_powerdown;
    return x86_init_devices(x86, errp);
}

static const ObjectType x86_machine_type = {
    .name = TYPE_X86_MACHINE,
    .parent = TYPE_MACHINE,
    .description = "a PC",
    .instance_size = sizeof(X86Machine),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(x86_machine_type)
