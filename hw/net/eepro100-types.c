/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/eepro100.h"

enum { ID_82557 = 0x1229, ID_82559ER = 0x1209, ID_82801 = 0x2449 };

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0x0280, 0, PCI_STATUS_ERRORS },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_LATENCY_TIMER, 1, 0, 0xff },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x3e, 1, 0x08 }, /* how often and how long it wants the bus */
    { 0x3f, 1, 0x18 },
};

static void init(Object *obj, uint16_t id, uint8_t revision)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, pci_registers, G_N_ELEMENTS(pci_registers));
    pci_set_word(dev, PCI_DEVICE_ID, id);
    dev->config[PCI_REVISION_ID] = revision;
}

static const Property eepro100_properties[] = { NIC_CARD_PROPERTIES(Eepro100, card), { 0 } };

static const ObjectType eepro100_type = {
    .name = TYPE_EEPRO100,
    .parent = TYPE_PCI_DEVICE,
    .description = "an Intel card of 100 Mbit/s",
    .instance_size = sizeof(Eepro100),
    .abstract = true,
    .properties = eepro100_properties,
};
OBJECT_TYPE_REGISTER(eepro100_type)

static const PciFunctionClass eepro100_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &eepro100_state },
    .rom = "efi-eepro100.rom",
    .realize = eepro100_realize,
    .unrealize = eepro100_unrealize,
    .reset = eepro100_reset,
    .loaded = eepro100_loaded,
};

#define CARD(Name, Id, Revision)            \
    static void Name##_init(Object *obj)    \
    {                                       \
        init(obj, Id, Revision);            \
    }                                       \
    static const ObjectType Name##_type = { \
        .name = #Name,                      \
        .parent = TYPE_EEPRO100,            \
        .description = "Intel card " #Name, \
        .instance_size = sizeof(Eepro100),  \
        .ops = &eepro100_class,             \
        .init = Name##_init,                \
    };                                      \
    OBJECT_TYPE_REGISTER(Name##_type)

CARD(i82550, ID_82559ER, 0x0e)
CARD(i82551, ID_82559ER, 0x0f)
CARD(i82557a, ID_82557, 0x01)
CARD(i82557b, ID_82557, 0x02)
CARD(i82557c, ID_82557, 0x03)
CARD(i82558a, ID_82557, 0x04)
CARD(i82558b, ID_82557, 0x05)
CARD(i82559a, ID_82557, 0x06)
CARD(i82559b, ID_82557, 0x07)
CARD(i82559c, ID_82557, 0x08)
CARD(i82559er, ID_82559ER, 0x09)
CARD(i82562, ID_82559ER, 0x0e)
CARD(i82801, ID_82801, 0x03)
