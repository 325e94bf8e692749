/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-cap.h"

#include <string.h>

#include "hw/pci/pci-internal.h"
#include "hw/pci/pci-iommu.h"
#include "hw/pci/pcie-regs.h"

uint8_t pci_add_capability(PciDevice *dev, uint8_t id, uint8_t size)
{
    uint8_t at = dev->cap_end;

    g_assert(at + size <= PCI_CONFIG_SIZE);
    dev->config[at] = id;
    dev->config[at + 1] = dev->config[PCI_CAPABILITY_LIST];
    dev->config[PCI_CAPABILITY_LIST] = at;
    dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    dev->cap_end = MIN((at + size + 3) & ~3, PCI_CONFIG_SIZE - 4);
    return at;
}

unsigned pci_add_extended(PciDevice *dev, uint16_t id, uint8_t version, unsigned size)
{
    enum { NEXT_SHIFT = 20 };
    unsigned at = dev->ext_end ? dev->ext_end : PCI_CONFIG_SIZE;

    g_assert(dev->express_cap && at + size <= PCIE_CONFIG_SIZE);
    if (dev->ext_end) {
        pci_set_long(dev, dev->ext_last,
                     pci_get_long(dev, dev->ext_last) | (uint32_t)at << NEXT_SHIFT);
    }
    pci_set_long(dev, at, id | (uint32_t)version << PCIE_EXT_CAP_VERSION_SHIFT);
    dev->ext_last = (uint16_t)at;
    dev->ext_end = (uint16_t)((at + size + 3) & ~3u);
    return at;
}

void pci_drop_capabilities(PciDevice *dev, uint8_t first)
{
    unsigned end = dev->cap_end, size = end > first ? end - first : 0;

    while (dev->config[PCI_CAPABILITY_LIST] >= first) {
        dev->config[PCI_CAPABILITY_LIST] = dev->config[dev->config[PCI_CAPABILITY_LIST] + 1];
    }
    if (!dev->config[PCI_CAPABILITY_LIST]) {
        dev->config[PCI_STATUS] &= ~PCI_STATUS_CAP_LIST;
    }
    memset(dev->config + first, 0, size);
    memset(dev->wmask + first, 0, size);
    memset(dev->w1cmask + first, 0, size);
    dev->msi_cap = dev->msi_cap >= first ? 0 : dev->msi_cap;
    if (dev->express_cap >= first) { /* with it goes what is beyond the first 256 bytes */
        dev->express_cap = 0;
        memset(dev->config + PCI_CONFIG_SIZE, 0, PCIE_CONFIG_SIZE - PCI_CONFIG_SIZE);
        memset(dev->wmask + PCI_CONFIG_SIZE, 0, PCIE_CONFIG_SIZE - PCI_CONFIG_SIZE);
        memset(dev->w1cmask + PCI_CONFIG_SIZE, 0, PCIE_CONFIG_SIZE - PCI_CONFIG_SIZE);
        dev->ext_end = dev->ext_last = 0;
    }
    if (dev->msix_cap && dev->msix_cap >= first) {
        pci_drop_msix(dev);
    }
    dev->cap_end = first;
}

void pci_set_capability_registers(PciDevice *dev, uint8_t at, const PciRegister *regs,
                                  unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        PciRegister reg = regs[i];

        reg.offset += at;
        pci_set_registers(dev, &reg, 1);
    }
}

/* ---- MSI ---- */

enum {
    MSI_CONTROL = 2,
    MSI_ADDRESS = 4,
    MSI_DATA = 12, /* with 64-bit addresses, as those that follow; else 4 less */
    MSI_MASK = 16,
    MSI_PENDING = 20,
    MSI_SIZE = 24,
    MSI_SIZE_UNMASKED = 14,
};

enum {
    MSI_CONTROL_ENABLE = 1 << 0,
    MSI_CONTROL_CAPABLE_SHIFT = 1, /* log2 of the vectors */
    MSI_CONTROL_ENABLED_SHIFT = 4, /* log2 of those the guest took */
    MSI_CONTROL_ENABLED_MASK = 7,
    MSI_CONTROL_64BIT = 1 << 7,
    MSI_CONTROL_MASKABLE = 1 << 8,
};

static void add_msi(PciDevice *dev, unsigned vectors, bool masks)
{
    unsigned log2 = (unsigned)g_bit_nth_lsf(vectors, -1);
    const PciRegister regs[] = {
        { MSI_CONTROL, 2,
          MSI_CONTROL_64BIT | (masks ? MSI_CONTROL_MASKABLE : 0) |
              log2 << MSI_CONTROL_CAPABLE_SHIFT,
          MSI_CONTROL_ENABLE | MSI_CONTROL_ENABLED_MASK << MSI_CONTROL_ENABLED_SHIFT },
        { MSI_ADDRESS, 4, 0, 0xfffffffc },
        { MSI_ADDRESS + 4, 4, 0, 0xffffffff },
        { MSI_DATA, 2, 0, 0xffff },
        { MSI_MASK, 4, 0, UINT32_MAX >> (32 - vectors) },
    };

    g_assert(vectors <= 32 && vectors == 1u << log2);
    dev->msi_cap = pci_add_capability(dev, PCI_CAP_ID_MSI, masks ? MSI_SIZE : MSI_SIZE_UNMASKED);
    dev->msi_vectors = vectors;
    pci_set_capability_registers(dev, dev->msi_cap, regs, G_N_ELEMENTS(regs) - !masks);
}

