/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices: a hostile guest against everything but the CPU. It reads and writes 1 to 8 bytes at
 * ports and in memory, of a machine with flash, a debug console and some PCI functions, while DIMMs
 * come and go and time passes. Built for each board (FUZZ_BOARD), as a program has one machine.
 *
 * RAM, DIMMs, flash and the interrupt controllers stay where they are whatever the guest maps, PAM
 * registers mean what they say, and no access takes long.
 */
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"
#include "hw/block/pflash-cfi01.h"
#include "hw/char/isa-debugcon.h"
#include "hw/i386/cpu.h"
#include "hw/i386/firmware.h"
#include "hw/i386/q35.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "hw/pci/mch.h"
#include "memory/address-space.h"
#include "qapi/qapi-commands.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/pci-target.h"
#include "util/clock.h"
#include "util/keyval.h"

#define FOUR_GIB    (UINT64_C(1) << 32)
#define RAM_SIZE    0x100000u
#define FLASH_SIZE  0x4000u /* of each */
#define LOW_RAM     0xc0000u
#define PAM_SEGMENT 0x4000u
#define DESCRIPTOR  0x1000u /* of fw_cfg, in RAM */
#define ENDPOINTS   4
#define MOST_CPU    NS_PER_SEC /* for one access, sanitizers included */
#define ROOT_PORTS  2

static X86Machine *x86;
static PciDevice *endpoints[ENDPOINTS]; /* the last: NULL on a board without PCI Express */

/* ---- the machine ---- */

static void add_flash(Machine *machine)
{
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        g_autofree uint8_t *blank = g_malloc(FLASH_SIZE);
        int fd = memfd_create("flash", MFD_CLOEXEC);
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autoptr(GError) err = NULL;

        memset(blank, 0xff, FLASH_SIZE);
        g_assert_cmpint(pwrite(fd, blank, FLASH_SIZE, 0), ==, FLASH_SIZE);
        if (!firmware_add_flash(machine, i, path, i == 0, &err)) {
            g_error("%s", err->message);
        }
        close(fd);
    }
}

/* 00:02.0 a function; 00:05.0 a bridge with one and a bridge behind, which has another. */
static void add_conventional(PciBus *root)
{
    PciDevice *outer, *inner;

    endpoints[0] = pci_create(root, PCI_DEVFN(2, 0), TYPE_FUZZ_PCI);
    outer = pci_create(root, PCI_DEVFN(5, 0), TYPE_FUZZ_BRIDGE);
    endpoints[1] = pci_create(pci_secondary_bus(outer), PCI_DEVFN(0, 0), TYPE_FUZZ_PCI);
    inner = pci_create(pci_secondary_bus(outer), PCI_DEVFN(1, 0), TYPE_FUZZ_BRIDGE);
    endpoints[2] = pci_create(pci_secondary_bus(inner), PCI_DEVFN(0, 0), TYPE_FUZZ_PCI);
}

/* 00:03.0 a root port with a function, 00:03.1 one without. */
static void add_express(void)
{
    for (unsigned i = 0; i < ROOT_PORTS; i++) {
        g_autofree char *text = g_strdup_printf(
            "pcie-root-port,id=rp%u,addr=3.%u,chassis=%u,multifunction=on", i, i, i);
        struct json_object *props = keyval_parse(text, "driver", NULL);
        g_autoptr(GError) err = NULL;
        Device *port = device_add(props, &err);

        if (!port) {
            g_error("%s", err->message);
        }
        if (i == 0) {
            endpoints[3] =
                pci_create(pci_secondary_bus(PCI_DEVICE(port)), PCI_DEVFN(0, 0), TYPE_FUZZ_PCIE);
        }
        json_object_put(props);
    }
}

static void populate(Machine *machine)
{
    x86 = X86_MACHINE(machine);
    add_conventional(x86->host->bus);
    if (pci_bus_is_express(x86->host->bus)) {
        add_express();
    }
    isa_debugcon_create(fuzz_client_chardev(fuzz_client_new("debugcon")), NULL);
}

static MemoryRegion *flash_region(unsigned i)
{
    return pflash_cfi01_region(x86->parent.flash[i]);
}

/* What inputs leave behind in memory. */
static void blank_memory(uint8_t *ram)
{
    memset(ram, 0, RAM_SIZE);
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        memset(flash_region(i)->ram->host, 0xff, FLASH_SIZE);
    }
}

/* ---- accesses ---- */

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

