/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intel-iommu: a guest that writes anything to its registers, tables and queue, while a function
 * reads, writes and maps memory and sends messages, and pins of the I/O APIC rise; and the domains
 * of virtio-iommu: any request, saved, damaged and loaded. What a function reaches is memory, and
 * what is held is given back. No access takes long.
 */
#include <string.h>

#include "hw/intc/ioapic.h"
#include "hw/iommu/vtd.h"
#include "hw/virtio/virtio-iommu-domains.h"
#include "tests/fuzz/driver.h"

#define TABLES 0x10000u /* 16 pages of RAM: root, contexts, levels, queue */
#define PAGE   0x1000u
#define DEVFN  (DRIVER_FIRST << 3)

enum { ROOT, CONTEXTS, LEVEL3, LEVEL2, LEVEL1, QUEUE, REMAP };

static PciDevice *device;
static Vtd *unit;
static ViommuDomains *domains;

static void populate(Machine *machine)
{
    driver_add("intel-iommu,device-iotlb=on");
    driver_add("pci-serial,addr=10"); /* any function */
    device = pci_root_bus()->devices[DEVFN];
    unit = VTD(object_find_type(TYPE_INTEL_IOMMU));
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    driver_access(&address_space_memory, at, value, size);
}

static uint64_t page(unsigned n)
{
    return TABLES + n % 16 * PAGE;
}

/* A table with flags, or anything. */
static uint64_t take_entry(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xc0 ? page(how) | fuzz_take(in, 1) : fuzz_take(in, how < 0xe0 ? 4 : 8);
}

/* As Linux has them; what is at 0x40000000 is in RAM. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    put(page(ROOT), page(CONTEXTS) | 1, 8);
    put(page(CONTEXTS) + DEVFN * 16, page(LEVEL3) | 1 | (how & 3) << 2, 8);
    put(page(CONTEXTS) + DEVFN * 16 + 8, 0x101, 8);
    put(page(LEVEL3) + 8, page(LEVEL2) | 3, 8);
    put(page(LEVEL2), page(LEVEL1) | 3, 8);
    put(page(LEVEL1), 0x40003, 8);
    put(VTD_BASE + VTD_RTADDR, page(ROOT), 8);
    put(VTD_BASE + VTD_IQA, page(QUEUE), 8);
    put(VTD_BASE + VTD_IRTA, page(REMAP) | 7 | (how & 0x10 ? VTD_IRTA_EIM : 0), 8);
    put(VTD_BASE + VTD_FECTL, how & 0x20 ? VTD_EVENT_MASKED : 0, 4);
    put(VTD_BASE + VTD_GCMD, VTD_ROOT_TABLE, 4);
    put(VTD_BASE + VTD_GCMD, VTD_REMAP_TABLE, 4);
    put(VTD_BASE + VTD_GCMD,
        VTD_TRANSLATION | VTD_QUEUE | (how & 0x40 ? VTD_REMAPPING : 0) |
            (how & 0x80 ? VTD_COMPATIBLE : 0),
        4);
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = how & 1 ? 8 : 4;
    unsigned offset = (unsigned)fuzz_take(in, 1) * 4 % VTD_SIZE;

    if (how & 2) {
        address_space_load(&address_space_memory, VTD_BASE + offset, size);
    } else {
        put(VTD_BASE + offset, how & 4 ? take_entry(in) : fuzz_take(in, size), size);
    }
}

static void step_table(FuzzInput *in)
{
    uint64_t at = page((unsigned)fuzz_take(in, 1)) + fuzz_take(in, 2) % PAGE / 8 * 8;

    put(at, take_entry(in), 8);
}

static void step_queue(FuzzInput *in)
{
    unsigned tail = *vtd_reg(unit, VTD_IQT) % PAGE;

    put(page(QUEUE) + tail, fuzz_take(in, 8), 8);
    put(page(QUEUE) + tail + 8, take_entry(in), 8);
    put(VTD_BASE + VTD_IQT, (tail + VTD_DESC_SIZE) % PAGE, 4);
}

static uint64_t take_address(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0x80   ? 0x40000000 + (uint64_t)how % 4 * 0x800
           : how < 0xc0 ? fuzz_take(in, 3)
                        : fuzz_take(in, 8);
}

/* What is reached is RAM. */
static void step_dma(FuzzInput *in)
{
    static uint8_t buf[3 * PAGE];
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t addr = take_address(in), size = fuzz_take(in, 2) % sizeof(buf);
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

static void step_message(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t addr = VTD_MSI_FIRST | (fuzz_take(in, 2) << 2 & 0xfffff);

    device->config[PCI_COMMAND] |= PCI_COMMAND_MASTER;
    pci_send_msi(device, how & 1 ? fuzz_take(in, 8) : addr, (uint32_t)fuzz_take(in, 2));
}

static void step_pin(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), pin = how % IOAPIC_PINS;
    Irq irq = ioapic_irq(unit->ioapic, pin);

    put(IOAPIC_BASE, 0x10 + 2 * pin, 4);
    put(IOAPIC_BASE + 0x10, (uint32_t)fuzz_take(in, 2), 4);
    put(IOAPIC_BASE, 0x11 + 2 * pin, 4);
    put(IOAPIC_BASE + 0x10, (uint32_t)fuzz_take(in, 2) << 16, 4);
    irq_set(&irq, how & 0x80 ? 1 : 0);
    irq_set(&irq, how & 0x40 ? 1 : 0);
}

