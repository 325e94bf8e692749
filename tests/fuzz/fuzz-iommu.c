/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intel-iommu: a guest that writes anything to its registers, tables and queue, while a function
 * reads, writes and maps memory and sends messages, and pins of the I/O APIC rise; and the domains
 * of virtio-iommu: any request, saved, damaged and loaded. What a function reaches is memory, and
 * what is held is given back. No access takes long.
 */
#include <string.h>

#include "hw/iommu/vtd.h"
#include "hw/virtio/virtio-iommu-domains.h"
#include "tests/fuzz/iommu.h"

enum { ROOT, CONTEXTS, LEVEL3, LEVEL2, LEVEL1, QUEUE, REMAP };

static Vtd *unit;
static ViommuDomains *domains;

static void populate(Machine *machine)
{
    iommu_populate("intel-iommu,device-iotlb=on");
    unit = VTD(object_find_type(TYPE_INTEL_IOMMU));
}

/* A table with flags, or anything. */
static uint64_t take_entry(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xc0 ? iommu_page(how) | fuzz_take(in, 1) : fuzz_take(in, how < 0xe0 ? 4 : 8);
}

/* As Linux has them; what is at 0x40000000 is in RAM. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    iommu_put(iommu_page(ROOT), iommu_page(CONTEXTS) | 1, 8);
    iommu_put(iommu_page(CONTEXTS) + IOMMU_DEVFN * 16, iommu_page(LEVEL3) | 1 | (how & 3) << 2, 8);
    iommu_put(iommu_page(CONTEXTS) + IOMMU_DEVFN * 16 + 8, 0x101, 8);
    iommu_put(iommu_page(LEVEL3) + 8, iommu_page(LEVEL2) | 3, 8);
    iommu_put(iommu_page(LEVEL2), iommu_page(LEVEL1) | 3, 8);
    iommu_put(iommu_page(LEVEL1), 0x40003, 8);
    iommu_put(VTD_BASE + VTD_RTADDR, iommu_page(ROOT), 8);
    iommu_put(VTD_BASE + VTD_IQA, iommu_page(QUEUE), 8);
    iommu_put(VTD_BASE + VTD_IRTA, iommu_page(REMAP) | 7 | (how & 0x10 ? VTD_IRTA_EIM : 0), 8);
    iommu_put(VTD_BASE + VTD_FECTL, how & 0x20 ? VTD_EVENT_MASKED : 0, 4);
    iommu_put(VTD_BASE + VTD_GCMD, VTD_ROOT_TABLE, 4);
    iommu_put(VTD_BASE + VTD_GCMD, VTD_REMAP_TABLE, 4);
    iommu_put(VTD_BASE + VTD_GCMD,
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
        iommu_put(VTD_BASE + offset, how & 4 ? take_entry(in) : fuzz_take(in, size), size);
    }
}

static void step_table(FuzzInput *in)
{
    uint64_t at = iommu_page((unsigned)fuzz_take(in, 1)) + fuzz_take(in, 2) % IOMMU_PAGE / 8 * 8;

    iommu_put(at, take_entry(in), 8);
}

static void step_queue(FuzzInput *in)
{
    unsigned tail = *vtd_reg(unit, VTD_IQT) % IOMMU_PAGE;

    iommu_put(iommu_page(QUEUE) + tail, fuzz_take(in, 8), 8);
    iommu_put(iommu_page(QUEUE) + tail + 8, take_entry(in), 8);
    iommu_put(VTD_BASE + VTD_IQT, (tail + VTD_DESC_SIZE) % IOMMU_PAGE, 4);
}

static void step_pin(FuzzInput *in)
{
    iommu_pin(unit->ioapic, in);
}

/* ---- virtio-iommu ---- */

static void step_request(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t domain = how >> 3 & 3;
    uint16_t endpoint = how >> 5 & 3;
    uint64_t start = fuzz_take(in, 1) * IOMMU_PAGE,
             end = start + fuzz_take(in, 1) * IOMMU_PAGE + IOMMU_PAGE - 1;
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
        viommu_map(domains, domain, start, end, fuzz_take(in, 1) * IOMMU_PAGE, how >> 6);
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
    step_start,         step_register,  step_table,    step_queue,         iommu_step_dma,
    iommu_step_message, step_pin,       step_request,  step_save,          iommu_step_dma,
    step_request,       step_table,     step_request,  fuzz_step_reset,    fuzz_step_settle,
    step_register,      iommu_step_dma, step_queue,    iommu_step_message, step_request,
    step_start,         iommu_step_dma, fuzz_step_cpu,
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
