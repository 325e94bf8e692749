/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI bus 0 and the configuration space of its functions (PCI Local Bus 3.0, chapter 6).
 *
 * A function is a Device type with parent "pci-device" whose `init` fills `config` and the mask of
 * bits that the guest may write. There are no BARs or bridges yet. Machine lock for everything.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <stdint.h>

#include "hw/core/device.h"

#define TYPE_PCI_DEVICE "pci-device"

#define PCI_CONFIG_SIZE 256
#define PCI_DEVFN(d, f) (((d) << 3) | (f))
#define PCI_DEVFN_MAX   256

/* Offsets in the configuration header. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a,
    PCI_HEADER_TYPE = 0x0e,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

#define PCI_HEADER_MULTIFUNCTION 0x80

typedef struct PciDevice {
    Device parent;
    uint8_t devfn;
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t initial[PCI_CONFIG_SIZE]; /* after a reset; taken from config when it is plugged */
    uint8_t wmask[PCI_CONFIG_SIZE];   /* 1: the guest may write the bit */
    uint8_t w1cmask[PCI_CONFIG_SIZE]; /* 1: the guest clears the bit by writing 1 */
} PciDevice;

typedef struct PciBus {
    PciDevice *devices[PCI_DEVFN_MAX]; /* by devfn; borrowed */
} PciBus;

/* One line of a table of initial register values: @size is 1, 2 or 4 bytes, little endian. */
typedef struct PciRegister {
    uint8_t offset, size;
    uint32_t value;
    uint32_t wmask;
} PciRegister;

/* For a type's init: apply @count lines. */
void pci_set_registers(PciDevice *dev, const PciRegister *regs, unsigned count);

/* Make and realize a function of @type at @devfn of @bus, where nothing is yet. */
PciDevice *pci_create(PciBus *bus, uint8_t devfn, const char *type);

/* One access of 1, 2 or 4 bytes to the function at @devfn; it may not cross a dword. Where no
 * function is, reads give all ones and writes are dropped. */
uint32_t pci_config_read(const PciBus *bus, uint8_t devfn, uint8_t offset, unsigned size);
void pci_config_write(PciBus *bus, uint8_t devfn, uint8_t offset, uint32_t value, unsigned size);

#endif
