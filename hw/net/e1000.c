/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: Intel's 82540EM as a conventional PCI function: the registers in memory (BAR 0), and one
 * at a time through the I/O window (BAR 1). The 82544GC and the 82545EM have other IDs, by which
 * drivers know them.
 */
#include "hw/net/e1000-core.h"

#define TYPE_E1000         "e1000"
#define TYPE_E1000_82544GC "e1000-82544gc"
#define TYPE_E1000_82545EM "e1000-82545em"

enum {
    IO_SIZE = 64,
    MEMORY_BAR = 0,
    IO_BAR = 1,
    DEVICE_82540EM = 0x100e,
    DEVICE_82544GC = 0x100c,
    DEVICE_82545EM = 0x100f,
    PHY_ID2 = 0x0c20,         /* of a 88E1011 */
    PHY_ID2_82544GC = 0x0c30, /* of a 88E1000 */
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

/* The ROM is that of one device's ID. */
#define CLASS(Model, Rom, Phy)                                                      \
    {                                                                               \
        .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "network",          \
                             .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,       \
                             .state = &e1000_state },                               \
                 .rom = (Rom),                                                      \
                 .realize = pci_e1000_realize,                                      \
                 .unrealize = pci_e1000_unrealize,                                  \
                 .reset = e1000_reset,                                              \
                 .loaded = e1000_loaded },                                          \
        .model = (Model), .registers = own_registers, .nvm = nvm, .phy_id2 = (Phy), \
        .causes = E1000_ICR_BASIC, .queues = 1,                                     \
    }
static const E1000Class e1000_ops = CLASS(TYPE_E1000, "efi-e1000.rom", PHY_ID2);
static const E1000Class e1000_82544gc_ops = CLASS(TYPE_E1000_82544GC, NULL, PHY_ID2_82544GC);
static const E1000Class e1000_82545em_ops = CLASS(TYPE_E1000_82545EM, NULL, PHY_ID2);

static void init(Object *obj, uint16_t id)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, pci_registers, G_N_ELEMENTS(pci_registers));
    pci_set_word(dev, PCI_DEVICE_ID, id);
}

static void pci_e1000_init(Object *obj)
{
    init(obj, DEVICE_82540EM);
}

static void pci_e1000_82544gc_init(Object *obj)
{
    init(obj, DEVICE_82544GC);
}

static void pci_e1000_82545em_init(Object *obj)
{
    init(obj, DEVICE_82545EM);
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

static const ObjectType e1000_82544gc_type = {
    .name = TYPE_E1000_82544GC,
    .parent = TYPE_E1000_BASE,
    .description = "Intel gigabit card 82544GC",
    .instance_size = sizeof(E1000),
    .properties = e1000_properties,
    .ops = &e1000_82544gc_ops,
    .init = pci_e1000_82544gc_init,
};
OBJECT_TYPE_REGISTER(e1000_82544gc_type)

static const ObjectType e1000_82545em_type = {
    .name = TYPE_E1000_82545EM,
    .parent = TYPE_E1000_BASE,
    .description = "Intel gigabit card 82545EM",
    .instance_size = sizeof(E1000),
    .properties = e1000_properties,
    .ops = &e1000_82545em_ops,
    .init = pci_e1000_82545em_init,
};
OBJECT_TYPE_REGISTER(e1000_82545em_type)

static void __attribute__((constructor)) register_alias(void)
{
    device_alias_register("e1000-82540em", TYPE_E1000);
}