/* ---- virtio-iommu ---- */

static void step_request(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t domain = how >> 3 & 3;
    uint16_t endpoint = how >> 5 & 3;
    uint64_t start = fuzz_take(in, 1) * PAGE, end = start + fuzz_take(in, 1) * PAGE + PAGE - 1;
    uint64_t to = 0, size = 0;

    switch (how & 7) {
    case 0:
    case 1:
        viommu_attach(domains, domain, endpoint, how & 1 && how & 0x80);
        break;
    case 2:
        viommu_detach(domains, domain, endpoint);
        break;
    case 3:
        viommu_unmap(domains, domain, start, how & 0x80 ? fuzz_take(in, 8) : end);
        break;
    case 4:
        viommu_map(domains, domain, fuzz_take(in, 8), fuzz_take(in, 8), fuzz_take(in, 8),
                   (uint32_t)fuzz_take(in, 1));
        break;
    case 5:
        if (viommu_find(domains, endpoint, start + fuzz_take(in, 1), how & 0x80, &to, &size) ==
            VIOMMU_MAPPED) {
            g_assert_true(size && to + (size - 1) >= to);
        }
        break;
    default:
        viommu_map(domains, domain, start, end, fuzz_take(in, 1) * PAGE, how >> 6);
    }
}

/* What was saved is loaded as it was; what is damaged is loaded or refused. */
static void step_save(FuzzInput *in)
{
    g_autoptr(GBytes) bytes = viommu_save(domains);
    size_t size, at = fuzz_take(in, 2);
    g_autofree uint8_t *data = g_memdup2(g_bytes_get_data(bytes, &size), g_bytes_get_size(bytes));
    ViommuDomains *other = viommu_domains_new();

    g_assert_true(viommu_load(other, bytes));
    g_autoptr(GBytes) again = viommu_save(other);
    g_assert_true(g_bytes_equal(bytes, again));
    viommu_domains_free(other);
    if (size) {
        data[at % size] ^= (uint8_t)(fuzz_take(in, 1) | 1);
        g_autoptr(GBytes) damaged = g_bytes_new(data, size);

        other = viommu_domains_new();
        viommu_load(other, damaged);
        viommu_domains_free(domains);
        domains = other;
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,   step_register,   step_table,       step_queue,    step_dma,      step_message,
    step_pin,     step_request,    step_save,        step_dma,      step_request,  step_table,
    step_request, fuzz_step_reset, fuzz_step_settle, step_register, step_dma,      step_queue,
    step_message, step_request,    step_start,       step_dma,      fuzz_step_cpu,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "q35", .cpu_count = "1", .populate = populate };

    fuzz_board(&board);
    fuzz_input_begin();
    domains = viommu_domains_new();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    viommu_domains_free(domains);
    fuzz_input_end();
    return 0;
}
