/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ich9-ahci: the SATA function of the ICH9 south bridge (its data sheet, chapter 15) in AHCI mode:
 * registers in memory, which the index-data pair of ports shows, too; MSI.
 */
#include "hw/ide/ahci.h"

#include "hw/core/dword-registers.h"
#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "util/error.h"
OBJECT_CAST_DEFINE(Ahci, AHCI, TYPE_AHCI)

enum { PAIR_BAR = 4, REGISTERS_BAR = 5 };
enum { REGISTERS_BYTES = 0x1000, PAIR_BYTES = 32, PAIR_INDEX = 0x10, PAIR_DATA = 0x14 };
enum { PORT_0 = 0x100, PORT_SIZE = 0x80 };

/* ---- configuration space ---- */

enum {
    MAP = 0x90,
    MAP_AHCI = 0x40,
    MSI = 0x80,
    SATA = 0xa8,
    SATA_SIZE = 8,
    SATA_REVISION = SATA + 2, /* 1.0 */
    SATA_PAIR = SATA + 4,     /* where the pair is: in which BAR, at which dword */
};

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x2922 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 2 },
    { PCI_CLASS_PROG, 1, 1 },        /* AHCI */
    { PCI_CLASS_DEVICE, 2, 0x0106 }, /* SATA */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { MAP, 1, MAP_AHCI },
};

static const PciRegister sata_registers[] = {
    { SATA_REVISION, 1, 0x10 },
    { SATA_PAIR, 4, (PAIR_INDEX / 4) << 4 | (PCI_BASE_ADDRESS_0 / 4 + PAIR_BAR) },
};

static void ahci_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, pci_registers, G_N_ELEMENTS(pci_registers));
    dev->cap_end = SATA;
    pci_add_capability(dev, PCI_CAP_ID_SATA, SATA_SIZE);
    dev->cap_end = MSI;
    pci_add_msi_unmasked(dev, 1);
    dev->cap_end = SATA + SATA_SIZE;
    pci_set_registers(dev, sata_registers, G_N_ELEMENTS(sata_registers));
}

/* ---- registers of all ports (section 3.1) ---- */

enum { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, VS = 0x10 };
enum { GHC_RESET = 1u << 0, GHC_INTERRUPTS = 1u << 1 };
#define GHC_AHCI 0x80000000u /* the only mode */

#define CAP_64_BITS   0x80000000u
#define CAP_QUEUE     0x40000000u
#define CAP_SPEED_1_5 0x00100000u
#define CAP_AHCI_ONLY 0x00040000u
#define VERSION       0x00010000u

void ahci_update(Ahci *ahci)
{
    PciDevice *dev = &ahci->parent;
    uint32_t fresh;

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        const AhciPort *p = &ahci->ports[i];

        ahci->is |= ahci_port_interrupts(p) & p->ie ? 1u << i : 0;
    }
    ahci->told &= ahci->is;
    fresh = ahci->ghc & GHC_INTERRUPTS ? ahci->is & ~ahci->told : 0;
    if (pci_msi_enabled(dev)) {
        pci_set_irq(dev, 0);
        if (fresh) {
            ahci->told |= fresh;
            pci_msi_notify(dev, 0);
        }
    } else {
        pci_set_irq(dev, ahci->is && ahci->ghc & GHC_INTERRUPTS);
    }
}

static void reset_all(Ahci *ahci, bool all)
{
    ahci->ghc = GHC_AHCI;
    ahci->is = ahci->told = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        ahci_port_reset(&ahci->ports[i], all);
    }
}

static uint32_t read_all(const Ahci *ahci, unsigned offset)
{
    switch (offset) {
    case CAP:
        return CAP_64_BITS | CAP_QUEUE | CAP_SPEED_1_5 | CAP_AHCI_ONLY | (AHCI_SLOTS - 1) << 8 |
               (AHCI_PORTS - 1);
    case GHC:
        return ahci->ghc;
    case IS:
        return ahci->is;
    case PI:
        return (1u << AHCI_PORTS) - 1;
    case VS:
        return VERSION;
    default:
        return 0;
    }
}

static void write_all(Ahci *ahci, unsigned offset, uint32_t value, uint32_t mask)
{
    if (offset == IS) {
        ahci->is &= ~value;
        ahci->told &= ~value;
    } else if (offset == GHC && mask & GHC_RESET) {
        ahci->ghc = GHC_AHCI | (value & GHC_INTERRUPTS);
        if (value & GHC_RESET) {
            reset_all(ahci, false);
        }
    }
    ahci_update(ahci);
}

static uint32_t read_register(void *opaque, unsigned offset)
{
    Ahci *ahci = opaque;
    unsigned port = (offset - PORT_0) / PORT_SIZE;

    if (offset < PORT_0) {
        return read_all(ahci, offset);
    }
    return port < AHCI_PORTS ? ahci_port_read(&ahci->ports[port], offset % PORT_SIZE) : 0;
}

static void write_register(Ahci *ahci, unsigned offset, uint32_t value, uint32_t mask)
{
    unsigned port = (offset - PORT_0) / PORT_SIZE;

    if (offset < PORT_0) {
        write_all(ahci, offset, value, mask);
    } else if (port < AHCI_PORTS) {
        ahci_port_write(&ahci->ports[port], offset % PORT_SIZE, value, mask);
    }
}