/* One byte: 1, 2, 4 or 8 bytes (bits 0 and 1), or any number of them (bit 3; bits 4 to 6); bit 2:
 * write, which takes that many more. */
static void touch(FuzzInput *in, AddressSpace *as, hwaddr addr)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    int64_t start = cpu_ns();

    if (how & 8) {
        unsigned len = 1 + (how >> 4 & 7);
        uint64_t value = how & 4 ? fuzz_take(in, len) : 0;

        how & 4 ? address_space_write(as, addr, &value, len)
                : address_space_read(as, addr, &value, len);
    } else if (how & 4) {
        address_space_store(as, addr, fuzz_take(in, size), size);
    } else {
        address_space_load(as, addr, size);
    }
    g_assert_cmpint(cpu_ns() - start, <, MOST_CPU);
}

static void touch_port(FuzzInput *in, unsigned port)
{
    touch(in, &address_space_io, port);
}

static void touch_memory(FuzzInput *in, hwaddr addr)
{
    touch(in, &address_space_memory, addr);
}

static void step_port(FuzzInput *in)
{
    touch_port(in, (unsigned)fuzz_take(in, 2));
}

static void step_memory(FuzzInput *in)
{
    touch_memory(in, fuzz_take(in, 5));
}

/* 8259s and their edge registers, 8254, 8042, RTC, ports 0x61 and 0x92, serial, debug console. */
static void step_chip(FuzzInput *in)
{
    static const uint16_t ports[32] = {
        0x20,  0x21,  0xa0,  0xa1,  0x4d0, 0x4d1, 0x40,  0x41,  0x42, 0x43,  0x61,
        0x60,  0x64,  0x70,  0x71,  0x72,  0x73,  0x92,  0xe9,  0x80, 0x3f8, 0x3f9,
        0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0xcf9, 0xcf8, 0xb2, 0xb3,
    };

    touch_port(in, ports[fuzz_take(in, 1) % G_N_ELEMENTS(ports)]);
}

/* An index register, then the data that it selects. */
static void step_rtc(FuzzInput *in)
{
    address_space_store(&address_space_io, 0x70, fuzz_take(in, 1), 1);
    touch_port(in, 0x71);
}

static void step_pm(FuzzInput *in)
{
    touch_port(in, ACPI_PM_BASE + fuzz_take(in, 1) % ACPI_PM_SIZE_ICH9);
}

static void step_memhp(FuzzInput *in)
{
    touch_port(in, MEMHP_IO_BASE + fuzz_take(in, 1) % MEMHP_IO_SIZE);
}

static void step_gpe(FuzzInput *in)
{
    touch_port(in, ACPI_GPE0_PORT_PC + fuzz_take(in, 1) % ACPI_GPE0_LEN_PC);
}

static void step_apic(FuzzInput *in)
{
    unsigned where = (unsigned)fuzz_take(in, 2);

    fuzz_as_cpu(where >> 12);
    touch_memory(in, APIC_BASE + where % 0x1000);
    fuzz_as_cpu(0);
}

static void step_ioapic(FuzzInput *in)
{
    AddressSpace *as = &address_space_memory;

    address_space_store(as, IOAPIC_BASE, fuzz_take(in, 1), 4);
    touch_memory(in, IOAPIC_BASE + fuzz_take(in, 1) % 0x20);
}

static void step_hpet(FuzzInput *in)
{
    touch_memory(in, HPET_BASE + fuzz_take(in, 2) % HPET_SIZE);
}

/* Both, with what is below them. */
static void step_flash(FuzzInput *in)
{
    touch_memory(in, FOUR_GIB - 1 - fuzz_take(in, 2) % (MAX_FLASH * FLASH_SIZE + 8));
}

/* Areas of PAM registers and around. */
static void step_bios_area(FuzzInput *in)
{
    touch_memory(in, 0xa0000 + fuzz_take(in, 3) % 0x70000);
}

/* ---- fw_cfg ---- */

static void step_fw_cfg(FuzzInput *in)
{
    touch_port(in, FW_CFG_IO_BASE + fuzz_take(in, 1) % 12);
}

static void step_fw_cfg_select(FuzzInput *in)
{
    unsigned count;

    address_space_store(&address_space_io, FW_CFG_IO_BASE, fuzz_take(in, 2), 2);
    for (count = (unsigned)fuzz_take(in, 1); count; count--) {
        address_space_load(&address_space_io, FW_CFG_IO_BASE + 1, 1);
    }
}

