/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/iommu.h"

#include "hw/pci/pci-iommu.h"

#define TABLES    0x10000u
#define MAPPED    0x40000000u /* is in RAM, by Linux's tables */
#define MSI_FIRST 0xfee00000u

static PciDevice *device;

void iommu_populate(const char *unit)
{
    driver_add(unit);
    driver_add("pci-serial,addr=10"); /* any function */
    device = pci_root_bus()->devices[IOMMU_DEVFN];
}

void iommu_put(hwaddr at, uint64_t value, unsigned size)
{
    driver_access(&address_space_memory, at, value, size);
}

uint64_t iommu_page(unsigned n)
{
    return TABLES + n % 16 * IOMMU_PAGE;
}

uint64_t iommu_take_address(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0x80   ? MAPPED + (uint64_t)how % 4 * 0x800
           : how < 0xc0 ? fuzz_take(in, 3)
                        : fuzz_take(in, 8);
}

void iommu_step_dma(FuzzInput *in)
{
    static uint8_t buf[3 * IOMMU_PAGE];
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t addr = iommu_take_address(in), size = fuzz_take(in, 2) % sizeof(buf);
    DmaHold hold;

    if (how & 1 && dma_map(&device->dma, addr, size, how & 2, "fuzz", &hold)) {
        const DmaSpace memory = { .as = &address_space_memory };

        g_assert_true(hold.size && hold.size <= size);
        g_assert_true(dma_is_ram(&memory, hold.addr, hold.size));
        dma_unmap(&hold, how & 2 ? hold.size : 0);
    } else if (how & 4) {
        dma_write_ram(&device->dma, addr, buf, size);
    } else if (how & 8) {
        dma_read_ram(&device->dma, addr, buf, size);
    } else if (how & 16) {
        dma_host(&device->dma, addr, size, how & 32);
        dma_written(&device->dma, addr, size);
    } else {
        dma_is_ram(&device->dma, addr, size);
    }
}

void iommu_step_message(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t addr = MSI_FIRST | (fuzz_take(in, 2) << 2 & 0xfffff);

    device->config[PCI_COMMAND] |= PCI_COMMAND_MASTER;
    pci_send_msi(device, how & 1 ? fuzz_take(in, 8) : addr, (uint32_t)fuzz_take(in, 2));
}

void iommu_pin(Ioapic *ioapic, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), pin = how % IOAPIC_PINS;
    Irq irq = ioapic_irq(ioapic, pin);

    iommu_put(IOAPIC_BASE, 0x10 + 2 * pin, 4);
    iommu_put(IOAPIC_BASE + 0x10, (uint32_t)fuzz_take(in, 2), 4);
    iommu_put(IOAPIC_BASE, 0x11 + 2 * pin, 4);
    iommu_put(IOAPIC_BASE + 0x10, (uint32_t)fuzz_take(in, 2) << 16, 4);
    irq_set(&irq, how & 0x80 ? 1 : 0);
    irq_set(&irq, how & 0x40 ? 1 : 0);
}