/* ---- accesses ---- */

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    return dword_registers_read(read_register, opaque, addr, size);
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    unsigned offset = (unsigned)addr & ~3u, shift = 8 * (addr & 3);
    uint64_t mask = (UINT64_MAX >> (64 - 8 * size)) << shift;

    value <<= shift;
    write_register(opaque, offset, (uint32_t)value, (uint32_t)mask);
    if (mask >> 32) {
        write_register(opaque, offset + 4, (uint32_t)(value >> 32), (uint32_t)(mask >> 32));
    }
}

static const MemoryRegionOps registers_ops = { registers_read, registers_write, 1, 4 };

static uint64_t pair_read(void *opaque, hwaddr addr, unsigned size)
{
    Ahci *ahci = opaque;

    return addr == PAIR_INDEX  ? ahci->index
           : addr == PAIR_DATA ? read_register(ahci, ahci->index)
                               : 0;
}

static void pair_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ahci *ahci = opaque;

    if (addr == PAIR_INDEX) {
        ahci->index = (uint32_t)value & (REGISTERS_BYTES - 4);
    } else if (addr == PAIR_DATA) {
        write_register(ahci, ahci->index, (uint32_t)value, UINT32_MAX);
    }
}

static const MemoryRegionOps pair_ops = { pair_read, pair_write, 4, 4 };

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    Ahci *ahci = opaque;

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        if (ahci->ports[i].kept) {
            ahci_queue_again(&ahci->ports[i]);
        }
    }
}

static void free_buses(Ahci *ahci)
{
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        ide_bus_free(g_steal_pointer(&ahci->ports[i].bus));
    }
}

static bool ahci_realize(PciDevice *dev, GError **errp)
{
    Ahci *ahci = AHCI(dev);

    if (PCI_FUNC(dev->devfn)) { /* of the south bridge, as the others say too */
        dev->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
    }
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AhciPort *p = &ahci->ports[i];

        p->ahci = ahci;
        p->number = i;
        p->slot = AHCI_SLOTS;
        p->bus = ide_bus_new(&dev->parent, "pci8086,2922", i, 1, &ahci_port_ops, p, errp);
        if (!p->bus) {
            free_buses(ahci);
            return false;
        }
    }
    memory_region_init_io(&ahci->registers, &registers_ops, ahci, "ahci", REGISTERS_BYTES);
    memory_region_init_io(&ahci->pair, &pair_ops, ahci, "ahci-idp", PAIR_BYTES);
    pci_add_bar(dev, PAIR_BAR, PCI_BAR_IO, &ahci->pair);
    pci_add_bar(dev, REGISTERS_BAR, 0, &ahci->registers);
    runstate_add_start(machine_starts, ahci);
    return true;
}

static void ahci_unrealize(PciDevice *dev)
{
    Ahci *ahci = AHCI(dev);

    runstate_remove_start(machine_starts, ahci);
    free_buses(ahci);
    memory_region_destroy(&ahci->registers);
    memory_region_destroy(&ahci->pair);
}

static void ahci_reset(PciDevice *dev)
{
    Ahci *ahci = AHCI(dev);

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AtaDevice *ata = ahci_port_device(&ahci->ports[i]);

        if (ata) {
            ahci_port_cancel(&ahci->ports[i]);
            ata_device_reset(&ata->parent);
        }
    }
    ahci->index = 0;
    reset_all(ahci, true);
}

/* It may be a bus master now. */
static void ahci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        for (unsigned i = 0; i < AHCI_PORTS; i++) {
            ahci_port_run(&AHCI(dev)->ports[i]);
        }
    }
    ahci_update(AHCI(dev));
}

/* Nothing follows from the registers: the level of the interrupt line is the function's state. */
static void ahci_loaded(PciDevice *dev)
{
}

static bool ahci_post_load(void *obj, GError **errp)
{
    const Ahci *ahci = obj;

    if (ahci->index & ~(uint32_t)(REGISTERS_BYTES - 4)) {
        error_set(errp, "index 0x%x is none of a register", ahci->index);
        return false;
    }
    return true;
}

static const StateField ahci_fields[] = {
    STATE_STRUCT(Ahci, parent, &pci_device_state),
    STATE_UINT(Ahci, ghc),
    STATE_UINT(Ahci, is),
    STATE_UINT(Ahci, told),
    STATE_UINT(Ahci, index),
    STATE_STRUCTS(Ahci, ports, &ahci_port_state),
    {},
};
static const StateTable ahci_state = {
    .name = TYPE_AHCI, .version = 1, .fields = ahci_fields, .post_load = ahci_post_load
};

static const PciFunctionClass ahci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage", .flags = DEVICE_USER_CREATABLE,
                .state = &ahci_state },
    .realize = ahci_realize,
    .unrealize = ahci_unrealize,
    .reset = ahci_reset,
    .loaded = ahci_loaded,
    .config_written = ahci_config_written,
};

static const ObjectType ahci_type = {
    .name = TYPE_AHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "SATA controller of the ICH9, with six ports",
    .instance_size = sizeof(Ahci),
    .ops = &ahci_ops,
    .init = ahci_init,
};
OBJECT_TYPE_REGISTER(ahci_type)

static void __attribute__((constructor)) register_alias(void)
{
    device_alias_register("ahci", TYPE_AHCI);
}