static void store_be32(hwaddr addr, uint64_t value)
{
    address_space_store(&address_space_memory, addr, GUINT32_TO_BE((uint32_t)value), 4);
}

/* A descriptor: flags, selector, length and address of 1 to 8 bytes. */
static void step_fw_cfg_dma(FuzzInput *in)
{
    hwaddr at = DESCRIPTOR + fuzz_take(in, 1);
    uint64_t flags = fuzz_take(in, 1), selector = fuzz_take(in, 2), sizes = fuzz_take(in, 1);
    uint64_t length = fuzz_take(in, 1 + (sizes & 3)), addr = fuzz_take(in, 1 + (sizes >> 2 & 7));
    int64_t start = cpu_ns();

    store_be32(at, selector << 16 | flags);
    store_be32(at + 4, length);
    store_be32(at + 8, addr >> 32);
    store_be32(at + 12, addr);
    address_space_store(&address_space_io, FW_CFG_DMA_BASE + 4, GUINT32_TO_BE((uint32_t)at), 4);
    g_assert_cmpint(cpu_ns() - start, <, MOST_CPU);
}

/* ---- PCI ---- */

typedef struct PciPlace {
    uint8_t bus, devfn;
} PciPlace;

/* Where something is, once buses are numbered; bit 7: anywhere else. */
static PciPlace take_place(FuzzInput *in)
{
    static const PciPlace places[16] = {
        { 0, PCI_DEVFN(0, 0) },   { 0, PCI_DEVFN(1, 0) }, { 0, PCI_DEVFN(1, 3) },
        { 0, PCI_DEVFN(31, 0) },  { 0, PCI_DEVFN(2, 0) }, { 0, PCI_DEVFN(3, 0) },
        { 0, PCI_DEVFN(3, 1) },   { 0, PCI_DEVFN(5, 0) }, { 1, PCI_DEVFN(0, 0) },
        { 1, PCI_DEVFN(1, 0) },   { 2, PCI_DEVFN(0, 0) }, { 3, PCI_DEVFN(0, 0) },
        { 4, PCI_DEVFN(0, 0) },   { 0, PCI_DEVFN(0, 1) }, { 3, PCI_DEVFN(1, 0) },
        { 255, PCI_DEVFN(0, 0) },
    };
    unsigned n = (unsigned)fuzz_take(in, 1);
    uint64_t other;

    if (n & 0x80) {
        other = fuzz_take(in, 2);
        return (PciPlace){ other, other >> 8 };
    }
    return places[n % G_N_ELEMENTS(places)];
}

static void select_config(PciPlace at, unsigned offset)
{
    uint32_t address = 1u << 31 | at.bus << 16 | at.devfn << 8 | (offset & 0xfc);

    address_space_store(&address_space_io, 0xcf8, address, 4);
}

static void step_config(FuzzInput *in)
{
    PciPlace at = take_place(in);
    unsigned offset = (unsigned)fuzz_take(in, 1);

    select_config(at, offset);
    touch_port(in, 0xcfc + (offset & 3));
}

static void step_ecam(FuzzInput *in)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    PciPlace at = take_place(in);
    hwaddr base = MCH_ECAM_BASE;
    unsigned buses;

    if (ops->ecam) {
        ops->ecam(x86, &base, &buses);
    }
    touch_memory(in, base + (at.bus << 20 | at.devfn << 12) + fuzz_take(in, 2) % PCIE_CONFIG_SIZE);
}

/* What firmware writes, up to some line: numbers for buses, windows, BARs, and everything enabled.
 * What the board does not have drops its lines. */
