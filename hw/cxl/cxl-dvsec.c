/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-dvsec.h"

#include "hw/pci/pci-cap.h"

enum {
    PORT_SIZE = 0x28,
    PORT_STATUS = 0x0a,
    PORT_CONTROL = 0x0c,
    PORT_POWER_READY = 1 << 0, /* power management is initialised */
    PORT_CONTROLS = 1 << 0 | 1 << 1,

    GPF_PORT_SIZE = 0x10,
    GPF_PORT_PHASE_1 = 0x0c,
    GPF_PORT_PHASE_2 = 0x0e,
    GPF_TIMEOUT = 0x0f0f, /* base and scale */

    FLEX_BUS_SIZE = 0x14,
    FLEX_BUS_REVISION = 1,
    FLEX_BUS_CAP = 0x0a,
    FLEX_BUS_CONTROL = 0x0c,
    FLEX_BUS_STATUS = 0x0e,
    FLEX_BUS_IO = 1 << 1,
    FLEX_BUS_MEM = 1 << 2,
    FLEX_BUS_68B_FLIT = 1 << 5,

    REGISTERS_FIRST = 0x0c,
    REGISTERS_BYTES = 8,
    REGISTERS_KIND_SHIFT = 8,
};

unsigned cxl_dvsec_add(PciDevice *dev, unsigned id, unsigned revision, unsigned size)
{
    unsigned at = pci_add_extended(dev, PCIE_EXT_CAP_DVSEC, 1, size);

    pci_set_long(dev, at + DVSEC_HEADER_1,
                 CXL_VENDOR_ID | revision << DVSEC_REVISION_SHIFT |
                     (uint32_t)size << DVSEC_LENGTH_SHIFT);
    pci_set_word(dev, at + DVSEC_HEADER_2, (uint16_t)id);
    return at;
}

void cxl_dvsec_add_port(PciDevice *dev)
{
    unsigned at = cxl_dvsec_add(dev, DVSEC_PORT, 0, PORT_SIZE);
    const PciRegister regs[] = {
        { at + PORT_STATUS, 2, PORT_POWER_READY },
        { at + PORT_CONTROL, 2, 0, PORT_CONTROLS },
    };

    pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
}

void cxl_dvsec_add_gpf_port(PciDevice *dev)
{
    unsigned at = cxl_dvsec_add(dev, DVSEC_GPF_PORT, 0, GPF_PORT_SIZE);
    const PciRegister regs[] = {
        { at + GPF_PORT_PHASE_1, 2, 1, GPF_TIMEOUT },
        { at + GPF_PORT_PHASE_2, 2, 1, GPF_TIMEOUT },
    };

    pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
}

void cxl_dvsec_add_flex_bus(PciDevice *dev)
{
    unsigned at = cxl_dvsec_add(dev, DVSEC_FLEX_BUS, FLEX_BUS_REVISION, FLEX_BUS_SIZE);
    uint16_t what = FLEX_BUS_IO | FLEX_BUS_MEM | FLEX_BUS_68B_FLIT;

    pci_set_word(dev, at + FLEX_BUS_CAP, what);
    pci_set_word(dev, at + FLEX_BUS_CONTROL, FLEX_BUS_IO);
    pci_set_word(dev, at + FLEX_BUS_STATUS, what);
}

void cxl_dvsec_add_registers(PciDevice *dev, const uint8_t *kinds, const uint8_t *bars,
                             unsigned count)
{
    unsigned at = cxl_dvsec_add(dev, DVSEC_REGISTERS, 0, REGISTERS_FIRST + count * REGISTERS_BYTES);

    for (unsigned i = 0; i < count; i++) {
        pci_set_long(dev, at + REGISTERS_FIRST + i * REGISTERS_BYTES,
                     bars[i] | (uint32_t)kinds[i] << REGISTERS_KIND_SHIFT);
    }
}

void cxl_dvsec_add_serial(PciDevice *dev, uint64_t serial)
{
    enum { LOW = 4, HIGH = 8, SIZE = 12 };
    unsigned at = pci_add_extended(dev, PCIE_EXT_CAP_SERIAL, 1, SIZE);

    pci_set_long(dev, at + LOW, (uint32_t)serial);
    pci_set_long(dev, at + HIGH, serial >> 32);
}