void pci_add_msi(PciDevice *dev, unsigned vectors)
{
    add_msi(dev, vectors, true);
}

void pci_add_msi_unmasked(PciDevice *dev, unsigned vectors)
{
    add_msi(dev, vectors, false);
}

void pci_adopt_msi(PciDevice *dev, unsigned at)
{
    const uint16_t control = pci_get_word(dev, at + MSI_CONTROL);
    const unsigned log2 = MIN(control >> MSI_CONTROL_CAPABLE_SHIFT & 7u, 5u);
    const bool wide = control & MSI_CONTROL_64BIT, masks = control & MSI_CONTROL_MASKABLE;
    const unsigned back = wide ? 0 : 4;
    const PciRegister regs[] = {
        { MSI_CONTROL, 2,
          (control & (MSI_CONTROL_64BIT | MSI_CONTROL_MASKABLE)) | log2
                                                                       << MSI_CONTROL_CAPABLE_SHIFT,
          MSI_CONTROL_ENABLE | MSI_CONTROL_ENABLED_MASK << MSI_CONTROL_ENABLED_SHIFT },
        { MSI_ADDRESS, 4, 0, 0xfffffffc },
        { MSI_ADDRESS + 4, wide ? 4 : 0, 0, 0xffffffff },
        { MSI_DATA - back, 2, 0, 0xffff },
        { MSI_MASK - back, masks ? 4 : 0, 0, UINT32_MAX >> (32 - (1u << log2)) },
        { MSI_PENDING - back, masks ? 4 : 0, 0, 0 },
    };

    dev->msi_cap = (uint8_t)at;
    dev->msi_vectors = 1u << log2;
    pci_set_capability_registers(dev, (uint8_t)at, regs, G_N_ELEMENTS(regs));
}

static uint16_t msi_control(const PciDevice *dev)
{
    return pci_get_word(dev, dev->msi_cap + MSI_CONTROL);
}

/* Of a register behind the address. */
static unsigned msi_place(const PciDevice *dev, unsigned reg)
{
    return dev->msi_cap + reg - (msi_control(dev) & MSI_CONTROL_64BIT ? 0 : 4);
}

bool pci_msi_enabled(const PciDevice *dev)
{
    return dev->msi_cap && msi_control(dev) & MSI_CONTROL_ENABLE;
}

PciBus *pci_way_to_memory(const PciDevice *dev)
{
    return pci_get_word(dev, PCI_COMMAND) & PCI_COMMAND_MASTER ? pci_bus_root(pci_bus_of(dev))
                                                               : NULL;
}

bool pci_can_dma(const PciDevice *dev)
{
    return pci_way_to_memory(dev) != NULL;
}

unsigned pci_msi_enabled_vectors(const PciDevice *dev)
{
    unsigned log2 = msi_control(dev) >> MSI_CONTROL_ENABLED_SHIFT & MSI_CONTROL_ENABLED_MASK;

    return MIN(1u << log2, dev->msi_vectors);
}

static void msi_send(const PciDevice *dev, unsigned vector)
{
    uint8_t cap = dev->msi_cap;
    const bool wide = msi_control(dev) & MSI_CONTROL_64BIT;
    uint64_t addr = pci_get_long(dev, cap + MSI_ADDRESS) |
                    (wide ? (uint64_t)pci_get_long(dev, cap + MSI_ADDRESS + 4) << 32 : 0);
    unsigned enabled = pci_msi_enabled_vectors(dev);
    uint32_t data = pci_get_word(dev, msi_place(dev, MSI_DATA));

    pci_send_msi(dev, addr, (data & ~(enabled - 1)) | MIN(vector, enabled - 1));
}

void pci_msi_notify(PciDevice *dev, unsigned vector)
{
    unsigned pending = msi_place(dev, MSI_PENDING);
    uint32_t bit = 1u << vector;

    g_assert(vector < dev->msi_vectors);
    if (!pci_msi_enabled(dev)) {
        return;
    }
    if (msi_control(dev) & MSI_CONTROL_MASKABLE &&
        pci_get_long(dev, msi_place(dev, MSI_MASK)) & bit) {
        pci_set_long(dev, pending, pci_get_long(dev, pending) | bit);
    } else {
        msi_send(dev, vector);
    }
}