static void step_firmware(FuzzInput *in)
{
    static const struct {
        PciPlace at;
        uint8_t offset, size;
        uint32_t value;
    } lines[] = {
        { { 0, PCI_DEVFN(0, 0) }, 0x60, 4, MCH_ECAM_BASE | 1 },
        { { 0, PCI_DEVFN(31, 0) }, 0x40, 4, ACPI_PM_BASE | 1 },
        { { 0, PCI_DEVFN(31, 0) }, 0x44, 1, 0x80 },
        { { 0, PCI_DEVFN(31, 0) }, 0xf0, 4, ICH9_RCBA_BASE | 1 },
        { { 0, PCI_DEVFN(31, 0) }, PIRQ_A, 4, 0x0b0b0a0a },
        { { 0, PCI_DEVFN(31, 0) }, PIRQ_E, 4, 0x0b0b0a0a },
        { { 0, PCI_DEVFN(1, 0) }, 0x60, 4, 0x0b0b0a0a },
        { { 0, PCI_DEVFN(5, 0) }, PCI_PRIMARY_BUS, 4, 0x00020100 },
        { { 0, PCI_DEVFN(5, 0) }, PCI_IO_BASE, 2, 0xd0c0 },
        { { 0, PCI_DEVFN(5, 0) }, PCI_MEMORY_BASE, 4, 0xe0f0e000 },
        { { 0, PCI_DEVFN(5, 0) }, PCI_PREF_BASE, 4, 0xf1f0f000 },
        { { 0, PCI_DEVFN(5, 0) }, PCI_COMMAND, 2, 7 },
        { { 1, PCI_DEVFN(1, 0) }, PCI_PRIMARY_BUS, 4, 0x00020201 },
        { { 1, PCI_DEVFN(1, 0) }, PCI_IO_BASE, 2, 0xd0d0 },
        { { 1, PCI_DEVFN(1, 0) }, PCI_MEMORY_BASE, 4, 0xe0f0e080 },
        { { 1, PCI_DEVFN(1, 0) }, PCI_PREF_BASE, 4, 0xf1f0f100 },
        { { 1, PCI_DEVFN(1, 0) }, PCI_COMMAND, 2, 7 },
        { { 0, PCI_DEVFN(3, 0) }, PCI_PRIMARY_BUS, 4, 0x00030300 },
        { { 0, PCI_DEVFN(3, 0) }, PCI_MEMORY_BASE, 4, 0xe1f0e100 },
        { { 0, PCI_DEVFN(3, 0) }, PCI_COMMAND, 2, 7 },
        { { 0, PCI_DEVFN(3, 1) }, PCI_PRIMARY_BUS, 4, 0x00040400 },
        { { 0, PCI_DEVFN(2, 0) }, PCI_BASE_ADDRESS_0, 4, 0xb000 },
        { { 0, PCI_DEVFN(2, 0) }, PCI_BASE_ADDRESS_0 + 4, 4, 0xe2000000 },
        { { 0, PCI_DEVFN(2, 0) }, PCI_BASE_ADDRESS_0 + 8, 4, 0xe3000000 },
        { { 0, PCI_DEVFN(2, 0) }, PCI_COMMAND, 2, 7 },
        { { 1, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0, 4, 0xc000 },
        { { 1, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0 + 4, 4, 0xe0000000 },
        { { 1, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0 + 8, 4, 0xf0000000 },
        { { 1, PCI_DEVFN(0, 0) }, PCI_COMMAND, 2, 7 },
        { { 2, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0, 4, 0xd000 },
        { { 2, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0 + 4, 4, 0xe0800000 },
        { { 2, PCI_DEVFN(0, 0) }, PCI_COMMAND, 2, 7 },
        { { 3, PCI_DEVFN(0, 0) }, PCI_BASE_ADDRESS_0 + 4, 4, 0xe1000000 },
        { { 3, PCI_DEVFN(0, 0) }, PCI_COMMAND, 2, 7 },
    };
    unsigned count = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < MIN(count, G_N_ELEMENTS(lines)); i++) {
        select_config(lines[i].at, lines[i].offset);
        address_space_store(&address_space_io, 0xcfc + (lines[i].offset & 3), lines[i].value,
                            lines[i].size);
    }
}

/* Where a BAR is, whether or not it can be seen there. */
static void step_bar(FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1), n = what >> 2 & 3;
    const PciDevice *dev = endpoints[what % ENDPOINTS];
    uint64_t addr = 0;

    if (!dev || !dev->bars[n].region) {
        return;
    }
    pci_bar_address(dev, n, &addr);
    addr += fuzz_take(in, 1);
    touch(in, dev->bars[n].flags & PCI_BAR_IO ? &address_space_io : &address_space_memory, addr);
}

static void step_pam(FuzzInput *in)
{
    bool express = pci_bus_is_express(x86->host->bus);
    unsigned offset = (express ? 0x90 : 0x59) + (unsigned)fuzz_take(in, 1) % PAM_REGISTERS;

    select_config((PciPlace){ 0, 0 }, offset);
    address_space_store(&address_space_io, 0xcfc + (offset & 3), fuzz_take(in, 1), 1);
}

static void step_serial_input(FuzzInput *in)
{
    uint8_t byte = (uint8_t)fuzz_take(in, 1);

    fuzz_client_send((FuzzClient *)x86->parent.serial[0], &byte, 1);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_port,
    step_memory,
    step_chip,
    step_rtc,
    step_pm,
    step_memhp,
    step_gpe,
    step_apic,
    step_ioapic,
    step_hpet,
    step_flash,
    step_bios_area,
    step_fw_cfg,
    step_fw_cfg_select,
    step_fw_cfg_dma,
    step_config,
    fuzz_step_cpu,
    step_ecam,
    step_firmware,
    step_bar,
    step_pam,
    step_serial_input,
    fuzz_step_slot,
    fuzz_step_plug,
    fuzz_step_unplug,
    fuzz_step_unplug_now,
    fuzz_step_time,
    fuzz_step_next_timer,
    fuzz_step_settle,
    fuzz_step_reset,
    fuzz_step_powerdown,
    fuzz_step_run,
};

/* ---- what holds after each input ---- */

static void check_view(AddressSpace *as)
{
    const FlatView *view = address_space_view(as);

    for (unsigned i = 1; i < view->count; i++) {
        const FlatRange *last = &view->ranges[i - 1];

        g_assert_cmphex(last->size, <=, view->ranges[i].addr - last->addr);
    }
}

static const FlatRange *range_at(hwaddr addr)
{
    const FlatRange *range = flat_view_find(address_space_view(&address_space_memory), addr);

    g_assert_nonnull(range);
    return range;
}

static void check_places(const uint8_t *ram)
{
    static const hwaddr chips[] = { APIC_BASE, IOAPIC_BASE, HPET_BASE };
    static const MemoryRegion *regions[G_N_ELEMENTS(chips)]; /* as they are at first */

    g_assert_true(address_space_host(&address_space_memory, 0, LOW_RAM) == ram);
    for (size_t i = 0; i < G_N_ELEMENTS(chips); i++) {
        const FlatRange *range = range_at(chips[i]);

        regions[i] = regions[i] ? regions[i] : range->mr;
        g_assert_true(range->mr == regions[i] && range->addr - range->offset == chips[i]);
    }
    for (unsigned i = 0; i < MAX_FLASH; i++) {
        const FlatRange *range = range_at(FOUR_GIB - (i + 1) * FLASH_SIZE);

        g_assert_true(range->mr == flash_region(i) && range->offset == 0);
    }
}

/* A segment reads as RAM if its bit says so. Each register but the first has two of 16 KiB. */
static void check_pam(uint8_t *ram)
{
    for (unsigned i = 0; i < (RAM_SIZE - LOW_RAM) / PAM_SEGMENT; i++) {
        hwaddr addr = LOW_RAM + i * PAM_SEGMENT;
        bool bios = i >= 12;
        uint8_t bits = x86->host->pam_registers[bios ? 0 : 1 + i / 2] >> (bios || i % 2 ? 4 : 0);
        uint8_t byte = ram[addr];

        ram[addr] = 0x5a;
        g_assert_true(!(bits & 1) || address_space_load(&address_space_memory, addr, 1) == 0x5a);
        address_space_store(&address_space_memory, addr, 0xa5, 1);
        g_assert_cmphex(ram[addr], ==, bits & 2 ? 0xa5 : 0x5a);
        ram[addr] = byte;
    }
}

/* What monitors tell of a guest's work, whatever it is. */
static void look(const Machine *machine)
{
    g_autoptr(GPtrArray) buses = qmp_query_pci(NULL), dimms = qmp_query_memory_devices(NULL);
    g_autoptr(GPtrArray) slots = qmp_query_acpi_ospm_status(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const X86Cpu *cpu;

    g_assert_true(buses && dimms && slots);
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        apic_describe(cpu->apic, text);
    }
    i8259_describe(x86->pic, text);
    ioapic_describe(x86->ioapic, text);
    g_assert_true(g_utf8_validate(text->str, (gssize)text->len, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { FUZZ_BOARD, "2", add_flash, populate };
    Machine *machine = fuzz_board(&board);
    static uint8_t *ram;

    ram = ram ? ram : address_space_host(&address_space_memory, 0, LOW_RAM);
    check_places(ram);
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    check_view(&address_space_memory);
    check_view(&address_space_io);
    check_places(ram);
    check_pam(ram);
    fuzz_check_dimms(machine);
    look(machine);
    fuzz_input_end();
    blank_memory(ram);
    return 0;
}
