/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SD cards and SMBus: a driver that gives two SD host controllers, one with a card, commands in a
 * right order or in any, and lists of data with anything in them, by the port, SDMA and ADMA2; and
 * one that writes anything to the registers of both kinds of SMBus controllers; while time passes,
 * and the machine stops, goes on and is reset. No access takes long.
 */
#include "hw/i2c/spd.h"
#include "hw/pci/ich9-smb.h"
#include "hw/pci/piix.h"
#include "hw/sd/sdhci.h"
#include "tests/fuzz/driver.h"

#define TABLE     0x10000u
#define ICH9_BASE 0xb200u

enum { CARD_ADDRESS = 0x4567, TABLE_LINES = 8 };

static uint32_t registers(unsigned n)
{
    return 0xe0000000u + n * 0x1000u;
}

static void populate(Machine *machine)
{
    driver_add_node("null-co,node-name=d,size=1048576");
    driver_add("sdhci-pci,addr=10");
    driver_add("sdhci-pci,addr=11,sd-spec-version=3");
    driver_add("sd-card,drive=d,bus=sd-bus");
    spd_create(ich9_smb_create(pci_root_bus()), 512 << 20);
}

static void set(unsigned n, unsigned offset, uint32_t value, unsigned size)
{
    driver_access(&address_space_memory, registers(n) + offset, value, size);
}

static void command(unsigned n, unsigned index, uint32_t argument, unsigned kind, unsigned mode)
{
    set(n, SDHCI_ARGUMENT, argument, 4);
    set(n, SDHCI_TRANSFER_MODE, mode | (index << 8 | kind) << 16, 4);
}

/* ---- SD ---- */

/* As drivers do it, up to a number of commands. */
static void step_start(FuzzInput *in)
{
    static const struct {
        uint8_t index, kind;
        uint32_t argument;
    } way[] = { { 0, 0, 0 },
                { 8, 2, 0x1aa },
                { 55, 2, 0 },
                { 41, 2, 0x40ff8000 },
                { 2, 1, 0 },
                { 3, 2, 0 },
                { 9, 1, CARD_ADDRESS << 16 },
                { 7, 3, CARD_ADDRESS << 16 } };
    const unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;
    const unsigned count = how & 0x80 ? how >> 1 & 7 : G_N_ELEMENTS(way);

    driver_config_write(n, PCI_BASE_ADDRESS_0, registers(n), 4);
    driver_config_write(n, PCI_COMMAND, 6, 2);
    set(n, SDHCI_RESET, 1, 1);
    set(n, SDHCI_POWER, 0xf, 1);
    set(n, SDHCI_CLOCK, 5, 2);
    set(n, SDHCI_STATUS_ENABLE, 0x03ff01ff, 4);
    set(n, SDHCI_STATUS_SIGNAL, how & 0x40 ? 0x03ff01ff : 0, 4);
    for (unsigned i = 0; i < count; i++) {
        command(n, way[i].index, way[i].argument, way[i].kind, 0);
    }
}

static void step_register(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 1 & 3) % 3;
    const unsigned at = (unsigned)fuzz_take(in, 1) & ~(size - 1);

    if (how & 8) {
        address_space_load(&address_space_memory, registers(how & 1) + at, size);
    } else {
        set(how & 1, at, (uint32_t)fuzz_take(in, size), size);
    }
}

static void step_command(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), index = (unsigned)fuzz_take(in, 1);
    const uint32_t argument = how & 2 ? (uint32_t)fuzz_take(in, 4) : CARD_ADDRESS << 16;

    if (how & 4) {
        command(how & 1, 55, CARD_ADDRESS << 16, 2, 0);
    }
    command(how & 1, index, argument, how >> 3 & 3, 0);
}