void pci_msi_written(PciDevice *dev, unsigned offset, unsigned size)
{
    unsigned pending_at;
    uint32_t pending, masked;

    if (!pci_msi_enabled(dev) || !(msi_control(dev) & MSI_CONTROL_MASKABLE) ||
        !pci_touches(offset, size, dev->msi_cap, MSI_SIZE)) {
        return;
    }
    pending_at = msi_place(dev, MSI_PENDING);
    pending = pci_get_long(dev, pending_at);
    masked = pci_get_long(dev, msi_place(dev, MSI_MASK));
    pci_set_long(dev, pending_at, pending & masked);
    for (unsigned vector = 0; vector < dev->msi_vectors; vector++) {
        if (pending & ~masked & 1u << vector) {
            msi_send(dev, vector);
        }
    }
}

/* ---- PCI Express ---- */

static const PciRegister express_registers[] = {
    { EXP_DEVICE_CAP, 4, EXP_DEVICE_CAP_ROLE_BASED },
    { EXP_DEVICE_CONTROL, 2, 0x2810, 0x78ff }, /* 512-byte reads, relaxed order, no snoop */
    { EXP_DEVICE_STATUS, 2, 0, 0, 0x000f },
};

static const PciRegister link_registers[] = {
    { EXP_LINK_CONTROL, 2, 0, 0x00c8 }, /* RCB, common clock, extended synch */
    { EXP_LINK_STATUS, 2, EXP_LINK_2_5_GT | EXP_LINK_X1 | EXP_LINK_STATUS_SLOT_CLOCK },
    { EXP_LINK_CAP_2, 4, 1 << 1 }, /* 2.5 GT/s */
    { EXP_LINK_CONTROL_2, 2, EXP_LINK_2_5_GT },
};

static const PciRegister reset_registers[] = {
    { EXP_DEVICE_CAP, 4, EXP_DEVICE_CAP_ROLE_BASED | EXP_DEVICE_CAP_RESET },
    { EXP_DEVICE_CONTROL, 2, 0x2810, 0x78ff | EXP_DEVICE_CONTROL_RESET },
};

static const PciRegister root_registers[] = {
    { EXP_ROOT_CONTROL, 2, 0, 0x000f }, /* system errors and PME interrupts */
};

void pci_add_express(PciDevice *dev, PcieType type, uint8_t port)
{
    bool has_slot = type == PCIE_ROOT_PORT || type == PCIE_DOWNSTREAM_PORT;
    uint8_t at = pci_add_capability(dev, PCI_CAP_ID_EXPRESS, EXP_SIZE);
    uint32_t link = EXP_LINK_2_5_GT | EXP_LINK_X1 | EXP_LINK_CAP_ASPM_COMPLIANCE |
                    (uint32_t)port << EXP_LINK_CAP_PORT_SHIFT;

    dev->express_cap = at;
    pci_set_word(dev, at + EXP_FLAGS,
                 EXP_FLAGS_VERSION | type << EXP_FLAGS_TYPE_SHIFT |
                     (has_slot ? EXP_FLAGS_SLOT : 0));
    pci_set_capability_registers(dev, at, express_registers, G_N_ELEMENTS(express_registers));
    if (type != PCIE_INTEGRATED_ENDPOINT) {
        pci_set_capability_registers(dev, at, link_registers, G_N_ELEMENTS(link_registers));
        pci_set_long(dev, at + EXP_LINK_CAP, link | (has_slot ? EXP_LINK_CAP_ACTIVE_REPORTING : 0));
    }
    if (type == PCIE_ENDPOINT) {
        pci_set_capability_registers(dev, at, reset_registers, G_N_ELEMENTS(reset_registers));
    }
    if (type == PCIE_ROOT_PORT) {
        pci_set_capability_registers(dev, at, root_registers, G_N_ELEMENTS(root_registers));
    }
}

bool pci_express_asks_reset(const PciDevice *dev, unsigned offset, unsigned size)
{
    unsigned at = dev->express_cap + EXP_DEVICE_CONTROL;

    return dev->express_cap && pci_touches(offset, size, at, 2) &&
           pci_get_word(dev, at) & EXP_DEVICE_CONTROL_RESET;
}

PcieType pci_express_type(const PciDevice *dev)
{
    return pci_get_word(dev, dev->express_cap + EXP_FLAGS) >> EXP_FLAGS_TYPE_SHIFT & EXP_FLAGS_TYPE;
}

void pci_add_ats(PciDevice *dev)
{
    unsigned at = pci_add_extended(dev, PCIE_EXT_CAP_ATS, 1, ATS_SIZE);
    const PciRegister regs[] = {
        { at + ATS_CAP, 2, ATS_CAP_PAGE_ALIGNED },
        { at + ATS_CONTROL, 2, 0, ATS_CONTROL_ENABLE | ATS_CONTROL_STU },
    };

    pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
}
