/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What PCs have had for long: floppy drives with ISA DMA, and the sound cards sb16, AC97 and ES1370
 * with lists of memory anywhere; any register, and commands of the right shape with anything in
 * them, while time passes, and the machine stops, goes on and is reset.
 */
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

#define FDC   0x3f0u
#define LISTS 0x10000u
#define DATA  0x40000u
enum { DOR = FDC + 2, FIFO = FDC + 5, RATE = FDC + 7 };
enum { COUNT = 5, ADDRESS = 4, MASK = 10, MODE, CLEAR };

static void populate(Machine *machine)
{
    driver_add_node("null-co,node-name=fd0,size=1474560,read-zeroes=on");
    driver_add_node("null-co,node-name=fd1,size=737280,read-zeroes=on");
    driver_add("floppy,drive=fd0");
    driver_add("floppy,drive=fd1");
    driver_add("sb16");
    driver_add("AC97,addr=10");
    driver_add("ES1370,addr=11");
}

static void out(unsigned port, uint64_t value, unsigned size)
{
    driver_access(&address_space_io, port, value, size);
}

/* ---- floppies ---- */

static void step_fdc(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 8) {
        out(FDC + (how & 7), fuzz_take(in, 1), 1);
    } else {
        address_space_load(&address_space_io, FDC + (how & 7), 1);
    }
}

static void step_dma(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);
    const unsigned port = how & 0x20   ? 0x80 + (how & 15)
                          : how & 0x10 ? 0xc0 + 2 * (how & 15)
                                       : how & 15;

    if (how & 0x40) {
        address_space_load(&address_space_io, port, 1);
    } else {
        out(port, fuzz_take(in, 1), 1);
    }
}

/* The channel of the floppies, set up well but for what the input says. */
static void step_channel(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), count = (unsigned)fuzz_take(in, 2);

    out(CLEAR, 0, 1);
    out(MODE, (how & 0xfc) | 2, 1);
    out(ADDRESS, 0, 1);
    out(ADDRESS, how & 1 ? 0 : 0xfe, 1);
    out(0x81, how & 2 ? 4 : 0xff, 1);
    out(COUNT, count & 0xff, 1);
    out(COUNT, count >> 8, 1);
    out(MASK, 2, 1);
}

/* A command with all its bytes, of which those that matter are often right. */
static void step_command(FuzzInput *in)
{
    static const uint8_t commands[16] = { 0xe6, 0x66, 0xc5, 0x45, 0x4d, 0x42, 0x49, 0x6c,
                                          0x51, 0x59, 0x5d, 0x56, 0x0f, 0x07, 0x4a, 0x03 };
    static const uint8_t lengths[16] = { 9, 9, 9, 9, 6, 9, 9, 9, 9, 9, 9, 9, 3, 2, 2, 3 };
    const unsigned how = (unsigned)fuzz_take(in, 1), which = how & 15;
    const uint8_t rest[] = {
        how >> 4 & 5, (uint8_t)fuzz_take(in, 1), how >> 6 & 1, 1, 2, 18, 27, 1
    };

    out(DOR, 0x1c, 1);
    out(RATE, how & 0x80 ? 2 : 0, 1);
    out(FIFO, commands[which], 1);
    for (unsigned i = 0; i + 1 < lengths[which]; i++) {
        const unsigned change = (unsigned)fuzz_take(in, 1);

        out(FIFO, change < 0xe0 ? rest[i] : fuzz_take(in, 1), 1);
    }
}

static void step_read(FuzzInput *in)
{
    for (unsigned count = (unsigned)fuzz_take(in, 1); count; count--) {
        address_space_load(&address_space_io, FIFO, 1);
    }
}

static void step_bytes(FuzzInput *in)
{
    for (unsigned count = 4 * (unsigned)fuzz_take(in, 1); count; count--) {
        out(FIFO, count & 0xff, 1);
    }
}

/* ---- cards ---- */

