/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks and CD drives, on the IDE controller of pc and on an AHCI one: a driver that writes
 * anything to the registers of both, and has commands of a right shape carried out with anything in
 * them, by PIO, DMA and queues, from tables that may be wrong; while reads and writes fail, trays
 * move, and the machine stops, goes on and is reset. No access takes long.
 */
#include "hw/ide/piix3-ide.h"
#include "hw/pci/pci.h"
#include "qapi/qapi-commands.h"
#include "tests/fuzz/driver.h"

#define BM     0xc400u     /* ports of the bus master */
#define AHCI   0xe0000000u /* registers, of a function in the first slot of the driver's */
#define PORTS  3
#define LIST   0x10000u /* of the first port; each has 64 KiB */
#define FRAMES 0x400u
#define TABLES 0x1000u
#define TABLE  0x200u
#define DATA   0x60000u

/* Nothing of the host is asked. Of each pair one fails now and then, and stops the machine. */
static void populate(Machine *machine)
{
    static const char *const drives[] = { "ide-hd,bus=ide.0,unit=0",
                                          "ide-cd,bus=ide.0,unit=1,id=cd0", "ide-hd,bus=a.0",
                                          "ide-cd,bus=a.1,id=cd1", "ide-hd,bus=a.2" };

    driver_add("ahci,id=a,addr=10");
    for (unsigned i = 0; i < G_N_ELEMENTS(drives); i++) {
        g_autofree char *node = g_strdup_printf(
            i == 3 || i == 4
                ? "blkdebug,node-name=n%u,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
                  "inject-error.0.event=read_aio,inject-error.0.sector=3,"
                  "inject-error.1.event=write_aio,inject-error.1.sector=5"
                : "null-co,node-name=n%u,size=1M,read-zeroes=on",
            i);
        g_autofree char *text = g_strdup_printf("%s,drive=n%u%s", drives[i], i,
                                                i == 4 ? ",rerror=stop,werror=stop" : "");

        driver_add_node(node);
        driver_add(text);
    }
}

/* ---- accesses ---- */

static void out(uint16_t port, uint32_t value, unsigned size)
{
    driver_access(&address_space_io, port, value, size);
}

