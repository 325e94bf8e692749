/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: Intel's 82540EM as a conventional PCI function: the registers in memory (BAR 0), and one
 * at a time through the I/O window (BAR 1).
 */
#include "hw/net/e1000-core.h"

#define TYPE_E1000 "e1000"

enum {
    IO_SIZE = 64,
    MEMORY_BAR = 0,
    IO_BAR = 1,
    PHY_ID2 = 0x0c20, /* of a 88E1011 */
};

static bool pci_e1000_realize(PciDevice *dev, GError **errp)
{
    E1000 *s = E1000_CARD(dev);

    if (!e1000_realize(dev, errp)) {
        return false;
    }
    e1000_add_bars(s, MEMORY_BAR, IO_BAR, IO_SIZE);
    return true;
}

static void pci_e1000_unrealize(PciDevice *dev)
{
    E1000 *s = E1000_CARD(dev);

    e1000_drop_bars(s);
    e1000_unrealize(dev);
}

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 3 },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

/* Words of the EEPROM that drivers look at (section 5.6); the others say nothing. */
static const uint16_t nvm[E1000_NVM_WORDS] = {
    [0x03] = 0x0000,         /* a client's card */
    [0x08] = 0x3000, 0x1000, /* number of the board */
    [0x0a] = 0x6403,         /* initialization control 1: IDs are loaded */
    [0x0c] = 0x8086,         /* subsystem vendor */
    [0x0e] = 0x8086,         /* vendor */
    [0x0f] = 0x3040,         /* initialization control 2: pauses, both ways */
    [0x24] = 0x0000,         /* initialization control 3: it wakes nobody */
};

static const E1000Register own_registers[] = { E1000_WAKE_UP_REGISTERS, { 0 } };

static const E1000Class e1000_ops = {
    .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                         .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &e1000_state },
             .rom = "efi-e1000.rom",
             .realize = pci_e1000_realize,
             .unrealize = pci_e1000_unrealize,
             .reset = e1000_reset,
             .loaded = e1000_loaded },
    .model = TYPE_E1000,
    .registers = own_registers,
    .nvm = nvm,
    .phy_id2 = PHY_ID2,
    .causes = E1000_ICR_BASIC,
    .queues = 1,
};

static void pci_e1000_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, pci_registers, G_N_ELEMENTS(pci_registers));
    pci_set_word(dev, PCI_DEVICE_ID, 0x100e);
}

static const Property e1000_properties[] = {
    { .name = "mitigation",
      .kind = PROP_BOOL,
      .offset = offsetof(E1000, mitigation),
      .has_default = true,
      .default_int = true,
      .description = "interrupts come no more often than the driver asks for (ITR)" },
    { 0 },
};

static const ObjectType e1000_type = {
    .name = TYPE_E1000,
    .parent = TYPE_E1000_BASE,
    .description = "Intel gigabit card 82540EM",
    .instance_size = sizeof(E1000),
    .properties = e1000_properties,
    .ops = &e1000_ops,
    .init = pci_e1000_init,
};
OBJECT_TYPE_REGISTER(e1000_type)

static void __attribute__((constructor)) register_alias(void)
{
    device_alias_register("e1000-82540em", TYPE_E1000);
}