static void step_map(FuzzInput *in)
{
    for (unsigned n = 0; n < 2; n++) {
        driver_config_write(n, PCI_BASE_ADDRESS_0, 0xc000 + 0x1000 * n, 4);
        driver_config_write(n, PCI_BASE_ADDRESS_0 + 4, 0xe000, 4);
        driver_config_write(n, PCI_COMMAND, 5, 2);
    }
}

static void step_card(FuzzInput *in)
{
    static const uint16_t bases[4] = { 0xc000, 0xd000, 0xe000, 0xe000 };
    const unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 2 & 3) % 3;
    const unsigned port = bases[how & 3] + ((unsigned)fuzz_take(in, 1) & 0x7f & ~(size - 1));

    if (how & 0x10) {
        address_space_load(&address_space_io, port, size);
    } else {
        out(port, fuzz_take(in, size), size);
    }
}

/* A list of AC97, and one of its streams that begins. */
static void step_ac97(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), stream = 0xe000 + 0x10 * (how & 3);

    for (unsigned i = 0; i < (how >> 4); i++) {
        const unsigned word = (unsigned)fuzz_take(in, 2);

        address_space_store(&address_space_memory, LISTS + 8 * i, how & 8 ? DATA : word << 16, 4);
        address_space_store(&address_space_memory, LISTS + 8 * i + 4, word | 0x80000000u, 4);
    }
    out(0xe02c, 2, 4);
    out(stream, LISTS, 4);
    out(stream + 5, how >> 4, 1);
    out(stream + 11, 0x1d, 1);
}

static void step_es1370(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), size = (unsigned)fuzz_take(in, 2);

    out(0xd00c, how & 1 ? 0xc : 0xd, 1);
    for (unsigned i = 0; i < 2; i++) {
        out(0xd030 + 8 * i, how & 2 ? DATA : 0xfffff000, 4);
        out(0xd034 + 8 * i, size, 4);
    }
    out(0xd028, size >> 4, 4);
    out(0xd020, (uint32_t)how << 4 | (how & 0xf), 4);
    out(0xd000, (uint32_t)size << 16 | (how & 0xf0), 4);
}

/* A command to the sb16, with its channel and port of the mixer. */
static void step_sb16(FuzzInput *in)
{
    static const uint8_t commands[16] = { 0x14, 0x1c, 0x24, 0x2c, 0x40, 0x41, 0x48, 0x90,
                                          0xb0, 0xb6, 0xb8, 0xc0, 0xc6, 0xce, 0xd0, 0xe3 };
    const unsigned how = (unsigned)fuzz_take(in, 1), which = how >> 6;

    if (which == 0) {
        out(0x226, how & 1, 1);
    } else if (which == 1) {
        address_space_load(&address_space_io, 0x220 + (how & 15), 1);
    } else if (which == 2) {
        out(0x224, fuzz_take(in, 1), 1);
        out(0x225, fuzz_take(in, 1), 1);
    } else {
        out(0x22c, how & 0x10 ? fuzz_take(in, 1) : commands[how & 15], 1);
        for (unsigned i = 0; i < 3; i++) {
            out(0x22c, fuzz_take(in, 1), 1);
        }
        out(MODE, (how & 0x20 ? 0x58 : 0x54) | 1, 1);
        out(MASK, 1, 1);
        out(0xd6, (how & 0x20 ? 0x58 : 0x54) | 1, 1);
        out(0xd4, 1, 1);
    }
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    step_fdc,         step_dma,       step_channel,    step_command,
    step_read,        step_bytes,     step_map,        step_card,
    step_ac97,        step_es1370,    step_config,     fuzz_step_run,
    fuzz_step_settle, fuzz_step_time, fuzz_step_reset, fuzz_step_next_timer,
    step_command,     step_channel,   step_read,       step_sb16,
    step_command,     step_sb16,      step_ac97,       fuzz_step_settle,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