static void set_port(unsigned port, unsigned offset, uint32_t value)
{
    driver_access(&address_space_memory, AHCI + 0x100 + 0x80 * port + offset, value, 4);
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

/* ---- steps ---- */

static uint32_t list_of(unsigned port)
{
    return LIST + 0x10000 * port;
}

/* As drivers do it. */
static void step_start(FuzzInput *in)
{
    pci_config_write(pci_root_bus(), 0, PIIX3_IDE_DEVFN, 0x20, BM, 4);
    pci_config_write(pci_root_bus(), 0, PIIX3_IDE_DEVFN, PCI_COMMAND, 5, 2);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 20, AHCI, 4);
    driver_config_write(0, PCI_COMMAND, 7, 2);
    driver_access(&address_space_memory, AHCI + 4, 0x80000002, 4);
    for (unsigned port = 0; port < PORTS; port++) {
        set_port(port, 0x00, list_of(port));
        set_port(port, 0x08, list_of(port) + FRAMES);
        set_port(port, 0x14, UINT32_MAX);
        set_port(port, 0x18, 0x10);
        set_port(port, 0x18, 0x11);
    }
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    hwaddr at = AHCI + fuzz_take(in, 2) % 0x400;

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_port(FuzzInput *in)
{
    static const uint16_t bases[] = { 0x1f0, 0x3f6, BM, BM };
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;
    uint16_t at = (uint16_t)(bases[how >> 2 & 3] + fuzz_take(in, 1) % 8);

    if (how & 0x80) {
        out(at, (uint32_t)fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_io, at, size);
    }
}

/* Entries of a table of addresses, in the format of either controller. */
static unsigned take_table(FuzzInput *in, hwaddr at, bool ahci)
{
    unsigned count = (unsigned)fuzz_take(in, 1) % 8;

    for (unsigned i = 0; i < count; i++) {
        unsigned how = (unsigned)fuzz_take(in, 1);
        uint32_t addr = how & 0x80 ? (uint32_t)fuzz_take(in, 4) : DATA + 0x800 * (how & 31);
        uint32_t bytes = (uint32_t)fuzz_take(in, 2);

        if (ahci) {
            put(at + 16 * i, addr, 8);
            put(at + 16 * i + 12, bytes, 4);
        } else {
            put(at + 8 * i, addr, 4);
            put(at + 8 * i + 4, bytes | (i + 1 == count ? 1u << 31 : 0), 4);
        }
    }
    return count;
}

static void step_data(FuzzInput *in)
{
    hwaddr at = DATA + fuzz_take(in, 2) % 0x10000;

    for (unsigned n = 1 + (unsigned)fuzz_take(in, 1) % 16; n; n--) {
        put(at++, fuzz_take(in, 1), 1);
    }
}

static const uint8_t codes[] = { 0x20, 0x30, 0xc4, 0xc5, 0x25, 0x35, 0x60, 0x61,
                                 0x06, 0xa0, 0xa0, 0xa1, 0xec, 0xea, 0x2f, 0xef };

static uint8_t take_code(FuzzInput *in)
{
    uint8_t which = (uint8_t)fuzz_take(in, 1);

    return which & 0x80 ? (uint8_t)fuzz_take(in, 1) : codes[which % sizeof(codes)];
}

/* A command in a slot of a port, which is issued, perhaps along with others. */
static void step_command(FuzzInput *in)
{
    unsigned where = (unsigned)fuzz_take(in, 1), port = where % 4 % PORTS, slot = where >> 2 & 7;
    uint8_t code = take_code(in), flags = (uint8_t)fuzz_take(in, 1);
    bool queued = code == 0x60 || code == 0x61;
    uint16_t count = (uint16_t)fuzz_take(in, 1);
    hwaddr table = list_of(port) + TABLES + TABLE * slot, header = list_of(port) + 32 * slot;
    unsigned entries;

    put(table, 0x8027 | code << 16 | (uint32_t)(queued ? count : fuzz_take(in, 1)) << 24, 4);
    put(table + 4, fuzz_take(in, 3) | 0x40000000, 4);
    put(table + 8, 0, 4);
    put(table + 12, queued && !(flags & 0x80) ? slot << 3 : count, 4);
    for (unsigned i = 0; code == 0xa0 && i < 12; i++) {
        put(table + 0x40 + i, fuzz_take(in, 1), 1);
    }
    entries = take_table(in, table + 0x80, true);
    put(header, entries << 16 | (flags & 0x60) | 5, 4);
    put(header + 8, table, 8);
    set_port(port, 0x34, queued ? 1u << slot : 0);
    if (!(where & 0x80)) {
        set_port(port, 0x38, flags & 1 ? 0xff : 1u << slot);
    }
}

/* One by ports. */
static void step_ide(FuzzInput *in)
{
    uint8_t how = (uint8_t)fuzz_take(in, 1), code = take_code(in);
    unsigned data;

    take_table(in, DATA - 0x1000, false);
    out(BM + 4, DATA - 0x1000, 4);
    out(0x1f6, 0x40 | (how & 1) << 4, 1);
    for (uint16_t reg = 0x1f1; reg < 0x1f6; reg++) {
        out(reg, (uint32_t)fuzz_take(in, 1), 1);
    }
    out(0x1f7, code, 1);
    for (unsigned i = 0; code == 0xa0 && i < 12; i += 2) {
        out(0x1f0, (uint32_t)fuzz_take(in, 2), 2);
    }
    if (how & 2) {
        out(BM, how & 4 ? 9 : 1, 1);
    }
    for (data = (unsigned)fuzz_take(in, 1) * 4; data; data--) {
        if (how & 8) {
            out(0x1f0, data, 4);
        } else {
            address_space_load(&address_space_io, 0x1f0, 2);
        }
    }
}

static void step_recover(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), port = how % 4 % PORTS;

    if (how & 0x10) {
        set_port(port, 0x2c, 1);
        set_port(port, 0x2c, 0);
    }
    set_port(port, 0x18, 0x10);
    set_port(port, 0x30, UINT32_MAX);
    set_port(port, 0x10, UINT32_MAX);
    set_port(port, 0x18, how & 0x20 ? 0 : 0x11);
    driver_access(&address_space_memory, AHCI + 8, UINT32_MAX, 4);
}

static void step_tray(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    const char *id = how & 1 ? "cd1" : "cd0";
    g_autoptr(GError) err = NULL;

    if (how & 2) {
        qmp_blockdev_open_tray(NULL, id, true, how & 4, &err);
    } else {
        qmp_blockdev_close_tray(NULL, id, &err);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,    step_register,   step_port,        step_data,      step_command, step_ide,
    step_recover,  step_tray,       step_command,     step_command,   step_ide,     step_register,
    fuzz_step_run, fuzz_step_reset, fuzz_step_settle, fuzz_step_time, step_start,   step_command,
    step_ide,      step_recover,    step_port,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
