/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3-ide: the IDE function of the PIIX3 south bridge (82371SB data sheet, section 2.3), with two
 * channels at the ports and interrupts that PCs have them at, and a bus master. The ports are
 * decoded whatever the timing registers say, for firmware that does not set those up.
 */
#include "hw/ide/piix3-ide.h"

#include "hw/ide/ide-channel.h"
#include "util/error.h"

enum { CHANNELS = 2, IDETIM = 0x40, BUS_MASTER_BAR = 4 };

typedef struct Piix3Ide {
    PciDevice parent;
    IdeChannel channels[CHANNELS];
    /* wiring */
    MemoryRegion bus_master;
} Piix3Ide;
OBJECT_CAST_DEFINE(Piix3Ide, PIIX3_IDE, TYPE_PIIX3_IDE)

static const PciRegister registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x7010 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER },
    { PCI_STATUS, 2, 0x0280 },
    { PCI_CLASS_PROG, 1, 0x80 }, /* a bus master; the ports are those of old */
    { PCI_CLASS_DEVICE, 2, 0x0101 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { IDETIM, 4, 0, 0xf3fff3ff },
};

static uint64_t bus_master_read(void *opaque, hwaddr addr, unsigned size)
{
    Piix3Ide *s = opaque;

    return ide_channel_read_bm(&s->channels[addr / IDE_BUS_MASTER_PORTS],
                               addr % IDE_BUS_MASTER_PORTS, size);
}

static void bus_master_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Piix3Ide *s = opaque;

    ide_channel_write_bm(&s->channels[addr / IDE_BUS_MASTER_PORTS], addr % IDE_BUS_MASTER_PORTS,
                         (uint32_t)value, size);
}

static const MemoryRegionOps bus_master_ops = { bus_master_read, bus_master_write, 1, 4 };

static bool piix3_ide_realize(PciDevice *dev, GError **errp)
{
    static const IdeChannelPlace places[CHANNELS] = { { 0x1f0, 0x3f6, 14 }, { 0x170, 0x376, 15 } };
    Piix3Ide *s = PIIX3_IDE(dev);

    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!ide_channel_realize(&s->channels[i], dev, i, &places[i], errp)) {
            while (i-- > 0) {
                ide_channel_unrealize(&s->channels[i]);
            }
            return false;
        }
    }
    memory_region_init_io(&s->bus_master, &bus_master_ops, s, "ide-bus-master",
                          CHANNELS * IDE_BUS_MASTER_PORTS);
    pci_add_bar(dev, BUS_MASTER_BAR, PCI_BAR_IO, &s->bus_master);
    return true;
}

static void piix3_ide_unrealize(PciDevice *dev)
{
    Piix3Ide *s = PIIX3_IDE(dev);

    for (unsigned i = 0; i < CHANNELS; i++) {
        ide_channel_unrealize(&s->channels[i]);
    }
    memory_region_destroy(&s->bus_master);
}

static void piix3_ide_reset(PciDevice *dev)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        ide_channel_reset(&PIIX3_IDE(dev)->channels[i]);
    }
}

/* Nothing follows from the registers: the levels of the interrupt lines are the machine's state. */
static void piix3_ide_loaded(PciDevice *dev)
{
}

void piix3_ide_set_up(PciBus *bus)
{
    pci_config_write(bus, 0, PIIX3_IDE_DEVFN, IDETIM, 0x80008000, 4);
}

static void piix3_ide_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const StateField piix3_ide_fields[] = {
    STATE_STRUCT(Piix3Ide, parent, &pci_device_state),
    STATE_STRUCTS(Piix3Ide, channels, &ide_channel_state),
    {},
};
static const StateTable piix3_ide_state = { .name = TYPE_PIIX3_IDE,
                                            .version = 1,
                                            .fields = piix3_ide_fields };

static const PciFunctionClass piix3_ide_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage", .state = &piix3_ide_state },
    .realize = piix3_ide_realize,
    .unrealize = piix3_ide_unrealize,
    .reset = piix3_ide_reset,
    .loaded = piix3_ide_loaded,
};

static const ObjectType piix3_ide_type = {
    .name = TYPE_PIIX3_IDE,
    .parent = TYPE_PCI_DEVICE,
    .description = "IDE controller of the PIIX3",
    .instance_size = sizeof(Piix3Ide),
    .ops = &piix3_ide_ops,
    .init = piix3_ide_init,
};
OBJECT_TYPE_REGISTER(piix3_ide_type)

const AtaDevice *piix3_ide_disk(unsigned place)
{
    Object *found = object_find_type(TYPE_PIIX3_IDE);
    const IdeBus *bus =
        found && DEVICE(found)->realized ? PIIX3_IDE(found)->channels[place / IDE_UNITS].bus : NULL;
    const AtaDevice *dev = bus ? bus->units[place % IDE_UNITS] : NULL;

    return dev && dev->own_cyls ? dev : NULL;
}
