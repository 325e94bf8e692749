/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests: PCI functions that do nothing but interrupt. Defines a type: one file of a program. */
#ifndef TESTS_UNIT_PCI_PULLER_H
#define TESTS_UNIT_PCI_PULLER_H

#include "hw/pci/pci.h"

#define TYPE_PULLER "test-puller"

static uint8_t puller_pin = 1; /* of those that are made: 1 is INTA# */

static void puller_init(Object *obj)
{
    const PciRegister registers[] = { { PCI_VENDOR_ID, 4, 0x12345678 },
                                      { PCI_COMMAND, 2, 0, 0x0400 },
                                      { PCI_INTERRUPT_PIN, 1, puller_pin } };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const PciFunctionClass puller_ops = { .device = { PCI_DEVICE_CLASS_BASE,
                                                         .category = "misc" } };

static const ObjectType puller_type = {
    .name = TYPE_PULLER,
    .parent = TYPE_PCI_DEVICE,
    .description = "pulls its pin",
    .ops = &puller_ops,
    .init = puller_init,
};
OBJECT_TYPE_REGISTER(puller_type)

#endif
