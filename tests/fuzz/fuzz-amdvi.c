/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * amd-iommu: a guest that writes anything to its registers, tables and ring of commands, while a
 * function reads, writes and maps memory and sends messages, and pins of the I/O APIC rise. What a
 * function reaches is memory, and what is held is given back. No access takes long.
 */
#include "hw/iommu/amdvi.h"
#include "tests/fuzz/iommu.h"

/* The entries of all functions up to the I/O APIC's have two pages. */
enum { DEVICES, LEVEL3 = 2, LEVEL2, LEVEL1, COMMANDS, EVENTS, REMAP };

static Amdvi *unit;

static void populate(Machine *machine)
{
    iommu_populate("amd-iommu,device-iotlb=on");
    unit = AMDVI(object_find_type(TYPE_AMD_IOMMU));
}

/* A table at a level, or a page of a size, with all rights; or anything. */
static uint64_t take_entry(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t rights = AMDVI_PRESENT | AMDVI_READ_OK | AMDVI_WRITE_OK;

    return how < 0xa0   ? iommu_page(how) | rights | (uint64_t)(how >> 4 & 7) << AMDVI_PTE_NEXT
           : how < 0xc0 ? fuzz_take(in, 8) | rights
                        : fuzz_take(in, how < 0xe0 ? 4 : 8);
}

/* As Linux has them; what is at 0x40000000 is in RAM. */
static void step_start(FuzzInput *in)
{
    const uint64_t rights = AMDVI_READ_OK | AMDVI_WRITE_OK;
    unsigned how = (unsigned)fuzz_take(in, 1);
    hwaddr entry = iommu_page(DEVICES) + IOMMU_DEVFN * AMDVI_DTE_SIZE;

    iommu_put(entry,
              iommu_page(LEVEL3) | rights | 3 << AMDVI_DTE_LEVELS | AMDVI_DTE_VALID |
                  AMDVI_DTE_TRANSL,
              8);
    iommu_put(entry + 8, 5 | (how & 1 ? AMDVI_DTE_QUIET : 0), 8);
    for (unsigned n = 0; n < 2; n++) {
        unsigned source = n ? AMDVI_IOAPIC_ID : IOMMU_DEVFN;

        iommu_put(iommu_page(DEVICES) + source * AMDVI_DTE_SIZE + 16,
                  iommu_page(REMAP) | AMDVI_DTE_INTERRUPTS | 11 << AMDVI_DTE_LENGTH |
                      (uint64_t)(how >> 1 & 3) << AMDVI_DTE_CONTROL,
                  8);
    }
    iommu_put(iommu_page(LEVEL3) + 8,
              iommu_page(LEVEL2) | rights | AMDVI_PRESENT | 2 << AMDVI_PTE_NEXT, 8);
    iommu_put(iommu_page(LEVEL2), iommu_page(LEVEL1) | rights | AMDVI_PRESENT | 1 << AMDVI_PTE_NEXT,
              8);
    iommu_put(iommu_page(LEVEL1), 0x40000 | rights | AMDVI_PRESENT, 8);
    iommu_put(AMDVI_BASE + AMDVI_DEVICE_TABLE, iommu_page(DEVICES) | (how & 8 ? 1 : 0), 8);
    iommu_put(AMDVI_BASE + AMDVI_COMMAND_BASE, iommu_page(COMMANDS) | 8ull << AMDVI_LENGTH_SHIFT,
              8);
    iommu_put(AMDVI_BASE + AMDVI_EVENT_BASE, iommu_page(EVENTS) | 8ull << AMDVI_LENGTH_SHIFT, 8);
    iommu_put(AMDVI_BASE + AMDVI_CONTROL,
              AMDVI_ENABLED | AMDVI_EVENT_LOG | AMDVI_COMMANDS |
                  (how & 16 ? AMDVI_EVENT_INTERRUPT : 0) | (how & 32 ? AMDVI_WAIT_INTERRUPT : 0) |
                  (how & 64 ? AMDVI_WIDE_INTERRUPTS : 0),
              8);
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = how & 1 ? 8 : 4;
    unsigned offset = (how & 8 ? AMDVI_HIGH : 0) + (unsigned)fuzz_take(in, 1) * 4 % 0x48;

    if (how & 2) {
        address_space_load(&address_space_memory, AMDVI_BASE + offset, size);
    } else {
        iommu_put(AMDVI_BASE + offset, how & 4 ? take_entry(in) : fuzz_take(in, size), size);
    }
}

static void step_table(FuzzInput *in)
{
    uint64_t at = iommu_page((unsigned)fuzz_take(in, 1)) + fuzz_take(in, 2) % IOMMU_PAGE / 8 * 8;

    iommu_put(at, take_entry(in), 8);
}

static void step_command(FuzzInput *in)
{
    uint64_t tail = *amdvi_reg(unit, AMDVI_COMMAND_TAIL) % IOMMU_PAGE;
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t code = (uint64_t)(how & 15) << AMDVI_CODE_SHIFT;

    iommu_put(iommu_page(COMMANDS) + tail, code | (how & 16 ? IOMMU_DEVFN : fuzz_take(in, 7) >> 4),
              8);
    iommu_put(iommu_page(COMMANDS) + tail + 8, take_entry(in), 8);
    iommu_put(AMDVI_BASE + AMDVI_COMMAND_TAIL, (tail + AMDVI_RING_ENTRY) % IOMMU_PAGE, 8);
}

/* The unit's own messages: on, and to anywhere. */
static void step_own_message(FuzzInput *in)
{
    PciBus *bus = unit->root_bus;
    uint8_t at = unit->function->devfn;
    uint8_t cap = unit->function->msi_cap;

    pci_config_write(bus, 0, at, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    pci_config_write(bus, 0, at, cap + 4, (uint32_t)iommu_take_address(in), 4);
    pci_config_write(bus, 0, at, cap + 2, 1, 2);
}

static void step_pin(FuzzInput *in)
{
    iommu_pin(unit->ioapic, in);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,         step_register,    step_table,       step_command,    iommu_step_dma,
    iommu_step_message, step_pin,         step_own_message, step_command,    iommu_step_dma,
    step_table,         step_command,     iommu_step_dma,   fuzz_step_reset, fuzz_step_settle,
    step_table,         step_register,    iommu_step_dma,   step_command,    iommu_step_message,
    step_start,         step_own_message, fuzz_step_cpu,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "q35", .cpu_count = "1", .populate = populate };

    fuzz_board(&board);
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    fuzz_input_end();
    return 0;
}