/* One of the commands that move data. */
static void step_data(FuzzInput *in)
{
    static const uint8_t indices[] = { 17, 18, 24, 25, 6, 13, 51, 22 };
    const unsigned how = (unsigned)fuzz_take(in, 1), mode = (unsigned)fuzz_take(in, 1);

    set(how & 1, SDHCI_BLOCK_SIZE, how & 0x10 ? (uint32_t)fuzz_take(in, 2) : 512, 2);
    set(how & 1, SDHCI_BLOCK_COUNT, (uint32_t)fuzz_take(in, 1), 2);
    set(how & 1, SDHCI_HOST_CONTROL, how >> 4 & 0x18, 1);
    if (how & 0x20) {
        command(how & 1, 55, CARD_ADDRESS << 16, 2, 0);
    }
    command(how & 1, indices[how >> 1 & 7], (uint32_t)fuzz_take(in, 2) << 9, 0x22, mode);
}

static uint32_t take_address(FuzzInput *in)
{
    const uint32_t value = (uint32_t)fuzz_take(in, 2);

    return value & 1 ? value << 16 : value << 4;
}

static void step_table(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < (how >> 1) % TABLE_LINES; i++) {
        const uint32_t line = (uint32_t)fuzz_take(in, 1) | (uint32_t)fuzz_take(in, 2) << 16;

        address_space_store(&address_space_memory, TABLE + 8 * i, line | (how & 0x40), 4);
        address_space_store(&address_space_memory, TABLE + 8 * i + 4,
                            how & 0x80 ? TABLE + 8 * (how >> 4 & 3) : take_address(in), 4);
    }
    set(how & 1, SDHCI_ADMA_ADDRESS, TABLE, 4);
    set(how & 1, SDHCI_SDMA_ADDRESS, take_address(in), 4);
}

/* So many words by the port. */
static void step_port(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < 1 + (how >> 2); i++) {
        if (how & 2) {
            set(how & 1, SDHCI_DATA_PORT, how * 0x01010101u, 4);
        } else {
            address_space_load(&address_space_memory, registers(how & 1) + SDHCI_DATA_PORT, 4);
        }
    }
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

/* ---- SMBus ---- */

static void smbus_configure(unsigned how)
{
    PciBus *bus = pci_root_bus();

    pci_config_write(bus, 0, ICH9_SMB_DEVFN, PCI_BASE_ADDRESS_0 + 16, ICH9_BASE, 4);
    pci_config_write(bus, 0, ICH9_SMB_DEVFN, PCI_COMMAND, PCI_COMMAND_IO, 2);
    pci_config_write(bus, 0, ICH9_SMB_DEVFN, 0x40, how | 1, 1);
}

/* A transfer to a place where somebody may be. */
static void step_smbus(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), control = (unsigned)fuzz_take(in, 1);
    const uint32_t base = how & 1 ? ICH9_BASE : PIIX4_SMB_BASE;
    static const uint8_t ports[] = { 0x0d, 0x00, 0x07, 0x05, 0x06, 0x03 };

    smbus_configure(how & 0x1c);
    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        if (how >> i & 2) {
            driver_access(&address_space_io, base + ports[i], fuzz_take(in, 1), 1);
        }
    }
    driver_access(&address_space_io, base + 4, 0xa0 | (how >> 7) | (control >> 7 << 1), 1);
    driver_access(&address_space_io, base + 2, control | 0x40, 1);
    address_space_load(&address_space_io, base + 7, 1);
}

static void step_smbus_register(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);
    const uint32_t at = (how & 1 ? ICH9_BASE : PIIX4_SMB_BASE) + (how >> 2 & 31);

    if (how & 2) {
        driver_access(&address_space_io, at, fuzz_take(in, 1), 1);
    } else {
        address_space_load(&address_space_io, at, 1);
    }
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,  step_register, step_command,        step_data,      step_table,      step_port,
    step_config, fuzz_step_run, fuzz_step_settle,    fuzz_step_time, fuzz_step_reset, step_smbus,
    step_data,   step_table,    step_smbus_register, step_start,     step_port,       step_smbus,
    step_data,   step_command,  step_smbus,          step_data,      step_table,      step_port,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
